"""Sinkhorn passes and whole solutions against POT, OTT and GeomLoss, with the cost |x − y|².

A pass is a full iteration, two soft minima. Peers run a fixed number of iterations, so that what
is compared is the cost of one; `solve` compares the time to a marginal error of 1e-6. The hard
cases have no peer that solves them all. ``python -m benchmarks.transport 100000`` solves one
problem of 100,000 × 100,000 points in a process of its own and says how long and in what memory.
"""

import math
import os
import resource
import sys
import time

import numpy as np

import mathcore
from benchmarks.runner import Case, peer
from mathcore import _arrays
from mathcore.transport import costs, passes

PASSES = 30
SIZES = [(1000, 3), (4000, 3), (4000, 64), (20_000, 3), (20_000, 64)]
_LARGEST_LOG = 4000  # POT in the log domain holds several n × n arrays
_LARGEST_DENSE_OTT = 4000  # its blockwise point clouds fail on JAX >= 0.9
_LARGEST_DOUBLE = 4000
_POT_ITERATIONS = 20_000
_LARGEST_GEOMLOSS = 4000  # its tensorized form holds several n × n arrays
_MOST_HARD_PASSES = 1000
HARD = ("clusters with mass to cross", "heavy-tailed weights", "duplicated points", "images")


def cases(quick):
    """Passes in both precisions, then solutions, hard ones and a batch."""
    for n, d in SIZES[:1] if quick else SIZES:
        for dtype in ("float32", "float64"):
            if dtype == "float32" or n <= _LARGEST_DOUBLE:
                yield _passes_case(n, d, dtype)
    for fraction in (0.05, 0.005):
        yield _solution_case(300 if quick else 1000, fraction)
    for name in HARD:
        yield _hard_case(name, 300 if quick else 1000)
    yield _batch_case(20 if quick else 200)


