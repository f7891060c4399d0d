"""Laws of ODE integrators, from problems with a closed form.

The function under test is called as

- `integrator_laws`: ``integrate(fun, (t0, t1), y0, rtol, atol) -> y(t1)``;
- `dense_output_laws`: ``solve(fun, (t0, t1), y0, rtol, atol) -> sol``, ``sol(t) -> y(t)``;
- `event_laws`: ``find(fun, (t0, t1), y0, event, rtol, atol) -> times`` where the event vanishes;
- `check_order`: ``integrate(fun, (t0, t1), y0, num_steps) -> y(t1)`` with steps of one size.

``fun(t, y)`` returns an array like y.
"""

import math

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing.laws import check_close, law

_REAL_AND_COMPLEX = ("float64", "complex128")
_RTOL = 1e-6
_ALLOWED = 200.0  # errors of the steps add up, and are estimates
_SPAN = (0.3, 1.7)


def _problem(dtype):
    """A matrix and a state, (n, n) and (n,), of moderate size."""
    return st.integers(0, 10**6).map(lambda seed: _drawn(np.random.default_rng(seed), dtype))


def _drawn(rng, dtype):
    a, y0 = rng.standard_normal((3, 3)), 0.5 + rng.random(3)
    if np.dtype(dtype).kind == "c":
        a, y0 = a + 1j * rng.standard_normal((3, 3)), y0 + 1j * rng.random(3)
    return (a / np.linalg.norm(a, 2)).astype(dtype), y0.astype(dtype)


def _linear(xp, a):
    """y' = 2 cos(2t) A y."""

    def fun(t, y):
        t = xp.asarray(t, dtype=_arrays.real_part(y).dtype)
        return 2 * xp.astype(xp.cos(2 * t), y.dtype) * (a @ y)

    return fun


def _exact(a, y0, t0, t1):
    """exp((sin 2t₁ − sin 2t₀) A) y₀, on the host."""
    values, vectors = np.linalg.eig(_arrays.to_numpy(a))
    growth = np.exp((math.sin(2 * t1) - math.sin(2 * t0)) * values)
    y = vectors @ (growth * np.linalg.solve(vectors, _arrays.to_numpy(y0)))
    return y if np.iscomplexobj(_arrays.to_numpy(y0)) else y.real


def _bound(tol, exact):
    return _ALLOWED * tol * max(1.0, float(np.abs(exact).max()))


@law(dtypes=_REAL_AND_COMPLEX, max_examples=3, problem=_problem)
def matches_the_closed_form(integrate, xp, problem):
    """On y' = 2 cos(2t) A y the error is of the order of the tolerance."""
    a, y0 = problem
    y = integrate(_linear(xp, a), _SPAN, y0, _RTOL, _RTOL)
    exact = _exact(a, y0, *_SPAN)
    check_close(xp, y, exact, tolerance=_bound(_RTOL, exact), what="y(t1)")


@law(max_examples=2, dtypes=("float64",), problem=_problem)
def error_falls_with_the_tolerance(integrate, xp, problem):
    """The error is of the order of the tolerance at 1e-3, and at one a million times smaller."""
    a, y0 = problem
    exact = _exact(a, y0, *_SPAN)
    for tol in (1e-3, 1e-9):
        y = integrate(_linear(xp, a), _SPAN, y0, tol, tol)
        check_close(xp, y, exact, tolerance=_bound(tol, exact), what=f"y(t1) at {tol:g}")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=2, problem=_problem)
def time_reversal(integrate, xp, problem):
    """Forward and back again is where it started."""
    a, y0 = problem
    there = integrate(_linear(xp, a), _SPAN, y0, _RTOL, _RTOL)
    back = integrate(_linear(xp, a), _SPAN[::-1], there, _RTOL, _RTOL)
    check_close(xp, back, y0, tolerance=_ALLOWED * _RTOL, what="there and back")


@law(dtypes=("float64",), max_examples=2, problem=_problem)
def halves_compose(integrate, xp, problem):
    """To the middle and on from there is the same as at once."""
    a, y0 = problem
    (t0, t1), middle = _SPAN, 0.9
    half = integrate(_linear(xp, a), (t0, middle), y0, _RTOL, _RTOL)
    whole = integrate(_linear(xp, a), (middle, t1), half, _RTOL, _RTOL)
    at_once = integrate(_linear(xp, a), _SPAN, y0, _RTOL, _RTOL)
    check_close(xp, whole, at_once, tolerance=_ALLOWED * _RTOL, what="two halves")


