"""Planted faults: plausible wrong solvers of exact transport that the laws must catch."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mathcore.testing.wasserstein_laws import wasserstein_laws
from mathcore.transport.exact import wasserstein


def _solve(x, y, a, b, p):
    result = wasserstein(x, y, a, b, p=p)
    plan = np.zeros((x.shape[0], y.shape[0]), x.dtype)
    np.add.at(plan, (result.plan.rows, result.plan.columns), result.plan.mass)
    return result.value, plan, *result.potentials


def _costs(x, y, p):
    return ((x[:, None] - y[None]) ** 2).sum(axis=-1) ** (p / 2)


def _independent_coupling(x, y, a, b, p):
    plan = np.outer(a, b)
    return (plan * _costs(x, y, p)).sum() ** (1 / p), plan, *_solve(x, y, a, b, p)[2:]


def _northwest_corner(x, y, a, b, p):
    """A feasible plan, improved by nobody."""
    plan, a, b = np.zeros((len(a), len(b)), x.dtype), a.copy(), b.copy()
    for i in range(len(a)):
        for j in range(len(b)):
            plan[i, j] = min(a[i], b[j])
            a[i], b[j] = a[i] - plan[i, j], b[j] - plan[i, j]
    return (plan * _costs(x, y, p)).sum() ** (1 / p), plan, None, None


def _root_forgotten(x, y, a, b, p):
    value, *rest = _solve(x, y, a, b, p)
    return value**p, *rest


def _always_squared(x, y, a, b, p):
    return _solve(x, y, a, b, 2.0)


def _weights_ignored(x, y, a, b, p):
    return _solve(x, y, None, None, p)


def _transposed_plan(x, y, a, b, p):
    value, plan, f, g = _solve(x, y, a, b, p)
    return value, plan.T if plan.shape[0] == plan.shape[1] else plan[::-1], f, g


def _no_potentials(x, y, a, b, p):
    return *_solve(x, y, a, b, p)[:2], None, None


def _infeasible_potentials(x, y, a, b, p):
    """Those of the rows raised: the dual value is right by lowering g, an arc is not."""
    value, plan, f, g = _solve(x, y, a, b, p)
    f, g = f.copy(), g.copy()
    f[0] += 1.0
    g -= a[0] / b.sum()
    return value, plan, f, g


def _slack_potentials(x, y, a, b, p):
    value, plan, f, g = _solve(x, y, a, b, p)
    return value, plan, f - 0.5, g


def _absolute_tolerance(x, y, a, b, p):
    """Costs below 1e-8 count as zero."""
    c = _costs(x, y, p)
    plan, f, g = _solve(x, y, a, b, p)[1:]
    return (plan * np.where(c < 1e-8, 0.0, c)).sum() ** (1 / p), plan, f, g


def _entropic_bias(x, y, a, b, p):
    value, *rest = _solve(x, y, a, b, p)
    return (value**p + 1e-3) ** (1 / p), *rest


def _weight_floor(x, y, a, b, p):
    """Zero weights raised to 1e-2."""
    a, b = np.maximum(a, 1e-2).astype(a.dtype), np.maximum(b, 1e-2).astype(b.dtype)
    return _solve(x, y, a / a.sum(), b / b.sum(), p)


def _nearest_neighbours(x, y, a, b, p):
    """Every row to its nearest column: only one marginal is kept, and W is not symmetric."""
    c = _costs(x, y, p)
    plan = np.where(c == c.min(axis=1, keepdims=True), a[:, None], 0.0)
    plan = plan / (c == c.min(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    return (plan * c).sum() ** (1 / p), plan, None, None


def _centred(x, y, a, b, p):
    """The means subtracted, the shift between them lost."""
    return _solve(x - a @ x / a.sum(), y - b @ y / b.sum(), a, b, p)


def _about_the_origin(x, y, a, b, p):
    """Points scaled to the unit ball around the origin, a translation changes the scale."""
    size = max(1.0, float(np.abs(x).max()))
    return _solve(x / x.dtype.type(size), y / y.dtype.type(size), a, b, p)


def _ordered_points(x, y, a, b, p):
    """Sorted for speed, the weights left behind."""
    return _solve(x[np.argsort(x[:, 0])], y, a, b, p)


def _duplicates_merged_without_weight(x, y, a, b, p):
    _, first = np.unique(x, axis=0, return_index=True)
    kept = np.zeros_like(a)
    kept[first] = a[first]
    return _solve(x, y, kept / kept.sum() if kept.sum() else a, b, p)


def _squared_distance(x, y, a, b, p):
    """The divergence W², which breaks the triangle inequality."""
    value, *rest = _solve(x, y, a, b, p)
    return value**2, *rest


def _assignment_of_the_heaviest(x, y, a, b, p):
    """An assignment of points in place of a plan between weights."""
    c = _costs(x, y, p)
    i, j = linear_sum_assignment(c)
    return c[i, j].mean() ** (1 / p), *_solve(x, y, a, b, p)[1:]


def _largest_distance(x, y, a, b, p):
    """W_∞ of the support for every p: it does not grow, nor shrink with the weights."""
    plan, f, g = _solve(x, y, a, b, p)[1:]
    c = _costs(x, y, 1.0)
    return c[plan > 0].max() / p, plan, f, g


CAUGHT = {
    _independent_coupling: "zero_on_equal_measures",
    _northwest_corner: "value_is_optimal",
    _root_forgotten: "grows_with_the_exponent",
    _always_squared: "value_is_the_cost_of_the_plan",
    _weights_ignored: "zero_weights_are_absent_points",
    _transposed_plan: "marginals",
    _no_potentials: "strong_duality",
    _infeasible_potentials: "weak_duality",
    _slack_potentials: "strong_duality",
    _absolute_tolerance: "scaling",
    _entropic_bias: "zero_on_equal_measures",
    _weight_floor: "split_points",
    _nearest_neighbours: "symmetry",
    _centred: "translate_is_its_distance",
    _about_the_origin: "translation",
    _ordered_points: "permutation",
    _duplicates_merged_without_weight: "split_points",
    _squared_distance: "triangle_inequality",
    _assignment_of_the_heaviest: "value_is_optimal",
    _largest_distance: "at_least_the_distance_of_the_means",
}
LAWS = {law.__name__: law for law in wasserstein_laws}


@pytest.mark.parametrize("fault", CAUGHT, ids=lambda fault: fault.__name__.strip("_"))
def test_the_law_catches(fault):
    with pytest.raises(AssertionError):
        LAWS[CAUGHT[fault]](fault, max_examples=50)


def test_every_law_catches_something():
    assert set(LAWS) == set(CAUGHT.values())
