"""Laws of diffusion samplers beyond `sampler_laws`: order, noise, and what they leave alone.

All on Gaussian data N(c, s²I), whose denoiser, flow and variances have closed forms. Settings come
from finite lists with fixed seeds, so a verdict never changes between runs.
"""

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

_SIGMA_MAX, _SIGMA_MIN, _SPREAD = 10.0, 0.1, 0.5
_STEPS, _START = 64, 100.0  # so high that the first steps of a multistep method do not matter
_DRAWS, _NOISY_STEPS = 10_000, 64


def _sigmas(steps, start=_SIGMA_MAX):
    return np.geomspace(start, _SIGMA_MIN, steps + 1)


def _denoiser(center):
    def denoiser(x, sigma):
        return center + _SPREAD**2 / (_SPREAD**2 + sigma**2) * (x - center)

    return denoiser


def _states(dtype):
    return strategies.point_clouds(3, 2, dtype, bound=20.0)


def _center(dtype):
    return strategies.point_clouds(1, 2, dtype)


def _seed(dtype):
    return st.integers(0, 5)


# --- deterministic: sample(denoiser, x, sigmas) -> x at sigmas[-1] -------------------------------


def sampler_order_laws(order):
    """Laws of a deterministic sampler that claims this order in the step ln(σ_i/σ_{i+1}).

    Parameters
    ----------
    order : int

    Returns
    -------
    tuple of laws
        Of ``sample(denoiser, x, sigmas)``, for `parametrize_with_laws`.

    Examples
    --------
    >>> import solvers
    >>> from mathcore.testing import sampler_order_laws
    >>> def sample(denoiser, x, sigmas):
    ...     return solvers.sample_diffusion(denoiser, x, sigmas, method="heun", final="stop").x
    >>> for law in sampler_order_laws(2):
    ...     law(sample)
    """

    @law(dtypes=("float64",), max_examples=5, center=_center)
    def converges_with_its_order(sample, xp, center):
        """Twice the steps, 2^p less error, to within a third of an order; p = `order`."""
        x = center + _START
        factor = math.sqrt((_SPREAD**2 + _SIGMA_MIN**2) / (_SPREAD**2 + _START**2))
        exact = _arrays.to_numpy(center + factor * (x - center))

        def error(steps):
            sampled = _arrays.to_numpy(sample(_denoiser(center), x, _sigmas(steps, _START)))
            return np.abs(sampled - exact).max()

        rounding = 50 * _STEPS * _arrays.eps(x) * (_START + float(np.abs(exact).max()))
        allowed = error(_STEPS) / 2 ** (order - 1 / 3) + rounding
        found = error(2 * _STEPS)
        assert found <= allowed, f"order {order}: error {found:.3g} exceeds {allowed:.3g}"

    return (converges_with_its_order,)


@law(max_examples=10, x=_states, center=_center)
def leaves_its_arguments_alone(sample, xp, x, center):
    """Neither the noise nor what the denoiser returned is written to."""
    before, returned = _arrays.to_numpy(x), []

    def denoiser(y, sigma):
        denoised = _denoiser(center)(y, sigma)
        returned.append((denoised, _arrays.to_numpy(denoised)))
        return denoised

    sample(denoiser, x, _sigmas(5))
    check_close(xp, x, before, tolerance=0.0, what="the noise after sampling")
    for denoised, copy in returned:
        check_close(xp, denoised, copy, tolerance=0.0, what="an evaluation after sampling")


@law(max_examples=10, x=_states, center=_center)
def evaluates_within_the_levels(sample, xp, x, center):
    """The denoiser is asked at levels from sigmas[0] down to sigmas[-1], never outside."""
    seen = []

    def denoiser(y, sigma):
        seen.append(float(sigma))
        return _denoiser(center)(y, sigma)

    sample(denoiser, x, _sigmas(5))
    eps = 1 + 4 * np.finfo(np.float32).eps
    assert seen[0] <= _SIGMA_MAX * eps and min(seen) >= _SIGMA_MIN / eps, f"levels {seen}"
    assert max(seen) <= _SIGMA_MAX * eps, f"levels {seen}"


deterministic_sampler_laws = (leaves_its_arguments_alone, evaluates_within_the_levels)


# --- with noise: sample(denoiser, x, sigmas, *, rng, samples) ------------------------------------


@law(max_examples=5, x=_states, center=_center, seed=_seed)
def repeats_with_its_seed(sample, xp, x, center, seed):
    """The same seed gives the same sample bit for bit, another seed another one."""
    arguments = (_denoiser(center), x, _sigmas(4))
    first, again, other = (sample(*arguments, rng=rng) for rng in (seed, seed, seed + 1))
    check_close(xp, again, _arrays.to_numpy(first), tolerance=0.0, what="the same seed")
    differ = np.any(_arrays.to_numpy(other) != _arrays.to_numpy(first), axis=-1)
    assert np.all(differ), "another seed gives the same sample"


@law(max_examples=5, x=_states, center=_center, seed=_seed)
def keys_noise_by_sample(sample, xp, x, center, seed):
    """A batch is its members run alone under their numbers, bit for bit."""
    denoiser, sigmas = _denoiser(center), _sigmas(4)
    whole = sample(denoiser, x, sigmas, rng=seed, samples=[4, 0, 9])
    for i, number in enumerate((4, 0, 9)):
        alone = sample(denoiser, x[i : i + 1, :], sigmas, rng=seed, samples=[number])
        member = _arrays.to_numpy(whole)[i : i + 1]
        check_close(xp, alone, member, tolerance=0.0, what="a sample alone")


@law(max_examples=2, seed=_seed, center=_center)
def keeps_the_variance(sample, xp, seed, center):
    """At σ_min the sample has variance s² + σ_min², as exactly as DDPM at least.

    DDPM's variance is a recursion: with g = s²/(s² + a²), x' = (b/a)² x + (1 − (b/a)²) g x + noise
    of variance b²(a² − b²)/a². The draws add five standard errors.
    """
    dtype = center.dtype
    start = math.sqrt(_SPREAD**2 + _SIGMA_MAX**2)
    draws = np.random.default_rng(seed).standard_normal((_DRAWS, 2))
    x = center + xp.asarray((start * draws).tolist(), dtype=dtype)
    sampled = sample(_denoiser(center), x, _sigmas(_NOISY_STEPS), rng=seed)
    exact = _SPREAD**2 + _SIGMA_MIN**2
    offset = sampled - center
    standard_error = 5 * exact * math.sqrt(2 / _DRAWS)
    check_close(
        xp,
        xp.mean(offset**2, axis=0),
        np.full(2, exact),
        tolerance=abs(_ddpm_variance() - exact) + standard_error,
        what="variance of the sample",
    )
    standard_error = 5 * math.sqrt(exact / _DRAWS)
    check_close(xp, xp.mean(offset, axis=0), np.zeros(2), tolerance=standard_error, what="mean")


def _ddpm_variance():
    sigmas = _sigmas(_NOISY_STEPS)
    variance = _SPREAD**2 + _SIGMA_MAX**2
    for a, b in itertools.pairwise(sigmas):
        kept = (b / a) ** 2
        factor = kept + (1 - kept) * _SPREAD**2 / (_SPREAD**2 + a**2)
        variance = factor**2 * variance + b**2 * (1 - kept)
    return variance


stochastic_sampler_laws = (repeats_with_its_seed, keys_noise_by_sample, keeps_the_variance)
