"""Laws of Langevin samplers: on a Gaussian one knows the very law a method's steps settle into.

A law calls ``sample(score, x0, *, log_density, step_size, num_steps, temperature, chains, rng)``,
the names of `sample_langevin`, and takes back the last states ``(chains, dim)``. Settings come
from finite lists with fixed seeds, so a verdict never changes between runs; the bounds are five
standard errors, computed.
"""

import itertools

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing.laws import check_close, law, to_backend

_CENTER, _PRECISION, _ANGLE = (0.5, -1.0), (1.0, 4.0), 0.6
_AXES = np.asarray([[np.cos(_ANGLE), -np.sin(_ANGLE)], [np.sin(_ANGLE), np.cos(_ANGLE)]])
_CHAINS, _STEPS, _STEP_SIZE = 5_000, 40, 0.25


def _temperature(dtype):
    return st.sampled_from([1.0, 2.5])


def _few(dtype):
    return st.just(np.linspace(-1.0, 1.0, 12).reshape(6, 2).astype(dtype))


def _gaussian(xp, dtype):
    """Score and log density of N(center, K⁻¹), K = Q diag(k) Qᵀ, each row on its own."""
    center = xp.asarray([list(_CENTER)], dtype=dtype)
    precision = xp.asarray((_AXES * _PRECISION @ _AXES.T).tolist(), dtype=dtype)

    def score(x):
        return -xp.sum(precision * (x - center)[:, None, :], axis=-1)

    def log_density(x):
        return xp.sum(score(x) * (x - center), axis=-1) / 2

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

    `variance` is that along the eigenvectors of the precision, Q.

    Standard errors of n draws: mean √(v/n), variance v√(2/n), product of two coordinates √(vw/n),
    fourth moment v²√(96/n).
    """
    x0 = xp.zeros((_CHAINS, 2), dtype=getattr(xp, dtype.name))
    draws = _arrays.to_numpy(_run(sample, xp, x0, num_steps=_STEPS, temperature=temperature))
    z = (draws.astype(np.float64) - np.asarray(_CENTER)) @ _AXES / np.sqrt(variance)
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
    """Covariance T K⁻¹, the target's own: MALA, Leimkuhler–Matthews, BAOAB, ABOBA."""
    variance = temperature / np.asarray(_PRECISION)
    _check_gaussian_draws(sample, xp, dtype_, temperature, variance)


@law(dtype_=_dtype, temperature=_temperature)
def draws_the_gaussian_of_ula(sample, xp, dtype_, temperature):
    """Unadjusted: covariance T(K(1 − hK/2))⁻¹, the fixed point of V → (1 − hK)V(1 − hK) + 2hT."""
    k = np.asarray(_PRECISION)
    variance = temperature / (k * (1 - _STEP_SIZE * k / 2))
    _check_gaussian_draws(sample, xp, dtype_, temperature, variance)


@law(dtype_=_dtype, temperature=_temperature)
def draws_the_gaussian_of_obabo(sample, xp, dtype_, temperature):
    """The splitting OBABO has covariance T(K(1 − h²K/4))⁻¹."""
    k = np.asarray(_PRECISION)
    variance = temperature / (k * (1 - _STEP_SIZE**2 * k / 4))
    _check_gaussian_draws(sample, xp, dtype_, temperature, variance)


@law(dtype_=_dtype, temperature=_temperature)
def satisfies_detailed_balance(sample, xp, dtype_, temperature):
    """Metropolis-adjusted: from the target, a step there is as likely as the step back.

    So E f(x₀)g(x₁) = E g(x₀)f(x₁) for every f and g; the standard errors are measured.
    """
    spread = np.sqrt(temperature / np.asarray(_PRECISION))
    start = np.random.default_rng(0).standard_normal((_CHAINS, 2))
    x0 = (start * spread @ _AXES.T + np.asarray(_CENTER)).astype(dtype_)
    x1 = _arrays.to_numpy(
        _run(sample, xp, to_backend(xp, x0), num_steps=1, temperature=temperature)
    )
    z0, z1 = ((x.astype(np.float64) - np.asarray(_CENTER)) @ _AXES / spread for x in (x0, x1))
    functions = [z0[:, 0], z0[:, 1], z0[:, 0] ** 2, z0[:, 1] ** 2, z0[:, 0] ** 3, z0[:, 1] ** 3]
    after = [z1[:, 0], z1[:, 1], z1[:, 0] ** 2, z1[:, 1] ** 2, z1[:, 0] ** 3, z1[:, 1] ** 3]
    functions, after = ([np.ones(_CHAINS), *fs] for fs in (functions, after))
    for i, j in itertools.combinations(range(7), 2):
        flow = functions[i] * after[j] - functions[j] * after[i]
        error, bound = abs(flow.mean()), 5 * flow.std() / np.sqrt(_CHAINS)
        if not error <= bound:
            raise AssertionError(f"flow of moments {i} and {j}: {error:.3g} exceeds {bound:.3g}")


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
adjusted_langevin_laws = (*langevin_laws, satisfies_detailed_balance)
unadjusted_langevin_laws = (draws_the_gaussian_of_ula, *_common)
obabo_langevin_laws = (draws_the_gaussian_of_obabo, *_common)


def check_score(score, log_density, x, *, step=1e-4):
    """A score is the gradient of its log density: central differences at the rows of x.

    Parameters
    ----------
    score, log_density : callable
        ``(n, dim) -> (n, dim)`` and ``(n, dim) -> (n,)``.
    x : array (n, dim)
        NumPy, float64.
    step : float, optional
        h of the differences, of error h²: the bound is 10³ (h² + ε/h) of the size of what is
        differentiated.

    Raises
    ------
    AssertionError
        They differ.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.testing import check_score
    >>> x = np.random.default_rng(0).standard_normal((5, 2))
    >>> check_score(lambda x: -x, lambda x: -(x**2).sum(axis=-1) / 2, x)
    """
    found = np.asarray(score(x))
    for i, unit in enumerate(step * np.eye(x.shape[1])):
        above, below = (np.asarray(log_density(x + sign * unit)) for sign in (1, -1))
        size = np.maximum(1.0, np.maximum(np.abs(above), np.abs(found[:, i])))
        bound = 1e3 * (step**2 + np.finfo(np.float64).eps / step) * size
        error = np.abs((above - below) / (2 * step) - found[:, i])
        if not np.all(error <= bound):
            worst = float(np.max(error / bound))
            raise AssertionError(
                f"component {i} of the score is not the derivative of the log density: "
                f"{worst:.3g} times the bound"
            )
