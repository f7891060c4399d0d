"""Records about log det(I + A), low-rank updates and block matrices."""

import numpy as np

from mathcore import _arrays
from mathcore.identities import costs
from mathcore.identities import symbolic_low_rank as proofs
from mathcore.identities.blocks import block_matrix, from_diagonal, trace
from mathcore.identities.domains import Domain, invertible, spectral_radius_below_one
from mathcore.identities.draws import drawn, shifted
from mathcore.identities.records import Identity
from mathcore.identities.rounding import determinant, log_determinant, norm, singular_values
from mathcore.matrices.determinant_updates import inverse_update, slogdet_update
from mathcore.matrices.determinants import det, slogdet
from mathcore.matrices.taylor_polynomials import identity_like

_MOST_TERMS = 1000
_TERMS = 52  # of the series where ρ = 1/2, in double precision


def _plus_identity(a):
    return a + identity_like(_arrays.result_namespace(a), a)


# --- log det(I + A) -------------------------------------------------------------------------------


def _log_det_plus_identity(a):
    _, a = _arrays.asarrays(a=a)
    return slogdet(_plus_identity(a)).logabsdet


def _sum_of_traces(a):
    """Σ (−1)^{k+1} tr Aᵏ / k until Aᵏ is below rounding."""
    xp, a = _arrays.asarrays(a=a)
    power, total = a, trace(a)
    for k in range(2, _MOST_TERMS):
        power = -(power @ a)
        total = total + trace(power) / k
        size = _arrays.concrete(xp.sum(xp.abs(_arrays.detach(power))))
        if not size > _arrays.eps(a) / 4:
            break
    return _arrays.real_part(total)


def _series_rounding(eps, a):
    """With S = Σ‖Aᵏ‖, the k-th power is off by n eps ‖A‖ S² in all, and the rest is below eps S."""
    n, power, total = a.shape[-1], a, np.ones(a.shape[:-2])
    for _ in range(_MOST_TERMS):
        size = norm(power)
        total, power = total + size, power @ a
        if not np.any(size > eps / 4):
            break
    series = 10 * n**2 * eps * total**2 * (norm(a) + eps)
    return series + log_determinant(eps, _plus_identity(a)) + 10 * n * eps * norm(a)


# --- low rank: the determinant lemma, Woodbury ----------------------------------------------------


def _matrix(a, u):
    """A, or the matrix whose diagonal is given in its place."""
    return from_diagonal(a) if a.ndim < u.ndim else a


def _solver(a, u):
    """``y -> A⁻¹ y``, elementwise where A is a diagonal."""
    if a.ndim < u.ndim:
        return lambda y: y / a[..., None]
    return lambda y: _arrays.result_namespace(a).linalg.solve(a, y)


def _slogdet(a, u):
    if a.ndim == u.ndim:
        return slogdet(a)
    xp = _arrays.result_namespace(a)
    size = xp.abs(a)
    return xp.prod(a / size, axis=-1), xp.sum(xp.log(size), axis=-1)


def _det_of_update(a, u, v):
    _, a, u, v = _arrays.asarrays(a=a, u=u, v=v)
    return det(_matrix(a, u) + u @ _arrays.adjoint(v))


def _det_by_lemma(a, u, v):
    xp, a, u, v = _arrays.asarrays(a=a, u=u, v=v)
    sign, logabsdet = slogdet_update(_slogdet(a, u), _solver(a, u), u, v)
    return sign * xp.exp(logabsdet)


def _lemma_rounding(eps, a, u, v):
    a = _matrix(a, u)
    inside, off = _capacitance(eps, a, u, v)
    logs = abs(slogdet(a).logabsdet) + abs(slogdet(inside).logabsdet)
    value, apart = determinant(eps, a) * determinant(eps, inside, off)
    whole = determinant(eps, a + u @ _arrays.adjoint(v), 10 * eps * norm(u) * norm(v))
    return whole[1] + apart + 4 * eps * (1 + np.where(value > 0, logs, 0.0)) * value


def _capacitance(eps, a, u, v):
    """I + VᴴA⁻¹U, and how far it is off when computed."""
    n = max(a.shape[-1], 1)
    through = np.linalg.solve(a, u)
    off = 10 * n * eps * (1 + norm(v) * norm(u) * _inverse_norm(a) * _condition(a))
    return _plus_identity(_arrays.adjoint(v) @ through), off


def _inverse_norm(a):
    return 1 / singular_values(a).min(axis=-1, initial=np.inf)


def _condition(a):
    return norm(a) * _inverse_norm(a)


