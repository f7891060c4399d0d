"""Sinkhorn passes and whole solutions against POT and OTT, with the cost |x − y|².

A pass is a full iteration, two soft minima. Peers run a fixed number of iterations, so that what
is compared is the cost of one; `solve` compares the time to a marginal error of 1e-6.
"""

import math

import numpy as np

import mathcore
from benchmarks.runner import Case, peer
from mathcore import _arrays
from mathcore.transport import costs, soft_minima

PASSES = 10
SIZES = [1000, 4000, 10_000]
_LARGEST_DENSE = {
    "float32": 10_000,
    "float64": 4000,
}  # POT in log domain holds several n × n arrays


def cases(quick):
    """Passes in both precisions at three sizes, then solutions."""
    for n in SIZES[:1] if quick else SIZES:
        for dtype in ("float32", "float64"):
            yield _passes_case(n, 3, dtype)
    yield _solution_case(300 if quick else 1000)


def _problem(n, d, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.5
    epsilon = 0.05 * (2 * d + 0.25 * d)  # of the mean cost
    return x.astype(dtype), y.astype(dtype), np.full(n, 1 / n, dtype), epsilon


def _passes_case(n, d, dtype):
    x, y, a, epsilon = _problem(n, d, dtype)
    xp = _arrays.result_namespace(x)
    cost, back = costs.Points(x, y), costs.Points(y, x)

    def fused():
        f = g = None
        for _ in range(PASSES):
            g = soft_minima.soft_rows(xp, back, np.zeros_like(a) if f is None else f, a, epsilon, g)
            f = soft_minima.soft_rows(xp, cost, g, a, epsilon, f)
        return a @ f + a @ g

    def definition():
        f = np.zeros_like(a)
        for _ in range(PASSES):
            g = soft_minima.soft_rows_by_definition(xp, back, f, a, epsilon)
            f = soft_minima.soft_rows_by_definition(xp, cost, g, a, epsilon)
        return a @ f + a @ g

    candidates = {"mathcore": fused}
    if n <= 1000:
        candidates["definition"] = definition
    candidates |= _pot_passes(x, y, a, epsilon, n <= _LARGEST_DENSE[dtype] and n <= 4000)
    candidates |= _ott_passes(x, y, epsilon)
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    return Case(f"{PASSES} passes, n = {n}, d = {d}, {dtype}", candidates, _agree(tolerance))


def _pot_passes(x, y, a, epsilon, log_too):
    """The dual value after as many iterations; POT updates v from u first, as we do g from f."""
    ot = peer("ot")
    if ot is None:
        return {}
    c = ot.dist(x, y)

    def run(method):
        _, log = ot.sinkhorn(
            a, a, c, epsilon, method=method, numItermax=PASSES, stopThr=0, log=True, warn=False
        )
        if "log_u" in log:
            u, v = log["log_u"], log["log_v"]
        else:
            u, v = np.log(log["u"]), np.log(log["v"])
        return epsilon * (a @ (u + v - 2 * np.log(a)))

    methods = {"POT": "sinkhorn"} | ({"POT log": "sinkhorn_log"} if log_too else {})
    return {name: (lambda method=method: run(method)) for name, method in methods.items()}


def _ott_passes(x, y, epsilon):
    if peer("ott") is None or peer("jax") is None:
        return {}
    import jax
    from ott.geometry import pointcloud
    from ott.solvers import linear

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    def run(x, y):
        geometry = pointcloud.PointCloud(x, y, epsilon=epsilon)
        return linear.solve(
            geometry, threshold=0.0, min_iterations=PASSES, max_iterations=PASSES
        ).reg_ot_cost

    x, y = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return {"OTT": lambda: float(run(x, y).block_until_ready())}


def _solution_case(n):
    x, y, a, epsilon = _problem(n, 3, "float64")
    epsilon /= 10
    candidates = {"mathcore": lambda: float(mathcore.sinkhorn(x, y, epsilon=epsilon).value)}
    if ot := peer("ot"):
        c = ot.dist(x, y)

        def pot():
            plan = ot.sinkhorn(a, a, c, epsilon, numItermax=10_000, stopThr=1e-6, warn=False)
            some = plan > 0
            entropy = (plan[some] * np.log(plan[some])).sum() + 2 * math.log(n)
            return (plan * c).sum() + epsilon * entropy

        candidates["POT"] = pot
    return Case(f"solve to 1e-6, n = {n}, d = 3, ε = .005 mean cost", candidates, _agree(1e-5))


def _agree(tolerance):
    def check(outputs):
        ours = float(outputs["mathcore"])
        for name, value in outputs.items():
            assert abs(float(value) - ours) <= tolerance * abs(ours), (name, float(value), ours)

    return check
