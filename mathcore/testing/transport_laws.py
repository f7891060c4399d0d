"""Laws of entropic transport, barycenters and Sinkhorn divergences, for the cost |x − y|².

`sinkhorn_laws` are stated for ``solve(x, y, a, b, epsilon) -> (value, plan, lower, upper)``: the
value min ⟨P, C⟩ + ε KL(P ‖ a⊗b), the plan (n, m), and bounds of the value. A solver without bounds
returns None for both and breaks the law `sandwich` alone::

    import ot  # POT: ot.sinkhorn solves ⟨P, C⟩ − ε H(P), the same plan

    def solve(x, y, a, b, epsilon):
        c = ot.dist(x, y)
        plan = ot.sinkhorn(a, b, c, epsilon, method="sinkhorn_log", stopThr=1e-8)
        return (plan * c).sum() + epsilon * kl(plan, np.outer(a, b)), plan, None, None

`sinkhorn_divergence_laws` are stated for ``divergence(x, y, a, b, epsilon) -> scalar``,
`unbalanced_laws` for ``solve(x, y, a, b, epsilon, rho) -> (value, plan)``, `sinkhorn_batch_laws`
for ``values(x, y, a, b, epsilon)`` on one problem or a batch, `barycenter_laws` for
``barycenter(clouds, shares, epsilon, support) -> (points, weights)``, whose points move where the
support is None. Solve until the L1 error of the marginals is below 1e-6, or as far as the dtype
goes.
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

_SIZE = 4  # one shape throughout: libraries that compile per shape do so once
_ITERATIONS = 2000
_EXAMPLES = 6  # each is two solutions of a hundred operations a pass


def _clouds(dtype):
    return strategies.point_clouds(_SIZE, 2, dtype, bound=1.0)


def _weights(dtype):
    return strategies.probability_vectors(_SIZE, dtype, zeros=False)


def _weights_with_zeros(dtype):
    return strategies.probability_vectors(_SIZE, dtype)


def _epsilons(dtype):
    return st.sampled_from([0.25, 1.0, 4.0])


_MEASURES = {"x": _clouds, "y": _clouds, "a": _weights, "b": _weights, "epsilon": _epsilons}


def _costs(x, y):
    x, y = (_arrays.to_numpy(v).astype(np.float64) for v in (x, y))
    return ((x[:, None] - y[None]) ** 2).sum(axis=-1)


def _marginal_tolerance(x, y, epsilon):
    """2e-6 and the rounding of exponents of size max C / ε, entering every sum of n terms."""
    return 2e-6 + 64 * _arrays.eps(x) * (1 + float(_costs(x, y).max()) / epsilon)


def _value_tolerance(x, y, epsilon):
    """Misplaced mass costs at most max C, and the divergence ε times its logarithm."""
    scale = float(_costs(x, y).max()) + 16 * epsilon
    return scale * _marginal_tolerance(x, y, epsilon)


def _relative_entropy(plan, product):
    some = plan > 0
    return float(np.sum(plan[some] * np.log(plan[some] / product[some])))


def _dual_value(x, y, a, b, epsilon):
    """Dual value after plain log-domain Sinkhorn in float64: an error squared below the optimum."""
    c, f = _costs(x, y), np.zeros(a.shape[0])
    log_a, log_b = (np.log(_arrays.to_numpy(w).astype(np.float64)) for w in (a, b))
    for _ in range(_ITERATIONS):
        g = -epsilon * _log_sum_exp((f[:, None] - c) / epsilon + log_a[:, None], axis=0)
        last, f = f, -epsilon * _log_sum_exp((g - c) / epsilon + log_b, axis=1)
        if np.abs(f - last).max() <= 1e-14 * (1 + np.abs(f).max()):
            break
    return float(np.exp(log_a) @ f + np.exp(log_b) @ g)


def _log_sum_exp(z, axis):
    top = z.max(axis=axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis=axis)) + np.squeeze(top, axis=axis)


# --- transport ------------------------------------------------------------------------------------


@law(max_examples=_EXAMPLES, **_MEASURES)
def marginals(solve, xp, x, y, a, b, epsilon):
    """The plan is non-negative, its rows sum to a and its columns to b."""
    _, plan, *_ = solve(x, y, a, b, epsilon)
    tolerance = _marginal_tolerance(x, y, epsilon)
    assert _arrays.to_numpy(plan).min() >= 0, "the plan has a negative entry"
    check_close(xp, xp.sum(plan, axis=1), a, tolerance=tolerance, what="P 1 = a")
    check_close(xp, xp.sum(plan, axis=0), b, tolerance=tolerance, what="P' 1 = b")


@law(max_examples=_EXAMPLES, **_MEASURES)
def value_is_the_objective_of_the_plan(solve, xp, x, y, a, b, epsilon):
    """The value is ⟨P, C⟩ + ε KL(P ‖ a⊗b)."""
    value, plan, *_ = solve(x, y, a, b, epsilon)
    plan, a, b = (_arrays.to_numpy(v).astype(np.float64) for v in (plan, a, b))
    objective = (plan * _costs(x, y)).sum() + epsilon * _relative_entropy(plan, np.outer(a, b))
    tolerance = _value_tolerance(x, y, epsilon)
    check_close(xp, value, objective, tolerance=tolerance, what="value = <P, C> + eps KL(P | ab)")


@law(max_examples=_EXAMPLES, **_MEASURES)
def sandwich(solve, xp, x, y, a, b, epsilon):
    """lower ≤ value ≤ upper; the optimum lies between; independent coupling bounds the lower."""
    value, _, *bounds = solve(x, y, a, b, epsilon)
    assert all(bound is not None for bound in bounds), "no bounds were returned"
    value, lower, upper = (_number(v) for v in (value, *bounds))
    optimum = _dual_value(x, y, a, b, epsilon)
    rounding = 64 * _arrays.eps(x) * (float(_costs(x, y).max()) + 16 * epsilon)
    assert lower <= value <= upper, f"value {value} outside its bounds {lower}, {upper}"
    assert lower <= optimum + rounding, f"lower bound {lower} above the optimum {optimum}"
    assert upper >= optimum - rounding, f"upper bound {upper} below the optimum {optimum}"
    independent = _arrays.to_numpy(a) @ _costs(x, y) @ _arrays.to_numpy(b)
    assert lower <= independent + rounding, f"weak duality: {lower} above {independent}"
    wide = 100 * _value_tolerance(x, y, epsilon)
    assert upper - lower <= wide, f"bounds {lower}, {upper} further apart than {wide}"


def _number(v):
    return float(_arrays.to_numpy(v)) if _arrays.is_array(v) else float(v)


@law(max_examples=_EXAMPLES, **_MEASURES)
def value_is_optimal(solve, xp, x, y, a, b, epsilon):
    """The value is that of 2000 plain iterations in double precision."""
    value, tolerance = solve(x, y, a, b, epsilon)[0], _value_tolerance(x, y, epsilon)
    optimum = _dual_value(x, y, a, b, epsilon)
    check_close(xp, value, optimum, tolerance=tolerance, what="value = optimum")


@law(max_examples=_EXAMPLES, **_MEASURES)
def exchange(solve, xp, x, y, a, b, epsilon):
    """Transport back from y to x has the transposed plan and the same value."""
    _same(xp, solve, (x, y, a, b, epsilon), (y, x, b, a, epsilon), xp.matrix_transpose)


@law(max_examples=_EXAMPLES, **_MEASURES)
def translation(solve, xp, x, y, a, b, epsilon):
    """Moving both clouds together changes nothing."""
    t = xp.asarray([1.0, -2.0], dtype=x.dtype)
    _same(xp, solve, (x, y, a, b, epsilon), (x + t, y + t, a, b, epsilon), _unchanged)


@law(max_examples=_EXAMPLES, **_MEASURES)
def permutation(solve, xp, x, y, a, b, epsilon):
    """Points in another order are the same measure."""
    order = xp.asarray([2, 0, 3, 1])
    moved = (xp.take(x, order, axis=0), y, xp.take(a, order, axis=0), b, epsilon)
    _same(xp, solve, (x, y, a, b, epsilon), moved, lambda p: xp.take(p, order, axis=0))


@law(max_examples=_EXAMPLES, **_MEASURES, s=lambda dtype: st.sampled_from([0.125, 0.5, 8.0, 64.0]))
def scaling(solve, xp, x, y, a, b, epsilon, s):
    """Points times s and ε times s² give the same plan and s² times the value."""
    scaled = solve(x * s, y * s, a, b, epsilon * s**2)
    value, plan, *_ = solve(x, y, a, b, epsilon)
    tolerance = 2 * _value_tolerance(x, y, epsilon)
    check_close(
        xp, scaled[0] / s**2, value, tolerance=tolerance, what="value(s x, s y) = s^2 value"
    )
    tolerance = _plan_tolerance(x, y, epsilon)
    check_close(xp, scaled[1], plan, tolerance=tolerance, what="plan(s x, s y) = plan")


@law(max_examples=_EXAMPLES, **_MEASURES)
def split_points(solve, xp, x, y, a, b, epsilon):
    """A point given twice with half of its weight is the point."""
    twice = xp.concat([x[:-1, :], x[:1, :]])
    head, tail = a[:1] / 2, xp.zeros_like(a[:1])
    split = xp.concat([head, a[1:-1], head]) / (1 - a[-1])
    merged = xp.concat([a[:1], a[1:-1], tail]) / (1 - a[-1])
    one, other = (solve(twice, y, w, b, epsilon) for w in (split, merged))
    _compare(xp, one, other, (x, y, epsilon), _add_last_row_to_first(xp))


def _add_last_row_to_first(xp):
    def add(plan):
        zero = xp.zeros_like(plan[:1, :])
        return xp.concat([plan[:1, :] + plan[-1:, :], plan[1:-1, :], zero])

    return add


@law(
    max_examples=_EXAMPLES,
    x=_clouds,
    y=_clouds,
    a=_weights,
    b=_weights_with_zeros,
    epsilon=_epsilons,
)
def zero_weights_are_absent_points(solve, xp, x, y, a, b, epsilon):
    """A point of weight zero changes nothing."""
    without = xp.concat([xp.zeros_like(a[:1]), a[1:] / xp.sum(a[1:])])
    value, plan, *_ = solve(x, y, without, b, epsilon)
    fewer = solve(x[1:, :], y, without[1:], b, epsilon)
    padded = xp.concat([xp.zeros_like(fewer[1][:1, :]), fewer[1]])
    _compare(xp, (value, plan), (fewer[0], padded), (x, y, epsilon), _unchanged)


def _unchanged(plan):
    return plan


def _plan_tolerance(x, y, epsilon):
    """Pinsker: a plan whose objective is δ above the least is within √(2δ/ε) of the optimal one."""
    return 2 * float(np.sqrt(2 * _value_tolerance(x, y, epsilon) / epsilon))


def _same(xp, solve, first, second, moved):
    x, y, _, _, epsilon = first
    _compare(xp, solve(*first), solve(*second), (x, y, epsilon), moved)


def _compare(xp, one, other, problem, moved):
    tolerance = 2 * _value_tolerance(*problem)
    check_close(xp, one[0], other[0], tolerance=tolerance, what="the values agree")
    tolerance = _plan_tolerance(*problem)
    check_close(xp, moved(one[1]), other[1], tolerance=tolerance, what="the plans agree")


sinkhorn_laws = (
    marginals,
    value_is_the_objective_of_the_plan,
    sandwich,
    value_is_optimal,
    exchange,
    translation,
    permutation,
    scaling,
    split_points,
    zero_weights_are_absent_points,
)


# --- divergence -----------------------------------------------------------------------------------


def _divergence_tolerance(x, y, epsilon):
    both = np.concatenate([_arrays.to_numpy(x), _arrays.to_numpy(y)])
    return 2 * _value_tolerance(_arrays.from_numpy(both, x), _arrays.from_numpy(both, x), epsilon)


@law(max_examples=_EXAMPLES, **_MEASURES)
def non_negative(divergence, xp, x, y, a, b, epsilon):
    """S(a, b) ≥ 0."""
    s = _number(divergence(x, y, a, b, epsilon))
    assert s >= -_divergence_tolerance(x, y, epsilon), f"S = {s} is negative"


@law(max_examples=_EXAMPLES, x=_clouds, a=_weights_with_zeros, epsilon=_epsilons)
def zero_on_equal_measures(divergence, xp, x, a, epsilon):
    """S(a, a) = 0, the points in any order."""
    order = xp.asarray([2, 0, 3, 1])
    same = divergence(x, xp.take(x, order, axis=0), a, xp.take(a, order, axis=0), epsilon)
    check_close(xp, same, 0.0, tolerance=_divergence_tolerance(x, x, epsilon), what="S(a, a) = 0")


@law(max_examples=_EXAMPLES, x=_clouds, a=_weights, epsilon=_epsilons)
def translate_is_its_distance(divergence, xp, x, a, epsilon):
    """S(a, a moved by t) = |t|²."""
    t = xp.asarray([1.0, -2.0], dtype=x.dtype)
    s, tolerance = divergence(x, x + t, a, a, epsilon), _divergence_tolerance(x, x + t, epsilon)
    check_close(xp, s, 5.0, tolerance=tolerance, what="S(a, a + t) = |t|^2")


@law(max_examples=_EXAMPLES, **_MEASURES)
def symmetric(divergence, xp, x, y, a, b, epsilon):
    """S(a, b) = S(b, a)."""
    there, back = divergence(x, y, a, b, epsilon), divergence(y, x, b, a, epsilon)
    tolerance = _divergence_tolerance(x, y, epsilon)
    check_close(xp, there, back, tolerance=tolerance, what="S(a, b) = S(b, a)")


@law(max_examples=_EXAMPLES, **_MEASURES, s=lambda dtype: st.sampled_from([0.125, 8.0]))
def quadratic_scaling(divergence, xp, x, y, a, b, epsilon, s):
    """Points times s and ε times s² give s² times the divergence."""
    check_close(
        xp,
        divergence(x * s, y * s, a, b, epsilon * s**2) / s**2,
        divergence(x, y, a, b, epsilon),
        tolerance=_divergence_tolerance(x, y, epsilon),
        what="S(s x, s y) = s^2 S(x, y)",
    )


@law(max_examples=_EXAMPLES, x=_clouds, y=_clouds, a=_weights, b=_weights, epsilon=_epsilons)
def absent_points(divergence, xp, x, y, a, b, epsilon):
    """A point of weight zero changes nothing."""
    without = xp.concat([xp.zeros_like(a[:1]), a[1:] / xp.sum(a[1:])])
    check_close(
        xp,
        divergence(x, y, without, b, epsilon),
        divergence(x[1:, :], y, without[1:], b, epsilon),
        tolerance=_divergence_tolerance(x, y, epsilon),
        what="S without a point of weight zero",
    )


sinkhorn_divergence_laws = (
    non_negative,
    zero_on_equal_measures,
    translate_is_its_distance,
    symmetric,
    quadratic_scaling,
    absent_points,
)


# --- unbalanced, batches, barycenters -------------------------------------------------------------


_PENALTIES = {"rho": lambda dtype: st.sampled_from([0.5, 2.0])}


@law(max_examples=_EXAMPLES, **_MEASURES, **_PENALTIES)
def penalised_plan_is_optimal(solve, xp, x, y, a, b, epsilon, rho):
    """P = a⊗b exp((f + g − C)/ε) with f = −ρ log(P1/a), g = −ρ log(Pᵀ1/b): what makes P optimal."""
    found = solve(x, y, a, 3 * b, epsilon, rho)[1]
    plan, a, b = (_double(v) for v in (found, a, 3 * b))
    f, g = -rho * np.log(plan.sum(axis=1) / a), -rho * np.log(plan.sum(axis=0) / b)
    want = np.outer(a, b) * np.exp((f[:, None] + g - _costs(x, y)) / epsilon)
    tolerance = 8 * (1 + rho / epsilon) * _marginal_tolerance(x, y, epsilon)
    check_close(xp, found, want, tolerance=tolerance, what="P = ab exp((f + g - C)/eps)")


@law(max_examples=_EXAMPLES, **_MEASURES, **_PENALTIES)
def penalised_value_is_the_objective(solve, xp, x, y, a, b, epsilon, rho):
    """⟨P, C⟩ + ε KL(P ‖ a⊗b) + ρ KL(P1 ‖ a) + ρ KL(Pᵀ1 ‖ b)."""
    value, plan = solve(x, y, a, 3 * b, epsilon, rho)
    plan, a, b = (_double(v) for v in (plan, a, 3 * b))
    objective = (plan * _costs(x, y)).sum() + epsilon * _divergence(plan, np.outer(a, b))
    objective += rho * (_divergence(plan.sum(axis=1), a) + _divergence(plan.sum(axis=0), b))
    tolerance = 8 * (1 + rho) * _value_tolerance(x, y, epsilon)
    check_close(xp, value, objective, tolerance=tolerance, what="value = objective of the plan")


def _double(v):
    return _arrays.to_numpy(v).astype(np.float64)


def _divergence(p, q):
    return _relative_entropy(p, q) - float(p.sum()) + float(q.sum())


unbalanced_laws = (penalised_plan_is_optimal, penalised_value_is_the_objective)


@law(max_examples=_EXAMPLES, **_MEASURES)
def batch_is_its_members(values, xp, x, y, a, b, epsilon):
    """A batch gives what its members give alone, far and near ones together."""
    members = [(x, y, a, b), (4 * x, y, b, a), (y, y, b, b)]
    together = values(*(xp.stack(v) for v in zip(*members, strict=True)), epsilon)
    for k, member in enumerate(members):
        tolerance = 2 * _value_tolerance(4 * x, y, epsilon) + _value_tolerance(y, y, epsilon)
        alone = values(*member, epsilon)
        check_close(xp, together[k], alone, tolerance=tolerance, what="batch = member alone")


sinkhorn_batch_laws = (batch_is_its_members,)


@law(max_examples=3, x=_clouds, a=_weights, epsilon=_epsilons)
def barycenter_of_one_is_itself(barycenter, xp, x, a, epsilon):
    """On its own support a measure is the barycenter of itself: debiased, hence not blurred."""
    x = _grid(xp, x)
    _, weights = barycenter([(x, a), (x, a)], [0.5, 0.5], epsilon + 0.5, x)
    check_close(xp, weights, a, tolerance=1e-3, what="barycenter(a, a) = a")


@law(max_examples=3, x=_clouds, epsilon=_epsilons)
def barycenter_of_translates_is_between(barycenter, xp, x, epsilon):
    """Of a cloud and the cloud moved by t, with shares 1 − s and s: the cloud moved by s t."""
    t, x = xp.asarray([1.0, -2.0], dtype=x.dtype), _grid(xp, x)
    points, _ = barycenter([(x, None), (x + t, None)], [0.75, 0.25], epsilon, None)
    check_close(xp, points, x + 0.25 * t, tolerance=2e-2, what="barycenter of translates")


def _grid(xp, x):
    """Points apart from each other: the corners of a square, moved a little."""
    corners = xp.asarray([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]], dtype=x.dtype)
    return corners + x / 8


barycenter_laws = (barycenter_of_one_is_itself, barycenter_of_translates_is_between)
