"""Records about minors, volumes and the derivative of a determinant."""

import math

import numpy as np

from mathcore import _arrays
from mathcore.identities import costs
from mathcore.identities import symbolic_volumes as proofs
from mathcore.identities.blocks import binomial, every_choice, replaced_columns
from mathcore.identities.domains import Domain, few_minors, shaped, skew_symmetric
from mathcore.identities.draws import antisymmetric_part, drawn, of_rank
from mathcore.identities.records import Identity
from mathcore.identities.rounding import determinant, norm, product, singular_values
from mathcore.matrices.adjugates import adjugate, generalized_cross
from mathcore.matrices.determinants import det
from mathcore.matrices.pfaffians import pfaffian
from mathcore.matrices.taylor_polynomials import identity_like

# --- products of two rectangles -------------------------------------------------------------------


def _det_of_product(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return det(a @ b)


def _sum_over_minors(a, b):
    xp, a, b = _arrays.asarrays(a=a, b=b)
    m = a.shape[-2]
    return xp.sum(det(every_choice(a, m, -1)) * det(every_choice(b, m, -2)), axis=-1)


def _cauchy_binet_rounding(eps, a, b):
    """Singular values of a part are at most those of the whole, and so are their spreads."""
    m, n = a.shape[-2:]
    minors = (determinant(eps, a) * determinant(eps, b))[1]
    error = 10 * n * eps * norm(a) * norm(b)
    return 2 * math.comb(n, m) * minors + determinant(eps, a @ b, error)[1]


def _gram_determinant(a):
    _, a = _arrays.asarrays(a=a)
    return _arrays.real_part(det(_arrays.adjoint(a) @ a))


def _squared_volume(a):
    return abs(det(a)) ** 2


def _gram_rounding(eps, a):
    m, _ = a.shape[-2:]
    gram = product(singular_values(a) ** 2, 10 * m * eps * norm(a) ** 2)
    return gram[1] + (determinant(eps, a) ** 2)[1]


# --- the adjugate ---------------------------------------------------------------------------------


def _derivative_by_columns(a, e):
    """Det is linear in each column: Σ_j det(A with its column j from E)."""
    xp, a, e = _arrays.asarrays(a=a, e=e)
    return xp.sum(det(replaced_columns(a, e)), axis=-1)


def _trace_with_adjugate(a, e):
    xp, a, e = _arrays.asarrays(a=a, e=e)
    return xp.sum(adjugate(a) * xp.matrix_transpose(e), axis=(-2, -1))


def _jacobi_rounding(eps, a, e):
    n = max(a.shape[-1], 1)
    columns = determinant(eps, replaced_columns(a, e))[1].sum(axis=-1)
    minors = sum(determinant(eps, a, minors=True))  # the entries and their error
    return columns + n**2 * norm(e) * (determinant(eps, a, minors=True)[1] + n * eps * minors)


def _times_adjugate(a):
    _, a = _arrays.asarrays(a=a)
    return a @ adjugate(a)


def _times_identity(a):
    xp, a = _arrays.asarrays(a=a)
    return det(a)[..., None, None] * identity_like(xp, a)


def _adjugate_rounding(eps, a):
    n = max(a.shape[-1], 1)
    value, spread = determinant(eps, a, minors=True)
    return norm(a) * n * (spread + n * eps * value) + determinant(eps, a)[1]


def _cross_times(a, y):
    xp, a, y = _arrays.asarrays(a=a, y=y)
    return xp.sum(generalized_cross(a) * y, axis=-1)


def _det_with_last(a, y):
    xp, a, y = _arrays.asarrays(a=a, y=y)
    return det(xp.concat([a, y[..., None]], axis=-1))


def _cross_rounding(eps, a, y):
    n, size = a.shape[-2], np.linalg.norm(y, axis=-1)
    value, spread = determinant(eps, a)
    whole = determinant(eps, np.concatenate([a, y[..., None]], axis=-1))
    return whole[1] + n * size * (spread + n * eps * value)


# --- squares and bounds ---------------------------------------------------------------------------


def _squared_pfaffian(a):
    return pfaffian(a) ** 2


def _pfaffian_rounding(eps, a):
    """The singular values of a skew-symmetric matrix are pairs; its Pfaffian takes one of each."""
    delta = 10 * a.shape[-1] * eps * norm(a)
    one_of_each = product(singular_values(a)[..., ::2], delta)
    return (one_of_each**2)[1] + determinant(eps, a)[1]


def _product_of_column_norms(a):
    xp, a = _arrays.asarrays(a=a)
    return xp.prod(xp.linalg.vector_norm(a, axis=-2), axis=-1)


def _hadamard_rounding(eps, a):
    return determinant(eps, a)[1] + 10 * a.shape[-1] * eps * _product_of_column_norms(a)


def _maybe_unitary(strategies, dtype, n, unitary):
    """Unitary matrices reach the bound."""
    options = {"condition": 1.0} if unitary else {}
    return strategies.matrices(n, dtype, **options)


def _antisymmetric(strategies, dtype, n):
    return (strategies.matrices(n, dtype).map(antisymmetric_part),)


def _rank_and_direction(strategies, dtype, n, deficiency):
    return of_rank(strategies, dtype, n, deficiency), strategies.matrices(n, dtype, bound=1.0)


def _columns_and_vector(strategies, dtype, n):
    return (
        strategies.matrices(n - 1, dtype, m=n, bound=1.0),
        strategies.matrices(n, dtype, m=1, bound=1.0).map(lambda row: row[0]),
    )


VOLUMES = (
    Identity(
        name="cauchy_binet",
        statement=r"\det AB = \sum_{|S| = m} \det A_{\cdot S}\,\det B_{S \cdot}",
        domain=Domain(
            "A of m × n, B of n × m, m ≤ n (here at most 10,000 minors)",
            {"a": "m n", "b": "n m"},
            (few_minors("a"),),
        ),
        lhs=_det_of_product,
        rhs=_sum_over_minors,
        cost_lhs=lambda m, n: costs.product(m, n, m) + costs.lu(m),
        cost_rhs=lambda m, n: binomial(n, m) * (2 * costs.lu(m) + 4 * m**2),
        rounding=_cauchy_binet_rounding,
        strategy=drawn(
            (0, 2),
            (0, 2),
            build=lambda s, dtype, m, more: (
                s.matrices(m + more, dtype, m=m),
                s.matrices(m, dtype, m=m + more),
            ),
        ),
        symbolic_sides=proofs.cauchy_binet,
        proves="generic A of n × (n + 1), B of (n + 1) × n",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, §0.8.7",
    ),
    Identity(
        name="gram_volume",
        statement=r"\det A^{*}A = \prod_i r_{ii}^2,\quad A = QR",
        domain=Domain(
            "A of m × n, m ≥ n",
            {"a": "m n"},
            (shaped("a", lambda m, n: m >= n, "has fewer rows than columns"),),
        ),
        lhs=_gram_determinant,
        rhs=_squared_volume,
        cost_lhs=lambda m, n: costs.product(n, m, n) + costs.lu(n),
        cost_rhs=costs.qr,
        rounding=_gram_rounding,
        strategy=drawn(
            (1, 3),
            (1, 2),
            build=lambda s, dtype, n, more: (s.matrices(n, dtype, m=n + more),),
        ),
        symbolic_sides=proofs.gram_volume,
        proves="a generic real (n + 1) × n matrix, R by Gram–Schmidt",
        reference="G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., 2013, §5.2",
    ),
    Identity(
        name="jacobi_formula",
        statement=r"\frac{d}{dt} \det(A + tE) \Big|_{t=0} = "
        r"\operatorname{tr}(\operatorname{adj}(A)\,E)",
        domain=Domain(
            "square A, singular or not, and E; the left side column by column, as det is linear "
            "in each",
            {"a": "n n", "e": "n n"},
        ),
        lhs=_derivative_by_columns,
        rhs=_trace_with_adjugate,
        cost_lhs=lambda n: n * costs.lu(n),
        cost_rhs=lambda n: costs.adjugate(n) + 2 * n**2,
        rounding=_jacobi_rounding,
        strategy=drawn((0, 3), (0, 2), build=_rank_and_direction),
        symbolic_sides=proofs.jacobi_formula,
        proves="generic A and E",
        reference="J. R. Magnus, H. Neudecker, Matrix Differential Calculus, 3rd ed., 2019, §8.3",
    ),
    Identity(
        name="adjugate",
        statement=r"A \operatorname{adj}(A) = \det(A)\, I",
        domain=Domain("every square matrix, singular ones too", {"a": "n n"}),
        lhs=_times_adjugate,
        rhs=_times_identity,
        cost_lhs=lambda n: costs.adjugate(n) + costs.product(n, n, n),
        cost_rhs=lambda n: costs.lu(n) + n**2,
        rounding=_adjugate_rounding,
        strategy=drawn((0, 3), (0, 2), build=lambda s, dtype, n, k: (of_rank(s, dtype, n, k),)),
        symbolic_sides=proofs.adjugate,
        proves="a generic A, the adjugate from its minors",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, §0.8.2",
    ),
    Identity(
        name="generalized_cross",
        statement=r"c(A) \cdot y = \det \begin{bmatrix} A & y \end{bmatrix}",
        domain=Domain(
            "A of n × (n − 1), y of n; c is the cross product for n = 3",
            {"a": "n k", "y": "n"},
            (shaped("a", lambda n, k: k == n - 1, "is not n × (n − 1)"),),
        ),
        lhs=_cross_times,
        rhs=_det_with_last,
        cost_lhs=lambda n, k: costs.adjugate(n) + 2 * n,
        cost_rhs=lambda n, k: costs.lu(n),
        rounding=_cross_rounding,
        strategy=drawn((2, 3), build=_columns_and_vector),
        symbolic_sides=proofs.generalized_cross,
        proves="generic A of (n + 1) × n and y, c from the minors of A",
        reference="M. Spivak, Calculus on Manifolds, 1965, ch. 4",
    ),
    Identity(
        name="pfaffian_square",
        statement=r"\operatorname{Pf}(A)^2 = \det A",
        domain=Domain(
            "skew-symmetric A (Aᵀ = −A, without conjugation); both sides 0 for odd n",
            {"a": "n n"},
            (skew_symmetric("a"),),
        ),
        lhs=_squared_pfaffian,
        rhs=det,
        cost_lhs=lambda n: costs.PFAFFIAN * n**3,
        cost_rhs=costs.lu,
        rounding=_pfaffian_rounding,
        strategy=drawn((0, 4), build=_antisymmetric),
        symbolic_sides=proofs.pfaffian_square,
        proves="a generic skew-symmetric A of 2n × 2n, Pf as the sum over perfect matchings",
        reference="M. Wimmer, ACM Trans. Math. Software 38 (2012) 30",
    ),
    Identity(
        name="hadamard_bound",
        statement=r"|\det A| \le \prod_j \|a_j\|_2",
        domain=Domain("every square matrix, of columns a_j", {"a": "n n"}),
        lhs=lambda a: abs(det(a)),
        rhs=_product_of_column_norms,
        cost_lhs=costs.lu,
        cost_rhs=lambda n: 2 * n**2,
        rounding=_hadamard_rounding,
        strategy=drawn(
            (0, 3), (0, 1), build=lambda s, dtype, n, k: (_maybe_unitary(s, dtype, n, k),)
        ),
        symbolic_sides=proofs.hadamard_bound,
        proves="for generic upper triangular A = R of A = QR: rhs² is lhs² plus squares, "
        "written out",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, theorem 7.8.1",
        relation="≤",
    ),
)
