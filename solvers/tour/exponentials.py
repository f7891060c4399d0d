"""Step 1: the determinant of an exponential is the exponential of a trace."""

import math

import numpy as np

from mathcore import identities
from solvers.tour.figures import BLUE, GREY, ORANGE, figure, save
from solvers.tour.rows import Row, duration, timed

TITLE = "1  det(exp A) = exp(tr A)"
REMARK = "A is 300 × 300, normal entries of variance 1/300. The left side needs expm and an LU."


def step(out, quick):
    """Both sides at n = 300, their costs, and the same over a range of sizes in the figure."""
    identity = identities.get("det_exp")
    a = _matrix(300)
    left, left_time = timed(lambda: identity.lhs(a))
    right, right_time = timed(lambda: identity.rhs(a))
    residual, tolerance = identity.residual(a), identity.tolerance(a)
    yield Row("det(exp A)", f"{left:.15f}", duration(left_time))
    yield Row("exp(tr A)", f"{right:.15f}", duration(right_time))
    yield Row(
        "relative difference",
        f"{residual:.1e}",
        f"rounding allows {tolerance:.1e}",
        residual <= tolerance,
    )
    left, right = identity.costs(a.shape)
    cheap = identity.cheapest(a.shape)
    yield Row("operations, left over right", f"{left / right:,.0f}", "from the cost model")
    yield Row(
        "time, left over right",
        f"{left_time / right_time:,.0f}",
        f"the library picks the {'right' if cheap == 'rhs' else 'left'} side",
        (cheap == "rhs") == (right_time < left_time),
    )
    _draw(out, identity, [10, 30, 100, 300] if quick else [10, 20, 40, 80, 150, 300, 500])


def _matrix(n):
    return np.random.default_rng(0).standard_normal((n, n)) / math.sqrt(n)


def _draw(out, identity, sizes):
    drawing, (errors, times) = figure(ncols=2)
    matrices = [_matrix(n) for n in sizes]
    floor = np.finfo(float).eps / 2
    residuals = [max(identity.residual(a), floor) for a in matrices]
    errors.loglog(sizes, residuals, "o-", color=BLUE, label="measured")
    bounds = [identity.tolerance(a) for a in matrices]
    errors.loglog(sizes, bounds, "--", color=GREY, label="bound from conditioning")
    errors.set(title="Relative difference of the sides", xlabel="n")
    errors.legend()
    for side, colour, name in (
        (identity.lhs, ORANGE, "det(exp A)"),
        (identity.rhs, BLUE, "exp(tr A)"),
    ):
        seconds = [timed(lambda a=a, side=side: side(a))[1] for a in matrices]
        times.loglog(sizes, [1e6 * s for s in seconds], "o-", color=colour, label=name)
    times.set(title="Time, µs", xlabel="n")
    times.legend()
    save(drawing, out, "1_det_exp.png")
