"""Laws of Langevin samplers: on a Gaussian one knows the very law a method's steps settle into.

A law calls ``sample(score, x0, *, log_density, step_size, num_steps, temperature, chains, rng)``,
the names of `sample_langevin`, and takes back the last states ``(chains, dim)``. Settings come
from finite lists with fixed seeds, so a verdict never changes between runs; the bounds are five
standard errors, computed.
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing.laws import check_close, law

_CENTER, _PRECISION = (0.5, -1.0), (1.0, 4.0)
_CHAINS, _STEPS, _STEP_SIZE = 10_000, 60, 0.25


def _temperature(dtype):
    return st.sampled_from([1.0, 2.5])


def _few(dtype):
    return st.just(np.linspace(-1.0, 1.0, 12).reshape(6, 2).astype(dtype))


def _gaussian(xp, dtype):
    """Score and log density of N(center, diag(1/k))."""
    center, precision = (xp.asarray([list(x)], dtype=dtype) for x in (_CENTER, _PRECISION))

    def score(x):
        return -precision * (x - center)

    def log_density(x):
        return -xp.sum(precision * (x - center) ** 2, axis=-1) / 2

    return {"score": score, "log_density": log_density}


def _run(sample, xp, x0, *, num_steps=4, temperature=1.0, chains=None, rng=0):
    return sample(
        x0=x0,
        **_gaussian(xp, x0.dtype),
        step_size=_STEP_SIZE,
        num_steps=num_steps,
        temperature=temperature,
        chains=list(range(x0.shape[0])) if chains is None else chains,
        rng=rng,
    )


def _check_gaussian_draws(sample, xp, dtype, temperature, variance):
    """Mean, covariance and fourth moment of independent chains, each within 5 standard errors.

    Standard errors of n draws: mean √(v/n), variance v√(2/n), product of two coordinates √(vw/n),
    fourth moment v²√(96/n).
    """
    x0 = xp.zeros((_CHAINS, 2), dtype=getattr(xp, dtype.name))
    draws = _arrays.to_numpy(_run(sample, xp, x0, num_steps=_STEPS, temperature=temperature))
    z = (draws.astype(np.float64) - np.asarray(_CENTER)) / np.sqrt(variance)
    moments = {
        "mean": (z.mean(axis=0), 0.0, 1.0),
        "variance": ((z**2).mean(axis=0), 1.0, 2.0),
        "correlation": ((z[:, 0] * z[:, 1]).mean(), 0.0, 1.0),
        "fourth moment": ((z**4).mean(axis=0), 3.0, 96.0),
    }
    for name, (value, expected, spread) in moments.items():
        error = float(np.max(np.abs(value - expected)))
        bound = 5 * np.sqrt(spread / _CHAINS)
        if not error <= bound:
            raise AssertionError(f"{name} of the draws: error {error:.3g} exceeds {bound:.3g}")


def _dtype(dtype):
    return st.just(np.dtype(dtype))


@law(dtype_=_dtype, temperature=_temperature)
def draws_the_gaussian(sample, xp, dtype_, temperature):
    """The draws have the target's own variance T/k: MALA, BAOAB, Leimkuhler–Matthews."""
    variance = temperature / np.asarray(_PRECISION)
    _check_gaussian_draws(sample, xp, dtype_, temperature, variance)


@law(dtype_=_dtype, temperature=_temperature)
def draws_the_gaussian_of_ula(sample, xp, dtype_, temperature):
    """Unadjusted draws have variance T/(k(1 − hk/2)), the fixed point of v → (1 − hk)²v + 2hT."""
    k = np.asarray(_PRECISION)
    variance = temperature / (k * (1 - _STEP_SIZE * k / 2))
    _check_gaussian_draws(sample, xp, dtype_, temperature, variance)


@law(x0=_few)
def runs_each_chain_alone(sample, xp, x0):
    """A chain is the same, bit for bit, alone and among others."""
    subset = [1, 4, 5]
    rows = xp.stack([x0[i, :] for i in subset])
    check_close(
        xp,
        _run(sample, xp, rows, chains=subset),
        xp.stack([_run(sample, xp, x0)[i, :] for i in subset]),
        tolerance=0.0,
        what="a subset of the chains",
    )


@law(x0=_few)
def repeats_with_its_seed(sample, xp, x0):
    """The same seed gives the same draws, another seed and another chain number give others."""
    first = _run(sample, xp, x0, rng=7)
    check_close(xp, _run(sample, xp, x0, rng=7), first, tolerance=0.0, what="the same seed")
    for what, other in (
        ("another seed", _run(sample, xp, x0, rng=8)),
        ("other chain numbers", _run(sample, xp, x0, rng=7, chains=[10, 11, 12, 13, 14, 15])),
    ):
        same = np.sum(_arrays.to_numpy(other) == _arrays.to_numpy(first))
        if same:
            raise AssertionError(f"{what} repeats {same} of the {first.size} values")


@law(x0=_few)
def a_lost_chain_is_lost_alone(sample, xp, x0):
    """A chain whose score is NaN does not change the others."""
    gaussian = _gaussian(xp, x0.dtype)
    lost = xp.concat([xp.full_like(x0[:1, :], 1e6), x0[1:, :]])

    def score(x):
        return xp.where(x > 1e5, xp.nan, gaussian["score"](x))

    def run(start):
        return sample(
            score=score,
            x0=start,
            log_density=gaussian["log_density"],
            step_size=_STEP_SIZE,
            num_steps=4,
            temperature=1.0,
            chains=list(range(6)),
            rng=0,
        )

    others = run(x0)[1:, :]
    check_close(xp, run(lost)[1:, :], others, tolerance=0.0, what="chains beside a lost one")


_common = (runs_each_chain_alone, repeats_with_its_seed, a_lost_chain_is_lost_alone)
langevin_laws = (draws_the_gaussian, *_common)
unadjusted_langevin_laws = (draws_the_gaussian_of_ula, *_common)
