"""Records about the matrix exponential."""

import math

import numpy as np

from mathcore import _arrays
from mathcore.identities import costs
from mathcore.identities import symbolic_exponentials as proofs
from mathcore.identities.blocks import block_matrix, kron, kronecker_sum, trace
from mathcore.identities.domains import (
    Domain,
    hermitian,
    small_or_nilpotent,
    vanish_beyond_four,
)
from mathcore.identities.draws import drawn, hermitian_part
from mathcore.identities.records import Identity
from mathcore.identities.rounding import determinant, exponential, log_determinant, norm
from mathcore.matrices.determinants import det, slogdet
from mathcore.matrices.exponential import expm
from mathcore.matrices.exponential_derivative import expm_frechet
from mathcore.matrices.matrix_functions import logm
from mathcore.matrices.phi_functions import phi
from mathcore.matrices.taylor_polynomials import identity_like

_SERIES_TERMS = 60


# --- det exp A = exp tr A -----------------------------------------------------------------------


def _exp_of_trace(a):
    xp, a = _arrays.asarrays(a=a)
    return xp.exp(trace(a))


def _det_exp_rounding(eps, a):
    diagonal = np.linalg.diagonal(a)
    exponent = eps * (a.shape[-1] + 1) * (1 + abs(diagonal).sum(axis=-1))
    _, spread = determinant(eps, expm(a), exponential(eps, a))
    return spread + exponent * np.exp(diagonal.real.sum(axis=-1))


# --- Liouville: log det Φ(t) = ∫ tr A -----------------------------------------------------------


def _propagator(c, t):
    """Φ(t) from the power series of Φ' = (Σ C_j tʲ) Φ, Φ(0) = I.

    The coefficients obey (k + 1) Φ_{k+1} = Σ_j C_j Φ_{k−j}.
    """
    xp = _arrays.result_namespace(c)
    scaled = [c[..., j, :, :] * t[..., None, None] ** (j + 1) for j in range(c.shape[-3])]
    terms = [xp.broadcast_to(identity_like(xp, c), scaled[0].shape)]
    for k in range(_SERIES_TERMS):
        products = (scaled[j] @ terms[k - j] for j in range(min(len(scaled), k + 1)))
        terms.append(sum(products, xp.zeros_like(terms[0])) / (k + 1))
    return sum(terms[1:], terms[0])


def _log_det_of_propagator(c, t):
    _, c, t = _arrays.asarrays(c=c, t=t)
    return slogdet(_propagator(c, t)).logabsdet


def _integral_of_trace(c, t):
    _, c, t = _arrays.asarrays(c=c, t=t)
    traces = [trace(c[..., j, :, :]) * (t ** (j + 1) / (j + 1)) for j in range(c.shape[-3])]
    return _arrays.real_part(sum(traces[1:], traces[0]))


def _liouville_rounding(eps, c, t):
    """‖Φ‖ ≤ exp ∫‖A‖, of which the series loses n eps a term."""
    integral = sum(norm(c[..., j, :, :]) * abs(t) ** (j + 1) for j in range(c.shape[-3]))
    error = 10 * c.shape[-1] * eps * (1 + integral) * np.exp(integral)
    rest = 10 * c.shape[-1] * eps * integral
    return log_determinant(eps, _propagator(c, t), error) + rest


# --- blocks: Duhamel, φ ---------------------------------------------------------------------------


def _upper_right_block(a, e):
    """The block (1, 2) of exp [A E; 0 D] for the D that `_augmented` puts there."""
    return expm(a)[..., : e.shape[-2], e.shape[-2] :]


def _with_direction(a, e):
    xp = _arrays.result_namespace(a)
    a, e = xp.broadcast_arrays(a, e)
    return block_matrix([[a, e], [xp.zeros_like(a), a]])


def _block_derivative(a, e):
    _, a, e = _arrays.asarrays(a=a, e=e)
    return _upper_right_block(_with_direction(a, e), e)


def _duhamel_rounding(eps, a, e):
    size = norm(e)[..., None, None]
    unit = e / np.where(size > 0, size, 1.0)
    by_blocks = exponential(eps, _with_direction(a, e))
    return by_blocks + norm(e) * exponential(eps, _with_direction(a, unit))


def _with_identity(a):
    xp = _arrays.result_namespace(a)
    zero = xp.zeros_like(a)
    return block_matrix([[a, zero + identity_like(xp, a)], [zero, zero]])


def _block_phi(a):
    _, a = _arrays.asarrays(a=a)
    return _upper_right_block(_with_identity(a), a)


# --- sums: Kronecker, Golden–Thompson, Baker–Campbell–Hausdorff -----------------------------------


