"""The diagonal of a matrix known by its products: XDiag."""

from mathcore import _arrays
from mathcore._checks import check_callable, check_count
from mathcore.matrices.linear_operators import is_sparse
from mathcore.matrices.probing import (
    estimated,
    exactly,
    inner,
    mean_and_error,
    orthonormal_basis,
    probed_operator,
    signs,
    whole_matrix,
)

_LEAST_PRODUCTS = 4


@_arrays.halves_in_float32
def diagonal_estimate(operator, n, *, num_matvecs, adjoint=None, rng, like=None):
    """Diagonal of a matrix from random test vectors, with the standard error of each entry.

    Parameters
    ----------
    operator : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        A callable takes a block (n, k), k changing from call to call, and returns its product.
    n : int
        Order of the matrix.
    num_matvecs : int
        Products allowed, at least 4, adjoint ones included; a block of k vectors counts k. From n
        on the diagonal is computed exactly.
    adjoint : callable, optional
        Products with Aᴴ, for a callable or LinearOperator. Worth giving where A is far from normal
        (AᴴA ≠ AAᴴ); a stored matrix has its own.
    rng : int, NumPy, torch or CuPy generator, or JAX key
        The test vectors are a function of its seed, the same on every library.
    like : array, optional
        For a callable: an array in whose library, dtype and device the test vectors are made.
        NumPy float64 unless given; complex for a complex operator.

    Returns
    -------
    Estimate
        ``value`` (n,), ``standard_error`` (n,) and ``num_matvecs``.

    Raises
    ------
    ValueError
        The budget is too small; a shape does not fit.
    TypeError
        A callable returns arrays of another library, or complex ones for real vectors.

    Notes
    -----
    XDiag of [1]_: half of the products find a subspace that holds most of A, whose diagonal there
    is exact; each test vector estimates what the subspace found by the others leaves. Unbiased.
    Without `adjoint` the subspace holds A Q Qᴴ instead of Q Qᴴ A, which the paper does not do: no
    difference for a normal matrix, unbiased for any. Signs as test vectors: the error of an entry
    comes from the other entries of its row alone.

    Gradients with respect to what `operator` depends on flow through torch and JAX and are
    unbiased; second derivatives are not. There are no batch axes.

    References
    ----------
    .. [1] E. N. Epperly, J. A. Tropp, R. J. Webber, SIAM J. Matrix Anal. Appl. 45 (2024) 1–23.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.diagonal_estimators import diagonal_estimate
    >>> x = np.linspace(0.0, 1.0, 500)
    >>> kernel = np.exp(-5 * (x[:, None] - x) ** 2) * (1 + x[:, None] * x)
    >>> found = diagonal_estimate(kernel, 500, num_matvecs=30, rng=0)
    >>> bool(np.max(np.abs(found.value - (1 + x**2))) < 1e-8)
    True
    """
    operator, like = probed_operator(operator, n, like)
    adjoint = _adjoint_products(operator.matrix, adjoint)
    xp = _arrays.result_namespace(like)
    if check_count(num_matvecs, "num_matvecs") >= n:
        return exactly(xp.linalg.diagonal(whole_matrix(operator, n, like)), n)
    if num_matvecs < _LEAST_PRODUCTS:
        raise ValueError(
            f"`num_matvecs` must be >= {min(_LEAST_PRODUCTS, n)} for XDiag; got {num_matvecs}"
        )
    m = num_matvecs // 2
    omega = signs(_arrays.seed_of(rng), n, m, like)
    y = operator.apply(omega)
    q, s = orthonormal_basis(y)
    # A ≈ L Mᴴ = Q (Aᴴ Q)ᴴ, or (A Q) Qᴴ; without y_j: L (I − s_j s_jᴴ) Mᴴ
    left, right = (q, adjoint(q)) if adjoint else (operator.apply(q), q)
    inside = _arrays.adjoint(right) @ omega
    residual = y - left @ (inside - s * inner(s, inside))
    found = xp.sum(left * _arrays.conj(right), axis=1)[:, None]
    terms = found - (left @ s) * _arrays.conj(right @ s) + _arrays.conj(omega) * residual
    return estimated(*mean_and_error(terms), 2 * m)


def _adjoint_products(matrix, adjoint):
    if adjoint is not None:
        check_callable(adjoint, "adjoint")
        return adjoint
    if matrix is None:
        return None
    across = matrix.conj().T if is_sparse(matrix) else _arrays.adjoint(matrix)
    return lambda v: across @ v
