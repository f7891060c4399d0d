"""Many members in steps of the whole batch: the definition of `solve_ensemble`, on any library.

Each member has its own time and size; where its error is too large, or its run has ended, it keeps
what it had.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.ode.results import EXHAUSTED, FINISHED, NOT_FINITE, UNDERFLOW
from solvers.ode.step_control import (
    RELATIVE_SMALLEST_STEP,
    SMALLEST_STEP,
    STIFF_STEPS,
    combined_error,
    first_step_size,
    growth_after,
    root_mean_square,
)

STIFF, RUNNING = 8, 9


class Batch(NamedTuple):
    """Where the members stand: arrays ``(members,)``, but `y`, `f` (members, n), `record`."""

    t: Any
    y: Any
    f: Any
    h: Any
    previous: Any
    repeated: Any
    stiff_steps: Any
    status: Any
    accepted: Any
    rejected: Any
    nfev: Any
    record: Any


class Step(NamedTuple):
    """A step that was tried, in every member."""

    y: Any
    f: Any
    error: Any
    terms: Any
    stiffness: Any


def march_batch(rate, tableau, control, problem, batch):
    """Every running member until its run ends.

    ``rate(t, y)``, ``(members,), (members, n) -> (members, n)``.
    """
    xp = _arrays.result_namespace(batch.y)
    attempt = _rosenbrock_step if hasattr(tableau, "gamma") else _explicit_step
    batch = begin_batch(rate, tableau, problem, batch)

    def step(state):
        now = Batch(*state)
        running = now.status == RUNNING
        rest = problem.t1 - now.t
        h = xp.where(xp.abs(now.h) * (1 + 1e-10) >= xp.abs(rest), rest, now.h)
        h = xp.where(running & (h != 0), h, xp.ones_like(h))
        trial = attempt(rate, tableau, problem, now, h)
        return tuple(_take(rate, tableau, control, problem, now, h, trial))

    def going(state):
        return xp.any(Batch(*state).status == RUNNING)

    return Batch(*_arrays.while_loop(going, step, tuple(batch)))


def begin_batch(rate, tableau, problem, batch):
    """f and first step sizes."""
    xp = _arrays.result_namespace(batch.y)
    f = rate(batch.t, batch.y)
    span = problem.t1 - batch.t
    refined = first_step_size(
        rate,
        batch.t,
        batch.y,
        f,
        direction=xp.sign(span),
        order=tableau.error_order + 1,
        rtol=problem.rtol,
        atol=problem.atol,
        longest=xp.abs(span),
        traced=True,
    )
    refined = xp.where(xp.isfinite(refined), refined, 1e-6 * xp.abs(span))
    smallest = _smallest_step(xp, batch.t)
    running = batch.status == RUNNING
    lost = running & ~xp.all(xp.isfinite(f), axis=-1)
    nothing, one = xp.zeros_like(batch.t), xp.ones_like(batch.t)
    return batch._replace(
        f=f,
        h=xp.sign(span) * xp.maximum(refined, smallest),
        previous=one,
        repeated=nothing,
        stiff_steps=nothing,
        status=xp.where(lost, NOT_FINITE, batch.status),
        nfev=batch.nfev + 2 * xp.astype(running, batch.nfev.dtype),
    )


def _explicit_step(rate, tableau, problem, now, h):
    xp, column = _arrays.result_namespace(now.y), h[:, None]
    k, argument = [now.f], now.y
    for c, row in zip(tableau.c[1:], tableau.a[1:], strict=True):
        argument = now.y + column * _combined(row, k)
        k.append(rate(now.t + c * h, argument))
    y = now.y + column * _combined(tableau.b, k)
    k.append(rate(now.t + h, y))
    scale = problem.atol + problem.rtol * xp.maximum(xp.abs(now.y), xp.abs(y))
    errors = [root_mean_square(column * _combined(row, k) / scale) for row in tableau.errors]
    error = combined_error(errors)
    moved = root_mean_square(y - argument)
    stiffness = xp.abs(h) * root_mean_square(k[-1] - k[-2]) / xp.where(moved > 0, moved, xp.inf)
    return Step(y, k[-1], error + _spoiled(xp, y, k[-1]), k, stiffness)


def _rosenbrock_step(rate, tableau, problem, now, h):
    xp, column, n = _arrays.result_namespace(now.y), h[:, None], now.y.shape[1]
    jacobian, slope = _differences(rate, now)
    identity = _arrays.from_numpy(np.eye(n).tolist(), now.y)
    inverse = _arrays.inverse(identity / (tableau.gamma * h[:, None, None]) - jacobian)
    u = []
    for i, (c, d) in enumerate(zip(tableau.c, tableau.d, strict=True)):
        right = now.f if i == 0 else rate(now.t + c * h, now.y + _combined(tableau.a[i], u))
        if i > 0:
            right = right + _combined(tableau.coupling[i], u) / column
        u.append((inverse @ (right + d * column * slope)[:, :, None])[:, :, 0])
    y = now.y + _combined(tableau.b, u)
    f = rate(now.t + h, y)
    scale = problem.atol + problem.rtol * xp.maximum(xp.abs(now.y), xp.abs(y))
    error = root_mean_square(_combined(tableau.error, u) / scale)
    return Step(y, f, error + _spoiled(xp, y, f), u, xp.zeros_like(h))


def _differences(rate, now):
    """∂f/∂y and ∂f/∂t by forward differences, each component moved by √eps of its size."""
    xp, root = _arrays.result_namespace(now.y), math.sqrt(_arrays.eps(now.y))
    columns = []
    for j in range(now.y.shape[1]):
        unit = _arrays.from_numpy([float(i == j) for i in range(now.y.shape[1])], now.y)
        size = xp.where(xp.abs(now.y[:, j]) > 1e-5, xp.abs(now.y[:, j]), 1e-5)
        moved = now.y + (root * size)[:, None] * unit
        delta = moved[:, j] - now.y[:, j]
        columns.append((rate(now.t, moved) - now.f) / delta[:, None])
    later = now.t + root * (xp.abs(now.t) + 1e-5)
    slope = (rate(later, now.y) - now.f) / (later - now.t)[:, None]
    return xp.stack(columns, axis=-1), slope


def _take(rate, tableau, control, problem, now, h, trial):
    """The batch after the step: taken where its error is small enough, its size chosen anew."""
    xp = _arrays.result_namespace(now.y)
    running, error = now.status == RUNNING, trial.error
    taken = running & (error <= 1.0)
    arrived = taken & (h == problem.t1 - now.t)
    count = xp.where(now.stiff_steps > 2, now.stiff_steps - 2, xp.zeros_like(h))
    count = xp.where(trial.stiffness > 0.9 * problem.stability, now.stiff_steps + 1, count)
    record, passed = _saved(rate, tableau, problem, now, h, trial, taken)
    column, whole = taken[:, None], now.nfev.dtype
    after = now._replace(
        t=xp.where(taken, xp.where(arrived, problem.t1, now.t + h), now.t),
        y=xp.where(column, trial.y, now.y),
        f=xp.where(column, trial.f, now.f),
        h=h * growth_after(control, error, now.previous, taken, now.repeated > 0),
        previous=xp.where(taken, error, now.previous),
        repeated=xp.where(taken, 0.0 * h, 0.0 * h + 1.0),
        stiff_steps=xp.where(taken, count, now.stiff_steps),
        accepted=now.accepted + xp.astype(taken, whole),
        rejected=now.rejected + xp.astype(running & ~taken, whole),
        nfev=now.nfev
        + _cost(tableau, now.y.shape[1]) * xp.astype(running, whole)
        + len(getattr(tableau, "extra_c", ())) * xp.astype(passed, whole),
        record=record,
    )
    status = _status(xp, problem, after, error, taken, arrived)
    return after._replace(status=xp.where(running, status, now.status))


def _cost(tableau, n):
    """Evaluations of one step; those of the differenced Jacobian included."""
    return len(tableau.b) + (n + 1 if hasattr(tableau, "gamma") else 0)


def _status(xp, problem, after, error, taken, arrived):
    small = ~taken & (xp.abs(after.h) < _smallest_step(xp, after.t))
    steps = after.accepted + after.rejected
    status = xp.where(steps >= problem.max_steps, EXHAUSTED, after.status)
    status = xp.where(small & (error < xp.inf), UNDERFLOW, status)
    status = xp.where(small & ~(error < xp.inf), NOT_FINITE, status)
    if problem.switch:
        status = xp.where(after.stiff_steps >= STIFF_STEPS, STIFF, status)
    return xp.where(arrived, FINISHED, status)


def _saved(rate, tableau, problem, now, h, trial, taken):
    """`record` with the times of `t_eval` that the step passes, and who passes one."""
    if now.record.shape[1] == 0:
        return now.record, taken & ~taken
    xp, terms = _arrays.result_namespace(now.y), list(trial.terms)
    implicit = hasattr(tableau, "gamma")
    for c, row in [] if implicit else zip(tableau.extra_c, tableau.extra_a, strict=True):
        terms.append(rate(now.t + c * h, now.y + h[:, None] * _combined(row, terms)))
    theta = (problem.t_eval[None, :] - now.t[:, None]) / h[:, None]
    last = (h == problem.t1 - now.t)[:, None]
    passed = taken[:, None] & (theta >= 0.0) & ((theta <= 1.0) | last)
    passed = passed & xp.isnan(now.record[:, :, 0])
    powers = theta[:, :, None]
    moved = xp.zeros_like(now.record)
    for column in zip(*tableau.dense, strict=True):
        moved = moved + powers * _combined(column, terms)[:, None, :]
        powers = powers * theta[:, :, None]
    values = now.y[:, None, :] + (moved if implicit else h[:, None, None] * moved)
    return xp.where(passed[:, :, None], values, now.record), xp.any(passed, axis=1)


def _combined(weights, terms):
    return sum(w * term for w, term in zip(weights, terms, strict=False) if w != 0)


def _spoiled(xp, y, f):
    """0, or NaN where a member is not finite."""
    return xp.sum(0.0 * y + 0.0 * f, axis=-1)


def _smallest_step(xp, t):
    size = RELATIVE_SMALLEST_STEP * xp.abs(t)
    return xp.where(size > SMALLEST_STEP, size, SMALLEST_STEP)
