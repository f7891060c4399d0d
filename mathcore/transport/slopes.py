"""Derivatives of the entropic value, by the envelope theorem, without a tape.

At the optimum the potentials do not move the value, so its first derivatives are partial ones: f
and g in the weights, the plan P in the cost (Peyré & Cuturi 2019, section 4.6 and proposition 9.2).
The second are those of `curvature`.
"""

import math

from mathcore import _arrays, _gradients
from mathcore.transport import costs
from mathcore.transport.certificates import gibbs_plan
from mathcore.transport.curvature import Optimum, hessian_product
from mathcore.transport.soft_minima import plan_rows


def attach(xp, value, pairs):
    """`value` with the first derivative Σ ⟨slope, argument⟩ in every (slope, argument)."""
    for slope, argument in pairs:
        at = _arrays.detach(argument)
        if at is not argument:  # else the library has no gradients
            # +inf − inf where an arc is forbidden: its slope is zero
            change = xp.where(slope == 0, 0.0, argument - at)
            own = tuple(range(value.ndim, change.ndim))
            value = value + xp.sum(_arrays.detach(slope) * change, axis=own)
    return value


def entropic_value(xp, result, cost, arguments, options):
    """The value of `result` as a function of `arguments`: (x, y, a, b), or (C, a, b).

    `cost` and the arguments are those of the problem solved; `cost` carries no gradient.
    """
    value = result.value
    still = [_arrays.detach(v) for v in arguments]
    carried = [k for k, v in enumerate(arguments) if still[k] is not v]
    if not carried:  # the library has no gradients
        return value
    a, b = still[-2:]
    f, g = (xp.astype(u, a.dtype) for u in result.potentials)
    at = Optimum(cost, a, b, f, g, options.epsilon, options.penalty)
    shapes = [tuple(arguments[k].shape[value.ndim :]) for k in carried]

    def packed(parts):
        flat = [xp.reshape(parts[k], (*value.shape, -1)) for k in carried]
        return flat[0] if len(flat) == 1 else xp.concat(flat, axis=-1)

    def product(flat):
        direction = [xp.zeros_like(v) for v in still]
        start = 0
        for k, shape in zip(carried, shapes, strict=True):
            stop = start + math.prod(shape)
            direction[k] = xp.reshape(flat[..., start:stop], (*value.shape, *shape))
            start = stop
        return packed(hessian_product(xp, at, direction))

    slopes = packed(_first(xp, at))
    return _gradients.with_derivatives(packed(arguments), value, slopes, product)


def _first(xp, at):
    """∂C = P or ∂x_i = 2 Σ_j P_ij (x_i − y_j), ∂y_j likewise; ∂a, ∂b."""
    weights = _of_weights(xp, at, at.f, at.b), _of_weights(xp, at, at.g, at.a)
    if isinstance(at.cost, costs.Matrix):
        return gibbs_plan(xp, at.cost.c, at.a, at.b, at.f, at.g, at.epsilon), *weights
    x, y = costs.centred(xp, at.cost)
    dx = _pull(xp, costs.Points(x, y), at.f, at.g, at.a, at.b, at.epsilon)
    dy = _pull(xp, costs.Points(y, x), at.g, at.f, at.b, at.a, at.epsilon)
    return dx, dy, *weights


def _pull(xp, cost, f, g, a, b, epsilon):
    x, y = cost
    columns = xp.concat([y, xp.ones_like(y[..., :1])], axis=-1)
    sums = plan_rows(xp, cost, f, g, b, columns, epsilon)
    return 2 * a[..., None] * (sums[..., -1:] * x - sums[..., :-1])


def _of_weights(xp, at, u, other):
    """u − ε + ε Σ other; with a penalty ρ − (ρ + ε) e^{−u/ρ} + ε Σ other.

    Where a point has neither weight nor arc there is none: zero.
    """
    reached, u = xp.isfinite(u), xp.where(xp.isfinite(u), u, 0.0)
    mass, rho = xp.sum(other, axis=-1)[..., None], at.penalty
    if rho is None:
        slope = u + at.epsilon * (mass - 1)
    else:
        slope = -rho * xp.expm1(-u / rho) - at.epsilon * (xp.exp(-u / rho) - mass)
    return xp.where(reached, slope, 0.0)
