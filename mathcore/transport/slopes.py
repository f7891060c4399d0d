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
            own = tuple(range(value.ndim, change.ndim))
            value = value + xp.sum(_arrays.detach(slope) * change, axis=own)
    return value


def of_points(xp, result, x, y, a, b, options):
    """∂x_i = 2 Σ_j P_ij (x_i − y_j), ∂y_j likewise, and those of the weights."""
    weights = of_weights(xp, result, a, b, options)
    x_at, y_at, a, b = (_arrays.detach(v) for v in (x, y, a, b))
    if x_at is x:
        return weights
    f, g = (xp.astype(u, x.dtype) for u in result.potentials)
    centre = xp.mean(y_at, axis=-2, keepdims=True)
    x_at, y_at = x_at - centre, y_at - centre
    dx = _pull(xp, costs.Points(x_at, y_at), f, g, a, b, options.epsilon)
    dy = _pull(xp, costs.Points(y_at, x_at), g, f, b, a, options.epsilon)
    return ((dx, x), (dy, y), *weights)


def _pull(xp, cost, f, g, a, b, epsilon):
    x, y = cost
    columns = xp.concat([y, xp.ones_like(y[..., :1])], axis=-1)
    sums = plan_rows(xp, cost, f, g, b, columns, epsilon)
    return 2 * a[..., None] * (sums[..., -1:] * x - sums[..., :-1])


def of_matrix(xp, result, c, a, b, options):
    """∂C = P, and those of the weights."""
    weights = of_weights(xp, result, a, b, options)
    at = _arrays.detach(c)
    if at is c:
        return weights
    a, b = _arrays.detach(a), _arrays.detach(b)
    f, g = (xp.astype(u, c.dtype) for u in result.potentials)
    return ((gibbs_plan(xp, at, a, b, f, g, options.epsilon), c), *weights)


def of_weights(xp, result, a, b, options):
    """∂a = f, ∂b = g; with a penalty ∂a = ρ − (ρ + ε) e^{−f/ρ} + ε Σb.

    None where a point has neither weight nor arc.
    """
    f, g = result.potentials
    return (
        (_of_one_weight(xp, f, a, b, options), a),
        (_of_one_weight(xp, g, b, a, options), b),
    )


def _of_one_weight(xp, u, own, other, options):
    u = xp.where(xp.isfinite(u), xp.astype(u, own.dtype), 0.0)
    rho = options.penalty
    if rho is None:
        return u
    mass = _arrays.detach(xp.sum(other, axis=-1))[..., None]
    return -rho * xp.expm1(-u / rho) - options.epsilon * (xp.exp(-u / rho) - mass)
