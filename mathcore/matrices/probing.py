"""What stochastic estimators share: products with an operator, test vectors, mean and error."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_callable, check_count
from mathcore._random import normals, philox
from mathcore.matrices.linear_operators import Operator, is_scipy, is_sparse

QUIET = np.errstate(invalid="ignore")  # NumPy warns of complex NaN
_SIGNS_STREAM = 1  # of the 256 uses of a seed; `normals` draws from 0


class Estimate(NamedTuple):
    """An estimate and what certifies it.

    Attributes
    ----------
    value : array
        The estimate.
    standard_error : array
        Estimated root mean square error, in the shape of ``value``.
    num_matvecs : int
        Matrix–vector products made, adjoint ones included.
    """

    value: Any
    standard_error: Any
    num_matvecs: int


# --- operators ------------------------------------------------------------------------------------


def probed_operator(operator, n, like):
    """Return an `Operator` on blocks (n, k), and an array in whose library and dtype to probe it.

    A stored matrix says both itself; for a callable `like` does, or else NumPy's float64.
    """
    check_count(n, "n", at_least=0)
    if not (_arrays.is_array(operator) or is_scipy(operator)):
        check_callable(operator, "operator")
        _, like = _arrays.asarrays(like=np.empty(0) if like is None else like)
        return _from_products(operator, like), like
    if like is not None:
        raise ValueError("`like` must be None beside a matrix, which says itself what it is like")
    if tuple(operator.shape) != (n, n):
        raise ValueError(f"`operator` must have shape ({n}, {n}); got {tuple(operator.shape)}")
    if is_scipy(operator):
        _, like = _arrays.asarrays(operator=np.empty(0, operator.dtype or np.float64))
        if not is_sparse(operator):
            return _from_products(lambda v: np.asarray(operator @ v), like), like
        matrix = operator.tocsr().astype(like.dtype, copy=False)
        return Operator(lambda v: matrix @ v, matrix), like
    _, matrix = _arrays.asarrays(operator=operator)
    return Operator(lambda v: matrix @ v, matrix), matrix


def _from_products(product, like):
    """An operator known by its products: they must come in the library of `like`, and real for
    real vectors, whose distribution would otherwise be the wrong one.
    """

    def apply(v):
        out = product(v)
        if not _arrays.is_array(out) or _arrays.library(out) != _arrays.library(v):
            raise TypeError(
                f"`operator` must return arrays of the library of `like` ({_arrays.library(v)}); "
                f"got {_arrays.library(out)}: pass `like`, an array of that library"
            )
        if tuple(out.shape) != tuple(v.shape):
            raise ValueError(
                f"`operator` must return an array of shape {tuple(v.shape)}; got {tuple(out.shape)}"
            )
        if _arrays.is_complex(out) and not _arrays.is_complex(like):
            raise TypeError("`like` must be complex for a complex operator; got a real dtype")
        return out

    return Operator(apply, None)


def whole_matrix(operator, n, like):
    """A, from its products with the n unit vectors."""
    xp = _arrays.result_namespace(like)
    return operator.apply(xp.eye(n, dtype=like.dtype, device=_arrays.device(like)))


# --- test vectors ---------------------------------------------------------------------------------


def signs(seed, n, count, like):
    """Test vectors (n, count) with independent entries ±1; ±1, ±i where `like` is complex.

    Vector j depends on the seed and j alone, whatever the library and dtype.
    """
    flips = _random_bits(seed, count, 2 * n if _arrays.is_complex(like) else n)
    if not _arrays.is_complex(like):
        return _arrays.from_numpy(np.ascontiguousarray((1.0 - 2.0 * flips).T), like)
    phases = np.asarray([1, 1j, -1, -1j])[flips[:, :n] + 2 * flips[:, n:]]
    return _arrays.from_numpy(np.ascontiguousarray(phases.T), like)


def _random_bits(seed, count, size):
    """Bits (count, size) as uint8: 128 from each block of Philox."""
    blocks = -(-size // 128)
    zero = np.uint64(0)
    counter = (
        np.arange(blocks, dtype=np.uint64) | np.uint64(_SIGNS_STREAM << 24),
        zero,
        np.arange(count, dtype=np.uint64)[:, None],
        zero,
    )
    words = philox(np.broadcast_arrays(*counter), (seed & 0xFFFFFFFF, seed >> 32))
    packed = np.ascontiguousarray(np.stack(words, axis=-1).astype("<u4")).view(np.uint8)
    return np.unpackbits(packed.reshape(count, -1), axis=1)[:, :size]


def directions(seed, n, count, like):
    """Test vectors (n, count), uniform on the sphere of radius √n (the complex one)."""
    parts = 2 if _arrays.is_complex(like) else 1
    draws = normals(seed, np.arange(count), 0, parts * n)
    vectors = draws[:, :n] + 1j * draws[:, n:] if parts == 2 else draws
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return _arrays.from_numpy(np.ascontiguousarray((math.sqrt(n) / lengths * vectors).T), like)


# --- estimates ------------------------------------------------------------------------------------


@QUIET
def mean_and_error(terms):
    """Mean of estimates along the last axis, and its standard error."""
    xp = _arrays.result_namespace(terms)
    count = terms.shape[-1]
    value = xp.mean(terms, axis=-1)
    apart = xp.abs(_arrays.detach(terms - value[..., None]))
    size = xp.max(apart)  # squares of single precision overflow soon
    size = xp.where(size > 0, size, 1.0)
    return value, size * xp.sqrt(xp.sum((apart / size) ** 2, axis=-1) / (count * (count - 1)))


def estimated(value, standard_error, num_matvecs):
    """The `Estimate`, with NumPy's scalars as arrays."""
    numbers = (value, standard_error)
    value, error = (np.asarray(x) if isinstance(x, np.generic) else x for x in numbers)
    return Estimate(value, error, num_matvecs)


def exactly(value, num_matvecs):
    """An `Estimate` that is none: as many products as unknowns were allowed."""
    return estimated(value, 0 * abs(_arrays.detach(value)), num_matvecs)


def inner(x, y):
    """The products x_jᴴ y_j of the columns of two blocks (n, k)."""
    return _arrays.result_namespace(x).sum(_arrays.conj(x) * y, axis=0)


@QUIET
def orthonormal_basis(y):
    """Basis Q of the range of Y, and S whose column s_j spans what Q loses without y_j.

    With Y = QR, s_j is orthogonal to all columns of R but the j-th: the normalised j-th column of
    R⁻ᴴ (Epperly, Tropp & Webber 2024). Where Y has not full rank, Q and S have
    directions that Y does not reach and that no estimate depends on.
    """
    xp = _arrays.result_namespace(y)
    q, r = xp.linalg.qr(_arrays.detach(y), mode="reduced")
    largest = xp.max(xp.abs(r))
    r = r / xp.where(largest > 0, largest, 1.0)
    diagonal = xp.linalg.diagonal(r)
    small = xp.abs(diagonal) < _arrays.eps(y)
    raised = xp.where(small, _arrays.eps(y) - diagonal, 0.0 * diagonal)
    eye = xp.eye(r.shape[0], dtype=r.dtype, device=_arrays.device(r))
    s = _arrays.adjoint(_arrays.inverse(r + raised * eye))
    return q, s / xp.linalg.vector_norm(s, axis=0)
