"""Records about structured matrices and products: nodes, skew matrices, Kronecker, traces."""

import itertools

import numpy as np

from mathcore import _arrays
from mathcore.identities import costs
from mathcore.identities import symbolic_structured as proofs
from mathcore.identities.blocks import integer_power, kron, trace, vec
from mathcore.identities.domains import Domain, shaped, skew_hermitian, sums_without_zero
from mathcore.identities.draws import drawn, scattered
from mathcore.identities.records import Identity
from mathcore.identities.rounding import determinant, norm
from mathcore.matrices.determinants import det
from mathcore.matrices.taylor_polynomials import identity_like

_MOST_SIGNS = 12  # 2**12 sign vectors


# --- nodes: Vandermonde, Cauchy -------------------------------------------------------------------


def _vandermonde(x):
    xp = _arrays.result_namespace(x)
    columns = [xp.ones_like(x)]
    for _ in range(x.shape[-1] - 1):
        columns.append(columns[-1] * x)
    return xp.stack(columns[: x.shape[-1]], axis=-1) if x.shape[-1] else x[..., None, :]


def _det_of_vandermonde(x):
    _, x = _arrays.asarrays(x=x)
    return det(_vandermonde(x))


def _product_of_differences(x):
    """Π_{i<j} (x_j − x_i)."""
    xp, x = _arrays.asarrays(x=x)
    apart = x[..., None, :] - x[..., :, None]
    return xp.prod(xp.where(_strictly_upper(xp, apart), apart, 1.0), axis=(-2, -1))


def _vandermonde_rounding(eps, x):
    v, n = _vandermonde(x), x.shape[-1]
    return determinant(eps, v, n * eps * norm(v))[1] + 2 * n**2 * eps * abs(
        _product_of_differences(x)
    )


def _cauchy(x, y):
    return 1 / (x[..., :, None] + y[..., None, :])


def _det_of_cauchy(x, y):
    _, x, y = _arrays.asarrays(x=x, y=y)
    return det(_cauchy(x, y))


def _cauchy_product(x, y):
    """Pair by pair, as the products over all pairs overflow long before their ratio does."""
    xp, x, y = _arrays.asarrays(x=x, y=y)
    sums = x[..., :, None] + y[..., None, :]
    apart = (x[..., None, :] - x[..., :, None]) * (y[..., None, :] - y[..., :, None])
    above = _strictly_upper(xp, apart)
    ratios = xp.where(above, apart / (sums * xp.matrix_transpose(sums)), 1.0)
    return xp.prod(ratios, axis=(-2, -1)) / xp.prod(xp.linalg.diagonal(sums), axis=-1)


def _strictly_upper(xp, a):
    return xp.triu(xp.ones(a.shape[-2:], dtype=a.dtype, device=_arrays.device(a)), k=1) != 0


def _cauchy_rounding(eps, x, y):
    c, n = _cauchy(x, y), x.shape[-1]
    return determinant(eps, c, n * eps * norm(c))[1] + 8 * n**2 * eps * abs(_cauchy_product(x, y))


# --- Cayley ---------------------------------------------------------------------------------------


def _cayley_gram(a):
    """QᴴQ for Q = (I − A)⁻¹(I + A)."""
    xp, a = _arrays.asarrays(a=a)
    identity = identity_like(xp, a)
    q = xp.linalg.solve(identity - a, identity + a)
    return _arrays.adjoint(q) @ q


def _identity(a):
    xp, a = _arrays.asarrays(a=a)
    return xp.zeros_like(a) + identity_like(xp, a)


# --- Kronecker products, traces -------------------------------------------------------------------


