"""One step of a Rosenbrock method: linearly implicit, for stiff systems."""

import math

import numpy as np

from mathcore import _arrays
from solvers.ode.explicit_steps import Stepper, Trial, no_counts, weighted_sums
from solvers.ode.step_control import nan_unless_finite, scaled_errors


def rosenbrock_stepper(tableau, fun, y0, rtol, atol, jac=None):
    """The method on arrays of any library, differentiable.

    `jac`: ``jac(t, y) -> (n, n)``, by differences if None.
    """
    xp, counts = _arrays.result_namespace(y0), no_counts()
    stage_sums = weighted_sums(tableau.a[1:], y0)
    coupling_sums = weighted_sums(tableau.coupling[1:], y0)
    increment, error_sum = weighted_sums([tableau.b, tableau.error], y0)
    dense_sums = weighted_sums(zip(*tableau.dense, strict=True), y0)
    linearize = _linearization(fun, jac, y0, counts)
    identity = _arrays.from_numpy(np.eye(y0.shape[0]).tolist(), y0)
    solver = _numpy_solver if _arrays.is_numpy(y0) else _inverse_solver

    def attempt(t, y, f, h):
        jacobian, slope = linearize(t, y, f)
        solve = solver(identity / (h * tableau.gamma) - jacobian)
        counts["nlu"] += 1
        counts["nfev"] += len(tableau.b)  # the first stage has f; the last one is f at y₁
        u = [solve(f + h * tableau.d[0] * slope)]
        for c, d, total, coupled in zip(
            tableau.c[1:], tableau.d[1:], stage_sums, coupling_sums, strict=True
        ):
            f_stage = fun(t + c * h, y + total(u))
            u.append(solve(f_stage + coupled(u) / h + h * d * slope))
        y_new = y + increment(u)
        (error,) = scaled_errors(y, y_new, [error_sum(u)], rtol, atol)
        f_new = fun(t + h, y_new)
        return Trial(y_new, f_new, error + nan_unless_finite(y_new, f_new), u)

    def polynomial(t, y, h, trial):
        return xp.stack([total(trial.stages) for total in dense_sums])

    return Stepper(attempt, polynomial, None, counts)


def _linearization(fun, jac, y0, counts):
    """(t, y, f) -> ∂f/∂y, ∂f/∂t; the last answer is kept for steps that are repeated."""
    last = [None, None]

    def linearize(t, y, f):
        if last[0] is not y:
            slope = _time_derivative(fun, t, y, f)
            matrix = _jacobian(fun, t, y, f) if jac is None else jac(t, y)
            counts["njev"] += 1
            counts["nfev"] += 1 + (y.shape[0] if jac is None else 0)
            last[:] = y, (matrix, slope)
        return last[1]

    return linearize


def _time_derivative(fun, t, y, f):
    step = math.sqrt(_arrays.eps(y)) * (abs(t) + 1e-5)
    return (fun(t + step, y) - f) / step


def _jacobian(fun, t, y, f):
    """∂f/∂y by forward differences, each component moved by √eps of its size."""
    xp = _arrays.result_namespace(y)
    n = y.shape[0]
    size = xp.abs(_arrays.detach(y))
    steps = math.sqrt(_arrays.eps(y)) * xp.maximum(size, 1e-5 + 0 * size)
    steps = xp.astype(steps, y.dtype)
    unit = _arrays.from_numpy(np.eye(n).tolist(), y)
    columns = [(fun(t, y + steps[i] * unit[i, :]) - f) / steps[i] for i in range(n)]
    return xp.stack(columns, axis=1)


def _numpy_solver(matrix):
    from scipy.linalg import get_lapack_funcs

    factor, backsolve = get_lapack_funcs(("getrf", "getrs"), (matrix,))
    if not np.isfinite(matrix).all():
        return lambda b: np.full_like(b, np.nan)
    lu, pivots, singular = factor(matrix)
    if singular:
        return lambda b: np.full_like(b, np.nan)
    return lambda b: backsolve(lu, pivots, b)[0]


def _inverse_solver(matrix):
    inverse = _arrays.inverse(matrix)
    return lambda b: inverse @ b
