"""Planted faults: plausible wrong Sinkhorn solvers and divergences that the laws must catch."""

import numpy as np
import pytest

import mathcore
from mathcore.testing import sinkhorn_divergence_laws, sinkhorn_laws
from mathcore.testing.transport_laws import barycenter_laws, sinkhorn_batch_laws, unbalanced_laws
from mathcore.transport.barycenters import barycenter


def _solve(x, y, a, b, epsilon):
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon)
    plan = mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)
    return result.value, plan, result.lower_bound, result.upper_bound


def _few_iterations(x, y, a, b, epsilon):
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon, max_iterations=1, tol=0.0)
    plan = mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)
    return result.value, plan, result.lower_bound, result.upper_bound


def _half_cost(x, y, a, b, epsilon):
    return _solve(x / np.sqrt(2).astype(x.dtype), y / np.sqrt(2).astype(y.dtype), a, b, epsilon)


def _transport_cost_alone(x, y, a, b, epsilon):
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon)
    plan = mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)
    return result.transport_cost, plan, result.transport_cost, result.transport_cost


def _entropy_of_the_plan(x, y, a, b, epsilon):
    """ε Σ P log P in place of ε KL(P ‖ a⊗b)."""
    value, plan, lower, upper = _solve(x, y, a, b, epsilon)
    shift = epsilon * (a[a > 0] @ np.log(a[a > 0]) + b[b > 0] @ np.log(b[b > 0]))
    return value + shift, plan, lower + shift, upper + shift


def _weights_ignored(x, y, a, b, epsilon):
    return _solve(x, y, None, None, epsilon)


def _unrounded_plan_as_bound(x, y, a, b, epsilon):
    """Three passes, and the objective of the infeasible plan as the upper bound."""
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon, max_iterations=3, tol=0.0)
    plan = mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)
    some = plan > 0
    entropy = np.sum(plan[some] * np.log(plan[some] / np.outer(a, b)[some]))
    objective = result.transport_cost + epsilon * entropy
    return objective, plan, result.lower_bound, objective


def _bounds_exchanged(x, y, a, b, epsilon):
    value, plan, lower, upper = _solve(x, y, a, b, epsilon)
    return value, plan, upper + epsilon * 1e-2, lower - epsilon * 1e-2


def _no_bounds(x, y, a, b, epsilon):
    return (*_solve(x, y, a, b, epsilon)[:2], None, None)


def _plan_of_the_way_back(x, y, a, b, epsilon):
    value, plan, lower, upper = _solve(x, y, a, b, epsilon)
    return value, plan.T, lower, upper


def _ordered_points(x, y, a, b, epsilon):
    """Sorted for speed, the order not undone."""
    order = np.argsort(x[:, 0])
    return _solve(x[order], y, a[order], b, epsilon)


def _about_the_origin(x, y, a, b, epsilon):
    """|x|² left out of the cost: constant in a row, so only the value is wrong."""
    value, plan, lower, upper = _solve(x, y, a, b, epsilon)
    lost = a @ (x**2).sum(axis=1)
    return value - lost, plan, lower - lost, upper - lost


def _fixed_epsilon(x, y, a, b, epsilon):
    return _solve(x, y, a, b, 1.0)


def _absolute_tolerance(x, y, a, b, epsilon):
    """Stopped once a potential moves by less than 1e-2, whatever the unit of the cost."""
    c = ((x[:, None] - y[None]) ** 2).sum(axis=-1)
    f, moved = np.zeros_like(a), 1.0
    while moved > 1e-2:
        g = -epsilon * np.log((a[:, None] * np.exp((f[:, None] - c) / epsilon)).sum(axis=0))
        last, f = f, -epsilon * np.log((b * np.exp((g - c) / epsilon)).sum(axis=1))
        moved = np.abs(f - last).max()
    plan = a[:, None] * b * np.exp((f[:, None] + g - c) / epsilon)
    value = a @ f + b @ g
    return value, plan, value - 1e-3 * (1 + abs(value)), value + 1e-3 * (1 + abs(value))


def _weight_floor(x, y, a, b, epsilon):
    """Zero weights raised to 1e-2, against the logarithm of zero."""
    a, b = np.maximum(a, 1e-2).astype(a.dtype), np.maximum(b, 1e-2).astype(b.dtype)
    return _solve(x, y, a / a.sum(), b / b.sum(), epsilon)


def _duplicates_merged_without_weight(x, y, a, b, epsilon):
    """np.unique on the points, the weight of the last copy lost."""
    _, first = np.unique(x, axis=0, return_index=True)
    kept = np.zeros_like(a)
    kept[first] = a[first]
    return _solve(x, y, kept / kept.sum(), b, epsilon)


SINKHORN_FAULTS = {
    function.__name__.strip("_"): function
    for function in (
        _few_iterations,
        _half_cost,
        _transport_cost_alone,
        _entropy_of_the_plan,
        _weights_ignored,
        _unrounded_plan_as_bound,
        _bounds_exchanged,
        _no_bounds,
        _plan_of_the_way_back,
        _ordered_points,
        _about_the_origin,
        _fixed_epsilon,
        _absolute_tolerance,
        _weight_floor,
        _duplicates_merged_without_weight,
    )
}


def _divergence(x, y, a, b, epsilon):
    return mathcore.sinkhorn_divergence(x, y, a, b, epsilon=epsilon)


