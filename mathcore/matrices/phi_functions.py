"""φ_k(A) = Σ_j A^j / (j + k)!, the functions of exponential integrators, and their action.

Scaling and recovering after Al-Mohy & Liu, "A scaling and recovering algorithm for the matrix
φ-functions", arXiv 2506.01193 (2025), with a Taylor polynomial in place of their rational one.
"""

import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_count, check_number, check_square
from mathcore.matrices.exponential_action import expm_multiply
from mathcore.matrices.linear_operators import is_sparse, operator_and_vectors
from mathcore.matrices.phi_diagonals import with_exact_diagonals
from mathcore.matrices.scaling import (
    binary_exponent,
    ceil_log2,
    norm1,
    overscaling_guard,
    power_of_two,
)

# Σ_{j ≤ 19} is exact to 2⁻⁵⁷ for ‖A‖ ≤ 1, where the recurrence downwards in k cancels little.
_BLOCK, _BLOCKS = 5, 4
_DEGREE = _BLOCK * _BLOCKS - 1
_MOST_DOUBLINGS = 1100  # float64 norms end at 2**1024
_MOST_TRACED_DOUBLINGS = 64
_DENSE_UP_TO = 64


@_arrays.halves_in_float32
def phi(a, p):
    """The matrix functions φ_0(A) = e^A, φ_1(A), …, φ_p(A) together.

    φ_k(z) = Σ_j z^j / (j + k)!, so that φ_1(z) = (e^z − 1) / z and φ_k(z) = z φ_{k+1}(z) + 1/k!.

    Parameters
    ----------
    a : array (..., n, n)
        Real or complex, invertible or not; batches have their own scalings.
    p : int
        Largest index, at least 0.

    Returns
    -------
    tuple of p + 1 arrays (..., n, n)
        Library, device and dtype of `a`.

    Raises
    ------
    ValueError
        `a` is not square, or `p` is negative.
    TypeError
        `p` is not an integer.

    Notes
    -----
    A is scaled by a power of two to norm 1, φ_p taken from its series (8 products), the others from
    the recurrence (p products), and each halving undone by (p + 1 products)

        φ_k(2A) = 2⁻ᵏ (φ_0(A) φ_k(A) + Σ_{1 ≤ j ≤ k} φ_j(A) / (k − j)!).

    Triangular members of a NumPy array have their diagonal and first superdiagonal renewed to full
    accuracy on the way. SciPy, torch and JAX have no counterpart. Differentiable, and usable under
    ``jax.jit`` and ``vmap`` (at most 64 doublings when traced).

    References
    ----------
    .. [1] A. H. Al-Mohy, X. Liu, arXiv 2506.01193 (2025).
    .. [2] B. Skaflestad, W. M. Wright, Appl. Numer. Math. 59 (2009) 783–799, eq. (3.3).

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import phi
    >>> [float(x[0, 0]) for x in phi(np.zeros((1, 1)), 3)]  # 1 / k!
    [1.0, 1.0, 0.5, 0.16666666666666666]
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    p = check_count(p, "p", at_least=0)
    if 0 in a.shape:
        return (a,) * (p + 1)
    functions = _by_structure(xp, a, p)
    return tuple(functions[..., k, :, :] for k in range(p + 1))


def _by_structure(xp, a, p):
    """φ_0 … φ_p (..., p + 1, n, n); triangular members, looked for on NumPy only, by their own."""
    if not _arrays.is_numpy(a) or _clearly_full(a):
        return _functions(xp, a, p)
    upper = ~np.any(np.tril(a, -1), axis=(-2, -1))
    lower = ~upper & ~np.any(np.triu(a, 1), axis=(-2, -1))
    out = np.empty((*a.shape[:-2], p + 1, *a.shape[-2:]), dtype=a.dtype)
    general = ~(upper | lower)
    if np.any(general):
        out[general] = _functions(xp, a[general], p)
    if np.any(upper):
        with np.errstate(over="ignore", invalid="ignore"):
            out[upper] = _functions(xp, a[upper], p, upper=True)
    if np.any(lower):
        out[lower] = np.swapaxes(_by_structure(xp, np.swapaxes(a[lower], -1, -2), p), -1, -2)
    return out


def _clearly_full(a):
    return a.shape[-1] > 1 and a[..., 1, 0].all() and a[..., 0, 1].all()


def _functions(xp, a, p, *, upper=False):
    scaled, doublings = _scaled(xp, a)
    start = xp.stack(_by_series(xp, scaled, p), axis=-3)
    pending = doublings[..., None, None, None]
    weights = xp.asarray(_doubling_weights(p), dtype=a.dtype, device=_arrays.device(a))

    def double(i, functions):
        unfinished = i < pending
        # finished matrices must not overflow in the discarded product
        x = xp.where(unfinished, functions, 0.0)
        flat = xp.reshape(x, (*x.shape[:-2], -1))
        scales = weights[:, :1]
        sums = xp.reshape(weights[:, 1:] @ flat, x.shape)
        doubled = scales[..., None] * (x[..., :1, :, :] @ x) + sums
        if upper:
            times = power_of_two(xp, xp.minimum(doublings, 0 * doublings + i + 1))
            doubled = with_exact_diagonals(xp, doubled, scaled * times)
        return xp.where(unfinished, doubled, functions)

    most = xp.max(doublings)
    bound = _MOST_DOUBLINGS if _arrays.concrete(most) is not None else _MOST_TRACED_DOUBLINGS
    return _arrays.repeat(most, double, start, at_most=bound)


def _doubling_weights(p):
    """Row k: 2⁻ᵏ, then the coefficients 2⁻ᵏ / (k − j)! of φ_j, j = 0 … p."""
    return [
        [2.0**-k, *(2.0**-k / math.factorial(k - j) if 1 <= j <= k else 0.0 for j in range(p + 1))]
        for k in range(p + 1)
    ]


def _by_series(xp, a, p):
    """φ_0 … φ_p of matrices of norm about 1: the series of φ_p in powers of A⁵, then downwards."""
    identity = xp.broadcast_to(
        xp.eye(a.shape[-1], dtype=a.dtype, device=_arrays.device(a)), a.shape
    )
    a2 = a @ a
    a3 = a2 @ a
    powers = (identity, a, a2, a3, a2 @ a2)
    step = a3 @ a2
    last = None
    for block in reversed(range(_BLOCKS)):
        terms = sum(
            power * (1 / math.factorial(_BLOCK * block + r + p)) for r, power in enumerate(powers)
        )
        last = terms if last is None else last @ step + terms
    functions = [last]
    for k in reversed(range(p)):
        functions.insert(0, a @ functions[0] + identity * (1 / math.factorial(k)))
    return functions


# --- scaling --------------------------------------------------------------------------------------


def _scaled(xp, a):
    """2⁻ˢ A and s (...), from ‖A²‖ and ‖A³‖ where |A| does not drown the result."""
    e = binary_exponent(xp, a)
    b = _arrays.detach(a) * power_of_two(xp, -e)
    b2 = b @ b
    alpha = xp.maximum(norm1(xp, b2) ** (1 / 2), norm1(xp, b2 @ b) ** (1 / 3))
    least, most = ceil_log2(xp, alpha, e), ceil_log2(xp, 1.0 + 0 * e, e)
    s = xp.minimum(least + overscaling_guard(xp, b, e - least, _DEGREE), most)
    return a * power_of_two(xp, -s), s


# --- action ---------------------------------------------------------------------------------------


@_arrays.halves_in_float32
def phi_multiply(a, u, t=1.0, *, rtol=None):
    """Combination Σ_k t^k φ_k(tA) u_k of the φ-functions applied to vectors.

    It is x(t) for x' = A x + Σ_{k ≥ 1} u_k t^{k−1} / (k − 1)!, x(0) = u_0.

    Parameters
    ----------
    a : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        As in `expm_multiply`.
    u : array (n, p + 1)
        The vectors u_0 … u_p as columns. Beside a SciPy object a NumPy array.
    t : float
        Of either sign.
    rtol : float, optional
        As in `expm_multiply`, relative to the larger of the result and of the scaled u_k.

    Returns
    -------
    array (n,)
        Library and device of `u`, common dtype of A and `u`.

    Raises
    ------
    ValueError
        A shape does not fit, `t` is not finite, or `rtol` is not above zero.
    TypeError
        `u` is not of the library of `a`; `t` is not a real number.

    Notes
    -----
    One `expm_multiply` with the matrix [[tA, U], [0, J]] of order n + p (Al-Mohy & Higham [1]_,
    theorem 2.1), U scaled to norm 1; small dense matrices take `phi`. A sparse matrix stays so.

    References
    ----------
    .. [1] A. H. Al-Mohy, N. J. Higham, SIAM J. Sci. Comput. 33 (2011) 488–511.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import phi_multiply
    >>> decay = np.diag([-1.0, -2.0])
    >>> forced = np.array([[0.0, 1.0], [0.0, 1.0]])  # x' = A x + (1, 1), x(0) = 0
    >>> phi_multiply(decay, forced, 100.0).round(12)
    array([1. , 0.5])
    """
    _, u = _arrays.asarrays(u=u)
    if u.ndim != 2 or u.shape[1] < 1:
        raise ValueError(f"`u` must have shape (n, p + 1); got {tuple(u.shape)}")
    t = check_number(t, "t")
    p = u.shape[1] - 1
    if p == 0 or u.shape[0] == 0:
        return expm_multiply(a, u[:, 0], t, rtol=rtol)
    if is_sparse(a) or (callable(a) and not _arrays.is_array(a)):
        xp, operator, first = operator_and_vectors(a, u[:, 0])
        u = xp.astype(u, first.dtype)
    else:
        xp, a, u = _arrays.asarrays(a=a, u=u)
        _, operator, _ = operator_and_vectors(a, u[:, 0])
    columns = [u[:, k : k + 1] * t**k for k in range(p + 1)]
    dense = operator.matrix is not None and not is_sparse(operator.matrix)
    if dense and u.shape[0] <= _DENSE_UP_TO:
        functions = phi(t * operator.matrix, p)
        return sum(f @ column for f, column in zip(functions, columns, strict=True))[:, 0]
    return _by_augmented_matrix(xp, operator, columns, t, rtol)


def _by_augmented_matrix(xp, operator, columns, t, rtol):
    start, forcing = columns[0], xp.concat(columns[:0:-1], axis=1)
    n, p = forcing.shape
    scale = _power_of_two_above(xp, forcing)
    forcing = forcing / scale
    shift = xp.eye(p, k=1, dtype=forcing.dtype, device=_arrays.device(forcing))
    last = xp.eye(p, dtype=forcing.dtype, device=_arrays.device(forcing))[:, -1]
    vector = xp.concat([start[:, 0], last * scale])
    if operator.matrix is None:

        def product(v):
            head, tail = v[:n], v[n:]
            return xp.concat([t * operator.apply(head) + forcing @ tail, shift @ tail])

        return expm_multiply(product, vector, rtol=rtol)[:n]
    if is_sparse(operator.matrix):
        from scipy.sparse import block_array

        matrix = block_array([[t * operator.matrix, forcing], [None, shift]], format="csr")
    else:
        below = xp.zeros((p, n), dtype=forcing.dtype, device=_arrays.device(forcing))
        top = xp.concat([t * operator.matrix, forcing], axis=1)
        matrix = xp.concat([top, xp.concat([below, shift], axis=1)], axis=0)
    return expm_multiply(matrix, vector, rtol=rtol)[:n]


def _power_of_two_above(xp, forcing):
    size = _arrays.concrete(xp.max(xp.sum(xp.abs(_arrays.detach(forcing)), axis=1)))
    if size is None or not 0 < size < math.inf:
        return 1.0
    return 2.0 ** min(max(math.ceil(math.log2(size)), -100), 100)