def _exp_of_kronecker_sum(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return expm(kronecker_sum(a, b))


def _kronecker_product_of_exps(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return kron(expm(a), expm(b))


def _kronecker_rounding(eps, a, b):
    x, y = (np.linalg.norm(expm(z), axis=(-2, -1)) for z in (a, b))
    apart = exponential(eps, a) * y + x * exponential(eps, b)
    return exponential(eps, kronecker_sum(a, b)) + 2 * apart


def _hermitian_exp(a):
    return expm(a, assume_a="hermitian")


def _trace_of_exp_of_sum(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return _arrays.real_part(trace(_hermitian_exp(a + b)))


def _trace_of_product_of_exps(a, b):
    xp, a, b = _arrays.asarrays(a=a, b=b)
    both = _hermitian_exp(a) * xp.matrix_transpose(_hermitian_exp(b))
    return _arrays.real_part(xp.sum(both, axis=(-2, -1)))


def _golden_thompson_rounding(eps, a, b):
    x, y = (np.linalg.norm(expm(z), axis=(-2, -1)) for z in (a, b))
    apart = exponential(eps, a) * y + x * exponential(eps, b)
    return max(a.shape[-1], 1) * (exponential(eps, a + b) + apart)


def _log_of_product(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return logm(expm(a) @ expm(b))


def _bracket(a, b):
    return a @ b - b @ a


def _brackets_to_order_4(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    ab = _bracket(a, b)
    aab = _bracket(a, ab)
    return a + b + ab / 2 + (aab - _bracket(b, ab)) / 12 - _bracket(b, aab) / 24


def _bch_rounding(eps, a, b):
    """Rounding, and the terms past order 4, which those of −log(2 − eˢ), s = ‖A‖ + ‖B‖, dominate.

    Its coefficients are 1, 1, 1, 13/12, 5/4, …, and grow by less than 1/log 2 from there.
    """
    s = norm(a) + norm(b)
    rounding = 20 * (a.shape[-1] + 1) * eps * np.exp(2 * s) * (1 + s) ** 4
    remainder = np.where(s < math.log(2), 1.25 * s**5 / (1 - s / math.log(2)), np.inf)
    nilpotent = np.vectorize(vanish_beyond_four, signature="(n,n),(n,n)->()", otypes=[bool])
    return rounding + np.where(nilpotent(a, b), 0.0, remainder)


def _bch_arguments(strategies, dtype):
    """Small matrices, and strictly triangular ones where products of four do not vanish."""
    st = strategies.st
    small = st.integers(0, 3).flatmap(
        lambda n: st.tuples(*(strategies.matrices(n, dtype, bound=2.0**-6),) * 2)
    )
    strict = strategies.matrices(5, dtype, condition=2.0).map(lambda a: np.triu(2 * a, 1))
    return st.one_of(small, st.tuples(strict, strict))


EXPONENTIALS = (
    Identity(
        name="det_exp",
        statement=r"\det e^{A} = e^{\operatorname{tr} A}",
        domain=Domain("every square matrix", {"a": "n n"}),
        lhs=lambda a: det(expm(a)),
        rhs=_exp_of_trace,
        cost_lhs=lambda n: costs.EXPM * n**3 + costs.lu(n),
        cost_rhs=lambda n: n,
        rounding=_det_exp_rounding,
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.matrices(n, dtype, bound=1.0),)),
        symbolic_sides=proofs.det_exp,
        proves="for a generic upper triangular A; by Schur every square matrix is similar to one",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, problem 5.6.P43",
    ),
    Identity(
        name="liouville",
        statement=r"\log\det \Phi(t) = \int_0^t \operatorname{tr} A(s)\,ds,\quad"
        r"\Phi' = A\Phi,\ \Phi(0) = I",
        domain=Domain(
            "continuous A (log det is log of the absolute value); here polynomial, "
            "A(t) = Σ C_j tʲ, given as the array (C_0, C_1, …)",
            {"c": "k n n", "t": ""},
        ),
        lhs=_log_det_of_propagator,
        rhs=_integral_of_trace,
        cost_lhs=lambda k, n: _SERIES_TERMS * k * costs.product(n, n, n) + costs.lu(n),
        cost_rhs=lambda k, n: k * n,
        rounding=_liouville_rounding,
        strategy=lambda strategies, dtype: strategies.st.tuples(
            strategies.matrices(dtype=dtype, n=strategies.sizes(None, 1, 3), batch=(3,), bound=1.0),
            strategies.st.just(0.5),
        ),
        symbolic_sides=proofs.liouville,
        proves="the derivative of both sides: (det Φ)' = tr A · det Φ for a generic Φ(t)",
        reference="E. A. Coddington, N. Levinson, Theory of Ordinary Differential Equations, "
        "1955, theorem 1.7.3",
    ),
    Identity(
        name="kronecker_sum_exp",
        statement=r"e^{A \oplus B} = e^{A} \otimes e^{B},\quad"
        r"A \oplus B = A \otimes I + I \otimes B",
        domain=Domain("square A and B", {"a": "n n", "b": "m m"}),
        lhs=_exp_of_kronecker_sum,
        rhs=_kronecker_product_of_exps,
        cost_lhs=lambda n, m: costs.EXPM * (n * m) ** 3,
        cost_rhs=lambda n, m: costs.EXPM * (n**3 + m**3) + (n * m) ** 2,
        rounding=_kronecker_rounding,
        strategy=drawn(
            (0, 3),
            (1, 2),
            build=lambda s, dtype, n, m: (
                s.matrices(n, dtype, bound=1.0),
                s.matrices(m, dtype, bound=1.0),
            ),
        ),
        symbolic_sides=proofs.kronecker_sum_exp,
        proves="for tA and tB, A n × n and B 2 × 2 generic, every power of t up to the fourth",
        reference="N. J. Higham, Functions of Matrices, 2008, theorem 10.9",
    ),
    Identity(
        name="golden_thompson",
        statement=r"\operatorname{tr} e^{A + B} \le \operatorname{tr} e^{A} e^{B}",
        domain=Domain("Hermitian A and B", {"a": "n n", "b": "n n"}, (hermitian("a", "b"),)),
        lhs=_trace_of_exp_of_sum,
        rhs=_trace_of_product_of_exps,
        cost_lhs=lambda n: costs.EXPM * n**3,
        cost_rhs=lambda n: 2 * costs.EXPM * n**3 + 2 * n**2,
        rounding=_golden_thompson_rounding,
        strategy=drawn(
            (0, 3),
            build=lambda s, dtype, n: (s.matrices(n, dtype, bound=1.0).map(hermitian_part),) * 2,
        ),
        symbolic_sides=proofs.golden_thompson,
        proves="the leading difference: for real symmetric tA and tB, rhs − lhs is "
        "t⁴/24 times the squared Frobenius norm of AB − BA, up to fifth powers of t",
        reference="S. Golden, Phys. Rev. 137 (1965) B1127; C. J. Thompson, J. Math. Phys. 6 (1965) "
        "1812",
        relation="≤",
    ),
    Identity(
        name="duhamel",
        statement=r"\int_0^1 e^{(1-s)A} E\, e^{sA}\, ds = \begin{bmatrix} I & 0 \end{bmatrix}"
        r"\exp\begin{bmatrix} A & E \\ 0 & A \end{bmatrix}"
        r"\begin{bmatrix} 0 \\ I \end{bmatrix}",
        domain=Domain(
            "square A and E; the left side is the Fréchet derivative L(A, E)",
            {"a": "n n", "e": "n n"},
        ),
        lhs=lambda a, e: expm_frechet(a, e).frechet,
        rhs=_block_derivative,
        cost_lhs=lambda n: costs.FRECHET * n**3,
        cost_rhs=lambda n: 8 * costs.EXPM * n**3,
        rounding=_duhamel_rounding,
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.matrices(n, dtype, bound=1.0),) * 2),
        symbolic_sides=proofs.duhamel,
        proves="for tA, generic A and E, every power of t up to the third, the integral evaluated",
        reference="C. F. Van Loan, IEEE Trans. Automat. Control 23 (1978) 395–404",
    ),
    Identity(
        name="phi_block",
        statement=r"\varphi_1(A) = \begin{bmatrix} I & 0 \end{bmatrix}"
        r"\exp\begin{bmatrix} A & I \\ 0 & 0 \end{bmatrix}"
        r"\begin{bmatrix} 0 \\ I \end{bmatrix},\quad \varphi_1(z) = (e^z - 1)/z",
        domain=Domain("every square matrix, singular ones too", {"a": "n n"}),
        lhs=lambda a: phi(a, 1)[1],
        rhs=_block_phi,
        cost_lhs=lambda n: costs.PHI * n**3,
        cost_rhs=lambda n: 8 * costs.EXPM * n**3,
        rounding=lambda eps, a: 2 * exponential(eps, _with_identity(a)),
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.matrices(n, dtype, bound=1.0),)),
        symbolic_sides=proofs.phi_block,
        proves="for tA, generic A, every power of t up to the fourth",
        reference="Y. Saad, SIAM J. Numer. Anal. 29 (1992) 209–228, proposition 2.1",
    ),
    Identity(
        name="bch",
        statement=r"\log(e^{A} e^{B}) = A + B + \tfrac12 [A, B] + \tfrac1{12}\bigl([A, [A, B]] "
        r"+ [B, [B, A]]\bigr) - \tfrac1{24} [B, [A, [A, B]]] + \cdots",
        domain=Domain(
            "‖A‖ + ‖B‖ < log 2, where the tolerance holds a bound on the terms left out; "
            "exact for strictly triangular A and B of order up to 5",
            {"a": "n n", "b": "n n"},
            (small_or_nilpotent("a", "b"),),
        ),
        lhs=_log_of_product,
        rhs=_brackets_to_order_4,
        cost_lhs=lambda n: (2 * costs.EXPM + 2 + costs.LOGM) * n**3,
        cost_rhs=lambda n: 16 * n**3,
        rounding=_bch_rounding,
        strategy=_bch_arguments,
        symbolic_sides=proofs.bch,
        proves="for tA and tB, every power of t up to the fourth; A generic, B diagonal as a "
        "generic B is in the basis of its eigenvectors",
        reference="W. Rossmann, Lie Groups, 2002, §1.3",
    ),
)
