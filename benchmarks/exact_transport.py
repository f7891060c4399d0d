"""Exact, one-dimensional and sliced transport against POT and SciPy.

POT's network simplex is given its cost matrix; `wasserstein` computes the distances it looks at,
`emd` is given the same matrix. Clouds are N(0, I) and N(½, I), the cost |x − y|².
"""

import numpy as np
import scipy.optimize
import scipy.stats

from benchmarks.runner import Case, peer
from mathcore.transport.exact import emd, wasserstein
from mathcore.transport.one_dimensional import wasserstein_1d
from mathcore.transport.sliced import sliced_wasserstein

_POT_ITERATIONS = 10**8
_ASSIGNMENT_SECONDS_GROW = 2000  # SciPy's assignment takes 5 s from here on


def cases(quick):
    """Plans between uniform and between weighted clouds, then lines, then slices."""
    for n in [500] if quick else [500, 2000, 4000]:
        for weighted in (False, True):
            yield _plan_case(n, 3, weighted)
    if not quick:
        yield _plan_case(2000, 64, weighted=False)
    for weighted in (False, True):
        yield _line_case(10**4 if quick else 10**6, weighted)
    yield _sliced_case(1000 if quick else 10_000, 32)


def _weights(rng, n, weighted):
    a = rng.random(n) + 0.05 if weighted else np.ones(n)
    return a / a.sum()


def _plan_case(n, d, weighted):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.5
    a, b = (_weights(rng, n, weighted) for _ in range(2))
    c = ((x**2).sum(1)[:, None] + (y**2).sum(1)) - 2 * x @ y.T
    candidates = {
        "mathcore": lambda: float(_certified(wasserstein(x, y, a, b))),
        "mathcore emd": lambda: float(_certified(emd(c, a, b))),
    }
    if ot := peer("ot"):
        candidates["POT"] = lambda: float(ot.emd2(a, b, c, numItermax=_POT_ITERATIONS))
    if not weighted and n < _ASSIGNMENT_SECONDS_GROW:
        candidates["SciPy"] = lambda: float(c[scipy.optimize.linear_sum_assignment(c)].mean())
    kind = "weighted" if weighted else "uniform"
    return Case(f"exact, {kind}, n = {n}, d = {d}", candidates, _agree(1e-10))


def _certified(result):
    """The value, once its own gap says that nothing is below it."""
    assert abs(result.gap) <= 1e-10 * result.transport_cost, result.gap
    return result.transport_cost


def _line_case(n, weighted):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n)
    y = 1.1 * rng.standard_normal(n) + 0.3
    weights = tuple(_weights(rng, n, True) for _ in range(2)) if weighted else ()
    candidates = {
        "mathcore": lambda: float(wasserstein_1d(x, y, *weights)),
        "SciPy": lambda: float(scipy.stats.wasserstein_distance(x, y, *weights)),
    }
    if ot := peer("ot"):
        candidates["POT"] = lambda: float(ot.wasserstein_1d(x, y, *weights))
        candidates["POT emd2_1d"] = lambda: float(ot.emd2_1d(x, y, *weights, metric="euclidean"))
    kind = "weighted" if weighted else "uniform"
    return Case(f"line, {kind}, n = {n}", candidates, _agree(1e-8))


def _sliced_case(n, d):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.1
    directions = rng.standard_normal((100, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    candidates = {"mathcore": lambda: float(sliced_wasserstein(x, y, projections=directions).value)}
    if ot := peer("ot"):
        turned = np.ascontiguousarray(directions.T)
        candidates["POT"] = lambda: float(ot.sliced_wasserstein_distance(x, y, projections=turned))
    return Case(f"sliced, n = {n}, d = {d}, 100 directions", candidates, _agree(1e-8))


def _agree(tolerance):
    def check(outputs):
        ours = outputs["mathcore"]
        for name, value in outputs.items():
            assert abs(value - ours) <= tolerance * abs(ours), (name, value, ours)

    return check
