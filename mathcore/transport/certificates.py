"""What certifies a pair of potentials: the dual value below, a rounded plan above.

Altschuler, Weed & Rigollet, "Near-linear time approximation algorithms for optimal transport via
Sinkhorn iteration", NeurIPS 2017, algorithm 2; the plan is never stored. The Gibbs plan of (f, g)
with its columns scaled down to at most b is the Gibbs plan of (f, min(g, T(f))), so its objective
needs its marginals only; the rank-one remainder enters by convexity of the objective. Where
marginals only have a price every plan is feasible, and its own objective is the bound.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore.transport import costs, passes
from mathcore.transport.passes import dot, excess_mass
from mathcore.transport.soft_minima import each_row, plan_rows, soft_rows

_ROUNDINGS = 16  # of the sums ⟨a, f⟩ and ⟨b, g⟩ that each bound gives away


class Certificate(NamedTuple):
    """Potentials and the bounds they prove."""

    f: Any
    g: Any
    row_ratio: Any  # (Σ_j P_ij) / a_i
    column_ratio: Any  # (Σ_i P_ij) / b_j
    lower_bound: Any
    value: Any
    upper_bound: Any
    marginal_error: Any  # L1, of the mass


def certify(xp, cost, pair, a, b, g, epsilon, penalty):
    """One closing pass from g, and the bounds of the value there."""
    g = _with_absent(xp, cost, a, b, g, epsilon, penalty)
    damping = xp.zeros_like(epsilon) if penalty is None else epsilon / (epsilon + penalty)
    active = xp.ones_like(epsilon) > 0
    last = pair(xp.full_like(a, xp.nan), g, epsilon, active, damping)
    if penalty is None:
        return _balanced(xp, cost, a, b, last, g, epsilon)
    return _unbalanced(xp, a, b, last, g, epsilon, penalty)


def _with_absent(xp, cost, a, b, g, epsilon, penalty):
    """The potentials of points without weight are transforms of the others."""
    present = _arrays.concrete(xp.all(b > 0))
    if present:
        return g
    f = soft_rows(xp, cost, g, b, epsilon)
    back = costs.reverse(xp, cost)
    if penalty is None:
        return xp.where(b > 0, g, soft_rows(xp, back, f, a, epsilon))
    damping = epsilon / (epsilon + penalty)
    columns = soft_rows(xp, back, passes.damped(xp, f, damping), a, epsilon)
    return xp.where(b > 0, g, passes.damped(xp, columns, damping))


def _balanced(xp, cost, a, b, last, g, epsilon):
    mass = xp.sum(a, axis=-1)
    shift = (dot(xp, a, last.rows) - dot(xp, b, g)) / (2 * mass)
    f, g, g_next = (
        v + sign * shift[..., None] for v, sign in ((last.rows, -1), (g, 1), (last.columns, 1))
    )
    value = dot(xp, a, f) + dot(xp, b, g) - epsilon * (mass - mass * mass)
    rounding = _rounding(xp, a, b, f, g) + _ROUNDINGS * _arrays.eps(f) * epsilon * mass
    excess = xp.where(b > 0, last.ratio - 1, 0.0)
    lowered = xp.where(excess > 0, g_next, g)
    upper = _rounded_objective(xp, cost, a, b, f, lowered, excess, epsilon)
    return Certificate(
        f=f,
        g=g,
        row_ratio=xp.ones_like(a),
        column_ratio=last.ratio,
        lower_bound=value - rounding,
        value=value,
        upper_bound=xp.maximum(upper, value) + rounding,
        marginal_error=dot(xp, b, xp.abs(excess)) / mass,
    )


def _rounding(xp, a, b, f, g):
    return _ROUNDINGS * _arrays.eps(f) * (dot(xp, a, xp.abs(f)) + dot(xp, b, xp.abs(g)))


def _unbalanced(xp, a, b, last, g, epsilon, penalty):
    """Dual and primal values of the plan of (λ T(g), g).

    D = ρ⟨a, 1 − e^{−f/ρ}⟩ + ρ⟨b, 1 − e^{−g/ρ}⟩ − ε(ΣP − Σa Σb), and with the marginals p, q of P
    the objective ⟨p, f⟩ + ⟨q, g⟩ − ε(ΣP − Σa Σb) + ρ KL(p ‖ a) + ρ KL(q ‖ b).
    """
    f = passes.damped(xp, last.rows, epsilon / (epsilon + penalty))
    row_ratio = 1 + excess_mass(xp, f, last.rows, epsilon)
    p, q = a * row_ratio, b * last.ratio
    masses = epsilon * (xp.sum(p, axis=-1) - xp.sum(a, axis=-1) * xp.sum(b, axis=-1))
    gained = dot(xp, a, -xp.expm1(-f / penalty)) + dot(xp, b, -xp.expm1(-g / penalty))
    lower = penalty * gained - masses
    paid = _divergence(xp, p, a) + _divergence(xp, q, b)
    upper = dot(xp, p, f) + dot(xp, q, g) - masses + penalty * paid
    larger = xp.sum(a, axis=-1) + xp.sum(b, axis=-1) + xp.sum(p, axis=-1)
    scale = (penalty + epsilon * (1 + larger)) * larger
    rounding = _rounding(xp, a + p, b, f, g) + _rounding(xp, a, q, f, g)
    rounding = rounding + _ROUNDINGS * _arrays.eps(f) * scale
    return Certificate(
        f=f,
        g=g,
        row_ratio=row_ratio,
        column_ratio=last.ratio,
        lower_bound=lower - rounding,
        value=lower,
        upper_bound=xp.maximum(upper, lower) + rounding,
        marginal_error=passes.unbalanced_error(xp, g, last.ratio, b, penalty),
    )


def _divergence(xp, p, a):
    """KL(p ‖ a) = Σ p log(p/a) − Σp + Σa."""
    return _relative_entropy(xp, p, a) - xp.sum(p, axis=-1) + xp.sum(a, axis=-1)


def _rounded_objective(xp, cost, a, b, f, g, excess, epsilon):
    f_next = soft_rows(xp, cost, g, b, epsilon, guess=f)
    row_loss = -a * excess_mass(xp, f, f_next, epsilon)
    row_loss = xp.where(row_loss > 0, row_loss, 0.0)
    column_loss = b * xp.where(excess < 0, -excess, 0.0)
    mass, lost = xp.sum(a, axis=-1), xp.sum(column_loss, axis=-1)
    some = lost > 0
    safe = xp.where(some, lost, 1.0)
    kept = dot(xp, a - row_loss, f) + dot(xp, b - column_loss, g)
    entropy = (
        _relative_entropy(xp, row_loss, a)
        + _relative_entropy(xp, column_loss, b)
        - lost * xp.log(safe)
        - (mass - lost) * xp.log1p(-xp.clip(lost / mass, max=1 - _arrays.eps(f)))
        - lost * xp.log(safe / mass)
    )
    moved = product_cost(xp, cost, row_loss, column_loss / safe[..., None])
    remainder = xp.where(some, moved + epsilon * entropy, 0.0)
    return kept + remainder - epsilon * (mass - mass * mass)


def _relative_entropy(xp, e, a):
    some = e > 0
    return xp.sum(e * xp.log(xp.where(some, e, 1.0) / xp.where(some, a, 1.0)), axis=-1)


def product_cost(xp, cost, u, v):
    """Σ_ij u_i v_j C_ij; +inf where a forbidden arc has weight."""
    if isinstance(cost, costs.Matrix):
        total = 0.0 * xp.sum(u, axis=-1)
        for start, stop in costs.row_blocks(cost):
            c = costs.rows(xp, cost, start, stop)
            weights = u[..., start:stop, None] * v[..., None, :]
            total = total + xp.sum(weights * xp.where(weights > 0, c, 0.0), axis=(-2, -1))
        return total
    x, y = costs.centred(xp, cost)
    squares = dot(xp, u, xp.sum(x * x, axis=-1)) * xp.sum(v, axis=-1)
    squares = squares + dot(xp, v, xp.sum(y * y, axis=-1)) * xp.sum(u, axis=-1)
    means = (xp.sum(u[..., None] * x, axis=-2), xp.sum(v[..., None] * y, axis=-2))
    return squares - 2 * xp.sum(means[0] * means[1], axis=-1)


def transport_cost(xp, cost, a, b, certificate, epsilon):
    """⟨P, C⟩ of the Gibbs plan."""
    f, g = certificate.f, certificate.g
    if isinstance(cost, costs.Points):
        x, y = costs.centred(xp, cost)
        images = plan_rows(xp, cost, f, g, b, y, epsilon)
        squares = xp.sum(a * certificate.row_ratio * xp.sum(x * x, axis=-1), axis=-1)
        squares = squares + xp.sum(b * certificate.column_ratio * xp.sum(y * y, axis=-1), axis=-1)
        return squares - 2 * xp.sum(a[..., None] * x * images, axis=(-2, -1))
    total = 0.0 * xp.sum(a, axis=-1)
    for start, stop in costs.row_blocks(cost):
        c = costs.rows(xp, cost, start, stop)
        plan = gibbs_plan(xp, c, a[..., start:stop], b, f[..., start:stop], g, epsilon)
        total = total + xp.sum(plan * xp.where(plan > 0, c, 0.0), axis=(-2, -1))
    return total


def gibbs_plan(xp, c, a, b, f, g, epsilon):
    """a_i b_j exp((f_i + g_j − C_ij)/ε); points without weight have no row or column."""
    f, g = xp.where(a > 0, f, 0.0), xp.where(b > 0, g, 0.0)
    used = (a > 0)[..., :, None] & (b > 0)[..., None, :]
    exponent = (f[..., :, None] + g[..., None, :] - c) / each_row(each_row(epsilon))
    exponent = xp.where(used, exponent, -xp.inf)
    return a[..., :, None] * b[..., None, :] * xp.exp(exponent)
