"""Ascending times by steps of any method for e^{tA} b, and the error carried from step to step."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.matrices.linear_operators import random_vector

_LOOSE = 0.1  # tolerance for carrying an error estimate


class Step(NamedTuple):
    """What one step of a method gives: e^{hA} x at the first ``len(values)`` of the times asked."""

    values: list
    elapsed: float  # time of `state`: the last of those, or short of the first when there is none
    state: Any
    error: float  # relative to the norm of `state`; the largest over the columns
    num_products: int


class March(NamedTuple):
    """Values at the times asked, their relative error, and the products made."""

    values: list
    error: float
    num_products: int


def column_norms(x):
    """2-norm of each column of x (n,) or (n, k), on the host, (1,) or (k,)."""
    x = _arrays.detach(x)
    xp = _arrays.result_namespace(x)
    with np.errstate(over="ignore", under="ignore"):
        sizes = _host(xp.linalg.vector_norm(x, axis=0))
    least = 1e3 * math.sqrt(float(xp.finfo(x.dtype).smallest_normal))
    if np.all((sizes > least) & (sizes < math.inf)):
        return sizes
    # squares that left the range: 1e200 is not infinite, nor 1e-200 zero
    largest = xp.max(xp.abs(x), axis=0)
    scale = xp.where((largest > 0) & xp.isfinite(largest), largest, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return _host(xp.linalg.vector_norm(x / scale, axis=0)) * _host(scale)


def _host(sizes):
    return np.atleast_1d(_arrays.to_numpy(sizes)).astype(np.float64)


def march(stepper, x, times, *, rtol, want_error):
    """e^{tA} x at ascending times > 0 with the steps of ``stepper(rtol=rtol)``.

    None where the method declines (a step is None). The error is 0 unless wanted.
    """
    found = _steps(stepper(rtol=rtol), x, times)
    if found is None:
        return None
    values, trail = found
    error = _carried_error(stepper, trail) if want_error else 0.0
    return March(values, error, sum(step.num_products for step in trail))


def march_by_columns(stepper, x, times, *, rtol, want_error):
    """`march` for methods that take one vector at a time."""
    if x.ndim == 1 or x.shape[1] == 1:
        return march(stepper, x, times, rtol=rtol, want_error=want_error)
    columns = []
    for j in range(x.shape[1]):
        columns.append(march(stepper, x[:, j : j + 1], times, rtol=rtol, want_error=want_error))
        if columns[-1] is None:
            return None
    xp = _arrays.result_namespace(x)
    blocks, errors, products = zip(*columns, strict=True)
    values = [xp.concat(block, axis=1) for block in zip(*blocks, strict=True)]
    return March(values, float(np.max(errors)), sum(products))


def _steps(step, x, times):
    values, trail, now = [], [], 0.0
    while len(values) < len(times):
        if _is_settled(x, started=bool(trail)):
            values += [x] * (len(times) - len(values))
            break
        done = step(x, [h - now for h in times[len(values) :]])
        if done is None:
            return None
        values += done.values
        now = times[len(values) - 1] if done.values else now + done.elapsed
        x = done.state
        trail.append(done)
    return values, trail


def _is_settled(x, *, started):
    """Zero stays zero; what has overflowed is left as it is."""
    sizes = column_norms(x)
    return bool(np.all((sizes == 0) | (~np.isfinite(sizes) & started)))


def _carried_error(stepper, trail):
    """Each step's error as noise of its size, which the later steps carry on like the solution."""
    worst, noise = 0.0, None
    for number, step in enumerate(trail):
        if number and np.any(column_norms(noise) > 0):
            carried = _steps(stepper(rtol=_LOOSE), noise, [step.elapsed])
            noise = noise if carried is None else carried[0][0]
        fresh = _unit_columns(random_vector(step.state, number))
        xp = _arrays.result_namespace(fresh)
        state = _arrays.detach(step.state)
        fresh = step.error * xp.linalg.vector_norm(state, axis=0, keepdims=True) * fresh
        noise = fresh if noise is None else noise + fresh
        sizes = column_norms(state)
        if not np.all(np.isfinite(sizes)):
            return float("nan")
        ratios = column_norms(noise)[sizes > 0] / sizes[sizes > 0]
        worst = max(worst, float(np.max(ratios, initial=0.0)))
    return worst


def _unit_columns(x):
    xp = _arrays.result_namespace(x)
    return x / xp.linalg.vector_norm(x, axis=0, keepdims=True)
