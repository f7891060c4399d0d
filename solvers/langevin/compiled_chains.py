"""Runs whose score numba has compiled: many steps of every chain in one call."""

import functools
import inspect
from typing import Any, NamedTuple

import numpy as np

from solvers.langevin import step_sizes
from solvers.langevin.results import LangevinState, LangevinStep, result_of
from solvers.langevin.steps import UNDERDAMPED

_SHOWN_BLOCKS = 100  # calls of a run whose progress is shown
_NANOSECONDS = 30.0  # of a step, for each coordinate of a chain


class Settings(NamedTuple):
    """What a call of the kernel leaves unchanged.

    `lower` and `upper` are the rows of L and of Lᵀ: (1, dim) for a diagonal, ones where there is
    no preconditioner.
    """

    method: int
    h: float
    friction: float
    temperature: float
    lower: Any
    upper: Any
    sigmas: Any
    seed: Any
    first: int
    last: int
    burn_in: int
    thin: int
    kept_before: int
    adapts: bool
    target: float
    gain: float
    delay: float
    decay: float


def run_compiled(plan, progress, callback):
    """`sample_langevin` for a compiled score."""
    from mathcore._compile import launch
    from solvers.langevin._kernels import chains_cpu as kernels

    state, method = plan.state, plan.method
    kept, call = _target(plan)
    count, dim = state.x.shape
    x = np.array(state.x, order="C")
    p = np.array(state.momentum, order="C") if state.momentum is not None else np.zeros_like(x)
    adapts = state.adaptation is not None
    adaptation = np.array(state.adaptation, float) if adapts else np.zeros((count, 3))
    before = _kept(plan, state.step)
    draws = np.empty((count, _kept(plan, plan.last) - before, dim), x.dtype)
    ends, taken = np.zeros((count, 3), np.int64), np.zeros(count, np.int64)
    settings, members = _settings(plan, kernels), state.chains.astype(np.uint64)
    advance, changed = _kernel(kernels, method, x, p, adaptation)
    i = state.step
    for first, last in _blocks(plan, progress, callback):
        at = settings._replace(first=first, last=last, kept_before=before)
        nanoseconds = _NANOSECONDS * x.size * (last - first)
        launch(advance, count, nanoseconds, at, call, members, *changed, draws, ends)
        taken, i = taken + ends[:, 0], last
        accepted = ends[:, 1] > 0 if method == "mala" else None
        if callback is not None and callback(LangevinStep(last - 1, x.copy(), accepted)):
            break
    del kept
    end = LangevinState(
        x,
        p if state.momentum is not None else None,
        adaptation.astype(x.dtype) if adapts else None,
        i,
        state.seed,
        state.chains,
    )
    draws = draws[:, : _kept(plan, i) - before]
    return result_of(plan, draws, taken.astype(x.dtype), ends[:, 2].astype(np.int32), end)


def _kernel(kernels, method, x, p, adaptation):
    """The kernel that takes the steps of a method, and the arrays it writes over."""
    if method == "mala":
        return kernels.advance_adjusted, (x, adaptation)
    if method in UNDERDAMPED:
        return kernels.advance_underdamped, (x, p)
    return kernels.advance_overdamped, (x,)


def _kept(plan, stop):
    """Draws kept of the steps before `stop`."""
    return max(0, stop - plan.burn_in) // plan.thin


def _blocks(plan, progress, callback):
    """Steps of one call: all, a hundredth where progress is shown, one for a callback."""
    first, last = plan.state.step, plan.last
    size = last - first
    if progress:
        size = -(-size // _SHOWN_BLOCKS)
    if callback is not None:
        size = 1
    starts = range(first, last, size)
    if not progress:
        yield from ((start, min(start + size, last)) for start in starts)
        return
    from tqdm import tqdm

    with tqdm(total=last - first, desc="sample_langevin") as bar:
        for start in starts:
            stop = min(start + size, last)
            yield start, stop
            bar.update(stop - start)


def _settings(plan, kernels):
    codes = {
        "ula": kernels.ULA,
        "mala": kernels.MALA,
        "leimkuhler-matthews": kernels.LEIMKUHLER_MATTHEWS,
        "baoab": kernels.BAOAB,
        "aboba": kernels.ABOBA,
        "obabo": kernels.OBABO,
        "annealed": kernels.ANNEALED,
    }
    x = plan.state.x
    lower = np.ones((1, x.shape[1]), x.dtype)
    if plan.factor is not None:
        lower = np.ascontiguousarray(np.atleast_2d(plan.factor))
    square = lower.shape[0] == lower.shape[1]
    return Settings(
        method=codes[plan.method],
        h=plan.h,
        friction=plan.friction,
        temperature=plan.temperature,
        lower=lower,
        upper=np.ascontiguousarray(lower.T) if square else lower,
        sigmas=np.asarray(plan.sigmas if plan.sigmas is not None else (), float),
        seed=np.uint64(plan.state.seed),
        first=0,
        last=0,
        burn_in=plan.burn_in,
        thin=plan.thin,
        kept_before=0,
        adapts=plan.state.adaptation is not None,
        target=step_sizes.TARGET,
        gain=step_sizes.GAIN,
        delay=step_sizes.DELAY,
        decay=step_sizes.DECAY,
    )


def _target(plan):
    """The compiled target, after one call of each function that shows a wrong shape."""
    annealed, dim = plan.method == "annealed", plan.state.x.shape[1]
    extra = (plan.sigmas[0],) if annealed else ()
    count = len(inspect.signature(plan.score.py_func).parameters)
    wanted = 1 + annealed
    if count not in (wanted, wanted + 1):
        raise TypeError(
            f"`score` must take {wanted} arguments, or one more to write to; it takes {count}"
        )
    writes, x = count > wanted, np.zeros(dim, plan.state.x.dtype)
    if plan.state.x.shape[0]:
        x = np.array(plan.state.x[0])
    if writes:
        plan.score(x, *extra, np.zeros_like(x))
    elif len(value := plan.score(x, *extra)) != dim:
        raise ValueError(f"`score(x)` must have length {dim}; got {len(value)}")
    adjusted = plan.log_density if plan.method == "mala" else None
    if adjusted is not None and np.ndim(adjusted(x)) != 0:
        raise ValueError("`log_density(x)` must be a number; got an array")
    return _target_function(plan.score, adjusted, x.dtype, annealed, writes)


@functools.lru_cache(maxsize=64)
def _target_function(score, log_density, dtype, takes_sigma, writes):
    from solvers.langevin._kernels.targets_cpu import target_function

    return target_function(score, log_density, dtype, takes_sigma=takes_sigma, writes=writes)