def _inverse_of_update(a, u, v):
    xp, a, u, v = _arrays.asarrays(a=a, u=u, v=v)
    return xp.linalg.inv(_matrix(a, u) + u @ _arrays.adjoint(v))


def _inverse_by_woodbury(a, u, v):
    xp, a, u, v = _arrays.asarrays(a=a, u=u, v=v)
    return inverse_update(from_diagonal(1 / a) if a.ndim < u.ndim else xp.linalg.inv(a), u, v)


def _woodbury_rounding(eps, a, u, v):
    a, n = _matrix(a, u), max(u.shape[-2], 1)
    whole = a + u @ _arrays.adjoint(v)
    direct = 20 * n * eps * _condition(whole) * _inverse_norm(whole)
    inside, off = _capacitance(eps, a, u, v)
    size = norm(u) * norm(v) * _inverse_norm(a) ** 2
    inverse = _inverse_norm(inside)
    update = size * inverse * (20 * n * eps * (_condition(a) + _condition(inside)) + off * inverse)
    return direct + 20 * n * eps * _condition(a) * _inverse_norm(a) + update


# --- blocks: Weinstein–Aronszajn, Schur -----------------------------------------------------------


def _det_plus_product(a, b):
    _, a, b = _arrays.asarrays(a=a, b=b)
    return det(_plus_identity(a @ b))


def _swap_rounding(eps, a, b):
    off = 10 * max(a.shape[-2:]) * eps * (1 + norm(a) * norm(b))
    return sum(determinant(eps, _plus_identity(x), off)[1] for x in (a @ b, b @ a))


def _det_of_blocks(a, b, c, d):
    _, a, b, c, d = _arrays.asarrays(a=a, b=b, c=c, d=d)
    return det(block_matrix([[_matrix(a, b), b], [c, d]]))


def _det_by_schur(a, b, c, d):
    xp, a, b, c, d = _arrays.asarrays(a=a, b=b, c=c, d=d)
    first = det(a) if a.ndim == b.ndim else xp.prod(a, axis=-1)
    return first * det(d - c @ _solver(a, b)(b))


def _schur_rounding(eps, a, b, c, d):
    a = _matrix(a, b)
    complement = d - c @ np.linalg.solve(a, b)
    size = norm(c) * norm(b) * _inverse_norm(a) * _condition(a)
    off = 10 * max(sum(b.shape[-2:]), 1) * eps * (norm(d) + size)
    parts = determinant(eps, a) * determinant(eps, complement, off)
    return parts[1] + determinant(eps, block_matrix([[a, b], [c, d]]))[1]


def _update_arguments(strategies, dtype, n, k, dense):
    a = strategies.matrices(n, dtype, bound=1.0).map(shifted)
    diagonal = a.map(np.diagonal)
    return a if dense else diagonal, *(strategies.matrices(k, dtype, m=n, bound=1.0),) * 2


def _block_arguments(strategies, dtype, p, q, dense):
    a = strategies.matrices(p, dtype, bound=1.0).map(shifted)
    return (
        a if dense else a.map(np.diagonal),
        strategies.matrices(q, dtype, m=p, bound=1.0),
        strategies.matrices(p, dtype, m=q, bound=1.0),
        strategies.matrices(q, dtype, bound=1.0),
    )


def _inverse_within(names):
    """A + UVᴴ is invertible too."""

    def condition(arguments):
        a, u, v = (arguments[name] for name in names)
        whole = {"a + uvᴴ": _matrix(a, u) + u @ np.conj(v.T)}
        return invertible("a + uvᴴ")(whole)

    return condition


_UPDATED = {"a": ("n n", "n"), "u": "n k", "v": "n k"}
_OR_DIAGONAL = "invertible A, square or given by its diagonal"

