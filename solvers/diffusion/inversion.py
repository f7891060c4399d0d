"""From data to noise: the probability-flow ODE backwards, and the density it gives."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, _gradients, _random
from mathcore._checks import check_callable, check_choice, check_count
from solvers.diffusion.methods import checked_sigmas, plan_of
from solvers.diffusion.samplers import DiffusionResult, checked_state
from solvers.diffusion.walking import in_working_precision, status_of, total_of, walk
from solvers.diffusion.wrapped_denoisers import evaluations_per_call

_INVERTIBLE = ("euler", "ddim", "heun", "dpm_2", "dpm_3", "dpmpp_2s", "dpmpp_2m")


def encode_diffusion(denoiser, x, sigmas, *, method="heun", callback=None, progress=False):
    """Follow the probability-flow ODE from data to noise: DDIM inversion, with any order.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``.
    x : array (batch, ...)
        The data, taken to be at noise level ``sigmas[-1]``.
    sigmas : array (n + 1,)
        The levels of the sampler, strictly decreasing and above 0; they are visited upwards.
    method : str, optional
        "euler" (= "ddim"), "heun", "dpm_2", "dpm_3", "dpmpp_2s" or "dpmpp_2m".
    callback, progress
        As in `sample_diffusion`.

    Returns
    -------
    DiffusionResult
        ``x`` at ``sigmas[0]``, ``nfe``, the levels in the order visited, no trajectory, ``status``.

    Raises
    ------
    ValueError, TypeError, FloatingPointError
        As `sample_diffusion`; a level is 0.

    Notes
    -----
    ``sample_diffusion(denoiser, encoded.x, sigmas, final="stop")`` returns to x up to the error of
    the method, which falls with its order as the levels grow denser.

    References
    ----------
    .. [1] J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021, section
       5.4.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import encode_diffusion, sample_diffusion, sigmas_logsnr
    >>> denoiser = lambda x, sigma: x / (1 + sigma**2)
    >>> sigmas = sigmas_logsnr(101, 0.01, 10.0)
    >>> noise = encode_diffusion(denoiser, np.ones((1, 1)), sigmas, method="dpm_3").x
    >>> sample = sample_diffusion(denoiser, noise, sigmas, method="dpm_3", final="stop").x
    >>> bool(abs(sample[0, 0] - 1) < 1e-4)
    True
    """
    _, x = checked_state(denoiser, x)
    check_choice(method, _INVERTIBLE, "method")
    levels = rising_levels(sigmas)
    walked = walk(
        denoiser,
        x,
        levels,
        plan_of(method, tuple(levels)),
        callback=callback,
        progress=progress,
    )
    nfe = walked.calls * evaluations_per_call(denoiser)
    return DiffusionResult(walked.x, nfe, np.asarray(levels), None, walked.status)


def rising_levels(sigmas):
    """The checked levels from the last to the first."""
    levels = checked_sigmas(sigmas, at_least=2)
    if levels[-1] == 0.0:
        raise ValueError("`sigmas` must stay above 0; got a last level of 0")
    return levels[::-1].tolist()


class LogLikelihood(NamedTuple):
    """Log density of each sample.

    Attributes
    ----------
    value : array (batch,)
        In nats, of the data blurred to ``sigmas[-1]``.
    standard_error : array (batch,)
        Of the Hutchinson estimate of the trace; 0 for the exact trace.
    x : array (batch, ...)
        The latent, at ``sigmas[0]``.
    nfe : int
        Evaluations of the denoiser along the flow, those for derivatives and the prior not counted.
    """

    value: Any
    standard_error: Any
    x: Any
    nfe: int


def log_likelihood(denoiser, x, sigmas, *, trace="exact", num_probes=1, rng=None, log_prior=None):
    """Log density of x under a diffusion model, by the probability-flow ODE.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``, differentiable in torch and JAX; each sample alone.
    x : array (batch, ...)
        The data, taken to be at noise level ``sigmas[-1]``.
    sigmas : array (n + 1,)
        Strictly decreasing levels above 0; each step costs four evaluations.
    trace : str, optional
        "exact": the trace of the denoiser's Jacobian from one derivative for each coordinate.
        "hutchinson": from `num_probes` random signs, the same at all levels; unbiased.
    num_probes : int, optional
        Probes of "hutchinson"; with 1 there is no standard error (NaN).
    rng : int, generator or key, optional
        Seed of the probes.
    log_prior : callable, optional
        ``log_prior(x) -> (batch,)``, the log density at ``sigmas[0]``; N(D(x, σ), σ²I) if None.

    Returns
    -------
    LogLikelihood
        ``value``, ``standard_error``, ``x``, ``nfe``.

    Raises
    ------
    ValueError, TypeError
        As `sample_diffusion`; a level is 0; `trace` is unknown; `num_probes` is below 1.
    FloatingPointError
        The denoiser or its derivative is not finite; the message names the step, from the data on.

    Notes
    -----
    With τ = ln σ the flow is dx/dτ = x − D, and along it d log p/dτ = −(d − tr ∂D/∂x), therefore

        log p(x) = log p_max(x_max) + ∫ (d − tr ∂D/∂x) dτ,

    both integrated by the classical Runge–Kutta method. The prior takes the data's mean from D at
    σ_max and leaves out their covariance: an error of about its trace over σ_max², where the usual
    N(0, σ²I) has one of the mean over σ_max. Derivatives are exact in
    torch and JAX, central differences in NumPy, with an error of about eps^{2/3}.

    References
    ----------
    .. [1] Y. Song et al., "Score-based generative modeling through stochastic differential
       equations", ICLR 2021, section 4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import log_likelihood, sigmas_logsnr
    >>> denoiser = lambda x, sigma: x / (1 + sigma**2)  # of a standard normal
    >>> x = np.array([[0.0], [1.0]])
    >>> log_likelihood(denoiser, x, sigmas_logsnr(121, 1e-3, 1e3)).value.round(4).tolist()
    [-0.9189, -1.4189]
    """
    xp, x = checked_state(denoiser, x)
    check_choice(trace, ("exact", "hutchinson"), "trace")
    levels = rising_levels(sigmas)
    size, per_step = math.prod(x.shape[1:]), 4 * evaluations_per_call(denoiser)
    dtype, distance = x.dtype, _arrays.eps(x) ** (1 / 3)
    denoiser, x = in_working_precision(denoiser, x)
    probes = _unit_probes if trace == "exact" else _sign_probes(rng, num_probes)
    slope = _augmented_slope(denoiser, probes(x), distance, exact=trace == "exact", size=size)
    totals, sums = 0.0, []
    for i, (a, b) in enumerate(itertools.pairwise(levels)):
        x, added = _runge_kutta_step(slope, x, a, b)
        totals = totals + added
        sums.append((i, total_of(xp, totals)))
    log_prior = _gaussian_prior(denoiser, levels[-1]) if log_prior is None else log_prior
    check_callable(log_prior, "log_prior")
    value = xp.mean(totals, axis=0) + log_prior(x)
    status_of(xp, value, sums)
    kept = (value, _standard_error(xp, totals, trace), x)
    kept = (xp.astype(each, dtype, copy=False) for each in kept)
    return LogLikelihood(*kept, per_step * len(sums))


def _standard_error(xp, totals, trace):
    if trace == "exact":
        return xp.zeros_like(totals[0, ...])
    count = totals.shape[0]
    if count == 1:
        return xp.full_like(totals[0, ...], float("nan"))
    return xp.std(totals, axis=0, correction=1) / math.sqrt(count)


def _gaussian_prior(denoiser, sigma):
    def log_prior(x):
        xp, size = _arrays.result_namespace(x), math.prod(x.shape[1:])
        flat = xp.reshape(x - denoiser(x, sigma), (x.shape[0], size))
        squared = xp.sum(flat * flat, axis=-1) / sigma**2
        return -squared / 2 - size * (math.log(sigma) + math.log(2 * math.pi) / 2)

    return log_prior


def _unit_probes(x):
    size = math.prod(x.shape[1:])
    for i in range(size):
        units = np.zeros((x.shape[0], size))
        units[:, i] = 1.0
        yield _arrays.from_numpy(units.reshape(tuple(x.shape)), like=x)


def _sign_probes(rng, num_probes):
    num_probes, seed = check_count(num_probes, "num_probes"), _arrays.seed_of(rng)

    def probes(x):
        size = math.prod(x.shape[1:])
        for i in range(num_probes):
            draws = _random.uniforms(seed, np.arange(x.shape[0]), i, size)
            signs = np.where(draws <= 0.5, -1.0, 1.0)
            yield _arrays.from_numpy(signs.reshape(tuple(x.shape)), like=x)

    return probes


def _augmented_slope(denoiser, probes, distance, *, exact, size):
    """(x, σ) -> x − D and d − tr ∂D/∂x for each probe, or once where their sum is the trace."""
    probes = list(probes)

    def slope(x, sigma):
        xp = _arrays.result_namespace(x)
        denoised, products = denoiser(x, sigma), []
        for probe in probes:
            derivative = _directional_derivative(denoiser, x, sigma, probe, distance)
            flat = xp.reshape(probe * derivative, (x.shape[0], size))
            products.append(xp.sum(flat, axis=-1))
        if not products:
            products = [xp.zeros(x.shape[0], dtype=x.dtype, device=_arrays.device(x))]
        traces = xp.stack(products)
        if exact:
            traces = xp.sum(traces, axis=0, keepdims=True)
        return x - denoised, size - traces

    return slope


def _directional_derivative(denoiser, x, sigma, v, distance):
    if _gradients.is_differentiable(x):
        return _gradients.directional_derivative(lambda y: denoiser(y, sigma), x, v)[1]
    step = distance * sigma  # D varies over distances of about σ or more
    return (denoiser(x + step * v, sigma) - denoiser(x - step * v, sigma)) / (2 * step)


def _runge_kutta_step(slope, x, a, b):
    """The classical method over τ from ln a to ln b; returns the state and what log p gains."""
    h, middle = math.log(b / a), math.sqrt(a * b)
    k1, t1 = slope(x, a)
    k2, t2 = slope(x + h / 2 * k1, middle)
    k3, t3 = slope(x + h / 2 * k2, middle)
    k4, t4 = slope(x + h * k3, b)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), h / 6 * (t1 + 2 * t2 + 2 * t3 + t4)
