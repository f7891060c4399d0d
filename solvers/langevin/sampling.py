"""Many Langevin chains at once, each a function of its seed, its number and the step alone."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, _random
from mathcore._checks import (
    check_callable,
    check_choice,
    check_count,
    check_finite,
    check_number,
    check_real,
    check_shape,
)
from solvers.langevin.integrators import baoab, mala_log_ratio, ula

METHODS = ("ula", "mala", "baoab")

# Independent streams of noise within one step.
_DIFFUSION, _ACCEPTANCE, _MOMENTUM = 0, 1, 2


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
    step_size : float
    num_steps : int
    seed : int
        ``rng=seed`` repeats the run.
    status : array (chains,)
        int32. 0: finite; 1: diverged, the state, its score or (for "mala") its log density is NaN
        or infinite at the end.
    """

    draws: Any
    x: Any
    acceptance_rate: Any
    step_size: float
    num_steps: int
    seed: int
    status: Any


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


class _Chains(NamedTuple):
    """State of all chains; `momentum` and `log_density` only where the method has them."""

    x: Any
    score: Any
    log_density: Any = None
    momentum: Any = None
    accepted: Any = None


def sample_langevin(
    score,
    x0,
    *,
    method="mala",
    step_size,
    num_steps,
    log_density=None,
    friction=1.0,
    temperature=1.0,
    burn_in=0,
    thin=1,
    chains=None,
    rng=0,
    progress=False,
    callback=None,
):
    """Draw from a density known by its score, with many Langevin chains side by side.

    Parameters
    ----------
    score : callable
        ``score(x) -> ∇log π(x)``, on all chains ``(chains, dim)`` at once.
    x0 : array (chains, dim)
        Where the chains start.
    method : str, optional
        "mala": Metropolis-adjusted, exact, needs `log_density`. "ula": unadjusted, bias of order
        `step_size`. "baoab": underdamped, bias of order `step_size` squared, none on Gaussians.
    step_size : float
        h of the methods in `solvers.langevin.integrators`.
    num_steps : int
        All steps, the burn-in included.
    log_density : callable, optional
        ``log_density(x) -> log π(x)`` up to a constant, ``(chains,)``.
    friction : float, optional
        γ ≥ 0 of "baoab"; with 0 nothing is random but the first momentum.
    temperature : float, optional
        T > 0; the chains draw from π^{1/T}.
    burn_in : int, optional
        Steps before the first one that may be kept, below `num_steps`.
    thin : int, optional
        Keep every `thin`-th step after the burn-in.
    chains : sequence of int, optional
        The numbers that key the noise of the rows of `x0`; 0, 1, 2, … by default. Rows given the
        same number see the same noise.
    rng : int, generator or key, optional
        Seed; see Notes.
    progress : bool, optional
        Show a progress bar.
    callback : callable, optional
        Called with a ``LangevinStep(index, x, accepted)`` after each step.

    Returns
    -------
    LangevinResult
        ``draws``, ``x``, ``acceptance_rate``, ``step_size``, ``num_steps``, ``seed``, ``status``.

    Raises
    ------
    ValueError
        A shape or a number is out of range, `method` is unknown, `x0` is not finite, or "mala" has
        no `log_density`.
    TypeError
        An argument has the wrong kind, or the score is an array of another library.

    Notes
    -----
    The noise is a function of (seed, chain, step): Philox on the host in float64, rounded to the
    dtype of `x0`. Where `score` treats the rows separately, 16 chains are bit for bit the 16 runs
    with ``x0[i:i + 1]`` and ``chains=[i]``, on every library, and a chain that diverges does so
    alone: its ``status`` says it, nothing is raised or warned.

    Unlike BlackJAX, one call runs all the chains of any array library, and unlike TorchEBM the
    Metropolis correction is there. Differentiable in torch and JAX for "ula" and "baoab" if
    `score` is.

    References
    ----------
    .. [1] G. O. Roberts, R. L. Tweedie, Bernoulli 2 (1996) 341–363 ("ula", "mala").
    .. [2] B. Leimkuhler, C. Matthews, Appl. Math. Res. eXpress 2013 (2013) 34–56 ("baoab").

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import sample_langevin
    >>> result = sample_langevin(
    ...     lambda x: -x,
    ...     np.zeros((500, 1)),
    ...     log_density=lambda x: -(x[:, 0] ** 2) / 2,
    ...     step_size=0.5,
    ...     num_steps=60,
    ...     burn_in=50,
    ... )
    >>> result.draws.shape, bool(abs(np.var(result.x) - 1) < 0.3)
    ((500, 10, 1), True)
    """
    xp, x0 = _checked_start(score, x0, method, log_density)
    h = check_number(step_size, "step_size", above=0.0)
    friction = check_number(friction, "friction", at_least=0.0)
    temperature = check_number(temperature, "temperature", above=0.0)
    num_steps, burn_in, thin = _checked_counts(num_steps, burn_in, thin)
    seed, chains = _arrays.seed_of(rng), _chain_numbers(chains, x0.shape[0])
    noise = _noise(seed, chains, x0)
    advance = {
        "ula": _ula_step(score, noise, h, temperature),
        "mala": _mala_step(score, log_density, noise, h, temperature),
        "baoab": _baoab_step(score, noise, h, friction, temperature),
    }[method]
    draws, taken = [], xp.zeros(x0.shape[0], dtype=x0.dtype, device=_arrays.device(x0))
    with np.errstate(over="ignore", invalid="ignore"):  # `status` tells
        state = _start(score, log_density, noise, x0, method, temperature)
        for i in _shown(num_steps, progress):
            state = advance(i, state)
            if i >= burn_in and state.accepted is not None:
                taken = taken + xp.astype(state.accepted, x0.dtype)
            if i >= burn_in and (i - burn_in + 1) % thin == 0:
                draws.append(state.x)
            if callback is not None:
                callback(LangevinStep(i, state.x, state.accepted))
    rate = taken / (num_steps - burn_in) if method == "mala" else xp.ones_like(taken)
    return LangevinResult(
        _stacked(xp, draws, x0), state.x, rate, h, num_steps, seed, _status(xp, state)
    )