LOW_RANK = (
    Identity(
        name="logdet_series",
        statement=r"\log\det(I + A) = \sum_{k \ge 1} \frac{(-1)^{k+1}}{k} \operatorname{tr} A^k",
        domain=Domain(
            "spectral radius below one (complex A: the real parts)",
            {"a": "n n"},
            (spectral_radius_below_one("a"),),
        ),
        lhs=_log_det_plus_identity,
        rhs=_sum_of_traces,
        cost_lhs=costs.lu,
        cost_rhs=lambda n: _TERMS * costs.product(n, n, n),
        rounding=_series_rounding,
        strategy=drawn((0, 3), build=lambda s, dtype, n: (s.matrices(n, dtype, bound=0.125),)),
        symbolic_sides=proofs.logdet_series,
        proves="d/dt of both sides for tA, generic A, the series summed to tr A(I + tA)⁻¹; "
        "both sides vanish at t = 0",
        reference="R. T. Q. Chen et al., Residual Flows, NeurIPS 2019",
    ),
    Identity(
        name="matrix_determinant_lemma",
        statement=r"\det(A + UV^{*}) = \det(I + V^{*}A^{-1}U)\,\det A",
        domain=Domain(_OR_DIAGONAL, _UPDATED, (invertible("a"),)),
        lhs=_det_of_update,
        rhs=_det_by_lemma,
        cost_lhs=lambda n, k, dense: costs.product(n, k, n) + costs.lu(n),
        cost_rhs=lambda n, k, dense: (
            costs.product(k, n, k)
            + costs.lu(k)
            + dense * (costs.lu(n) + costs.solve(n, k))
            + (1 - dense) * n * k
        ),
        rounding=_lemma_rounding,
        strategy=drawn((2, 3), (1, 2), (0, 1), build=_update_arguments),
        symbolic_sides=proofs.matrix_determinant_lemma,
        proves="generic real A, U, V; U and V of max(n − 1, 1) columns",
        reference="D. A. Harville, Matrix Algebra From a Statistician's Perspective, 1997, "
        "theorem 18.1.1",
    ),
    Identity(
        name="weinstein_aronszajn",
        statement=r"\det(I_m + AB) = \det(I_n + BA)",
        domain=Domain("A of m × n, B of n × m", {"a": "m n", "b": "n m"}),
        lhs=_det_plus_product,
        rhs=lambda a, b: _det_plus_product(b, a),
        cost_lhs=lambda m, n: costs.product(m, n, m) + costs.lu(m),
        cost_rhs=lambda m, n: costs.product(n, m, n) + costs.lu(n),
        rounding=_swap_rounding,
        strategy=drawn(
            (0, 3),
            (1, 3),
            build=lambda s, dtype, m, n: (s.matrices(n, dtype, m=m), s.matrices(m, dtype, m=n)),
        ),
        symbolic_sides=proofs.weinstein_aronszajn,
        proves="generic A of n × (n + 1), B of (n + 1) × n",
        reference="T. Kato, Perturbation Theory for Linear Operators, 1995, §IV.6",
    ),
    Identity(
        name="woodbury",
        statement=r"(A + UV^{*})^{-1} = A^{-1} - A^{-1}U\,(I + V^{*}A^{-1}U)^{-1}\,V^{*}A^{-1}",
        domain=Domain(
            f"{_OR_DIAGONAL}, and A + UV* invertible",
            _UPDATED,
            (invertible("a"), _inverse_within(("a", "u", "v"))),
        ),
        lhs=_inverse_of_update,
        rhs=_inverse_by_woodbury,
        cost_lhs=lambda n, k, dense: costs.product(n, k, n) + costs.solve(n, n),
        cost_rhs=lambda n, k, dense: (
            3 * costs.product(n, k, n)
            + 2 * costs.product(k, n, k)
            + costs.solve(k, k)
            + dense * costs.solve(n, n)
        ),
        rounding=_woodbury_rounding,
        strategy=drawn((2, 3), (1, 2), (0, 1), build=_update_arguments),
        symbolic_sides=proofs.woodbury,
        proves="generic real A; U and V of one column, where the statement is Sherman–Morrison's",
        reference="W. W. Hager, SIAM Rev. 31 (1989) 221–239",
    ),
    Identity(
        name="schur_determinant",
        statement=r"\det\begin{bmatrix} A & B \\ C & D \end{bmatrix} = \det A\,"
        r"\det(D - CA^{-1}B)",
        domain=Domain(
            _OR_DIAGONAL,
            {"a": ("p p", "p"), "b": "p q", "c": "q p", "d": "q q"},
            (invertible("a"),),
        ),
        lhs=_det_of_blocks,
        rhs=_det_by_schur,
        cost_lhs=lambda p, q, dense: costs.lu(p + q),
        cost_rhs=lambda p, q, dense: (
            costs.product(q, p, q)
            + costs.lu(q)
            + dense * (costs.lu(p) + costs.solve(p, q))
            + (1 - dense) * p * q
        ),
        rounding=_schur_rounding,
        strategy=drawn((1, 2), (1, 2), (0, 1), build=_block_arguments),
        symbolic_sides=proofs.schur_determinant,
        proves="generic A of n × n and D of 1 × 1 (n = 1: of 2 × 2)",
        reference="R. A. Horn, C. R. Johnson, Matrix Analysis, 2nd ed., 2013, §0.8.5",
    ),
)
