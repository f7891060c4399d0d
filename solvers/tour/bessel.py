"""Step 3: the general solution of Bessel's equation from its one known solution J₀."""

import time

import numpy as np

from solvers.linear.particular_solutions import general_solution
from solvers.tour.figures import BLUE, GREY, ORANGE, figure, save
from solvers.tour.rows import Row, duration

TITLE = "3  The general solution from a particular one: Bessel's equation, J₀ known"
REMARK = (
    "y'' + y'/t + y = 0 on [1, 30] as a system x' = A(t) x, x = (y, y'). Given J₀ alone, the\n"
    "library builds the second solution by quadrature, across the nine zeros of J₀. SciPy's Y₀\n"
    "is the oracle."
)


def _coefficients(t):
    return np.array([[0 * t, 1 + 0 * t], [-1 + 0 * t, -1 / t]])


def step(out, quick):
    """Build the second solution, fit Y₀, compare."""
    from scipy.special import j0, j1, y0, y1

    start = time.perf_counter()
    solution = general_solution(_coefficients, [lambda t: np.array([j0(t), -j1(t)])], (1.0, 30.0))
    seconds = time.perf_counter() - start
    yield Row("time to build", duration(seconds))
    yield Row(
        "residual |x' − A x|, relative",
        f"{float(solution.residual):.1e}",
        "on a grid of its own",
        float(solution.residual) <= 1e-10,
    )
    t = np.linspace(1.0, 30.0, 1451)
    fitted = solution.fit(1.0, np.array([y0(1.0), -y1(1.0)]))(t)
    error = np.abs(fitted - np.stack([y0(t), -y1(t)], axis=-1)).max(axis=-1)
    yield Row(
        "largest error of (Y₀, Y₀') on [1, 30]",
        f"{error.max():.1e}",
        "against scipy.special, |Y₀| ≤ 0.53",
        bool(error.max() <= 1e-12),
    )
    wronskian = np.exp(solution.log_wronskian(t) - solution.log_wronskian(np.asarray(1.0)))
    drift = np.abs(wronskian * t - 1).max()
    yield Row(
        "Wronskian × t, largest drift", f"{drift:.1e}", "Abel: constant", bool(drift <= 1e-12)
    )
    _draw(out, t, j0(t), fitted[:, 0], y0(t), error)


def _draw(out, t, known, built, oracle, error):
    drawing, (solutions, errors) = figure(ncols=2, width=11.0, width_ratios=[1.6, 1])
    solutions.axhline(0, color=GREY, linewidth=0.6)
    solutions.plot(t, known, color=GREY, label="J₀, given")
    solutions.plot(t, built, color=BLUE, label="second solution, built")
    solutions.plot(t[::40], oracle[::40], "o", color=ORANGE, markersize=4, label="SciPy's Y₀")
    solutions.set(title="Bessel's equation from one known solution", xlabel="t")
    solutions.legend(ncols=3, loc="upper right")
    floor = np.finfo(float).eps / 8
    errors.semilogy(t, np.maximum(error, floor), color=BLUE, linewidth=0.8)
    errors.set(title="Error against SciPy's Y₀, Y₀'", xlabel="t", ylim=(floor, 1e-13))
    save(drawing, out, "3_bessel.png")
