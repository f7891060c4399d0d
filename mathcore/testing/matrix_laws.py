"""Laws of the matrix exponential and of the determinant, each with a tolerance it derives."""

import mpmath
import numpy as np

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import REAL, REAL_AND_COMPLEX, check_close, law


def _square(dtype):
    return strategies.matrices(dtype=dtype)


def _norm(x):
    host = np.abs(_arrays.to_numpy(x))
    return float(host.sum(axis=-2).max()) if host.size else 0.0


def _identity(xp, a):
    return xp.eye(a.shape[-1], dtype=a.dtype)


def _tolerance(a, *factors):
    """10·n·eps times the product of the 1-norms of the factors that entered."""
    size = 10 * max(a.shape[-1], 1) * _arrays.eps(a) * max(1.0, _norm(a))
    return size * float(np.prod([max(1.0, _norm(x)) for x in factors]))


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def inverse(expm, xp, a):
    """e^A e^{−A} = I."""
    x, y = expm(a), expm(-a)
    check_close(xp, x @ y, _identity(xp, a), tolerance=_tolerance(a, x, y), what="e^A e^-A = I")


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def squaring(expm, xp, a):
    """e^{2A} = (e^A)²."""
    x = expm(a)
    check_close(xp, expm(2 * a), x @ x, tolerance=_tolerance(2 * a, x, x), what="e^2A = (e^A)^2")


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def adjoint(expm, xp, a):
    """e^{Aᴴ} = (e^A)ᴴ."""
    x = expm(a)
    check_close(
        xp,
        expm(_arrays.adjoint(a)),
        _arrays.adjoint(x),
        tolerance=_tolerance(a, expm(xp.astype(xp.abs(a), a.dtype))),
        what="e^(A^H) = (e^A)^H",
    )


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.skew_matrices(dtype=dtype))
def unitary_from_skew(expm, xp, a):
    """The exponential of a skew-Hermitian matrix is unitary."""
    q = expm(a)
    check_close(
        xp,
        _arrays.adjoint(q) @ q,
        _identity(xp, a),
        tolerance=_tolerance(a) * max(a.shape[-1], 1),
        what="Q^H Q = I",
    )


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.matrices(dtype=dtype, batch=(3,)))
def batch_is_its_members(expm, xp, a):
    """A batch gives what its members give alone, whatever their norms."""
    scaled = a * xp.asarray([[[1.0]], [[8.0]], [[0.0]]], dtype=a.dtype)
    alone = xp.stack([expm(scaled[i, ...]) for i in range(3)])
    check_close(
        xp, expm(scaled), alone, tolerance=_tolerance(scaled, alone), what="batch = members"
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=10, a=lambda dtype: strategies.matrices(dtype=dtype))
def matches_mpmath(expm, xp, a):
    """Equal to the exponential in 30 digits, within 10·n·eps·(1 + ‖A‖)·‖e^|A|‖."""
    desired, bound = (_mp_expm(x) for x in (_arrays.to_numpy(a), np.abs(_arrays.to_numpy(a))))
    check_close(xp, expm(a), desired, tolerance=_tolerance(a, bound), what="e^A to 30 digits")


def _mp_expm(a, digits=30):
    if a.size == 0:
        return a
    with mpmath.workdps(digits):
        exact = mpmath.expm(_mp_matrix(a), method="taylor")
    values = np.array(exact.tolist(), dtype=complex).reshape(a.shape)
    return values if np.iscomplexobj(a) else values.real


def _mp_matrix(a):
    # to Python numbers explicitly: mpmath does not read NumPy scalars of every width
    return mpmath.matrix([[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()])


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.matrices(4, dtype=dtype))
def determinant_is_exponential_of_trace(expm, xp, a):
    """The determinant of e^A is e^{tr A}."""
    host = _arrays.to_numpy(a).astype(complex)
    x = expm(a)
    values = np.linalg.svd(_arrays.to_numpy(x).astype(complex), compute_uv=False)
    # an error δ in e^A moves its determinant by δ times the products of all singular values but one
    products = sum(float(np.prod(np.delete(values, i))) for i in range(len(values)))
    tolerance = _tolerance(a, _mp_expm(np.abs(host).real)) * max(1.0, products)
    determinant = np.linalg.det(_arrays.to_numpy(x).astype(complex))
    check_close(xp, determinant, np.exp(np.trace(host)), tolerance=tolerance, what="det e^A")


