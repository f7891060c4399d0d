"""Laws of the principal square root, the logarithm and the sign of a matrix.

The matrices are A = Q T Qᴴ with T block triangular, so that spectra lie where the functions are
smooth and eigenvectors need not be orthogonal nor even complete. Tolerances are 10·n·eps times the
factors by which the identity amplifies a relative error of that size in the result and in A.
"""

import math

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing.laws import REAL_AND_COMPLEX, check_close, law

_ORDER = 3
_WIDEST_ANGLE = 0.75 * math.pi


@st.composite
def matrices_with_spectrum(draw, dtype="float64", *, widest=_WIDEST_ANGLE, signs=False, batch=()):
    """Matrices (..., 3, 3), eigenvalues of modulus 1/2 … 2 and argument within ± `widest`.

    With `signs` each eigenvalue, or conjugate pair, may be turned to the other side of zero.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    repeated = draw(st.booleans())
    members = [_with_spectrum(rng, dtype, widest, signs, repeated) for _ in range(math.prod(batch))]
    if not batch:
        return _with_spectrum(rng, dtype, widest, signs, repeated)
    return np.stack(members).reshape(*batch, _ORDER, _ORDER)


def _with_spectrum(rng, dtype, widest, signs, repeated):
    n = _ORDER
    modulus, angle = np.exp2(rng.uniform(-1, 1, n)), rng.uniform(-widest, widest, n)
    if repeated:  # a pair with a Jordan block
        modulus[:2], angle[:2] = modulus[0], angle[0]
    flip = np.where(rng.uniform(size=n) < 0.5, -1.0, 1.0) if signs else np.ones(n)
    q = np.linalg.qr(rng.standard_normal((n, n)) + 0j)[0]
    if np.dtype(dtype).kind == "c":
        t = np.triu(rng.uniform(-0.5, 0.5, (n, n)), 1) + np.diag(
            flip * modulus * np.exp(1j * angle)
        )
    else:
        t = np.triu(rng.uniform(-0.5, 0.5, (n, n)), 1) + np.diag(flip * modulus)
        if not repeated:  # one conjugate pair
            x, y = flip[0] * modulus[0] * np.array([math.cos(angle[0]), math.sin(angle[0])])
            t[:2, :2] = [[x, y], [-y, x]]
        q = q.real
        q = np.linalg.qr(q)[0]
    a = q @ t @ np.conj(q.T)
    return a.astype(dtype)


def _off_the_cut(dtype):
    return matrices_with_spectrum(dtype)


def _batch_off_the_cut(dtype):
    return matrices_with_spectrum(dtype, batch=(3,))


def _off_the_axis(dtype):
    return matrices_with_spectrum(dtype, widest=0.25 * math.pi, signs=True)


def _batch_off_the_axis(dtype):
    return matrices_with_spectrum(dtype, widest=0.25 * math.pi, signs=True, batch=(3,))


def _host(x):
    host = _arrays.to_numpy(x)
    return host.astype(np.complex128 if np.iscomplexobj(host) else np.float64)


def _norm(x):
    return float(np.linalg.norm(_host(x), 2)) if x.ndim == 2 else max(_norm(m) for m in _host(x))


def _condition(x):
    return float(np.max(np.linalg.cond(_host(x))))


def _unit(a):
    return 10 * a.shape[-1] * _arrays.eps(a)


def _inverse(xp, a):
    return _arrays.from_numpy(np.linalg.inv(_host(a)).astype(_arrays.to_numpy(a).dtype).tolist(), a)


def _check_dtype(result, a):
    assert result.dtype == a.dtype, f"dtype {result.dtype} from {a.dtype}"


def _kronecker_sum(x, y):
    """X ↦ x X + X y as a matrix."""
    eye = np.eye(x.shape[-1])
    return np.kron(eye, x) + np.kron(y.T, eye)


def _sylvester_gain(x, y):
    return 1.0 / float(np.linalg.svd(_kronecker_sum(_host(x), _host(y)), compute_uv=False)[-1])


# --- square root --------------------------------------------------------------------------------


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def square(sqrtm, xp, a):
    """X² = A."""
    x = sqrtm(a)
    _check_dtype(x, a)
    tolerance = _unit(a) * _condition(x) * _norm(x) ** 2
    check_close(xp, x @ x, a, tolerance=tolerance, what="X X = A")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def root_commutes(sqrtm, xp, a):
    """X A = A X."""
    x = sqrtm(a)
    gain = _sylvester_gain(x, x) * _norm(a) / _norm(x)
    tolerance = _unit(a) * max(1.0, gain) * _norm(x) * _norm(a)
    check_close(xp, x @ a, a @ x, tolerance=tolerance, what="X A = A X")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def right_half_plane(sqrtm, xp, a):
    """Every eigenvalue of X lies to the right of the imaginary axis."""
    x = sqrtm(a)
    least = float(np.linalg.eigvals(_host(x)).real.min())
    # by construction Re λ ≥ √½ cos(3π/8) = 0.27, which rounding cannot carry across zero
    assert least > 0.1, f"eigenvalue of the root with real part {least:.3g}"


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def root_of_the_inverse(sqrtm, xp, a):
    """The root of A⁻¹ is the inverse of the root of A."""
    x, y = sqrtm(a), sqrtm(_inverse(xp, a))
    gain = max(_sylvester_gain(x, x) * _norm(a) / _norm(x), 1.0)
    gain *= max(_sylvester_gain(y, y) * _norm(y), 1.0) * _condition(a)
    identity = xp.eye(a.shape[-1], dtype=a.dtype)
    tolerance = _unit(a) * gain * _condition(x)
    check_close(xp, x @ y, identity, tolerance=tolerance, what="A^(1/2) A^(-1/2) = I")


@law(dtypes=REAL_AND_COMPLEX, max_examples=6, a=_batch_off_the_cut)
def roots_of_a_batch_are_its_members(sqrtm, xp, a):
    """A batch gives what its members give alone, whatever their norms."""
    scaled = a * xp.asarray([[[1.0]], [[2.0**20]], [[2.0**-10]]], dtype=a.dtype)
    x = sqrtm(scaled)
    for i, size in enumerate((1.0, 2.0**10, 2.0**-5)):
        tolerance = _unit(a) * size * _condition(a[i, ...]) * _norm(a[i, ...])
        alone = sqrtm(scaled[i, ...])
        check_close(xp, x[i, ...], alone, tolerance=tolerance, what="batch = members")


sqrtm_laws = (
    square,
    root_commutes,
    right_half_plane,
    root_of_the_inverse,
    roots_of_a_batch_are_its_members,
)


# --- logarithm ----------------------------------------------------------------------------------


def _taylor_exponential(x):
    """e^X on the host: X here is of norm 5 at most, halved thrice for the series."""
    term = total = np.eye(x.shape[-1], dtype=x.dtype)
    for k in range(1, 24):
        term = term @ x / (8 * k)
        total = total + term
    return np.linalg.matrix_power(total, 8)


def _logarithm_gain(log):
    """‖L_log(A)‖ = 1 / σ_min of the derivative of exp at log A (its Kronecker matrix)."""
    host = _host(log)
    n = host.shape[-1]
    columns = []
    for i in range(n * n):
        e = np.zeros((n * n, 1), dtype=host.dtype)
        e[i] = 1.0
        block = np.block([[host, e.reshape(n, n)], [np.zeros((n, n)), host]])
        columns.append(_taylor_exponential(block)[:n, n:].ravel())
    return 1.0 / float(np.linalg.svd(np.stack(columns), compute_uv=False)[-1])


def _logarithm_error(a, log):
    """Bound on the error of log A: 10·n·eps·‖A‖·‖L_log(A)‖, at least 10·n·eps·max(1, ‖log A‖)."""
    return _unit(a) * max(_norm(a) * _logarithm_gain(log), _norm(log), 1.0)


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def exponential_gives_back(logm, xp, a):
    """The exponential of log A is A."""
    log = logm(a)
    _check_dtype(log, a)
    # ‖L_exp(L)‖ ≤ ‖e^L‖ times the condition of whatever diagonalises; ‖A‖ κ(A) bounds it here
    tolerance = _logarithm_error(a, log) * _norm(a) * _condition(a)
    check_close(xp, a, _taylor_exponential(_host(log)), tolerance=tolerance, what="e^log A = A")


def _within_the_strip(dtype):
    """Eigenvalues of modulus 2 at most, so that X is the principal logarithm of e^X."""
    return matrices_with_spectrum(dtype, widest=0.5 * math.pi, signs=True)


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, x=_within_the_strip)
def gives_back_the_exponent(logm, xp, x):
    """The logarithm of e^X is X where every eigenvalue of X is within ± π of the real axis."""
    exponential = _taylor_exponential(_host(x)).astype(_arrays.to_numpy(x).dtype)
    a = _arrays.from_numpy(exponential.tolist(), x)
    check_close(xp, logm(a), x, tolerance=2 * _logarithm_error(a, x), what="log e^X = X")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def logarithm_of_the_inverse(logm, xp, a):
    """The logarithm of A⁻¹ is −log A."""
    log = logm(a)
    tolerance = 2 * _condition(a) * _logarithm_error(a, log)
    check_close(xp, logm(_inverse(xp, a)), -log, tolerance=tolerance, what="log A^-1 = -log A")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def trace_is_log_determinant(logm, xp, a):
    """Tr log A = log det A, up to a multiple of 2πi."""
    log = logm(a)
    sign, size = np.linalg.slogdet(_host(a))
    tolerance = a.shape[-1] * _logarithm_error(a, log)
    trace = np.trace(_host(log))
    check_close(xp, trace.real, size, tolerance=tolerance, what="Re tr log A = log |det A|")
    phase = np.exp(1j * trace.imag)
    check_close(xp, phase, sign, tolerance=tolerance, what="exp(i Im tr log A) = det A / |det A|")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_cut)
def principal_branch(logm, xp, a):
    """Every eigenvalue of log A has its imaginary part within ± π."""
    widest = float(np.abs(np.linalg.eigvals(_host(logm(a))).imag).max())
    # by construction within 3π/4 of the real axis, which rounding cannot carry to 0.9 π
    assert widest < 0.9 * math.pi, f"eigenvalue of the logarithm with imaginary part {widest:.3g}"


@law(dtypes=REAL_AND_COMPLEX, max_examples=6, a=_batch_off_the_cut)
def logarithms_of_a_batch_are_its_members(logm, xp, a):
    """A batch gives what its members give alone, whatever their norms."""
    scaled = a * xp.asarray([[[1.0]], [[2.0**20]], [[2.0**-10]]], dtype=a.dtype)
    logs = logm(scaled)
    for i in range(3):
        alone = logm(scaled[i, ...])
        tolerance = _unit(a) * max(1.0, _norm(alone)) * _condition(a[i, ...]) ** 2
        check_close(xp, logs[i, ...], alone, tolerance=tolerance, what="batch = members")


logm_laws = (
    exponential_gives_back,
    gives_back_the_exponent,
    logarithm_of_the_inverse,
    trace_is_log_determinant,
    principal_branch,
    logarithms_of_a_batch_are_its_members,
)


# --- sign ---------------------------------------------------------------------------------------


def _sign_error(a, s):
    """Bound on the error of sign A: 10·n·eps·κ with ‖L_sign‖ ≤ ‖S‖²·‖(N ⊗ I + I ⊗ N)⁻¹‖, N = SA."""
    root = _host(s) @ _host(a)
    gain = _sylvester_gain(root, root) * _norm(a) * 2 * _norm(s) ** 2
    return _unit(a) * max(_norm(s), gain)


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_axis)
def involution(signm, xp, a):
    """S² = I."""
    s = signm(a)
    _check_dtype(s, a)
    identity = xp.eye(a.shape[-1], dtype=a.dtype)
    tolerance = 2 * _norm(s) * _sign_error(a, s)
    check_close(xp, s @ s, identity, tolerance=tolerance, what="S S = I")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_axis)
def sign_commutes(signm, xp, a):
    """S A = A S."""
    s = signm(a)
    tolerance = 2 * _norm(a) * _sign_error(a, s)
    check_close(xp, s @ a, a @ s, tolerance=tolerance, what="S A = A S")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_axis)
def odd(signm, xp, a):
    """The sign of −A is minus that of A."""
    s = signm(a)
    check_close(xp, signm(-a), -s, tolerance=2 * _sign_error(a, s), what="sign(-A) = -sign(A)")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_off_the_axis)
def counts_the_half_planes(signm, xp, a):
    """Tr S is the number of eigenvalues to the right of the axis less that to the left."""
    s = signm(a)
    count = float(np.sign(np.linalg.eigvals(_host(a)).real).sum())
    tolerance = a.shape[-1] * _sign_error(a, s)
    check_close(xp, np.trace(_host(s)), count, tolerance=tolerance, what="tr S = right - left")


@law(dtypes=REAL_AND_COMPLEX, max_examples=6, a=_batch_off_the_axis)
def signs_of_a_batch_are_its_members(signm, xp, a):
    """A batch gives what its members give alone, whatever their norms."""
    scaled = a * xp.asarray([[[1.0]], [[2.0**20]], [[2.0**-10]]], dtype=a.dtype)
    signs = signm(scaled)
    for i in range(3):
        alone = signm(scaled[i, ...])
        tolerance = _sign_error(a[i, ...], alone)
        check_close(xp, signs[i, ...], alone, tolerance=tolerance, what="batch = members")


signm_laws = (
    involution,
    sign_commutes,
    odd,
    counts_the_half_planes,
    signs_of_a_batch_are_its_members,
)
