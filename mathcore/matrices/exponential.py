"""The matrix exponential: Taylor polynomials in few products, scaling and squaring.

Scaling from norms of powers, and the exact diagonal of a triangular matrix, after Al-Mohy & Higham,
"A new scaling and squaring algorithm for the matrix exponential", SIAM J. Matrix Anal. Appl. 31
(2009) 970–989; the polynomials are in `taylor_polynomials`.
"""

import math
import operator

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_square
from mathcore._gradients import differentiable
from mathcore.matrices.scaling import (
    binary_exponent,
    ceil_log2,
    norm1,
    overscaling_guard,
    power_of_two,
    scaled,
)
from mathcore.matrices.small_exponentials import LARGEST_ORDER, expm_of_small
from mathcore.matrices.taylor_polynomials import (
    THETA,
    identity_like,
    taylor_4,
    taylor_8,
    taylor_15,
    taylor_21,
)
from mathcore.matrices.triangular_diagonals import exponential_difference, with_diagonals

STRUCTURES = (
    None,
    "general",
    "hermitian",
    "skew-hermitian",
    "upper triangular",
    "lower triangular",
)

_DEGREE = 21
_LARGEST_ABSOLUTE = 4.0  # of |2^{−s} A|: rounding errors stay below those of Padé 13 at its θ
_MOST_TRACED_SQUARINGS = 64
_MOST_SQUARINGS = 1100  # float64 norms end at 2**1024
_EIGENVALUES_FROM = 30.0  # the norm: five squarings and five products cost as much


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
    if assume_a == "hermitian":
        return _hermitian(xp, a)
    x = _general(xp, a)
    return _nearest_unitary(xp, x) if assume_a == "skew-hermitian" else x


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


def _hermitian(xp, a):
    """By eigenvalues where they cost less than squarings and no gradient passes through them."""
    unfused = a.shape[-1] > LARGEST_ORDER or _arrays.is_complex(a)
    if unfused and _arrays.is_numpy(a) and _EIGENVALUES_FROM < norm1(xp, a).max() < math.inf:
        values, vectors = np.linalg.eigh(a)
        root = vectors * np.exp(values / 2)[..., None, :]
        x = root @ _arrays.adjoint(root)
    else:
        x = _general(xp, a)
    return (x + _arrays.adjoint(x)) / 2


def _nearest_unitary(xp, x):
    """The unitary factor of a nearly unitary X by Newton–Schulz steps, each squaring the defect."""
    identity, eps = identity_like(xp, x), _arrays.eps(x)

    def done(state):
        return ~xp.any(state[1] > eps)

    def step(state):
        x, _ = state
        defect = identity - _arrays.adjoint(x) @ x
        return x + x @ defect / 2, norm1(xp, _arrays.detach(defect)) ** 2

    start = xp.ones_like(norm1(xp, _arrays.detach(x)))
    return _arrays.repeat_until(done, step, (x, start), at_most=4)[0]


def _general(xp, a):
    """By its own rules of differentiation where these pay: see `exponential_derivative`."""
    return _of_general(a) if _arrays.is_numpy(a) else _with_derivative(a)


def _of_general(a):
    views = _arrays.kernel_views(a) if a.shape[-1] <= LARGEST_ORDER else None
    if views is None:
        return _scale_and_square(_arrays.result_namespace(a), a)
    return _arrays.from_kernel(expm_of_small(*views), a)


def _derivative(a, direction):
    from mathcore.matrices.exponential_derivative import expm_frechet

    return expm_frechet(a, direction).frechet


def _adjoint_derivative(a, cotangent):
    from mathcore.matrices.exponential_derivative import expm_vjp

    return expm_vjp(a, cotangent)


# JAX differentiates the program itself: it cannot transpose the pairs of the rules, and is faster
_with_derivative = differentiable(
    _of_general, jvp=_derivative, vjp=_adjoint_derivative, in_jax=False
)


# --- scaling and squaring -------------------------------------------------------------------------


