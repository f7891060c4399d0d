"""The matrix exponential: Taylor polynomial of degree 21 in five products, scaling, squaring.

Evaluation formulas of Sastre, Ibáñez & Defez, "Boosting the computation of the matrix exponential",
Appl. Math. Comput. 340 (2019) 206–220; scaling from norms of powers after Al-Mohy & Higham, "A new
scaling and squaring algorithm for the matrix exponential", SIAM J. Matrix Anal. Appl. 31 (2009).
"""

import math

from mathcore import _arrays
from mathcore._checks import check_choice, check_square

STRUCTURES = (
    None,
    "general",
    "hermitian",
    "skew-hermitian",
    "upper triangular",
    "lower triangular",
)

# Largest ‖A^k‖^{1/k} that keeps the backward error of the degree-21 polynomial below the roundoff.
_THETA = {32: 3.950, 64: 1.6827}
_DEGREE = 21
_MOST_TRACED_SQUARINGS = 64
_MOST_SQUARINGS = 1100  # float64 norms end at 2**1024

_C = (
    None,
    0.000001161658834444880406272193,
    0.000004500852739573010071532832,
    0.00005374708803114820360639605,
    0.002005403977292901458617706,
    0.06974348269544424312835862,
    0.9418613214806352212991451,
    0.002852960512714315000629857,
    -0.007544837153586670795143074,
    1.829773504500423754978509,
    0.03151382711608315321378252,
    0.1392249143769798228028454,
    -0.002269101241269351089363611,
    -0.05394098846866401963928324,
    0.3112216227982407393782152,
    9.343851261938046512315769,
    0.6865706355662834041630062,
    3.233370163085379859452255,
    -5.726379787260966389608996,
    -0.01413550099309667053879458,
    -0.1638413114712015580505997,
)


@_arrays.halves_in_float32
def expm(a, *, assume_a=None):
    """Matrix exponential of a square matrix or a batch of them.

    Parameters
    ----------
    a : array (..., n, n)
        Real or complex; integers are taken as the library's default float.
    assume_a : str, optional
        Known structure: "general", "hermitian", "skew-hermitian", "upper triangular" or "lower
        triangular". A triangular matrix is read from its triangle alone; the exponential of a
        Hermitian matrix is returned exactly Hermitian.

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
    if assume_a == "upper triangular":
        a = xp.triu(a)
    elif assume_a == "lower triangular":
        a = xp.tril(a)
    result = _scale_and_square(xp, a)
    return (result + _arrays.adjoint(result)) / 2 if assume_a == "hermitian" else result


def _scale_and_square(xp, a):
    # A = 2^e B with ‖B‖₁ in [1/2, 1): no power of B overflows, and 2^e is exact.
    norm = _norm1(xp, _arrays.detach(a))
    usable = xp.isfinite(norm) & (norm > 0)
    e = xp.where(usable, xp.floor(xp.log2(xp.where(usable, norm, 1.0))) + 1.0, 0.0)
    b = a * _power_of_two(xp, -e)
    b2 = b @ b
    b3 = b2 @ b
    s = _num_squarings(xp, *(_arrays.detach(x) for x in (b, b2, b3)), e)
    scale = _power_of_two(xp, e - s)
    x = _taylor_21(xp, b * scale, b2 * scale * scale, b3 * scale * scale * scale)
    s = s[..., None, None]

    def square(i, x):
        pending = i < s
        y = xp.where(
            pending, x, 0.0
        )  # finished matrices must not overflow in the discarded product
        return xp.where(pending, y @ y, x)

    most = xp.max(s)
    bound = _MOST_SQUARINGS if _arrays.concrete(most) is not None else _MOST_TRACED_SQUARINGS
    return _arrays.repeat(most, square, x, at_most=bound)


def _norm1(xp, a):
    return xp.max(xp.sum(xp.abs(a), axis=-2), axis=-1)


def _power_of_two(xp, exponent):
    return xp.pow(xp.full_like(exponent, 2.0), exponent)[..., None, None]


def _num_squarings(xp, b, b2, b3, e):
    """Smallest s with α₂(2^{e−s} B) ≤ θ that also keeps |B| from drowning the result."""
    theta = _THETA[xp.finfo(b.dtype).bits]
    alpha = xp.maximum(_norm1(xp, b2) ** (1 / 2), _norm1(xp, b3) ** (1 / 3))
    s = _ceil_log2(xp, alpha / theta, e)
    bound = _ceil_log2(xp, _norm1(xp, b) / theta, e)
    if _arrays.concrete(xp.all(s == bound)):
        return s
    return xp.minimum(s + _overscaling_guard(xp, b, e - s), bound)


def _ceil_log2(xp, x, e):
    usable = xp.isfinite(x) & (x > 0)
    bits = xp.ceil(xp.log2(xp.where(usable, x, 1.0)) + e)
    return xp.where(usable & (bits > 0), bits, 0.0)


def _overscaling_guard(xp, b, exponent):
    """ℓ(|A|) of Al-Mohy & Higham 2009, eq. (3.14), for the Taylor polynomial; A = 2^exponent B."""
    rows = xp.ones_like(xp.abs(b[..., :1, :]))
    for _ in range(_DEGREE + 1):
        rows = rows @ xp.abs(b)
    power, norm = xp.max(rows[..., 0, :], axis=-1), _norm1(xp, b)
    safe = (power > 0) & xp.isfinite(power)
    log_alpha = (
        xp.log2(xp.where(safe, power, 1.0))
        - xp.log2(xp.where(safe, norm, 1.0))
        + _DEGREE * exponent
        - math.log2(math.factorial(_DEGREE + 1))
        - math.log2(_arrays.eps(b) / 2)
    )
    extra = xp.ceil(log_alpha / _DEGREE)
    return xp.where(safe & (extra > 0), extra, 0.0)


def _taylor_21(xp, a, a2, a3):
    """Σ_{k ≤ 21} A^k / k! in three further products (Sastre, Ibáñez & Defez 2019)."""
    c = _C
    y0 = a3 @ (c[1] * a3 + c[2] * a2 + c[3] * a)
    y1 = (y0 + c[4] * a3 + c[5] * a2 + c[6] * a) @ (y0 + c[7] * a3 + c[8] * a2)
    y1 = y1 + c[9] * y0 + c[10] * a3 + c[11] * a2
    y2 = (y1 + c[12] * a3 + c[13] * a2 + c[14] * a) @ (y1 + c[15] * y0 + c[16] * a)
    identity = xp.eye(a.shape[-1], dtype=a.dtype, device=_arrays.device(a))
    return y2 + c[17] * y1 + c[18] * y0 + c[19] * a3 + c[20] * a2 + a + identity