@law(dtypes=("float64",), max_examples=2, problem=_problem)
def invariants_are_kept(integrate, xp, problem):
    """A free rigid body keeps its energy and the length of its angular momentum."""
    _, y0 = problem
    inverse_inertia = (1.0, 2.0, 3.0)

    def fun(t, y):
        p, q, r = inverse_inertia
        rates = [(r - q) * y[1] * y[2], (p - r) * y[2] * y[0], (q - p) * y[0] * y[1]]
        return xp.stack(rates)

    start = _arrays.to_numpy(y0)
    end = _arrays.to_numpy(integrate(fun, (0.0, 3.0), y0, _RTOL, _RTOL))
    for name, weights in (("length", (1.0, 1.0, 1.0)), ("energy", inverse_inertia)):
        drift = abs(np.dot(weights, end**2) - np.dot(weights, start**2))
        assert drift <= _ALLOWED * _RTOL * np.dot(weights, start**2), f"{name} drifts by {drift}"
    assert np.abs(end - start).max() > 1e-2, "the state did not move"


def check_order(integrate, order, *, xp=np, steps=(8, 16), margin=0.4):
    """Raise AssertionError unless ``integrate`` converges with the order, on y' = 2 cos(2t) A y.

    Parameters
    ----------
    integrate : callable
        ``integrate(fun, (t0, t1), y0, num_steps) -> y(t1)`` by `num_steps` steps of one size.
    order : int
        The order it should have.
    xp : module, optional
        The array library.
    steps : pair of int, optional
        Numbers of steps between which the order is measured: errors must be above rounding.
    margin : float, optional
        How far the measured order may be below.

    Examples
    --------
    >>> from mathcore.testing import check_order
    >>> def euler(fun, t_span, y, num_steps):
    ...     (t, end), h = t_span, (t_span[1] - t_span[0]) / num_steps
    ...     for i in range(num_steps):
    ...         y = y + h * fun(t + i * h, y)
    ...     return y
    >>> check_order(euler, 1, steps=(64, 128))
    """
    a, y0 = _drawn(np.random.default_rng(0), "float64")
    exact = _exact(a, y0, *_SPAN)
    a, y0 = (xp.asarray(x.tolist(), dtype=xp.float64) for x in (a, y0))
    errors = [
        float(np.abs(_arrays.to_numpy(integrate(_linear(xp, a), _SPAN, y0, k)) - exact).max())
        for k in steps
    ]
    measured = math.log(errors[0] / errors[1]) / math.log(steps[1] / steps[0])
    assert measured >= order - margin, f"order {measured:.2f} instead of {order}: errors {errors}"


@law(dtypes=_REAL_AND_COMPLEX, max_examples=2, problem=_problem)
def dense_output_matches_the_closed_form(solve, xp, problem):
    """Between the steps the error is of the order of the tolerance too."""
    a, y0 = problem
    sol = solve(_linear(xp, a), _SPAN, y0, _RTOL, _RTOL)
    for t in np.linspace(*_SPAN, 23).tolist():
        exact = _exact(a, y0, _SPAN[0], t)
        check_close(xp, sol(t), exact, tolerance=_bound(_RTOL, exact), what=f"y({t:.3g})")


@law(dtypes=("float64",), max_examples=2, problem=_problem)
def dense_output_falls_with_the_tolerance(solve, xp, problem):
    """Its error falls with the tolerance, as a polynomial of low order would not let it."""
    a, y0 = problem
    for tol in (1e-4, 1e-9):
        sol = solve(_linear(xp, a), _SPAN, y0, tol, tol)
        for t in np.linspace(*_SPAN, 23).tolist():
            exact = _exact(a, y0, _SPAN[0], t)
            tolerance = _bound(tol, exact)
            check_close(xp, sol(t), exact, tolerance=tolerance, what=f"y({t:.3g}) at {tol:g}")


def _level(dtype):
    return st.floats(-0.9, 0.9)


@law(dtypes=("float64",), max_examples=2, level=_level)
def all_roots_are_found(find, xp, level):
    """Where cos t passes a level, and one where roots come in close pairs: every time, in order."""
    for height in (level, 0.9999):
        _check_roots(find, xp, height)


def _check_roots(find, xp, level):
    start, end = 0.5, 13.5

    def fun(t, y):
        return xp.stack([y[1], -y[0]])

    y0 = xp.asarray([math.cos(start), -math.sin(start)], dtype=xp.float64)
    found = find(fun, (start, end), y0, lambda t, y: y[0] - level, 1e-8, 1e-8)
    turns = [2 * math.pi * k + sign * math.acos(level) for k in range(4) for sign in (-1, 1)]
    desired = np.array(sorted(t for t in turns if start < t < end))
    slope = math.sqrt(1 - level**2)
    check_close(xp, found, desired, tolerance=_ALLOWED * 1e-8 / slope, what="roots")


integrator_laws = (
    matches_the_closed_form,
    error_falls_with_the_tolerance,
    time_reversal,
    halves_compose,
    invariants_are_kept,
)

dense_output_laws = (
    dense_output_matches_the_closed_form,
    dense_output_falls_with_the_tolerance,
)

event_laws = (all_roots_are_found,)
