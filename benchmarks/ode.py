"""One trajectory: Lorenz's and Lotka's systems, compiled and in plain Python."""

import numpy as np
from scipy import integrate

from benchmarks.runner import Case, peer
from solvers import solve_ivp

TOLERANCE = {"rtol": 1e-8, "atol": 1e-8}


def lorenz(t, y):
    """Lorenz's system with its usual parameters."""
    return (10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2])


def lotka_volterra(t, y):
    """Predator and prey."""
    return (1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3 * y[1])


# name, right-hand side, start, end at t = 10 (a Taylor series in mpmath), allowed relative error
PROBLEMS = [
    ("Lorenz", lorenz, (1.0, 0.0, 0.0), (-5.857685382423, -5.831082486423, 23.932132987031), 5e-5),
    ("Lotka–Volterra", lotka_volterra, (1.0, 1.0), (1.026344767575, 0.909691078136), 1e-5),
]


def cases(quick):
    """To t = 10, rtol = atol = 1e-8."""
    for name, fun, start, end, allowed in PROBLEMS[:1] if quick else PROBLEMS:
        y0, check = np.array(start), _close_to(end, allowed)
        yield Case(
            f"{name}, compiled right-hand side",
            {**_compiled(fun, y0), **_diffrax(fun, y0), **_scipy(fun, y0)},
            check,
        )
        for ours, theirs in (("dop853", "DOP853"), ("tsit5", "RK45")):
            candidates = {"mathcore": lambda f=fun, y=y0, m=ours: _solve(f, y, m)}
            candidates |= {f"SciPy {theirs}": lambda f=fun, y=y0, m=theirs: _peer(f, y, m)}
            yield Case(f"{name}, plain Python, {ours}", candidates, check)


def _solve(fun, y0, method):
    return solve_ivp(fun, (0, 10), y0, method=method, **TOLERANCE).y[:, -1]


def _peer(fun, y0, method):
    return integrate.solve_ivp(fun, (0, 10), y0, method=method, **TOLERANCE).y[:, -1]


def _compiled(fun, y0):
    import numba

    compiled = numba.njit(fun)
    names = {"mathcore": "auto", "mathcore dop853": "dop853", "mathcore tsit5": "tsit5"}
    return {name: lambda m=m: _solve(compiled, y0, m) for name, m in names.items()}


def _scipy(fun, y0):
    return {
        f"SciPy {m}, plain Python": lambda m=m: _peer(fun, y0, m)
        for m in ("DOP853", "LSODA", "RK45")
    }


def _diffrax(fun, y0):
    diffrax, jax = peer("diffrax"), peer("jax")
    if diffrax is None or jax is None:
        return {}
    term = diffrax.ODETerm(lambda t, y, args: jax.numpy.stack(fun(t, y)))
    controller, start = diffrax.PIDController(**TOLERANCE), jax.numpy.asarray(y0)

    def candidate(solver):
        @jax.jit
        def run(y0):
            solution = diffrax.diffeqsolve(
                term, solver, 0.0, 10.0, None, y0, stepsize_controller=controller
            )
            return solution.ys[-1]

        return lambda: np.asarray(run(start))

    return {
        f"diffrax {solver.__name__}": candidate(solver())
        for solver in (diffrax.Tsit5, diffrax.Dopri8)
    }


def _close_to(end, allowed):
    def check(outputs):
        for name, y in outputs.items():
            error = np.abs(y / np.array(end) - 1).max()
            assert error <= allowed, f"{name}: error {error:.2g}"

    return check
