"""Arguments of `sample_langevin`, checked and brought into one form."""

import sys
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import (
    check_callable,
    check_choice,
    check_count,
    check_finite,
    check_number,
    check_real,
    check_shape,
)
from mathcore._random import member_numbers
from solvers.langevin import step_sizes
from solvers.langevin.results import LangevinState
from solvers.langevin.steps import STEPS, UNDERDAMPED, first_momentum

METHODS = tuple(STEPS)


class Plan(NamedTuple):
    """A run of checked arguments; `factor` is L of the preconditioner, `compiled` numba's path."""

    method: str
    score: Any
    log_density: Any
    state: LangevinState
    h: float
    friction: float
    temperature: float
    factor: Any
    sigmas: Any
    batches: Any
    burn_in: int
    thin: int
    last: int
    compiled: bool


def is_compiled(function):
    """Whether `function` is one of numba's."""
    if "numba" not in sys.modules:
        return False
    from numba.core.dispatcher import Dispatcher

    return isinstance(function, Dispatcher)


def plan_of(score, x0, method, log_density, *, step_size, num_steps, sampling, run):
    """Check everything.

    `sampling` holds friction, temperature, preconditioner, sigmas, batches, adapt; `run` holds
    burn_in, thin, chains, rng.
    """
    _check_functions(score, method, log_density, sampling)
    h = check_number(step_size, "step_size", above=0.0)
    friction = check_number(sampling["friction"], "friction", at_least=0.0)
    temperature = check_number(sampling["temperature"], "temperature", above=0.0)
    num_steps = check_count(num_steps, "num_steps")
    state = _state_of(x0, method, run["chains"], run["rng"], temperature)
    last = state.step + num_steps
    burn_in = check_count(run["burn_in"], "burn_in", at_least=0)
    if sampling["adapt"] and state.adaptation is None:
        if burn_in <= state.step:
            raise ValueError(
                f"`burn_in` must exceed {state.step} for `adapt` to do it in; got {burn_in}"
            )
        state = state._replace(adaptation=step_sizes.start(state.x, h))
    if burn_in >= last:
        raise ValueError(f"`burn_in` must be below `num_steps` = {last}; got {burn_in}")
    return Plan(
        method=method,
        score=score,
        log_density=log_density,
        state=state,
        h=h,
        friction=friction,
        temperature=temperature,
        factor=_factor_of(sampling["preconditioner"], state.x),
        sigmas=_levels(sampling["sigmas"], method, last),
        batches=sampling["batches"],
        burn_in=burn_in,
        thin=check_count(run["thin"], "thin"),
        last=last,
        compiled=_runs_compiled(score, log_density, method, sampling["batches"], state.x),
    )


def _check_functions(score, method, log_density, sampling):
    check_callable(score, "score")
    check_choice(method, METHODS, "method")
    if method == "mala" and log_density is None:
        raise ValueError('`log_density` must be given for method="mala"; got None')
    if log_density is not None:
        check_callable(log_density, "log_density")
    if sampling["adapt"] and method != "mala":
        raise ValueError(f'`adapt` must go with method="mala"; got method={method!r}')
    if sampling["batches"] is not None:
        check_callable(sampling["batches"], "batches")
        if method in ("mala", "annealed"):
            raise ValueError(f"`batches` must go with another method; got method={method!r}")


def _state_of(x0, method, chains, rng, temperature):
    """Where the run starts: a new state, or the given one."""
    if isinstance(x0, LangevinState):
        if (x0.momentum is not None) != (method in UNDERDAMPED):
            raise ValueError(f"`x0` must be a state of method={method!r}; got one of another")
        if chains is not None:
            raise ValueError("`chains` must be left out where `x0` is a state; it has its own")
        member_numbers(x0.chains, x0.x.shape[0], "x0.chains")
        return x0 if method == "mala" else x0._replace(adaptation=None)
    if x0 is None:
        raise TypeError("`x0` must be an array or a LangevinState; got None")
    _, x0 = _arrays.asarrays(x0=x0)
    check_shape(x0, (None, None), "x0")
    check_real(x0, "x0")
    check_finite(x0, "x0")
    seed, chains = _arrays.seed_of(rng), member_numbers(chains, x0.shape[0], "chains")
    underdamped = method in UNDERDAMPED
    momentum = first_momentum(seed, chains, x0, temperature) if underdamped else None
    return LangevinState(x0, momentum, None, 0, seed, chains)


def _factor_of(preconditioner, x):
    """L with LLᵀ = M: the root of a diagonal, the Cholesky factor of a matrix."""
    if preconditioner is None:
        return None
    xp = _arrays.result_namespace(x)
    if not _arrays.is_array(preconditioner):
        preconditioner = xp.asarray(preconditioner, device=_arrays.device(x))
    if _arrays.result_namespace(preconditioner) is not xp:
        raise TypeError(
            f"`preconditioner` must be an array of the library of `x0` ({_arrays.library(x)}); "
            f"got {_arrays.library(preconditioner)}"
        )
    check_real(preconditioner, "preconditioner")
    m, dim = xp.astype(preconditioner, x.dtype), x.shape[1]
    if tuple(m.shape) not in ((dim,), (dim, dim)):
        raise ValueError(
            f"`preconditioner` must have shape ({dim},) or ({dim}, {dim}); got {tuple(m.shape)}"
        )
    check_finite(m, "preconditioner")
    refusal = "`preconditioner` must be positive definite; got one that is not"
    if m.ndim == 1:
        if _arrays.is_numpy(m) and not bool(xp.all(m > 0)):
            raise ValueError(refusal)
        return xp.sqrt(m)
    rounding = 100 * float(xp.finfo(m.dtype).eps)
    if _arrays.is_numpy(m) and np.any(abs(m - m.T) > rounding * np.max(abs(m), initial=0.0)):
        raise ValueError("`preconditioner` must be symmetric; got one that is not")
    try:
        return xp.linalg.cholesky(m)
    except (np.linalg.LinAlgError, RuntimeError) as error:
        raise ValueError(refusal) from error


def _levels(sigmas, method, last):
    """Noise level of each step, as floats."""
    if (sigmas is None) != (method != "annealed"):
        raise ValueError(f'`sigmas` must go with method="annealed"; got method={method!r}')
    if sigmas is None:
        return None
    levels = np.asarray(_arrays.to_numpy(sigmas) if _arrays.is_array(sigmas) else sigmas, float)
    check_shape(levels, (None,), "sigmas")
    if not (np.all(np.isfinite(levels)) and np.all(levels > 0)):
        raise ValueError("`sigmas` must be finite and positive; got others")
    if len(levels) < last:
        raise ValueError(f"`sigmas` must hold a level for each of {last} steps; got {len(levels)}")
    return levels.tolist()


def _runs_compiled(score, log_density, method, batches, x):
    """Whether numba's path takes the run; a compiled score that it cannot take is refused."""
    if not is_compiled(score):
        return False
    if not _arrays.is_numpy(x) or x.dtype not in (np.float32, np.float64):
        raise TypeError(
            "`x0` must be a NumPy array of float32 or float64 for a compiled `score`; "
            f"got {_arrays.library(x)}, {x.dtype}"
        )
    if method == "mala" and not is_compiled(log_density):
        raise TypeError("`log_density` must be compiled as `score` is; got a Python function")
    if batches is not None:
        raise TypeError("`score` must be a Python function to take `batches`; got one of numba's")
    return True