def _det_of_kron(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return det(kron(a, b))


def _product_of_powers(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return integer_power(det(a), b.shape[-1]) * integer_power(det(b), a.shape[-1])


def _kron_rounding(eps, a, b):
    parts = determinant(eps, a) ** b.shape[-1] * determinant(eps, b) ** a.shape[-1]
    return parts[1] + determinant(eps, kron(a, b))[1]


def _vec_of_product(a, x, b):
    _, a, x, b = _arrays.asarrays(a=a, x=x, b=b)
    return vec(a @ x @ b)


def _kron_times_vec(a, x, b):
    xp, a, x, b = _arrays.asarrays(a=a, x=x, b=b)
    return (kron(xp.matrix_transpose(b), a) @ vec(x)[..., None])[..., 0]


def _frobenius(a):
    return np.linalg.norm(a, axis=(-2, -1))


def _vec_rounding(eps, a, x, b):
    terms = max(*x.shape[-2:], 1) ** 2
    return 4 * terms * eps * _frobenius(a) * _frobenius(x) * _frobenius(b)


def _trace_of_product(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return trace(a @ b)


def _sum_of_entries(a, b):
    xp, a, b = _arrays.asarrays(a=a, b=b)
    return xp.sum(a * xp.matrix_transpose(b), axis=(-2, -1))


def _mean_over_signs(a):
    """The mean of zᵀAz over all 2ⁿ vectors z of ±1."""
    xp, a = _arrays.asarrays(a=a)
    n = a.shape[-1]
    signs = list(itertools.product((-1.0, 1.0), repeat=n))
    z = xp.reshape(xp.asarray(signs, dtype=a.dtype, device=_arrays.device(a)), (len(signs), n))
    return xp.sum(z * (z @ xp.matrix_transpose(a)), axis=(-2, -1)) / len(signs)


def _two_rectangles(strategies, dtype, m, n):
    return strategies.matrices(n, dtype, m=m), strategies.matrices(m, dtype, m=n)


def _two_squares(strategies, dtype, n, m):
    return strategies.matrices(n, dtype), strategies.matrices(m, dtype)


def _three_factors(strategies, dtype, m, n, p):
    a, x = strategies.matrices(n, dtype, m=m), strategies.matrices(p, dtype, m=n)
    return a, x, strategies.matrices(2, dtype, m=p)


STRUCTURED = (
    Identity(
        name="vandermonde",
        statement=r"\det\bigl[x_i^{\,j-1}\bigr]_{ij} = \prod_{i < j} (x_j - x_i)",
        domain=Domain("every n nodes", {"x": "n"}),
        lhs=_det_of_vandermonde,
        rhs=_product_of_differences,
        cost_lhs=lambda n: costs.lu(n) + n**2,
        cost_rhs=lambda n: 2 * n**2,
        rounding=_vandermonde_rounding,
        strategy=drawn((0, 4), build=lambda s, dtype, n: (scattered(s, dtype, n),)),
        symbolic_sides=proofs.vandermonde,
        proves="generic nodes",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, §0.9.11",
    ),
    Identity(
        name="cauchy_determinant",
        statement=r"\det\Bigl[\frac{1}{x_i + y_j}\Bigr]_{ij} = "
        r"\frac{\prod_{i < j} (x_j - x_i)(y_j - y_i)}{\prod_{i, j} (x_i + y_j)}",
        domain=Domain("x_i + y_j ≠ 0", {"x": "n", "y": "n"}, (sums_without_zero("x", "y"),)),
        lhs=_det_of_cauchy,
        rhs=_cauchy_product,
        cost_lhs=lambda n: costs.lu(n) + 2 * n**2,
        cost_rhs=lambda n: 7 * n**2,
        rounding=_cauchy_rounding,
        strategy=drawn(
            (0, 4),
            build=lambda s, dtype, n: (scattered(s, dtype, n), scattered(s, dtype, n, 1.0)),
        ),
        symbolic_sides=proofs.cauchy_determinant,
        proves="generic x and y",
        reference="D. E. Knuth, The Art of Computer Programming 1, 3rd ed., 1997, exercise "
        "1.2.3–38",
    ),
    Identity(
        name="cayley",
        statement=r"Q^{*}Q = I,\quad Q = (I - A)^{-1}(I + A)",
        domain=Domain("skew-Hermitian A", {"a": "n n"}, (skew_hermitian("a"),)),
        lhs=_cayley_gram,
        rhs=_identity,
        cost_lhs=lambda n: costs.solve(n, n) + costs.product(n, n, n),
        cost_rhs=lambda n: n**2,
        rounding=lambda eps, a: 20 * a.shape[-1] ** 2 * eps * np.sqrt(1 + norm(a) ** 2),
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.skew_matrices(n, dtype),)),
        symbolic_sides=proofs.cayley,
        proves="a generic real skew-symmetric A",
        reference="A. Cayley, J. reine angew. Math. 32 (1846) 119–123",
    ),
    Identity(
        name="kronecker_det",
        statement=r"\det(A \otimes B) = \det(A)^m \det(B)^n",
        domain=Domain("A of n × n, B of m × m", {"a": "n n", "b": "m m"}),
        lhs=_det_of_kron,
        rhs=_product_of_powers,
        cost_lhs=lambda n, m: costs.lu(n * m) + (n * m) ** 2,
        cost_rhs=lambda n, m: costs.lu(n) + costs.lu(m) + n + m,
        rounding=_kron_rounding,
        strategy=drawn((0, 3), (1, 2), build=_two_squares),
        symbolic_sides=proofs.kronecker_det,
        proves="A of n × n and B of 2 × 2, both generic",
        reference="C. F. Van Loan, J. Comput. Appl. Math. 123 (2000) 85–100",
    ),
    Identity(
        name="vec_kronecker",
        statement=r"\operatorname{vec}(AXB) = (B^{T} \otimes A)\operatorname{vec} X",
        domain=Domain("A, X, B that can be multiplied", {"a": "m n", "x": "n p", "b": "p q"}),
        lhs=_vec_of_product,
        rhs=_kron_times_vec,
        cost_lhs=lambda m, n, p, q: costs.product(m, n, p) + costs.product(m, p, q),
        cost_rhs=lambda m, n, p, q: 3 * m * n * p * q,
        rounding=_vec_rounding,
        strategy=drawn((1, 3), (1, 2), (1, 3), build=_three_factors),
        symbolic_sides=proofs.vec_kronecker,
        proves="A of n × n, X of n × 2, B of 2 × 2, all generic",
        reference="C. F. Van Loan, J. Comput. Appl. Math. 123 (2000) 85–100",
    ),
    Identity(
        name="trace_product",
        statement=r"\operatorname{tr} AB = \sum_{ij} a_{ij} b_{ji}",
        domain=Domain("A of m × n, B of n × m", {"a": "m n", "b": "n m"}),
        lhs=_trace_of_product,
        rhs=_sum_of_entries,
        cost_lhs=lambda m, n: costs.product(m, n, m),
        cost_rhs=lambda m, n: 2 * m * n,
        rounding=lambda eps, a, b: (
            4 * a.shape[-2] * a.shape[-1] * eps * _frobenius(a) * _frobenius(b)
        ),
        strategy=drawn((0, 3), (1, 3), build=_two_rectangles),
        symbolic_sides=proofs.trace_product,
        proves="generic A of n × (n + 1), B of (n + 1) × n",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, §1.2",
    ),
    Identity(
        name="trace_expectation",
        statement=r"\operatorname{tr} A = \mathbb{E}\, z^{T} A z,\quad z \in \{-1, 1\}^n"
        r"\ \text{uniform}",
        domain=Domain(
            "every square matrix (here n ≤ 12: all 2ⁿ vectors)",
            {"a": "n n"},
            (shaped("a", lambda n, _: n <= _MOST_SIGNS, f"is of order above {_MOST_SIGNS}"),),
        ),
        lhs=lambda a: trace(_arrays.asarrays(a=a)[1]),
        rhs=_mean_over_signs,
        cost_lhs=lambda n: n,
        cost_rhs=lambda n: 2 ** (n + 1) * n**2,
        rounding=lambda eps, a: 10 * (a.shape[-1] + 1) ** 2 * eps * abs(a).sum(axis=(-2, -1)),
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.matrices(n, dtype),)),
        symbolic_sides=proofs.trace_expectation,
        proves="a generic A, the mean over all 2ⁿ vectors",
        reference="M. F. Hutchinson, Commun. Statist. Simula. 18 (1989) 1059–1076",
    ),
)