def _biased(x, y, a, b, epsilon):
    return mathcore.sinkhorn(x, y, a, b, epsilon=epsilon).value


def _self_term(x, a, epsilon):
    return mathcore.sinkhorn(x, x, a, a, epsilon=epsilon).value


def _self_terms_whole(x, y, a, b, epsilon):
    between = _biased(x, y, a, b, epsilon)
    return between - _self_term(x, a, epsilon) - _self_term(y, b, epsilon)


def _one_self_term(x, y, a, b, epsilon):
    return _biased(x, y, a, b, epsilon) - _self_term(x, a, epsilon)


def _self_terms_at_half_epsilon(x, y, a, b, epsilon):
    between = _biased(x, y, a, b, epsilon)
    return between - (_self_term(x, a, epsilon / 2) + _self_term(y, b, epsilon / 2)) / 2


def _root(x, y, a, b, epsilon):
    return np.sqrt(_divergence(x, y, a, b, epsilon))


def _uniform_weights(x, y, a, b, epsilon):
    return _divergence(x, y, None, None, epsilon)


DIVERGENCE_FAULTS = {
    function.__name__.strip("_"): function
    for function in (
        _biased,
        _self_terms_whole,
        _one_self_term,
        _self_terms_at_half_epsilon,
        _root,
        _uniform_weights,
    )
}


def _unbalanced(x, y, a, b, epsilon, rho):
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon, marginal_penalty=rho, tol=1e-8)
    return result.value, mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)


def _undamped(x, y, a, b, epsilon, rho):
    return _unbalanced(x, y, a, b, epsilon, 1e4)


def _twice_the_penalty(x, y, a, b, epsilon, rho):
    return _unbalanced(x, y, a, b, epsilon, 2 * rho)


def _penalty_without_masses(x, y, a, b, epsilon, rho):
    """Σ p log(p/a) alone: the masses of the divergences left out."""
    value, plan = _unbalanced(x, y, a, b, epsilon, rho)
    return value - rho * (a.sum() + b.sum() - 2 * plan.sum()), plan


UNBALANCED_FAULTS = (_undamped, _twice_the_penalty, _penalty_without_masses)


def _first_member_for_all(x, y, a, b, epsilon):
    if x.ndim == 2:
        return mathcore.sinkhorn(x, y, a, b, epsilon=epsilon).value
    value = mathcore.sinkhorn(x[0], y[0], a[0], b[0], epsilon=epsilon).value
    return np.stack([value] * x.shape[0])


def _stops_with_the_first(x, y, a, b, epsilon):
    """The whole batch gets the passes that its first member needs."""
    if x.ndim == 2:
        return mathcore.sinkhorn(x, y, a, b, epsilon=epsilon).value
    few = mathcore.sinkhorn(x[2], y[2], a[2], b[2], epsilon=epsilon).iterations
    return mathcore.sinkhorn(x, y, a, b, epsilon=epsilon, max_iterations=max(few // 2, 1)).value


def _blurred(clouds, shares, epsilon, support):
    """The barycenter with the entropy left in: too wide an ε."""
    if support is None:
        return _not_shared(clouds, shares, epsilon, support)
    found = barycenter(clouds, shares, epsilon=40 * epsilon, support=support, max_iterations=2)
    return found.points, found.weights


def _not_shared(clouds, shares, epsilon, support):
    found = barycenter(clouds, None, epsilon=epsilon, support=support, max_iterations=50)
    return found.points, np.flip(found.weights)


@pytest.mark.parametrize("fault", UNBALANCED_FAULTS)
def test_some_unbalanced_law_catches(fault):
    assert any(_breaks(law, fault) for law in unbalanced_laws)


@pytest.mark.parametrize("law", unbalanced_laws, ids=lambda law: law.__name__)
def test_every_unbalanced_law_catches_something(law):
    assert any(_breaks(law, fault) for fault in UNBALANCED_FAULTS)


@pytest.mark.parametrize("fault", [_first_member_for_all, _stops_with_the_first])
def test_batch_law_catches(fault):
    assert _breaks(sinkhorn_batch_laws[0], fault)


@pytest.mark.parametrize("fault", [_blurred, _not_shared])
@pytest.mark.parametrize("law", barycenter_laws, ids=lambda law: law.__name__)
def test_barycenter_laws_catch(law, fault):
    assert _breaks(law, fault)


def _breaks(law, function):
    try:
        law(function, max_examples=25)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("fault", SINKHORN_FAULTS)
def test_some_sinkhorn_law_catches(fault):
    assert any(_breaks(law, SINKHORN_FAULTS[fault]) for law in sinkhorn_laws)


@pytest.mark.parametrize("law", sinkhorn_laws, ids=lambda law: law.__name__)
def test_every_sinkhorn_law_catches_something(law):
    assert any(_breaks(law, fault) for fault in SINKHORN_FAULTS.values())


@pytest.mark.parametrize("fault", DIVERGENCE_FAULTS)
def test_some_divergence_law_catches(fault):
    assert any(_breaks(law, DIVERGENCE_FAULTS[fault]) for law in sinkhorn_divergence_laws)


@pytest.mark.parametrize("law", sinkhorn_divergence_laws, ids=lambda law: law.__name__)
def test_every_divergence_law_catches_something(law):
    assert any(_breaks(law, fault) for fault in DIVERGENCE_FAULTS.values())
