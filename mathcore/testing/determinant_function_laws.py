"""Laws of determinants, adjugates, normals, Pfaffians and updates, with the tolerance each derives.

A product of k entries of a matrix of norm s moves by about k·eps·s^k when every entry moves by
eps·s: the tolerances are that times a modest power of the size.
"""

import itertools

import numpy as np

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import REAL_AND_COMPLEX, check_close, law


def _square(dtype):
    return strategies.matrices(strategies.sizes(None, 0, 4), dtype)


def _of_order(n):
    return lambda dtype: strategies.matrices(n, dtype)


def _rectangular(dtype):
    return strategies.matrices(strategies.sizes(None, 0, 3), dtype, m=strategies.sizes(None, 0, 3))


def _norm(a):
    return max(1.0, float(np.linalg.norm(_arrays.to_numpy(a)))) if a.size else 1.0


def _tolerance(a, degree=None, size=None):
    """Rounding of a polynomial of this degree (min(m, n) when None) in the entries of `a`."""
    k = min(a.shape[-2:]) if degree is None else degree
    count = 20 * max(1, *a.shape[-2:]) ** 2 * max(k, 1)
    return count * _arrays.eps(a) * (_norm(a) if size is None else size) ** k


# --- det and slogdet ------------------------------------------------------------------------------


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def scaling(det, xp, a):
    """The determinant of −2A is (−2)^n det A, of a rectangular matrix 2^k vol A, k = min(m, n)."""
    m, n = a.shape
    factor = (-2.0 if m == n else 2.0) ** min(m, n)
    check_close(
        xp, det(-2 * a), factor * det(a), tolerance=_tolerance(2 * a), what="det cA = c^n det A"
    )


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def triangular(det, xp, a):
    """The determinant of a triangular matrix is the product of its diagonal."""
    expected = np.prod(np.diagonal(_arrays.to_numpy(a)))
    for part in (xp.triu(a), xp.tril(a)):
        check_close(xp, det(part), expected, tolerance=_tolerance(a), what="triangular: diagonal")


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.matrices(2, dtype, m=4))
def gram_volume(det, xp, a):
    """vol(A)² = det AᴴA for a tall matrix."""
    volume, gram = det(a), det(_arrays.adjoint(a) @ a)
    check_close(
        xp, volume * volume, gram, tolerance=_tolerance(a, 2 * a.shape[1]), what="vol^2 = det A^H A"
    )


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.matrices(2, dtype, m=4))
def cauchy_binet(det, xp, a):
    """vol(A)² is the sum of |minor|² over all square sets of rows."""
    m, n = a.shape
    rows = [xp.stack([a[i, :] for i in chosen]) for chosen in itertools.combinations(range(m), n)]
    minors = sum(xp.abs(det(minor)) ** 2 for minor in rows)
    count = len(rows)
    tolerance = count * _tolerance(a, 2 * n)
    check_close(xp, xp.abs(det(a)) ** 2, minors, tolerance=tolerance, what="vol^2 = sum minors^2")


@law(dtypes=REAL_AND_COMPLEX, a=lambda dtype: strategies.matrices(dtype=dtype, batch=(3,)))
def batch_is_its_members(det, xp, a):
    """A batch gives what its members give alone, whatever their sizes."""
    scaled = a * xp.asarray([[[1.0]], [[8.0]], [[0.0]]], dtype=a.dtype)
    alone = xp.stack([det(scaled[i, ...]) for i in range(3)])
    check_close(xp, det(scaled), alone, tolerance=_tolerance(scaled), what="batch = members")