def _three_by_three(dtype):
    return strategies.matrices(3, dtype=dtype, bound=1.0)


@law(dtypes=REAL_AND_COMPLEX, max_examples=10, a=_three_by_three, b=_three_by_three)
def kronecker_sum(expm, xp, a, b):
    """The exponential of A ⊗ I + I ⊗ B is e^A ⊗ e^B."""
    x, y = (_arrays.to_numpy(m) for m in (a, b))
    total = np.kron(x, np.eye(3)) + np.kron(np.eye(3), y)
    together = expm(_arrays.from_numpy(total.astype(x.dtype).tolist(), a))
    apart = np.kron(_arrays.to_numpy(expm(a)), _arrays.to_numpy(expm(b)))
    bounds = (_mp_expm(np.abs(m)) for m in (x, y))
    tolerance = _tolerance(_arrays.from_numpy(total.tolist(), a), *bounds)
    check_close(xp, together, apart, tolerance=tolerance, what="e^(A (+) B) = e^A (x) e^B")


def _generators(dtype):
    """Rates of a Markov chain: no entry off the diagonal below zero, every row sum zero."""

    def with_zero_sums(a):
        rates = np.abs(a) * (1 - np.eye(4, dtype=dtype))
        return rates - np.diag(rates.sum(axis=-1))

    return strategies.matrices(4, dtype=dtype, bound=8.0).map(with_zero_sums)


@law(dtypes=REAL, a=_generators)
def stochastic_from_generator(expm, xp, a):
    """The exponential of a generator has no entry below zero, and every row sums to one."""
    x = expm(a)
    # ‖e^A‖ = 1 in the norm of row sums: only ‖A‖ amplifies rounding errors
    tolerance = _tolerance(a)
    least = float(np.min(_arrays.to_numpy(x)))
    assert least >= -tolerance, f"transition probability {least:.3g} below zero"
    check_close(xp, xp.sum(x, axis=-1), np.ones(4), tolerance=tolerance, what="row sums of e^Q")


expm_laws = (
    inverse,
    squaring,
    adjoint,
    unitary_from_skew,
    determinant_is_exponential_of_trace,
    kronecker_sum,
    stochastic_from_generator,
    batch_is_its_members,
    matches_mpmath,
)


def _rectangular(dtype):
    return strategies.matrices(dtype=dtype, m=strategies.sizes(None))


def _volume_tolerance(a):
    """Perturbing A by eps·‖A‖ moves a product of k singular values by k·eps·‖A‖^k at most."""
    k = min(a.shape[-2:])
    size = float(np.linalg.norm(_arrays.to_numpy(a))) if k else 1.0
    return 20 * max(a.shape[-2:], default=1) * max(k, 1) * _arrays.eps(a) * max(size, 1e-30) ** k


@law(dtypes=REAL_AND_COMPLEX, a=_square, b=_square)
def multiplicative(det, xp, a, b):
    """The determinant of AB is det A · det B."""
    n = min(a.shape[-1], b.shape[-1])
    a, b = a[:n, :n], b[:n, :n]
    size = float(np.linalg.norm(_arrays.to_numpy(a)) * np.linalg.norm(_arrays.to_numpy(b)))
    tolerance = 20 * max(n, 1) ** 2 * _arrays.eps(a) * max(size, 1e-30) ** n
    check_close(xp, det(a @ b), det(a) * det(b), tolerance=tolerance, what="det AB = det A det B")


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def adjoint_has_conjugate_determinant(det, xp, a):
    """The determinant of Aᴴ is the conjugate of that of A; volumes of A and Aᴴ agree."""
    check_close(
        xp,
        det(_arrays.adjoint(a)),
        _arrays.conj(det(a)),
        tolerance=_volume_tolerance(a),
        what="det A^H = conj det A",
    )


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def product_of_singular_values(det, xp, a):
    """|det A| is the product of the min(m, n) singular values, for every shape."""
    singular_values = np.linalg.svd(_arrays.to_numpy(a).astype(complex), compute_uv=False)
    check_close(
        xp,
        xp.abs(det(a)),
        np.prod(singular_values, axis=-1),
        tolerance=_volume_tolerance(a),
        what="|det A| = product of singular values",
    )


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def repeated_column_has_no_volume(det, xp, a):
    """A matrix with a repeated vector on its shorter side has determinant 0."""
    if min(a.shape) < 2:
        return
    tall = a if a.shape[0] >= a.shape[1] else _arrays.adjoint(a)
    tall = xp.concat([tall[:, :-1], tall[:, :1]], axis=1)
    for flat in (tall, _arrays.adjoint(tall)):
        volume = xp.abs(det(flat))
        check_close(xp, volume, 0.0, tolerance=_volume_tolerance(flat), what="repeated: det = 0")


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def row_exchange_changes_the_sign(det, xp, a):
    """Exchanging two rows of a square matrix changes the sign of the determinant."""
    if a.shape[-1] < 2:
        return
    exchanged = xp.concat([a[1:2, :], a[:1, :], a[2:, :]], axis=0)
    check_close(
        xp, det(exchanged), -det(a), tolerance=_volume_tolerance(a), what="rows exchanged: -det"
    )


