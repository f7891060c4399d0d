"""One step of an explicit Runge–Kutta method, and the polynomial through it."""

from typing import Any, NamedTuple

from mathcore import _arrays
from solvers.ode.step_control import (
    combined_error,
    nan_unless_finite,
    root_mean_square,
    scaled_errors,
)


class Trial(NamedTuple):
    """A step that was tried: y₁, f(t + h, y₁) or None, the error relative to the tolerance, the
    stages.
    """

    y: Any
    f: Any
    error: Any
    stages: Any


class Stepper(NamedTuple):
    """A method ready to step.

    ``attempt(t, y, f, h) -> Trial``. ``polynomial(t, y, h, trial)``: the coefficients (degree, n)
    of θ, θ², … in y(t + θh) − y, to be asked for before the next attempt. ``stiffness(h, trial)``:
    an estimate of |hλ|; None for implicit methods. ``counts``: {"nfev", "njev", "nlu"} so far.
    """

    attempt: Any
    polynomial: Any
    stiffness: Any
    counts: dict


def no_counts():
    """Counts of a stepper that has done nothing."""
    return {"nfev": 0, "njev": 0, "nlu": 0}


def weighted_sums(rows, like):
    """For each row of weights the function (terms, at least as many as weights) -> Σ w_i term_i."""
    xp = _arrays.result_namespace(like)

    def weighted(row):
        weights = _arrays.from_numpy(list(row), like)
        return lambda terms: xp.tensordot(weights, xp.stack(terms[: len(row)]), axes=1)

    return [weighted(row) for row in rows]


def stiffness_weights(tableau):
    """Weights of (y₁ − g) / h: g is the argument of the last stage, at t + h like y₁."""
    return [b - a for b, a in zip(tableau.b, (*tableau.a[-1], 0.0), strict=True)]


def explicit_stepper(tableau, fun, y0, rtol, atol):
    """The method on arrays of any library, differentiable."""
    xp, counts = _arrays.result_namespace(y0), no_counts()
    stage_sums = weighted_sums(tableau.a[1:], y0)
    extra_sums = weighted_sums(tableau.extra_a, y0)
    increment, distance = weighted_sums([tableau.b, stiffness_weights(tableau)], y0)
    error_sums = weighted_sums(tableau.errors, y0)
    dense_sums = weighted_sums(zip(*tableau.dense, strict=True), y0)

    def attempt(t, y, f, h):
        counts["nfev"] += len(tableau.b)
        k = [f]
        for c, total in zip(tableau.c[1:], stage_sums, strict=True):
            k.append(fun(t + c * h, y + h * total(k)))
        y_new = y + h * increment(k)
        k.append(fun(t + h, y_new))
        errors = scaled_errors(y, y_new, [h * total(k) for total in error_sums], rtol, atol)
        return Trial(y_new, k[-1], combined_error(errors) + nan_unless_finite(y_new, k[-1]), k)

    def polynomial(t, y, h, trial):
        counts["nfev"] += len(tableau.extra_c)
        k = list(trial.stages)
        for c, total in zip(tableau.extra_c, extra_sums, strict=True):
            k.append(fun(t + c * h, y + h * total(k)))
        return h * xp.stack([total(k) for total in dense_sums])

    def stiffness(h, trial):
        k = [_arrays.detach(stage) for stage in trial.stages]
        moved = root_mean_square(h * distance(k))
        return float(abs(h) * root_mean_square(k[-1] - k[-2]) / moved) if moved > 0 else 0.0

    return Stepper(attempt, polynomial, stiffness, counts)