determinant_formula_laws = (scaling, triangular, gram_volume, cauchy_binet, batch_is_its_members)


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def is_the_logarithm(slogdet, xp, a):
    """sign · exp(logabsdet) has the magnitude of the product of the singular values."""
    sign, logabsdet = slogdet(a)
    values = np.linalg.svd(_arrays.to_numpy(a).astype(complex), compute_uv=False)
    check_close(
        xp,
        xp.abs(sign) * xp.exp(logabsdet),
        np.prod(values),
        tolerance=_tolerance(a),
        what="|sign| exp(logabsdet) = product of singular values",
    )


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def sign_of_a_product(slogdet, xp, a):
    """The sign is that of det: real determinants and phases multiply, det(A·A) = det(A)²."""
    (sign, log), (sign2, log2) = slogdet(a), slogdet(a @ a)
    value, square = sign * xp.exp(log), sign2 * xp.exp(log2)
    tolerance = _tolerance(a, 2 * a.shape[-1])
    check_close(xp, square, value * value, tolerance=tolerance, what="det A^2 = (det A)^2")


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def row_exchange(slogdet, xp, a):
    """Exchanging two rows changes the sign and nothing else."""
    if a.shape[-1] < 2:
        return
    exchanged = xp.concat([a[1:2, :], a[:1, :], a[2:, :]], axis=0)
    values = [sign * xp.exp(log) for sign, log in (slogdet(a), slogdet(exchanged))]
    check_close(xp, values[1], -values[0], tolerance=_tolerance(a), what="rows exchanged: -det")


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def no_overflow(slogdet, xp, a):
    """Scaling by 2^±100 adds ±100·k·ln 2 to the logarithm, far beyond the range of det."""
    k = min(a.shape)
    values = np.linalg.svd(_arrays.to_numpy(a).astype(complex), compute_uv=False)
    if k == 0 or values[-1] <= 1e-3 * values[0]:
        return
    condition = float(values[0] / values[-1])
    tolerance = 20 * max(a.shape) * k * _arrays.eps(a) * (condition + 100.0)
    sign, log = slogdet(a)
    for power in (100.0, -100.0):
        scaled_sign, scaled_log = slogdet(a * 2.0**power)
        desired = log + power * k * float(np.log(2.0))
        check_close(xp, scaled_log, desired, tolerance=tolerance, what="log det cA = log + n log c")
        check_close(xp, scaled_sign, sign, tolerance=tolerance, what="sign of cA")


@law(dtypes=REAL_AND_COMPLEX, a=_rectangular)
def zero_column(slogdet, xp, a):
    """A matrix with a zero vector on its shorter side has sign 0 and logarithm −inf."""
    if min(a.shape) == 0:
        return
    tall = a if a.shape[0] >= a.shape[1] else _arrays.adjoint(a)
    tall = xp.concat([0 * tall[:, :1], tall[:, 1:]], axis=1)
    for flat in (tall, _arrays.adjoint(tall)):
        sign, log = slogdet(flat)
        check_close(xp, sign, 0.0, tolerance=0.0, what="sign 0")
        check_close(xp, log, -np.inf, tolerance=0.0, what="log 0 = -inf")


slogdet_laws = (is_the_logarithm, sign_of_a_product, row_exchange, no_overflow, zero_column)


# --- adjugate and normals -------------------------------------------------------------------------


@law(dtypes=REAL_AND_COMPLEX, a=_of_order(4))
def product_is_the_determinant(adjugate, xp, a):
    """A adj(A) = adj(A) A = det(A) I."""
    x, n = adjugate(a), a.shape[-1]
    det = np.linalg.det(_arrays.to_numpy(a).astype(complex)) if n else 1.0
    for y in (x @ a, a @ x):
        check_close(xp, y, det * np.eye(n), tolerance=_tolerance(a), what="A adj A = det A I")


@law(dtypes=REAL_AND_COMPLEX, a=_of_order(3), b=_of_order(3))
def reverses_products(adjugate, xp, a, b):
    """The adjugate of AB is adj B · adj A."""
    tolerance = _tolerance(a, 2, _norm(a) * _norm(b))
    right = adjugate(b) @ adjugate(a)
    check_close(xp, adjugate(a @ b), right, tolerance=tolerance, what="adj AB = adj B adj A")


@law(dtypes=REAL_AND_COMPLEX, a=_of_order(4), b=_of_order(4))
def of_rank_one_less(adjugate, xp, a, b):
    """At rank n − 1 the adjugate is the matrix of cofactors, at rank n − 2 zero."""
    for rank in (3, 2):
        product = a[:, :rank] @ b[:rank, :]
        host = _arrays.to_numpy(product).astype(complex)
        cofactors = [
            [
                (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(host, j, 0), i, 1))
                for j in range(4)
            ]
            for i in range(4)
        ]
        tolerance = _tolerance(a, 3, _norm(a) * _norm(b))
        check_close(xp, adjugate(product), cofactors, tolerance=tolerance, what="cofactors")


adjugate_laws = (product_is_the_determinant, reverses_products, of_rank_one_less)


def _one_column_less(dtype):
    return strategies.matrices(3, dtype, m=4)