def _problem(n, d, dtype, fraction=0.05):
    """Two normal clouds, and ε as a fraction of the mean cost."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.5
    return x.astype(dtype), y.astype(dtype), np.full(n, 1 / n, dtype), fraction * 2.25 * d


def _passes_case(n, d, dtype):
    x, y, a, epsilon = _problem(n, d, dtype)
    xp = _arrays.result_namespace(x)
    cost = costs.as_cost(xp, x, y, "sqeuclidean", "auto")
    at, going = np.asarray(epsilon, dtype), np.asarray(True)
    zero = np.zeros_like(at)

    def dual_after(pair):
        def run():
            f, g = np.full_like(a, np.nan), np.zeros_like(a)
            for _ in range(PASSES):
                f, g, _ = pair(f, g, at, going, zero)
            return a @ f + a @ g

        return run

    fused = passes.pairs(xp, cost, a, a)
    candidates = {"mathcore": dual_after(fused)}
    if n <= SIZES[0][0]:
        candidates["definition"] = dual_after(
            lambda f, g, at, going, zero: passes.pair_by_definition(xp, cost, a, a, g, at, zero)
        )
    candidates |= _pot_passes(x, y, a, epsilon, n <= _LARGEST_LOG)
    if n <= _LARGEST_DENSE_OTT:
        candidates |= _ott_passes(x, y, epsilon)
    if n <= _LARGEST_GEOMLOSS:
        candidates |= _geomloss_passes(x, y, a, epsilon)
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    return Case(f"{PASSES} passes, n = {n}, d = {d}, {dtype}", candidates, _agree(tolerance))


def _pot_passes(x, y, a, epsilon, log_too):
    """The dual value after as many iterations; POT updates v from u first, as we do g from f."""
    ot = peer("ot")
    if ot is None:
        return {}
    c = ot.dist(y, x)

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
        geometry = pointcloud.PointCloud(y, x, epsilon=epsilon)
        return linear.solve(
            geometry, threshold=0.0, min_iterations=PASSES, max_iterations=PASSES
        ).reg_ot_cost

    x, y = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return {"OTT": lambda: float(run(x, y).block_until_ready())}


def _geomloss_passes(x, y, a, epsilon):
    """Its soft minimum, once for the rows and once for the columns."""
    names = "geomloss.sinkhorn_samples", "geomloss._legacy.sinkhorn_samples"  # from 0.3 on
    samples = next(filter(None, map(peer, names)), None)
    if samples is None:
        return {}
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    x, y, a = (torch.from_numpy(v)[None] for v in (x, y, a))

    def run():
        c = torch.cdist(x, y) ** 2
        back, logs = c.transpose(1, 2).contiguous(), a.log()
        g = torch.zeros_like(a)
        for _ in range(PASSES):
            f = samples.softmin_tensorized(epsilon, c, logs + g / epsilon)
            g = samples.softmin_tensorized(epsilon, back, logs + f / epsilon)
        return float((a * (f + g)).sum())

    return {"GeomLoss": run}


def _solution_case(n, fraction):
    x, y, a, epsilon = _problem(n, 3, "float64", fraction)
    candidates = {"mathcore": lambda: float(mathcore.sinkhorn(x, y, epsilon=epsilon).value)}
    if ot := peer("ot"):
        c = ot.dist(x, y)

        def pot():
            plan = ot.sinkhorn(
                a, a, c, epsilon, numItermax=_POT_ITERATIONS, stopThr=1e-6, warn=False
            )
            return _objective(plan, c, epsilon)

        candidates["POT"] = pot
    if peer("ott") is not None and peer("jax") is not None:
        candidates["OTT"] = _ott_solution(x, y, epsilon)
    return Case(
        f"solve to 1e-6, n = {n}, d = 3, ε = {fraction} mean cost", candidates, _agree(1e-5)
    )


def _ott_solution(x, y, epsilon):
    """With momentum, the fastest of its options that converges here."""
    import jax
    from ott.geometry import pointcloud
    from ott.solvers import linear
    from ott.solvers.linear import acceleration

    jax.config.update("jax_enable_x64", True)
    momentum = acceleration.Momentum(start=300, error_threshold=1e-2)

    @jax.jit
    def run(x, y):
        geometry = pointcloud.PointCloud(x, y, epsilon=epsilon)
        return linear.solve(
            geometry, threshold=1e-6, max_iterations=_POT_ITERATIONS, momentum=momentum
        ).reg_ot_cost

    x, y = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return lambda: float(run(x, y).block_until_ready())


def _objective(plan, c, epsilon):
    some = plan > 0
    entropy = (plan[some] * np.log(plan[some])).sum() + 2 * math.log(c.shape[0])
    return (plan * c).sum() + epsilon * entropy


def _hard_case(name, n):
    """ε = .005 of the mean cost, where plain iterations take thousands; ours are counted."""
    x, y, a, b = _hard_measures(name, n)
    epsilon = 0.005 * float(a @ ((x[:, None] - y[None]) ** 2).sum(axis=-1) @ b)

    def check(outputs):
        result = outputs["mathcore"]
        assert result.converged, result.status
        assert result.iterations < _MOST_HARD_PASSES, result.iterations
        assert result.gap <= 1e-4 * result.value, result.gap
        print(f"{name}: {result.iterations} passes to 1e-6", flush=True)

    solve = {"mathcore": lambda: mathcore.sinkhorn(x, y, a, b, epsilon=epsilon)}
    return Case(f"hard, {name}, n = {x.shape[0]}, ε = .005 mean cost, to 1e-6", solve, check)


def _hard_measures(name, n):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, 2)), rng.standard_normal((n, 2)) + 0.5
    a = b = np.full(n, 1 / n)
    if name.startswith("clusters"):
        centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
        x = centres[rng.choice(3, n, p=[0.5, 0.3, 0.2])] + 0.3 * x
        y = centres[rng.choice(3, n, p=[0.2, 0.3, 0.5])] + 0.3 * y
    elif name.startswith("heavy"):
        a, b = (w / w.sum() for w in (rng.pareto(1.1, n), rng.pareto(1.1, n)))
    elif name.startswith("duplicated"):
        x, y = x[rng.integers(0, n // 10, n)], y[rng.integers(0, n // 10, n)]
    else:
        axis = np.arange(32.0)
        x = y = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        a, b = (_image(rng, x) for _ in range(2))
    return x, y, a, b


def _image(rng, pixels):
    """Grey values of a few bumps on a faint ground, as weights."""
    centres, widths = rng.uniform(4, 28, (5, 2)), rng.uniform(1, 4, 5)
    squares = ((pixels[:, None] - centres) ** 2).sum(axis=-1)
    grey = np.exp(-squares / (2 * widths**2)).sum(axis=1) + 1e-3
    return grey / grey.sum()


def _batch_case(members):
    """Many small problems in one call, against a loop."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((members, 30, 3)), rng.standard_normal((members, 30, 3)) + 0.5
    a, epsilon = np.full(30, 1 / 30), 0.3
    candidates = {
        "mathcore": lambda: float(np.sum(mathcore.sinkhorn(x, y, epsilon=epsilon).value)),
        "mathcore, one by one": lambda: sum(
            float(mathcore.sinkhorn(*pair, epsilon=epsilon).value)
            for pair in zip(x, y, strict=True)
        ),
    }
    if ot := peer("ot"):

        def pot():
            total = 0.0
            for one, other in zip(x, y, strict=True):
                c = ot.dist(one, other)
                plan = ot.sinkhorn(
                    a, a, c, epsilon, numItermax=_POT_ITERATIONS, stopThr=1e-6, warn=False
                )
                total += _objective(plan, c, epsilon)
            return total

        candidates["POT, one by one"] = pot
    return Case(f"{members} problems, n = 30, d = 3, to 1e-6", candidates, _agree(1e-5))


def _agree(tolerance):
    def check(outputs):
        ours = float(outputs["mathcore"])
        for name, value in outputs.items():
            assert abs(float(value) - ours) <= tolerance * abs(ours), (name, float(value), ours)

    return check


def large(n=100_000, tol=1e-3):
    """One solution that no peer's matrices fit a laptop for; says how long, and in what memory."""
    small = _problem(100, 3, "float32")
    mathcore.sinkhorn(*small[:2], epsilon=small[3])  # compiled before the clock starts
    x, y, _, epsilon = _problem(n, 3, "float32")
    start = time.perf_counter()
    result = mathcore.sinkhorn(x, y, epsilon=epsilon, tol=tol, method="streamed", progress=True)
    seconds = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"n = {n}, d = 3, float32, ε = .05 mean cost, tol = {tol:g}: {result.status} in "
        f"{result.iterations} passes, {seconds:.3g} s ({seconds / result.iterations:.3g} s a pass, "
        f"certificate included), {gigabytes:.2f} GB, gap {result.gap:.1g} of {result.value:.6g}"
    )


if __name__ == "__main__":
    large(*(int(v) for v in sys.argv[1:2]))
