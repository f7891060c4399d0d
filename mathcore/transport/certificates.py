"""What certifies a pair of potentials: the dual value below, a rounded plan above.

Altschuler, Weed & Rigollet, "Near-linear time approximation algorithms for optimal transport via
Sinkhorn iteration", NeurIPS 2017, algorithm 2; the plan is never stored. The Gibbs plan of (f, g)
with its columns scaled down to at most b is the Gibbs plan of (f, min(g, T(f))), so its objective
needs its marginals only; the rank-one remainder enters by convexity of the objective.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore.transport import costs
from mathcore.transport.soft_minima import plan_rows, soft_rows

_ROUNDINGS = 16  # of the sums ⟨a, f⟩ and ⟨b, g⟩ that each bound gives away


class Certificate(NamedTuple):
    """Potentials whose plan has exact rows, and the bounds they prove."""

    f: Any
    g: Any
    column_ratio: Any  # (Σ_i P_ij) / b_j
    lower_bound: Any
    value: Any
    upper_bound: Any
    marginal_error: Any  # L1, of the mass


def certify(xp, cost, a, b, f, epsilon):
    """Two closing half-steps from f, and the bounds of the value there."""
    back = costs.reverse(cost)
    g = soft_rows(xp, back, f, a, epsilon)
    f = soft_rows(xp, cost, g, b, epsilon)
    shift = (dot(xp, a, f) - dot(xp, b, g)) / (2 * xp.sum(a))
    f, g = f - shift, g + shift
    mass = xp.sum(a)
    g_next = soft_rows(xp, back, f, a, epsilon)
    excess = excess_mass(xp, g, g_next, epsilon)
    value = dot(xp, a, f) + dot(xp, b, g) - epsilon * (mass - mass * mass)
    rounding = (
        _ROUNDINGS
        * _arrays.eps(f)
        * (dot(xp, a, xp.abs(f)) + dot(xp, b, xp.abs(g)) + epsilon * mass)
    )
    upper = _rounded_objective(xp, cost, a, b, f, xp.minimum(g, g_next), excess, epsilon)
    return Certificate(
        f=f,
        g=g,
        column_ratio=1 + excess,
        lower_bound=value - rounding,
        value=value,
        upper_bound=xp.maximum(upper, value) + rounding,
        marginal_error=dot(xp, b, xp.abs(excess)) / mass,
    )


def dot(xp, weights, potential):
    """⟨weights, potential⟩; a potential may be infinite where its weight is zero."""
    return xp.sum(weights * xp.where(weights > 0, potential, 0.0))


def excess_mass(xp, potential, exact, epsilon):
    """exp((potential − exact)/ε) − 1: the marginal of the plan over the weight, less one."""
    reached = ~(xp.isinf(potential) | xp.isinf(exact))
    z = (xp.where(reached, potential, 0.0) - xp.where(reached, exact, 0.0)) / epsilon
    return xp.expm1(xp.clip(z, max=80.0))


def _rounded_objective(xp, cost, a, b, f, g, excess, epsilon):
    f_next = soft_rows(xp, cost, g, b, epsilon)
    row_loss = -a * excess_mass(xp, f, f_next, epsilon)
    row_loss = xp.where(row_loss > 0, row_loss, 0.0)
    column_loss = b * xp.where(excess < 0, -excess, 0.0)
    mass, lost = xp.sum(a), xp.sum(column_loss)
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
    moved = product_cost(xp, cost, row_loss, column_loss / safe)
    remainder = xp.where(some, moved + epsilon * entropy, 0.0)
    return kept + remainder - epsilon * (mass - mass * mass)


def _relative_entropy(xp, e, a):
    some = e > 0
    return xp.sum(e * xp.log(xp.where(some, e, 1.0) / xp.where(some, a, 1.0)))


def product_cost(xp, cost, u, v):
    """Σ_ij u_i v_j C_ij; +inf where a forbidden arc has weight."""
    if isinstance(cost, costs.Matrix):
        total = 0.0 * xp.sum(u)
        for start, stop in costs.row_blocks(cost):
            c = costs.rows(xp, cost, start, stop)
            weights = u[start:stop][:, None] * v
            total = total + xp.sum(weights * xp.where(weights > 0, c, 0.0))
        return total
    centre = xp.mean(cost.y, axis=0)
    x, y = cost.x - centre, cost.y - centre
    squares = xp.sum(u * xp.sum(x * x, axis=1)) * xp.sum(v)
    squares = squares + xp.sum(v * xp.sum(y * y, axis=1)) * xp.sum(u)
    return squares - 2 * xp.sum((u @ x) * (v @ y))


def transport_cost(xp, cost, a, b, certificate, epsilon):
    """⟨P, C⟩ of the Gibbs plan."""
    f, g = certificate.f, certificate.g
    if isinstance(cost, costs.Points):
        centre = xp.mean(cost.y, axis=0)
        x, y = cost.x - centre, cost.y - centre
        images = plan_rows(xp, cost, f, g, b, y, epsilon)
        squares = xp.sum(a * xp.sum(x * x, axis=1))
        squares = squares + xp.sum(b * certificate.column_ratio * xp.sum(y * y, axis=1))
        return squares - 2 * xp.sum(a[:, None] * x * images)
    total = 0.0 * xp.sum(a)
    for start, stop in costs.row_blocks(cost):
        c = costs.rows(xp, cost, start, stop)
        plan = gibbs_plan(xp, c, a[start:stop], b, f[start:stop], g, epsilon)
        total = total + xp.sum(plan * xp.where(plan > 0, c, 0.0))
    return total


def gibbs_plan(xp, c, a, b, f, g, epsilon):
    """a_i b_j exp((f_i + g_j − C_ij)/ε); points without weight have no row or column."""
    f, g = xp.where(a > 0, f, 0.0), xp.where(b > 0, g, 0.0)
    used = (a > 0)[:, None] & (b > 0)
    exponent = xp.where(used, (f[:, None] + g - c) / epsilon, -xp.inf)
    return a[:, None] * b * xp.exp(exponent)