@law(dtypes=REAL_AND_COMPLEX, a=_one_column_less, b=_of_order(4))
def extends_to_determinants(cross, xp, a, b):
    """The product c · y, without conjugation, is det [A, y]."""
    y = b[:, :1]
    host = np.concat([_arrays.to_numpy(a), _arrays.to_numpy(y)], axis=1)
    value = xp.sum(cross(a) * y[:, 0])
    tolerance = _tolerance(a, size=max(_norm(a), _norm(y))) * _norm(y)
    check_close(xp, value, np.linalg.det(host), tolerance=tolerance, what="c.y = det [A, y]")


@law(dtypes=REAL_AND_COMPLEX, a=_one_column_less)
def is_normal(cross, xp, a):
    """c is orthogonal to the columns and as long as their volume."""
    c = cross(a)
    length = np.prod(np.linalg.svd(_arrays.to_numpy(a), compute_uv=False))
    tolerance = _tolerance(a) * _norm(a)
    check_close(xp, c @ a, np.zeros(3), tolerance=tolerance, what="c A = 0")
    check_close(xp, xp.linalg.vector_norm(c), length, tolerance=tolerance, what="|c| = vol A")


generalized_cross_laws = (extends_to_determinants, is_normal)


# --- Pfaffians ------------------------------------------------------------------------------------


def _skew(xp, a):
    return a - xp.matrix_transpose(a)


@law(dtypes=REAL_AND_COMPLEX, a=_square)
def square_is_the_determinant(pfaffian, xp, a):
    """pf(A)² = det A, so 0 for odd n."""
    a = _skew(xp, a)
    value, n = pfaffian(a), a.shape[-1]
    det = np.linalg.det(_arrays.to_numpy(a).astype(complex)) if n % 2 == 0 else 0.0
    check_close(xp, value * value, det, tolerance=_tolerance(a), what="pf^2 = det")


@law(dtypes=REAL_AND_COMPLEX, a=_of_order(4), b=_of_order(4))
def congruence(pfaffian, xp, a, b):
    """pf(B A Bᵀ) = det(B) pf(A)."""
    a = _skew(xp, a)
    turned = b @ a @ xp.matrix_transpose(b)
    turned = (turned - xp.matrix_transpose(turned)) / 2
    det = np.linalg.det(_arrays.to_numpy(b).astype(complex))
    desired = det * _arrays.to_numpy(pfaffian(a))
    tolerance = _tolerance(a, 2, _norm(a) * _norm(b) ** 2)
    check_close(xp, pfaffian(turned), desired, tolerance=tolerance, what="pf BAB^T = det B pf A")


@law(dtypes=REAL_AND_COMPLEX, a=_of_order(4))
def of_order_four(pfaffian, xp, a):
    """The Pfaffian of order four is a₁₂a₃₄ − a₁₃a₂₄ + a₁₄a₂₃, of order two a₁₂."""
    a = _skew(xp, a)
    h = _arrays.to_numpy(a)
    desired = h[0, 1] * h[2, 3] - h[0, 2] * h[1, 3] + h[0, 3] * h[1, 2]
    check_close(xp, pfaffian(a), desired, tolerance=_tolerance(a, 2), what="pf of order four")
    check_close(xp, pfaffian(a[:2, :2]), h[0, 1], tolerance=_tolerance(a, 1), what="order two")


pfaffian_laws = (square_is_the_determinant, congruence, of_order_four)


# --- updates --------------------------------------------------------------------------------------


def _well_conditioned(dtype):
    return strategies.matrices(4, dtype, condition=10.0)


def _two_columns(dtype):
    return strategies.matrices(2, dtype, m=4, bound=1.0)


@law(dtypes=REAL_AND_COMPLEX, a=_well_conditioned, u=_two_columns, v=_two_columns)
def is_recomputed(slogdet_update, xp, a, u, v):
    """The update of (sign, logabsdet) is that of A + U Vᴴ, from A⁻¹ or from a solver."""
    host = np.linalg.slogdet(_arrays.to_numpy(a))
    updated = _arrays.to_numpy(a + u @ _arrays.adjoint(v))
    inverse = xp.linalg.inv(a)
    tolerance = _tolerance(a, 4, 10 * _norm(u) * _norm(v))
    before = tuple(xp.asarray(x.item()) for x in host)
    for solver in (inverse, lambda b: inverse @ b):
        sign, log = slogdet_update(before, solver, u, v)
        value = sign * xp.exp(log)
        check_close(
            xp, value, np.linalg.det(updated), tolerance=tolerance, what="update = recomputed"
        )


slogdet_update_laws = (is_recomputed,)
