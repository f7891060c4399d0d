"""The two soft minima of a Sinkhorn pass, and what each problem makes of them.

A pass starts at column potentials g. Balanced transport takes f = T(g) and g' = T(f); where
marginals only cost ρ KL, both are damped by λ = ρ/(ρ + ε) (Chizat et al., "Scaling algorithms for
unbalanced optimal transport problems", Math. Comp. 87 (2018)).
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore.transport import costs
from mathcore.transport.soft_minima import each_row, host, soft_rows


class Pair(NamedTuple):
    """T(g), T(λ T(g)), and the column sums of the plan of (λ T(g), g) over b."""

    rows: Any
    columns: Any
    ratio: Any


class Pass(NamedTuple):
    """The row potential, the next g of the plain iteration, and the error of the plan at g."""

    f: Any
    image: Any
    error: Any


def pairs(xp, cost, a, b, *, keep=True):
    """``pair(f, g, epsilon, active, damping)``; `f` is a guess, inactive members may be stale.

    Where b is zero the kernel's columns are g itself. `keep` allows an n × m array of exponentials.
    """
    views = _arrays.kernel_views(*cost, a, b)
    if views is None:
        return lambda f, g, epsilon, active, damping: pair_by_definition(
            xp, cost, a, b, g, epsilon, damping
        )
    return _by_kernel(views, a, b, keep)


def pair_by_definition(xp, cost, a, b, g, epsilon, damping):
    """Two exponentials an entry, in any array library."""
    rows = soft_rows(xp, cost, g, b, epsilon)
    f = rows - each_row(damping) * xp.where(xp.isfinite(rows), rows, 0.0)
    columns = soft_rows(xp, costs.reverse(xp, cost), f, a, epsilon)
    return Pair(rows, columns, 1 + excess_mass(xp, g, columns, epsilon))


def _by_kernel(views, a, b, keep):
    from mathcore.transport import kernel_problems
    from mathcore.transport.fused_passes import FusedPass

    *parts, a_view, b_view = views
    flat = [kernel_problems.members_of(v, 2) for v in parts]
    fused = FusedPass(
        flat, *(kernel_problems.members_of(v, 1) for v in (a_view, b_view)), keep=keep
    )

    def pair(f, g, epsilon, active, damping):
        f_view, g_view = (kernel_problems.members_of(v, 1) for v in _arrays.kernel_views(f, g))
        out = fused(f_view, g_view, host(epsilon), _arrays.to_numpy(active), host(damping))
        shapes = a_view.shape, b_view.shape, b_view.shape
        found = zip(out, shapes, strict=True)
        return Pair(*(_arrays.from_kernel(v.reshape(shape), b) for v, shape in found))

    return pair


def excess_mass(xp, potential, exact, epsilon):
    """exp((potential − exact)/ε) − 1: the marginal of the plan over the weight, less one."""
    reached = ~(xp.isinf(potential) | xp.isinf(exact))
    gap = xp.where(reached, potential, 0.0) - xp.where(reached, exact, 0.0)
    return xp.expm1(xp.clip(gap / each_row(epsilon), max=80.0))


def dot(xp, weights, potential):
    """⟨weights, potential⟩; a potential may be infinite where its weight is zero."""
    return xp.sum(weights * xp.where(weights > 0, potential, 0.0), axis=-1)


def balanced(xp, pair, a, b):
    """f = T(g), g' = T(f); rows of the plan are exact, the error is that of its columns."""
    mass = xp.sum(b, axis=-1)

    def one_pass(f, g, epsilon, active):
        rows, columns, ratio = pair(f, g, epsilon, active, xp.zeros_like(epsilon))
        return Pass(rows, columns, dot(xp, b, xp.abs(ratio - 1)) / mass)

    return one_pass


def symmetric(xp, pair, a):
    """g' = (g + T(g))/2, for a measure and itself: the fixed point has f = g."""
    mass = xp.sum(a, axis=-1)

    def one_pass(f, g, epsilon, active):
        rows = pair(f, g, epsilon, active, xp.zeros_like(epsilon)).rows
        error = dot(xp, a, xp.abs(excess_mass(xp, g, rows, epsilon))) / mass
        return Pass(rows, (g + rows) / 2, error)

    return one_pass


def unbalanced(xp, pair, a, b, penalty):
    """f = λ T(g), then the best translation of both, g' = λ T(f).

    f + t, g − t leave the plan alone; the t that is best for the dual spares the iterations that
    plain damping needs to agree on the mass (Séjourné, Vialard & Peyré, "Faster unbalanced optimal
    transport: translation invariant Sinkhorn", AISTATS 2022).
    """

    def one_pass(f, g, epsilon, active):
        damping = epsilon / (epsilon + penalty)
        rows, columns, ratio = pair(f, g, epsilon, active, damping)
        f = damped(xp, rows, damping)
        error = unbalanced_error(xp, g, ratio, b, penalty)
        t = translation(xp, f, g, a, b, penalty)
        return Pass(f, damped(xp, columns - t[..., None], damping), error)

    return one_pass


def damped(xp, potential, damping):
    """λ times a potential, λ = 1 − damping."""
    return potential - each_row(damping) * xp.where(xp.isfinite(potential), potential, 0.0)


def unbalanced_error(xp, g, ratio, b, penalty):
    """L1 distance of the column sums from b e^{−g/ρ}, where they are at the optimum, over those."""
    wanted = xp.exp(xp.clip(-g / penalty, max=80.0))
    return dot(xp, b, xp.abs(ratio - wanted)) / dot(xp, b, wanted)


def translation(xp, f, g, a, b, penalty):
    """t that maximises the dual at (f + t, g − t)."""
    return (penalty / 2) * (_log_mass(xp, f, a, penalty) - _log_mass(xp, g, b, penalty))


def _log_mass(xp, potential, weights, penalty):
    """log ⟨weights, exp(−potential/ρ)⟩."""
    exponent = xp.where(weights > 0, -potential / penalty, -xp.inf)
    top = xp.max(exponent, axis=-1, keepdims=True)
    return xp.log(xp.sum(weights * xp.exp(exponent - top), axis=-1)) + top[..., 0]