def _scale_and_square(xp, a, *, upper=False):
    if a.shape[-1] > LARGEST_ORDER and _arrays.is_numpy(a):
        if a.ndim > 2:
            flat = a.reshape(-1, *a.shape[-2:])
            members = [_scale_and_square(xp, x, upper=upper) for x in flat]
            return np.stack(members).reshape(a.shape)
        keep_memory(8 * a.nbytes)
    thetas = THETA[xp.finfo(a.dtype).bits]
    norm = norm1(xp, _arrays.detach(a))
    largest = _arrays.concrete(xp.max(norm))
    identity = identity_like(xp, a)
    if largest is not None and largest <= thetas[2] and not upper:
        return _without_scaling(identity, a, largest, thetas)
    a, a2, a3, _, s = scaled_powers(xp, a)
    x = taylor_21(identity, a, a2, a3)
    if not upper:
        return squared(xp, x, s)

    def renew(i, x):
        scale = 2.0 ** (xp.astype(xp.minimum(s, 0 * s + i + 1), a.dtype))
        return _with_exact_diagonals(xp, x, a * scale[..., None, None])

    return squared(xp, _with_exact_diagonals(xp, x, a), s, renew=renew)


def keep_memory(size):
    """Let the C library keep so much of what is freed for the next arrays.

    It keeps twice the largest block freed so far (32 MiB at most); pages that go back to the system
    must be zeroed anew, which takes a third as long as the products at n = 256.
    """
    np.empty(min(size, 31 * 2**20), np.uint8)


def scaled_powers(xp, a):
    """X = 2^{−s} A with X² and X³, the factor 2^{−s} (..., 1, 1), and s (...), for T21+."""
    e = _safe_exponent(xp, a)
    b = scaled(xp, a, -e)  # A = 2^e B, exactly
    b2 = b @ b
    b3 = b2 @ b
    theta = THETA[xp.finfo(a.dtype).bits][3]
    s = _num_squarings(xp, *(_arrays.detach(x) for x in (b, b2, b3)), e, theta)
    powers = (scaled(xp, x, k * (e - s)) for k, x in enumerate((b, b2, b3), start=1))
    return (*powers, power_of_two(xp, -s), s)


def _safe_exponent(xp, a):
    """0 where the cube of A cannot overflow, else e with ‖2^{−e} A‖₁ < 1."""
    e = binary_exponent(xp, a)
    most = math.log2(xp.finfo(a.dtype).max) / 8
    return xp.where(e > most, e, 0.0)


def _without_scaling(identity, a, largest, thetas):
    a2 = a @ a
    for polynomial, theta in ((taylor_4, thetas[0]), (taylor_8, thetas[1])):
        if largest <= theta:
            return polynomial(identity, a, a2)
    return taylor_15(identity, a, a2)


def squared(xp, x, s, product=operator.matmul, renew=None):
    """X^(2^s), each member its own s; ``renew(i, x)`` corrects what squaring i has made."""
    most, counts = xp.max(s), s[..., None, None]
    together = _arrays.concrete(xp.all(s == most))

    def square(i, x):
        if together:
            y = product(x, x)
        else:
            pending = i < counts
            y = xp.where(pending, x, 0.0)  # finished members must not overflow in vain
            y = xp.where(pending, product(y, y), x)
        return y if renew is None else renew(i, y)

    return _arrays.repeat(most, square, x, at_most=_most_squarings(most))


def _most_squarings(count):
    """Bound of the loop over squarings, whether their count is known or traced."""
    return _MOST_SQUARINGS if _arrays.concrete(count) is not None else _MOST_TRACED_SQUARINGS


def _with_exact_diagonals(xp, x, a):
    """x ≈ e^A, A upper triangular, with its diagonal and first superdiagonal recomputed."""
    values = xp.linalg.diagonal(a)
    quotients = exponential_difference(xp, values[..., :-1], values[..., 1:])
    above = xp.linalg.diagonal(a, offset=1) * quotients
    return with_diagonals(xp, x, xp.exp(values), above)


def _num_squarings(xp, b, b2, b3, e, theta):
    """Smallest s with α₂(2^{e−s} B) ≤ θ that also keeps |B| from drowning the result."""
    norm = norm1(xp, b)
    alpha = xp.maximum(norm1(xp, b2) ** (1 / 2), norm1(xp, b3) ** (1 / 3))
    s = xp.minimum(ceil_log2(xp, alpha / theta, e), ceil_log2(xp, norm / theta, e))
    most = ceil_log2(xp, norm / _LARGEST_ABSOLUTE, e)
    if _arrays.concrete(xp.any(s < most)) is False:
        return s
    extra = overscaling_guard(xp, b, e - s, _DEGREE, _LARGEST_ABSOLUTE)
    return xp.where(s < most, xp.minimum(s + extra, most), s)
