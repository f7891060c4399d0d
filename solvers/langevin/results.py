"""What a run of Langevin chains returns, shows on its way, and continues from."""

from typing import Any, NamedTuple

from mathcore import _arrays
from solvers.langevin import step_sizes


class LangevinState(NamedTuple):
    """All that a run needs to go on: pass it to `sample_langevin` as `x0`.

    Attributes
    ----------
    x : array (chains, dim)
        The states.
    momentum : array (chains, dim) or None
        Of the underdamped methods, in the coordinates of the preconditioner.
    adaptation : array (chains, 3) or None
        With ``adapt=True``: the logarithm of the step size, its average, the mean excess of the
        target over the acceptance.
    step : int
        Steps taken since the first start.
    seed : int
    chains : array of int (chains,)
        NumPy; the numbers that key the noise.
    """

    x: Any
    momentum: Any
    adaptation: Any
    step: int
    seed: int
    chains: Any


class LangevinResult(NamedTuple):
    """Draws of `sample_langevin` and what tells whether to trust them.

    Attributes
    ----------
    draws : array (chains, (num_steps - burn_in) // thin, dim)
        The states kept.
    x : array (chains, dim)
        The last states.
    acceptance_rate : array (chains,)
        Share of proposals taken after the burn-in; 1 for methods that reject none.
    step_size : float, or array (chains,) with ``adapt=True``
    num_steps : int
        Steps taken: fewer than asked for where the callback stopped the run.
    seed : int
        ``rng=seed`` repeats the run.
    status : array (chains,)
        int32. 0: finite; 1: diverged, the state, its score or (for "mala") its log density is NaN
        or infinite at the end.
    state : LangevinState
        Where to continue.
    """

    draws: Any
    x: Any
    acceptance_rate: Any
    step_size: Any
    num_steps: int
    seed: int
    status: Any
    state: LangevinState


class LangevinStep(NamedTuple):
    """What the callback of `sample_langevin` sees after each step.

    Attributes
    ----------
    index : int
        Number of the step, from 0.
    x : array (chains, dim)
        The states.
    accepted : array (chains,) or None
        Which proposals were taken; None for methods that reject none.
    """

    index: int
    x: Any
    accepted: Any


def result_of(plan, draws, taken, status, end):
    """The result of a run that ended at the state `end`; `taken` counts proposals (chains,)."""
    xp = _arrays.result_namespace(end.x)
    counted = end.step - max(plan.burn_in, plan.state.step)
    rate = xp.ones_like(taken)
    if plan.method == "mala":
        rate = taken / counted if counted > 0 else xp.full_like(taken, xp.nan)
    h = plan.h
    if end.adaptation is not None:
        h = step_sizes.step_size_of(end.adaptation, burning=False)[:, 0]
    return LangevinResult(draws, end.x, rate, h, end.step - plan.state.step, end.seed, status, end)
