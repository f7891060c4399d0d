"""The laws of integrators fail plausible wrong ones."""

import functools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mathcore.testing import check_order, dense_output_laws, event_laws, integrator_laws


def run(fun, t_span, y0, rtol, atol, **options):
    return solve_ivp(fun, t_span, y0, method="DOP853", rtol=rtol, atol=atol, **options)


def integrate(fun, t_span, y0, rtol, atol, *, fault=None):
    """SciPy's DOP853, with one thing wrong."""
    t0, t1 = t_span
    if fault == "tolerance ignored":
        rtol = atol = 1e-3
    if fault == "order 1":
        h = (t1 - t0) / 1000
        return functools.reduce(lambda y, i: y + h * fun(t0 + i * h, y), range(1000), y0)
    if fault == "autonomous":
        return run(lambda t, y: fun(t0, y), t_span, y0, rtol, atol).y[:, -1]
    if fault == "never backward":
        return run(fun, (t0, t0 + abs(t1 - t0)), y0, rtol, atol).y[:, -1]
    if fault == "clock starts at 0":
        return run(lambda t, y: fun(t - t0, y), t_span, y0, rtol, atol).y[:, -1]
    if fault == "stops early":
        return run(fun, (t0, t1 - 1e-2), y0, rtol, atol).y[:, -1]
    if fault == "damped":
        return run(lambda t, y: fun(t, y) - 1e-3 * y, t_span, y0, rtol, atol).y[:, -1]
    return run(fun, t_span, y0, rtol, atol).y[:, -1]


def dense(fun, t_span, y0, rtol, atol, *, fault=None):
    result = run(fun, t_span, y0, rtol, atol, dense_output=True)
    if fault == "linear between steps":
        return lambda t: np.stack([np.interp(t, result.t, row) for row in result.y])
    if fault == "held":
        return lambda t: result.y[:, np.searchsorted(result.t, t)]
    if fault == "coarse":
        return run(fun, t_span, y0, 1e-3, 1e-3, dense_output=True).sol
    return result.sol


def find(fun, t_span, y0, event, rtol, atol, *, fault=None):
    result = run(fun, t_span, y0, rtol, atol, dense_output=True)
    times = result.t if fault == "signs at the steps only" else np.linspace(*t_span, 401)
    values = [event(t, result.sol(t)) for t in times]
    pairs = [i for i in range(len(times) - 1) if values[i] * values[i + 1] < 0]
    roots = []
    for i in pairs:
        (a, b), (u, v) = times[i : i + 2], values[i : i + 2]
        if fault != "secant only":
            from scipy.optimize import brentq

            a = b = brentq(lambda t: event(t, result.sol(t)), a, b, xtol=1e-14)
        roots.append(a if a == b else (a * v - b * u) / (v - u))
    if fault == "twice":
        roots = sorted(roots + roots[:1])
    return np.array(roots[:1] if fault == "first only" else roots)


FAULTS = {
    "tolerance ignored": (integrate, "error_falls_with_the_tolerance"),
    "order 1": (integrate, "matches_the_closed_form"),
    "autonomous": (integrate, "matches_the_closed_form"),
    "clock starts at 0": (integrate, "halves_compose"),
    "never backward": (integrate, "time_reversal"),
    "stops early": (integrate, "halves_compose"),
    "damped": (integrate, "invariants_are_kept"),
    "linear between steps": (dense, "dense_output_matches_the_closed_form"),
    "held": (dense, "dense_output_matches_the_closed_form"),
    "coarse": (dense, "dense_output_falls_with_the_tolerance"),
    "signs at the steps only": (find, "all_roots_are_found"),
    "secant only": (find, "all_roots_are_found"),
    "twice": (find, "all_roots_are_found"),
    "first only": (find, "all_roots_are_found"),
}
LAWS = {
    integrate: integrator_laws,
    dense: dense_output_laws,
    find: event_laws,
}
BY_NAME = {one.__name__: one for laws in LAWS.values() for one in laws}


@pytest.mark.parametrize("function", [integrate, dense, find])
def test_scipy_passes(function):
    for one in LAWS[function]:
        for dtype in one.dtypes:
            one(function, dtype=dtype, max_examples=4)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault):
    function, name = FAULTS[fault]
    with pytest.raises(AssertionError):
        BY_NAME[name](functools.partial(function, fault=fault), max_examples=4)


def test_every_law_catches_a_fault():
    assert {name for _, name in FAULTS.values()} == set(BY_NAME)


def midpoint(fun, t_span, y, num_steps, *, fault=None):
    (t, end), h = t_span, (t_span[1] - t_span[0]) / num_steps
    for _ in range(num_steps):
        k = fun(t, y)
        inner = fun(t if fault else t + h / 2, y + h / 2 * k)
        y, t = y + h * inner, t + h
    assert math.isclose(t, end)
    return y


def test_order_is_measured():
    check_order(midpoint, 2, steps=(64, 128))
    with pytest.raises(AssertionError, match="order"):
        check_order(midpoint, 3, steps=(64, 128))
    with pytest.raises(AssertionError, match="order"):
        check_order(
            functools.partial(midpoint, fault="time of the first stage"), 2, steps=(64, 128)
        )