determinant_laws = (
    multiplicative,
    row_exchange_changes_the_sign,
    adjoint_has_conjugate_determinant,
    product_of_singular_values,
    repeated_column_has_no_volume,
)


def _real_square(dtype):
    return strategies.matrices(dtype=dtype, n=strategies.sizes(None, 1, 4))


@law(dtypes=("float64", "complex128"), max_examples=10, a=_real_square, b=_real_square)
def is_the_derivative(expm_frechet, xp, a, b):
    """L(A, E) is the (1, 2) block of exp [[A, E], [0, A]], here in 30 digits."""
    n = min(a.shape[-1], b.shape[-1])
    a, e = a[:n, :n], b[:n, :n]
    host_a, host_e = _arrays.to_numpy(a), _arrays.to_numpy(e)
    block = _mp_expm(np.block([[host_a, host_e], [0 * host_a, host_a]]))
    bound = _mp_expm(np.abs(host_a))
    check_close(
        xp,
        expm_frechet(a, e)[1],
        block[:n, n:],
        tolerance=10 * _tolerance(a, bound, e) * max(1.0, _norm(a)),
        what="L(A, E) = block of the exponential",
    )


@law(dtypes=REAL_AND_COMPLEX, a=_real_square, b=_real_square, c=_real_square)
def derivative_is_linear(expm_frechet, xp, a, b, c):
    """L(A, E + 2F) = L(A, E) + 2 L(A, F)."""
    n = min(x.shape[-1] for x in (a, b, c))
    a, e, f = (x[:n, :n] for x in (a, b, c))
    left, right = expm_frechet(a, e)[1], expm_frechet(a, f)[1]
    check_close(
        xp,
        expm_frechet(a, e + 2 * f)[1],
        left + 2 * right,
        tolerance=10 * _tolerance(a, expm_frechet(a, e)[0]) * max(1.0, _norm(e) + 2 * _norm(f)),
        what="L(A, E + 2F) = L(A, E) + 2 L(A, F)",
    )


@law(dtypes=REAL_AND_COMPLEX, a=_real_square)
def derivative_along_itself(expm_frechet, xp, a):
    """L(A, A) = A e^A, since A commutes with itself."""
    value, frechet = expm_frechet(a, a)
    check_close(
        xp, frechet, a @ value, tolerance=10 * _tolerance(a, a, value), what="L(A, A) = A e^A"
    )


@law(dtypes=("float64", "complex128"), max_examples=8, a=_three_by_three, e=_three_by_three)
def is_a_central_difference(expm_frechet, xp, a, e):
    """L(A, E) = (e^{A + hE} − e^{A − hE}) / 2h + O(h²), here with h = 1e-12 in 40 digits."""
    step = mpmath.mpf(10) ** -12
    with mpmath.workdps(40):
        x, direction = (_mp_matrix(_arrays.to_numpy(m)) for m in (a, e))
        ahead, behind = (
            mpmath.expm(x + sign * step * direction, method="taylor") for sign in (1, -1)
        )
        difference = (ahead - behind) / (2 * step)
    bound = _mp_expm(np.abs(_arrays.to_numpy(a)))
    check_close(
        xp,
        expm_frechet(a, e)[1],
        np.array(difference.tolist(), dtype=complex).reshape(a.shape),
        tolerance=10 * _tolerance(a, bound, e),
        what="L(A, E) = central difference",
    )


expm_frechet_laws = (
    is_the_derivative,
    is_a_central_difference,
    derivative_is_linear,
    derivative_along_itself,
)
