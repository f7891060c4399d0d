"""The walk along a plan: evaluate, combine, report, and say where a value is not finite."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.diffusion.noise_level import at_noise_level
from solvers.diffusion.state_updates import Trail


class DiffusionStep(NamedTuple):
    """What the callback of `sample_diffusion` sees after each step.

    Attributes
    ----------
    index : int
        Number of the step, from 0.
    sigma : float
        The noise level reached.
    x : array (batch, ...)
        The state there.
    denoised : array (batch, ...)
        The latest output of the denoiser.
    """

    index: int
    sigma: float
    x: Any
    denoised: Any


class Walk(NamedTuple):
    """The last state, the number of evaluations, the states on the way, and 1 where traced."""

    x: Any
    calls: int
    states: list
    status: int


def walk(denoiser, x, levels, plan, *, draw=None, callback=None, progress=False, keep=False):
    """Follow the plan; ``draw(step, like)`` gives the noise of a step that has some."""
    xp, dtype = _arrays.result_namespace(x), x.dtype
    trail = Trail(_working_precision(xp, x), plan)
    states, totals, calls, latest = [x], [], 0, None
    for i, combinations in enumerate(_shown(plan.steps, progress)):
        xi = None
        for combination in combinations:
            if combination.noisy and xi is None:
                xi = draw(i, trail.array(trail.x))
            if not combination.evaluates:
                trail.advance(combination, None, xi)
                continue
            point = trail.array(trail.point)
            latest = evaluate(xp, denoiser, point, combination.sigma, dtype)
            calls += 1
            finite = trail.advance(combination, latest, xi)
            if finite is None:
                totals.append((i, total_of(xp, latest)))
            elif not finite:
                raise _failure(xp, latest, i)
        trail.start_step()
        if callback is not None:
            _report(callback, xp, trail, DiffusionStep(i, levels[i + 1], None, latest))
        if keep:
            states.append(trail.array(trail.x))
    x = trail.array(trail.x)
    status = 0 if trail.shared else status_of(xp, x, totals)
    return Walk(xp.astype(x, dtype, copy=False), calls, states, status)


def _report(callback, xp, trail, step):
    state = trail.array(trail.x)
    replaced = callback(step._replace(x=state))
    if replaced is not None:
        trail.move_to(checked_like(xp, replaced, state, "callback"))


def _working_precision(xp, x):
    half = xp.finfo(x.dtype).bits < 32
    return xp.astype(x, xp.float32) if half else x


def _shown(steps, progress):
    if not progress:
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc="sample_diffusion")


def evaluate(xp, denoiser, point, sigma, dtype):
    """D at a point, in the dtype of the point; the denoiser itself sees `dtype`."""
    x = point if point.dtype == dtype else xp.astype(point, dtype)
    denoised = checked_like(xp, at_noise_level(sigma, denoiser, x, sigma), x, "denoiser")
    return denoised if denoised.dtype == point.dtype else xp.astype(denoised, point.dtype)


def in_working_precision(denoiser, x):
    """`x` in float32 where it is a half, and its denoiser: σ announced, the output looked at."""
    xp, dtype = _arrays.result_namespace(x), x.dtype

    def checked(y, sigma):
        return evaluate(xp, denoiser, y, sigma, dtype)

    return checked, _working_precision(xp, x)


def checked_like(xp, value, x, name):
    """`value` if it is an array of the library and shape of `x`."""
    if type(value) is not type(x) and not _is_of(xp, value):
        raise TypeError(
            f"`{name}` must return an array of the library of `x` ({_arrays.library(x)}); "
            f"got {type(value).__name__}"
        )
    if value.shape != x.shape:
        raise ValueError(f"`{name}` must keep the shape {tuple(x.shape)}; got {tuple(value.shape)}")
    return value


def _is_of(xp, x):
    return _arrays.is_array(x) and _arrays.result_namespace(x) is xp


def total_of(xp, x):
    """One cheap pass; finite only if every value is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return xp.sum(_arrays.detach(x))


def _failure(xp, denoised, step):
    if not xp.all(xp.isfinite(denoised)):
        return _not_finite(step)
    return FloatingPointError(f"the state left the range of {denoised.dtype} in step {step}")


def status_of(xp, x, totals):
    """0, 1 where traced, or an error that names the step; `totals` are (step, sum) on the way."""
    # A value that is not finite stays so in every later state, since 0·NaN = 0·inf = NaN: the last
    # state clears all evaluations at once.
    total = _arrays.concrete(total_of(xp, x))
    if total is None:
        return 1
    if not math.isfinite(total) and not xp.all(xp.isfinite(x)):
        suspects = (i for i, total in totals if not math.isfinite(_arrays.concrete(total)))
        raise _not_finite(next(suspects, totals[-1][0] if totals else 0))
    return 0


def _not_finite(step):
    return FloatingPointError(f"`denoiser` returned NaN or infinity in step {step}")
