"""Many Langevin chains at once, each a function of its seed, its number and the step alone."""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_callable
from solvers.langevin.arguments import plan_of
from solvers.langevin.compiled_chains import run_compiled
from solvers.langevin.results import LangevinState, LangevinStep, result_of
from solvers.langevin.steps import STEPS, Dynamics, Noise, begin, status_of


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
    preconditioner=None,
    sigmas=None,
    batches=None,
    burn_in=0,
    thin=1,
    adapt=False,
    chains=None,
    rng=0,
    progress=False,
    callback=None,
):
    """Draw from a density known by its score, with many Langevin chains side by side.

    Parameters
    ----------
    score : callable
        ``score(x) -> ∇log π(x)``, on all chains ``(chains, dim)`` at once. Or a function of numba's
        (``@njit``) of one state ``(dim,)``: ``score(x)`` that returns an array or a tuple, or
        ``score(x, out)`` that writes to `out`, which is the faster; x0 is then a NumPy array, and
        the chains run compiled, on all threads, and a state for which it raises has a score of NaN.
    x0 : array (chains, dim), or LangevinState
        Where the chains start. With ``result.state`` of an earlier run that run goes on as if it
        had not been stopped, its seed and chain numbers kept, and steps are counted from its start.
    method : str, optional
        "mala": Metropolis-adjusted, exact, needs `log_density`. "ula": unadjusted, bias of order
        `step_size`. "leimkuhler-matthews": ULA with averaged noise, bias of order `step_size`
        squared, none on Gaussians. "baoab", "aboba", "obabo": underdamped, bias of order
        `step_size` squared; none on Gaussians for the first two. "annealed": ULA through `sigmas`.
    step_size : float
        h of the methods in `solvers.langevin.integrators`; ε of [3]_ for "annealed"; with `adapt`
        the first guess.
    num_steps : int
        All steps, the burn-in included.
    log_density : callable, optional
        ``log_density(x) -> log π(x)`` up to a constant, ``(chains,)``; compiled, of one state, if
        `score` is.
    friction : float, optional
        γ ≥ 0 of the underdamped methods; with 0 nothing is random but the first momentum.
    temperature : float, optional
        T > 0; the chains draw from π^{1/T}.
    preconditioner : array (dim,) or (dim, dim), optional
        M, positive definite, or its diagonal: steps of every method are taken in the coordinates
        L⁻¹x, LLᵀ = M. The covariance of the target is the best choice.
    sigmas : sequence of float, optional
        For "annealed": the noise level of each step; repeat a level to stay at it. The score is
        called as ``score(x, sigma)``.
    batches : callable, optional
        For stochastic gradients: the score is called as ``score(x, batches(step))``. See
        `minibatches`.
    burn_in : int, optional
        Steps before the first one that may be kept, below `num_steps`.
    thin : int, optional
        Keep every `thin`-th step after the burn-in.
    adapt : bool, optional
        For "mala": during the burn-in, and only then, each chain changes its step size towards an
        acceptance of 0.574; `burn_in` must be given.
    chains : sequence of int, optional
        The numbers that key the noise of the rows of `x0`; 0, 1, 2, … by default. Rows given the
        same number see the same noise.
    rng : int, generator or key, optional
        Seed; see Notes.
    progress : bool, optional
        Show a progress bar.
    callback : callable, optional
        Called with a ``LangevinStep(index, x, accepted)`` after each step; the run stops where it
        returns True.

    Returns
    -------
    LangevinResult
        ``draws``, ``x``, ``acceptance_rate``, ``step_size``, ``num_steps``, ``seed``, ``status``,
        ``state``.

    Raises
    ------
    ValueError
        A shape or a number is out of range, `method` is unknown, `x0` is not finite, or an argument
        that a method needs is missing, or given to a method that has no use for it.
    TypeError
        An argument has the wrong kind, or the score is an array of another library.

    Notes
    -----
    The noise is a function of (seed, chain, step): Philox on the host in float64, rounded to the
    dtype of `x0`. Where `score` treats the rows separately, 16 chains are bit for bit the 16 runs
    with ``x0[i:i + 1]`` and ``chains=[i]``, on every library, a run that was stopped and continued
    is bit for bit the one that was not, no number depends on the thread count, and a chain that
    diverges does so alone: its ``status`` says it, nothing is raised or warned. A compiled `score`
    knows its globals as they were when it was first compiled, which is numba's rule.

    Unlike BlackJAX, one call runs all the chains of any array library, and unlike TorchEBM the
    Metropolis correction is there. Differentiable in torch and JAX for the methods without it if
    `score` is.

    References
    ----------
    .. [1] G. O. Roberts, R. L. Tweedie, Bernoulli 2 (1996) 341–363 ("ula", "mala").
    .. [2] B. Leimkuhler, C. Matthews, Appl. Math. Res. eXpress 2013 (2013) 34–56 (the splittings).
    .. [3] Y. Song, S. Ermon, "Generative modeling by estimating gradients of the data
       distribution", NeurIPS 2019 ("annealed").
    .. [4] M. D. Hoffman, A. Gelman, JMLR 15 (2014) 1593–1623 (the dual averaging of `adapt`).

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
    if callback is not None:
        check_callable(callback, "callback")
    plan = plan_of(
        score,
        x0,
        method,
        log_density,
        step_size=step_size,
        num_steps=num_steps,
        sampling={
            "friction": friction,
            "temperature": temperature,
            "preconditioner": preconditioner,
            "sigmas": sigmas,
            "batches": batches,
            "adapt": adapt,
        },
        run={"burn_in": burn_in, "thin": thin, "chains": chains, "rng": rng},
    )
    run = run_compiled if plan.compiled else _run
    return run(plan, progress, callback)


def _dynamics(plan):
    state = plan.state

    def context(i):
        if plan.sigmas is not None:
            return (plan.sigmas[i],)
        return () if plan.batches is None else (plan.batches(i),)

    return Dynamics(
        score=plan.score,
        log_density=plan.log_density,
        context=context,
        noise=Noise(state.seed, state.chains, state.x, plan.last + 1),
        h=plan.h,
        friction=plan.friction,
        temperature=plan.temperature,
        factor=plan.factor,
        burn_in=plan.burn_in,
        sigmas=plan.sigmas,
    )


def _run(plan, progress, callback):
    x0, advance, d = plan.state.x, STEPS[plan.method], _dynamics(plan)
    xp = _arrays.result_namespace(x0)
    draws, taken = [], xp.zeros(x0.shape[0], dtype=x0.dtype, device=_arrays.device(x0))
    with np.errstate(over="ignore", invalid="ignore"):  # `status` tells
        chains = begin(d, plan.method, plan.state)
        for i in _shown(plan, progress):
            chains = advance(d, i, chains)
            if i >= plan.burn_in and chains.accepted is not None:
                taken = taken + xp.astype(chains.accepted, x0.dtype)
            if i >= plan.burn_in and (i - plan.burn_in + 1) % plan.thin == 0:
                draws.append(chains.x)
            if callback is not None and callback(LangevinStep(i, chains.x, chains.accepted)):
                break
        status = status_of(d, plan.method, chains, i)
    end = LangevinState(
        chains.x, chains.momentum, chains.adaptation, i + 1, plan.state.seed, plan.state.chains
    )
    return result_of(plan, _stacked(xp, draws, x0), taken, status, end)


def _shown(plan, progress):
    steps = range(plan.state.step, plan.last)
    if not progress:
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc="sample_langevin")


def _stacked(xp, draws, x0):
    if draws:
        return xp.stack(draws, axis=1)
    return xp.zeros((x0.shape[0], 0, x0.shape[1]), dtype=x0.dtype, device=_arrays.device(x0))
