"""Square root, logarithm and sign of diagonal and Hermitian NumPy matrices by their eigenvalues."""

import numpy as np

from mathcore import _arrays
from mathcore.matrices.schur_functions import imaginary_message, negligible, singular_message


def by_diagonal(a, function):
    """f(A) of diagonal matrices (batch, n, n)."""
    values = function(np.diagonal(a, axis1=1, axis2=2), np.zeros(len(a)))
    return np.where(np.eye(a.shape[-1], dtype=bool), values[..., None], 0)


def by_eigenvalues(a, function):
    """f(A) of Hermitian matrices (batch, n, n); Hermitian where f is real."""
    if not len(a):
        return a
    w, v = np.linalg.eigh(a)
    x = (v * function(w, negligible(a))[..., None, :]) @ _arrays.adjoint(v)
    return x if np.iscomplexobj(x) and not np.iscomplexobj(a) else (x + _arrays.adjoint(x)) / 2


def root_of_eigenvalues(w, tiny):
    """Square roots; zero for what rounding has put within `tiny` of zero, to the left."""
    w = np.where(np.abs(w) <= tiny[:, None], np.where(w.real < 0, 0, w), w)
    return np.sqrt(_complex_where_negative(w))


def logarithm_of_eigenvalues(w, tiny):
    """Logarithms; ValueError where an eigenvalue is within `tiny` of zero."""
    _refuse(w, np.abs(w) <= tiny[:, None], singular_message)
    return np.log(_complex_where_negative(w))


def sign_of_eigenvalues(w, tiny):
    """Signs; ValueError where an eigenvalue is within `tiny` of the imaginary axis."""
    _refuse(w, np.abs(w.real) <= tiny[:, None], imaginary_message)
    return np.sign(w.real).astype(w.dtype)


def _refuse(w, bad, message):
    if bad.any():
        raise ValueError(message(w[bad][0]))


def _complex_where_negative(w):
    if np.iscomplexobj(w):
        return w + 0.0  # no −0: sqrt(−1 − 0i) would be −i
    return w.astype(np.result_type(w.dtype, np.complex64)) if (w < 0).any() else w
