"""The matrix exponential: Taylor polynomials in few products, scaling and squaring.

Scaling from norms of powers, and the exact diagonal of a triangular matrix, after Al-Mohy & Higham,
"A new scaling and squaring algorithm for the matrix exponential", SIAM J. Matrix Anal. Appl. 31
(2009) 970–989; the polynomials are in `taylor_polynomials`.
"""

import functools

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_square
from mathcore.matrices.scaling import (
    binary_exponent,
    ceil_log2,
    norm1,
    overscaling_guard,
    power_of_two,
)
from mathcore.matrices.taylor_polynomials import (
    T8,
    T15,
    T21,
    THETA,
    identity_like,
    taylor_4,
    taylor_8,
    taylor_15,
    taylor_21,
)

STRUCTURES = (
    None,
    "general",
    "hermitian",
    "skew-hermitian",
    "upper triangular",
    "lower triangular",
)

_DEGREE = 21
_MOST_TRACED_SQUARINGS = 64
_MOST_SQUARINGS = 1100  # float64 norms end at 2**1024
_MOST_FUSED = 128


@_arrays.halves_in_float32
def expm(a, *, assume_a=None):
    """Matrix exponential of a square matrix or a batch of them.

    Parameters
    ----------
    a : array (..., n, n)
        Real or complex; integers are taken as the library's default float.
    assume_a : str, optional
        Known structure: "general", "hermitian", "skew-hermitian", "upper triangular" or "lower
        triangular". A triangular matrix is read from its triangle alone, and diagonal and first
        superdiagonal of the result are exact to rounding; the result of "hermitian" is exactly
        Hermitian, that of "skew-hermitian" unitary to rounding. With None, triangular members are
        found on NumPy arrays, and elsewhere the matrix is taken as general.

    Returns
    -------
    array (..., n, n)
        Same library, dtype and device as `a`. NaN and infinity in one matrix of a batch stay in it.

    Raises
    ------
    ValueError
        `a` is not square, or `assume_a` is none of these words.
    TypeError
        `a` is not an array of numbers.

    Notes
    -----
    Each matrix of a batch is scaled by its own power of two, chosen from ‖A²‖ and ‖A³‖ as well as
    ‖A‖, unlike ``torch.linalg.matrix_exp`` (norm of A alone) and ``jax.scipy.linalg.expm`` (one
    scaling for a vmapped batch costs every branch). Differentiable in torch and JAX, usable under
    ``jax.jit`` and ``vmap``; when traced, at most 64 squarings are made (norms up to 2⁶⁴).

    References
    ----------
    .. [1] J. Sastre, J. Ibáñez, E. Defez, Appl. Math. Comput. 340 (2019) 206–220.
    .. [2] A. H. Al-Mohy, N. J. Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970–989.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import expm
    >>> expm(np.array([[0.0, -np.pi / 2], [np.pi / 2, 0.0]])).round(12) + 0.0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    check_choice(assume_a, STRUCTURES, "assume_a")
    if a.shape[-1] < 2 or 0 in a.shape:
        return xp.exp(a)
    if assume_a is None:
        return _by_structure(xp, a)
    if assume_a == "upper triangular":
        return _upper_triangular(xp, xp.triu(a))
    if assume_a == "lower triangular":
        return _lower_triangular(xp, xp.tril(a))
    x = _general(xp, a)
    if assume_a == "hermitian":
        return (x + _arrays.adjoint(x)) / 2
    if assume_a == "skew-hermitian":  # one Newton–Schulz step to the nearest unitary matrix
        return x @ (1.5 * identity_like(xp, x) - 0.5 * (_arrays.adjoint(x) @ x))
    return x


def _by_structure(xp, a):
    """Triangular members by their own method; looked for on NumPy arrays only."""
    if not _arrays.is_numpy(a) or (a[..., 1, 0].all() and a[..., 0, 1].all()):
        return _general(xp, a)
    upper = ~np.any(np.tril(a, -1), axis=(-2, -1))
    lower = ~upper & ~np.any(np.triu(a, 1), axis=(-2, -1))
    x = np.empty_like(a)
    for members, exponential in (
        (upper, _upper_triangular),
        (lower, _lower_triangular),
        (~(upper | lower), _general),
    ):
        if np.any(members):
            x[members] = exponential(xp, a[members])
    return x


def _upper_triangular(xp, a):
    return _scale_and_square(xp, a, upper=True)


def _lower_triangular(xp, a):
    return xp.matrix_transpose(_upper_triangular(xp, xp.matrix_transpose(a)))


def _general(xp, a):
    views = _arrays.kernel_views(a) if a.shape[-1] <= _MOST_FUSED else None
    return _scale_and_square(xp, a) if views is None else _arrays.from_kernel(_fused(*views), a)


# --- scaling and squaring -------------------------------------------------------------------------


def _scale_and_square(xp, a, *, upper=False):
    thetas = THETA[xp.finfo(a.dtype).bits]
    largest = _arrays.concrete(xp.max(norm1(xp, _arrays.detach(a))))
    if largest is not None and largest <= thetas[2] and not upper:
        return _without_scaling(xp, a, largest, thetas)
    a, a2, a3, _, s = scaled_powers(xp, a)
    x = taylor_21(identity_like(xp, a), a, a2, a3)
    if upper:
        x = _with_exact_diagonals(xp, x, a)
    return _squared(xp, x, a, s, upper)


def scaled_powers(xp, a):
    """X = 2^{−s} A with X² and X³, the factor 2^{−s} (..., 1, 1), and s (...), for T21+."""
    e = binary_exponent(xp, a)  # A = 2^e B, exactly
    b = a * power_of_two(xp, -e)
    b2 = b @ b
    b3 = b2 @ b
    theta = THETA[xp.finfo(a.dtype).bits][3]
    s = _num_squarings(xp, *(_arrays.detach(x) for x in (b, b2, b3)), e, theta)
    scale = power_of_two(xp, e - s)
    powers = (b * scale, b2 * scale * scale, b3 * scale * scale * scale)
    return (*powers, power_of_two(xp, -s), s)


def _without_scaling(xp, a, largest, thetas):
    identity, a2 = identity_like(xp, a), a @ a
    for polynomial, theta in ((taylor_4, thetas[0]), (taylor_8, thetas[1])):
        if largest <= theta:
            return polynomial(identity, a, a2)
    return taylor_15(identity, a, a2)


def _squared(xp, x, a, s, upper):
    """X^(2^s), each member its own s; `a` is what x is the exponential of."""
    most, counts = xp.max(s), s[..., None, None]
    together = _arrays.concrete(xp.all(s == most))

    def square(i, x):
        if together:
            y = x @ x
        else:
            pending = i < counts
            y = xp.where(pending, x, 0.0)  # finished members must not overflow in vain
            y = xp.where(pending, y @ y, x)
        if upper:
            scale = 2.0 ** (xp.astype(xp.minimum(counts, 0 * counts + i + 1), a.dtype))
            y = _with_exact_diagonals(xp, y, a * scale)
        return y

    bound = _MOST_SQUARINGS if _arrays.concrete(most) is not None else _MOST_TRACED_SQUARINGS
    return _arrays.repeat(most, square, x, at_most=bound)


def _with_exact_diagonals(xp, x, a):
    """x ≈ e^A, A upper triangular, with its diagonal and first superdiagonal recomputed.

    Al-Mohy & Higham 2009, code fragment 2.1; the divided difference of exp without overflow.
    """
    values = xp.linalg.diagonal(a)
    row = xp.arange(a.shape[-1], device=_arrays.device(a))
    x = xp.where(row[:, None] == row, xp.exp(values)[..., None, :], x)
    left, right = values[..., :-1], values[..., 1:]
    right_is_top = _arrays.real_part(right) > _arrays.real_part(left)
    top, gap = (
        xp.where(right_is_top, right, left),
        xp.where(right_is_top, right - left, left - right),
    )
    equal = gap == 0
    quotient = xp.where(equal, 1.0, -xp.expm1(-gap) / xp.where(equal, 1.0, gap))
    above = xp.linalg.diagonal(a, offset=1) * xp.exp(top) * quotient
    padded = xp.concat([xp.zeros_like(values[..., :1]), above], axis=-1)
    return xp.where(row[:, None] + 1 == row, padded[..., None, :], x)


def _num_squarings(xp, b, b2, b3, e, theta):
    """Smallest s with α₂(2^{e−s} B) ≤ θ that also keeps |B| from drowning the result.

    Where that is one below what ‖B‖ asks for, |A| ≤ 2θ cannot; two or more below, the guard looks.
    """
    alpha = xp.maximum(norm1(xp, b2) ** (1 / 2), norm1(xp, b3) ** (1 / 3))
    s = ceil_log2(xp, alpha / theta, e)
    bound = ceil_log2(xp, norm1(xp, b) / theta, e)
    s, far = xp.minimum(s, bound), s < bound - 1
    if _arrays.concrete(xp.any(far)) is False:
        return s
    return xp.where(far, xp.minimum(s + overscaling_guard(xp, b, e - s, _DEGREE), bound), s)


# --- the kernel -----------------------------------------------------------------------------------


def _fused(a):
    """Batches of small matrices: one kernel call, threaded over the batch."""
    from mathcore.matrices._kernels import expm_cpu

    n = a.shape[-1]
    flat, coefficients = a.reshape(-1, n, n), _kernel_coefficients(a.dtype)
    out = np.empty_like(flat)
    if flat.shape[0] * a.itemsize < expm_cpu.VECTOR_BYTES:
        expm_cpu.expm_few(flat, out, *coefficients)
    elif n <= expm_cpu.MOST_LANES:
        groups = max(1, expm_cpu.GROUP_ENTRIES // n**2)
        rows, out_rows = flat.reshape(-1, n * n), out.reshape(-1, n * n)
        expm_cpu.expm_lanes(rows, out_rows, n, groups, *coefficients)
    else:
        expm_cpu.expm_rows(flat, out, *coefficients)
    return out.reshape(a.shape)


@functools.cache
def _kernel_coefficients(dtype):
    thetas = np.asarray(THETA[np.finfo(dtype).bits])
    return (thetas, *(np.asarray(c, dtype=dtype) for c in (T8, T15, (0.0, *T21))))
