"""Linear systems and initial value problems."""

import functools
import math

import numba
import numpy as np

import solvers
from benchmarks.recorded_results.inputs import ALL, REAL, matrices, normal, row

_METHODS = ("tsit5", "dop853", "rodas5p", "auto")
_compiled = functools.cache(numba.njit)


@functools.cache
def _ring(n, power):
    """A right-hand side of n components: with roots and a sine, or of whole powers alone."""
    terms = (f"mu * (y[{(i + 1) % n}] - y[{i}] ** 3)" for i in range(n))
    term = "" if power == "whole" else f" + math.sin(t) * math.sqrt(abs(y[{n - 1}]))"
    return eval(f"lambda t, y, mu: ({','.join(f'{x}{term}' for x in terms)},)", {"math": math})


def _oscillator(t, y, mu):
    return y[1], mu * ((1 - y[0] * y[0]) * y[1]) - y[0]


def _relaxing(t, y, mu):
    return np.sin(t) - mu * y * np.abs(y)


def _crossing(t, y, mu):
    return abs(y[0]) - 0.95


def _ending(t, y, mu):
    return abs(y[0]) - 0.95


_ending.terminal = True
_TIMES = np.linspace(0.0, 3.0, 5)
_FORMS = {
    "steps": {},
    "times": {"t_eval": _TIMES},
    "dense": {"dense_output": True},
    "events": {"events": _crossing},
    "ends": {"events": _ending},
}
_STARTS = {"two": [2.0, 0.5], "real": np.linspace(1, 2, 20), "complex": np.linspace(1, 1 + 1j, 3)}


def _trajectory(f, start, compiled, form, dtype=None, **given):
    fun = _oscillator if start == "two" else _relaxing
    y0, fun = np.asarray(_STARTS[start], dtype), _compiled(fun) if compiled else fun
    found = f(fun, (0.0, 3.0), y0, args=(given.pop("mu"),), **given, **_FORMS[form])
    return found, found.sol(_TIMES) if form == "dense" else None


def _ensemble(f, n, form, power="whole", members=21, dtype="f8", **given):
    """With a member that is NaN; the others' rates differ by a thousand."""
    y0, mu = 1 + normal(members, n, dtype=dtype) / 3, np.geomspace(0.1, 100, members, dtype=dtype)
    y0[members // 2] = np.nan
    return f(_ring(n, power), (0.0, 3.0), y0, args=(mu,), **given, **_FORMS[form])


def _everywhere(result, *times):
    """A result, and its functions at the times."""
    named = result._asdict().items()
    return result, {k: v(*times) for k, v in named if callable(v) and k not in ("fit", "lift")}


def _rotation(t):
    return np.array([[0.0, 1.0, 0.1], [-1.0 - 0.2 * np.cos(t), 0.0, 0.0], [0.0, 0.1, -0.3]])


def _known(roots):
    return [lambda t, r=r: np.exp(r * t) * np.array([1.0, r, r * r]) for r in range(1, roots + 1)]


CASES = (
    row(
        "general_solution",
        lambda f, k: _everywhere(
            f(solvers.companion([-6.0, 11.0, -6.0]), _known(k), (0.0, 1.0)), _TIMES / 3
        ),
        k=(1, 2, 3),
    ),
    row("companion", lambda f: f([1.0, lambda t: 1 / t])(2.0)),
    row(
        "reduce_order",
        lambda f, k: _everywhere(
            f(solvers.companion([-6.0, 11.0, -6.0]), _known(k), (0.0, 1.0)), 0.5
        ),
        k=(1, 2),
    ),
    row("recover_coefficients", lambda f, t: f(_known(3), t), t=(0.3, 0.9)),
    row(
        "riccati_general_solution",
        lambda f, t: f(np.tan, lambda t: -1 / np.tan(t), lambda t: np.tan(t + 1)).fit(0.2, 0.7)(t),
        t=(0.3, 0.5),
    ),
    row(
        "solve_linear",
        lambda f, method: (
            f(_rotation, (0.0, 3.0), np.ones(3), method=method),
            f(_rotation, (0.0, 3.0), np.ones(3), method=method).sol(_TIMES),
        ),
        method=("auto", "magnus4", "magnus6", "cf4", "rk"),
    ),
    row(
        "solve_linear",
        lambda f, n, method, dtype: f(
            matrices(n, norm=30.0, dtype=dtype), (0.0, 3.0), normal(n, dtype=dtype), method=method
        ),
        n=(2, 9, 70),
        method=("auto", "expm", "krylov"),
        dtype=ALL,
    ),
    row(
        "fundamental_matrix",
        lambda f, method: (
            f(_rotation, (0.0, 3.0), method=method),
            f(_rotation, (0.0, 3.0), method=method)(_TIMES, 0.5),
        ),
        method=("auto", "magnus4", "cf4"),
    ),
    row("monodromy", lambda f, rtol: f(_rotation, 2 * np.pi, rtol=rtol), rtol=(1e-6, 1e-10)),
    row(
        "solve_ivp",
        _trajectory,
        start=_STARTS,
        compiled=(False, True),
        method=_METHODS,
        form=_FORMS,
        mu=(1.0,),
    ),
    row(
        "solve_ivp",
        _trajectory,
        start=("two",),
        compiled=(False, True),
        method=_METHODS[2:],
        form=_FORMS,
        mu=(300.0,),
    ),
    row(
        "solve_ivp",
        _trajectory,
        start=("two", "real"),
        compiled=(False, True),
        form=("steps",),
        dtype=("f4",),
        mu=(1.0,),
    ),
    row(
        "solve_ivp",
        _trajectory,
        start=("two", "real"),
        compiled=(False, True),
        form=("steps", "dense"),
        rtol=(1e-10,),
        mu=(1.0,),
    ),
    row("solve_ensemble", _ensemble, n=(1, *range(3, 10)), form=("steps",), method=("auto",)),
    row(
        "solve_ensemble",
        _ensemble,
        n=(2, 10),
        form=("steps", "times", "events"),
        method=_METHODS,
    ),
    row("solve_ensemble", _ensemble, n=(2, 9), form=("steps", "times"), power=("roots",)),
    row("solve_ensemble", _ensemble, n=(2,), form=("steps",), members=(1, 7, 300), dtype=REAL),
    row(
        "flow_logdet",
        lambda f, method, divergence: f(
            lambda t, x: np.sin(t) - x**3,
            (0.0, 1.0),
            normal(4, 3),
            method=method,
            divergence=divergence,
            rng=0,
        ),
        method=("dop853", "tsit5"),
        divergence=("exact", "hutchinson"),
    ),
    row(
        "pursuit",
        lambda f, method: f(
            lambda t: (1.0, 0.2 * t), 1.0, [0.0, 0.0], capture_radius=1e-5, method=method
        ),
        method=_METHODS,
    ),
)