def _ula_step(score, noise, h, temperature):
    def advance(i, state):
        xi = noise(i, _DIFFUSION)
        x = ula(state.x, state.score, xi, h=h, temperature=temperature)
        return _Chains(x, _evaluate(score, x, x.shape, "score"))

    return advance


def _mala_step(score, log_density, noise, h, temperature):
    def advance(i, state):
        x, score_x, log_x = state.x, state.score, state.log_density
        y = ula(x, score_x, noise(i, _DIFFUSION), h=h, temperature=temperature)
        score_y = _evaluate(score, y, y.shape, "score")
        log_y = _evaluate(log_density, y, y.shape[:1], "log_density")
        log_ratio = mala_log_ratio(
            x, score_x, log_x, y, score_y, log_y, h=h, temperature=temperature
        )
        xp = _arrays.result_namespace(x)
        accepted = noise(i, _ACCEPTANCE) < log_ratio  # False where the ratio is NaN
        row = accepted[:, None]
        return _Chains(
            xp.where(row, y, x),
            xp.where(row, score_y, score_x),
            xp.where(accepted, log_y, log_x),
            accepted=accepted,
        )

    return advance


def _baoab_step(score, noise, h, friction, temperature):
    def force(x):
        return _evaluate(score, x, x.shape, "score")

    def advance(i, state):
        xi = noise(i, _DIFFUSION)
        x, p, score_x = baoab(
            state.x,
            state.momentum,
            state.score,
            force,
            xi,
            h=h,
            friction=friction,
            temperature=temperature,
        )
        return _Chains(x, score_x, momentum=p)

    return advance


def _start(score, log_density, noise, x0, method, temperature):
    state = _Chains(x0, _evaluate(score, x0, x0.shape, "score"))
    if method == "mala":
        return state._replace(log_density=_evaluate(log_density, x0, x0.shape[:1], "log_density"))
    if method == "baoab":
        return state._replace(momentum=math.sqrt(temperature) * noise(0, _MOMENTUM))
    return state


def _noise(seed, chains, x0):
    """Draws of a step: standard normal ``(chains, dim)``, or log-uniform ``(chains,)``."""

    def draw(step, stream):
        if stream == _ACCEPTANCE:
            values = np.log(_random.uniforms(seed, chains, step, 1, stream=stream)[:, 0])
        else:
            values = _random.normals(seed, chains, step, x0.shape[1], stream=stream)
        return _arrays.from_numpy(values, like=x0)

    return draw


def _evaluate(function, x, shape, name):
    xp, value = _arrays.result_namespace(x), function(x)
    if not _arrays.is_array(value) or _arrays.result_namespace(value) is not xp:
        raise TypeError(
            f"`{name}` must return an array of the library of `x0` ({_arrays.library(x)}); "
            f"got {type(value).__name__}"
        )
    check_shape(value, tuple(shape), f"{name}(x)")
    return xp.astype(value, x.dtype, copy=False)


def _checked_start(score, x0, method, log_density):
    check_callable(score, "score")
    check_choice(method, METHODS, "method")
    if method == "mala" and log_density is None:
        raise ValueError('`log_density` must be given for method="mala"; got None')
    if log_density is not None:
        check_callable(log_density, "log_density")
    xp, x0 = _arrays.asarrays(x0=x0)
    check_shape(x0, (None, None), "x0")
    check_real(x0, "x0")
    check_finite(x0, "x0")
    return xp, x0


def _checked_counts(num_steps, burn_in, thin):
    num_steps = check_count(num_steps, "num_steps")
    burn_in = check_count(burn_in, "burn_in", at_least=0)
    if burn_in >= num_steps:
        raise ValueError(f"`burn_in` must be below `num_steps` = {num_steps}; got {burn_in}")
    return num_steps, burn_in, check_count(thin, "thin")


def _chain_numbers(chains, count):
    if chains is None:
        return np.arange(count)
    chains = np.asarray(chains)
    if chains.dtype.kind not in "iu":
        raise TypeError(f"`chains` must be integers; got dtype {chains.dtype}")
    check_shape(chains, (count,), "chains")
    if np.any(chains < 0) or np.any(chains >= 2**32):
        raise ValueError(f"`chains` must be in [0, 2**32); got {chains.tolist()}")
    return chains


def _shown(num_steps, progress):
    if not progress:
        return range(num_steps)
    from tqdm import trange

    return trange(num_steps, desc="sample_langevin")


def _stacked(xp, draws, x0):
    if draws:
        return xp.stack(draws, axis=1)
    return xp.zeros((x0.shape[0], 0, x0.shape[1]), dtype=x0.dtype, device=_arrays.device(x0))


def _status(xp, state):
    finite = xp.all(xp.isfinite(state.x) & xp.isfinite(state.score), axis=-1)
    if state.log_density is not None:
        finite = finite & xp.isfinite(state.log_density)
    return xp.astype(~finite, xp.int32)
