"""First derivatives of the entropic value, by the envelope theorem, without a tape.

At the optimum the potentials do not move the value, so its derivatives are partial ones: f and g in
the weights, the plan P in the cost (Peyré & Cuturi 2019, section 4.6 and proposition 9.2).
"""

from mathcore import _arrays
from mathcore.transport import costs
from mathcore.transport.certificates import gibbs_plan
from mathcore.transport.soft_minima import plan_rows


def attach(xp, value, pairs):
    """`value` with the derivative Σ ⟨slope, argument⟩ in every (slope, argument)."""
    for slope, argument in pairs:
        at = _arrays.detach(argument)
        if at is not argument:  # else the library has no gradients
            # +inf − inf where an arc is forbidden: its slope is zero
            change = xp.where(slope == 0, 0.0, argument - at)
            value = value + xp.sum(_arrays.detach(slope) * change)
    return value


def of_points(xp, cost, result, x, y, a, b, epsilon):
    """∂x_i = 2 (a_i x_i − Σ_j P_ij y_j), ∂y_j likewise, ∂a = f, ∂b = g."""
    weights = of_weights(xp, result, a, b)
    x_at, y_at, a, b = (_arrays.detach(v) for v in (x, y, a, b))
    if x_at is x:
        return weights
    f, g = result.potentials
    centre = xp.mean(y_at, axis=0)
    x_at, y_at = x_at - centre, y_at - centre
    back = costs.reverse(cost)
    dx = _pull(xp, cost, f, g, a, b, x_at, y_at, epsilon)
    dy = _pull(xp, back, g, f, b, a, y_at, x_at, epsilon)
    return ((dx, x), (dy, y), *weights)


def _pull(xp, cost, f, g, a, b, x, y, epsilon):
    ones = xp.ones_like(y[:, :1])
    sums = plan_rows(xp, cost, f, g, b, xp.concat([y, ones], axis=1), epsilon)
    return 2 * a[:, None] * (sums[:, -1:] * x - sums[:, :-1])


def of_matrix(xp, result, c, a, b, epsilon):
    """∂C = P, ∂a = f, ∂b = g."""
    weights = of_weights(xp, result, a, b)
    at = _arrays.detach(c)
    if at is c:
        return weights
    a, b = _arrays.detach(a), _arrays.detach(b)
    return ((gibbs_plan(xp, at, a, b, *result.potentials, epsilon), c), *weights)


def of_weights(xp, result, a, b):
    """The potentials; none where a point has neither weight nor arc."""
    f, g = (xp.where(xp.isfinite(u), u, 0.0) for u in result.potentials)
    return (f, a), (g, b)
