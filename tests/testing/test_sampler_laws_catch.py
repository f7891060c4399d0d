"""The laws of denoisers and samplers fail planted faults, each law at least one."""

import itertools
import math

import numpy as np
import pytest

from mathcore.testing import (
    adjusted_langevin_laws,
    check_score,
    denoiser_laws,
    deterministic_sampler_laws,
    obabo_langevin_laws,
    sampler_laws,
    sampler_order_laws,
    stochastic_sampler_laws,
    unadjusted_langevin_laws,
)


def check_breaks(laws, name, function):
    """`function` breaks the law called `name`."""
    (law,) = (law for law in laws if law.__name__ == name)
    with pytest.raises(AssertionError):
        law(function)


def check_passes(laws, function):
    """`function` breaks none of the laws."""
    for law in laws:
        law(function)


# --- denoisers ----------------------------------------------------------------------------------


def mixture_denoiser(
    weights,
    means,
    covariances,
    *,
    use_weights=True,
    noise_in_weights=True,
    log_determinant=True,
    diagonal=False,
    sign=1.0,
    offset_from_mean=True,
    batch_softmax=False,
):
    """A textbook denoiser of a Gaussian mixture with one fault switched on at a time."""
    d = means.shape[1]
    if diagonal:
        covariances = covariances * np.eye(d, dtype=means.dtype)

    def denoiser(x, sigma):
        noisy = covariances + np.asarray(sigma**2, dtype=x.dtype) * np.eye(d, dtype=x.dtype)
        offset = x - means[:, None, :]
        spread = noisy if noise_in_weights else covariances
        log_r = -sign * np.sum(offset * np.linalg.solve(spread, offset.mT).mT, axis=-1) / 2
        if log_determinant:
            log_r = log_r - (np.linalg.slogdet(spread)[1] / 2)[:, None]
        if use_weights:  # in the exponent: a far point may be near to what has no weight
            with np.errstate(divide="ignore"):
                log_r = log_r + np.log(weights)[:, None]
        r = np.exp(log_r - log_r.max(axis=None if batch_softmax else 0))
        total = r.sum(axis=1, keepdims=True) if batch_softmax else r.sum(axis=0)
        r = r / np.where(total == 0, 1, total)
        pulled = offset if offset_from_mean else np.broadcast_to(x, offset.shape)
        posterior = means[:, None, :] + np.linalg.solve(noisy, pulled.mT).mT @ covariances
        return np.sum(r[:, :, None] * posterior, axis=0)

    return denoiser


DENOISER_FAULTS = {
    "weights ignored": {"use_weights": False},
    "responsibilities without the noise": {"noise_in_weights": False},
    "determinants forgotten": {"log_determinant": False},
    "only the diagonal of the covariances": {"diagonal": True},
    "sign of the exponent": {"sign": -1.0},
    "x shrunk instead of its offset": {"offset_from_mean": False},
    "softmax over the batch": {"batch_softmax": True},
}


def with_denoiser_fault(fault):
    def make(weights, means, covariances):
        return mixture_denoiser(weights, means, covariances, **DENOISER_FAULTS[fault])

    return make


def test_textbook_denoiser_passes():
    check_passes(denoiser_laws, mixture_denoiser)


@pytest.mark.parametrize("fault", DENOISER_FAULTS)
def test_denoiser_fault_breaks_tweedie(fault):
    check_breaks(denoiser_laws, "satisfies_tweedie", with_denoiser_fault(fault))


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("x shrunk instead of its offset", "shifts_with_the_data"),
        ("only the diagonal of the covariances", "turns_with_the_data"),
        ("weights ignored", "forgets_under_large_noise"),
        ("softmax over the batch", "denoises_each_point_alone"),
        ("sign of the exponent", "is_monotone"),
    ],
)
def test_denoiser_law_catches(fault, law):
    check_breaks(denoiser_laws, law, with_denoiser_fault(fault))


# --- diffusion samplers -------------------------------------------------------------------------


def multistep(denoiser, x, sigmas, *, fault=None):
    """DPM-Solver++(2M), with one fault."""
    last, h_last = None, None
    for i, (a, b) in enumerate(itertools.pairwise(sigmas.tolist())):
        h = math.log(a / b)
        denoised = denoiser(x, b if fault == "denoiser at the next level" else a)
        if fault == "clipped to [-1, 1]":
            denoised = np.clip(denoised, -1, 1)
        if fault == "normalised over the batch":
            denoised = denoised - denoised.mean(axis=0) + denoised.mean()
        d = denoised
        if last is not None:
            r = h_last / h
            sign = -1 if fault == "extrapolated backwards" else 1
            d = denoised + sign * (denoised - last) / (2 * r)
        weight = h if fault == "h for 1 - exp(-h)" else -math.expm1(-h)
        stop_early = fault == "last step forgotten" and i == len(sigmas) - 2
        x = x if stop_early else b / a * x + weight * d
        last, h_last = denoised, h
    return x


def euler_in_vp_scale(denoiser, x, sigmas):
    """Euler on x/√(1 + σ²) that forgets to rescale the state it hands to the denoiser."""
    y = x / math.sqrt(1 + sigmas[0] ** 2)
    for a, b in itertools.pairwise(sigmas.tolist()):
        ratio = math.sqrt((1 + a**2) / (1 + b**2))
        y = ratio * (b / a) * y + (1 - b / a) / math.sqrt(1 + b**2) * denoiser(y, a)
    return y * math.sqrt(1 + sigmas[-1] ** 2)


SAMPLER_FAULTS = {
    "denoiser at the next level": "is_no_worse_than_euler",
    "clipped to [-1, 1]": "reaches_a_point_mass",
    "normalised over the batch": "samples_each_alone",
    "extrapolated backwards": "is_no_worse_than_euler",
    "h for 1 - exp(-h)": "follows_shifted_data",
    "last step forgotten": "reaches_a_point_mass",
}


def test_textbook_sampler_passes():
    check_passes(sampler_laws, multistep)


@pytest.mark.parametrize(("fault", "law"), SAMPLER_FAULTS.items())
def test_sampler_law_catches(fault, law):
    def sample(denoiser, x, sigmas):
        return multistep(denoiser, x, sigmas, fault=fault)

    check_breaks(sampler_laws, law, sample)


def test_sampler_laws_catch_a_wrong_scale():
    check_breaks(sampler_laws, "is_no_worse_than_euler", euler_in_vp_scale)


def euler_step(y, denoised, a, b):
    return b / a * y + (1 - b / a) * denoised


def euler_that_writes(denoiser, x, sigmas, *, fault=None):
    """Euler in place, with one fault."""
    y = x if fault == "the noise is overwritten" else x.copy()
    for a, b in itertools.pairwise(sigmas.tolist()):
        sigma = {"a level too high": 1.1 * a, "a level too low": 0.01 * b}.get(fault, a)
        denoised = denoiser(y, sigma)
        if fault == "an evaluation is overwritten":
            denoised *= 1 - b / a
            y = b / a * y + denoised
        elif fault == "the noise is overwritten":
            y.flags.writeable = True
            y *= b / a
            y += (1 - b / a) * denoised
        else:
            y = euler_step(y, denoised, a, b)
    return y


WRITING_FAULTS = {
    "the noise is overwritten": "leaves_its_arguments_alone",
    "an evaluation is overwritten": "leaves_its_arguments_alone",
    "a level too high": "evaluates_within_the_levels",
    "a level too low": "evaluates_within_the_levels",
}


def test_textbook_euler_passes():
    check_passes(deterministic_sampler_laws, euler_that_writes)
    check_passes(sampler_order_laws(1), euler_that_writes)
    check_passes(sampler_order_laws(2), multistep)


@pytest.mark.parametrize(("fault", "law"), WRITING_FAULTS.items())
def test_deterministic_sampler_law_catches(fault, law):
    def sample(denoiser, x, sigmas):
        if fault == "the noise is overwritten":
            x.flags.writeable = True
        return euler_that_writes(denoiser, x, sigmas, fault=fault)

    check_breaks(deterministic_sampler_laws, law, sample)


@pytest.mark.parametrize("order", [2, 3])
def test_order_laws_catch_a_claim_too_high(order):
    sample = {2: euler_that_writes, 3: multistep}[order]
    check_breaks(sampler_order_laws(order), "converges_with_its_order", sample)


def ddpm(denoiser, x, sigmas, *, rng, samples=None, fault=None):
    """The DDPM posterior with keyed draws, with one fault."""
    samples = range(len(x)) if samples is None else samples
    factor = {"too much noise": 1.2, "noise forgotten": 0.0}.get(fault, 1.0)
    shared = np.random.default_rng(rng)
    for i, (a, b) in enumerate(itertools.pairwise(sigmas.tolist())):
        keys = [i, 0 if fault == "one seed" else rng]
        if fault == "drawn in turn":
            xi = shared.standard_normal(x.shape)
        elif fault == "one draw for all":
            xi = np.random.default_rng(keys).standard_normal(x.shape[1:])
        elif len(samples) > 100:
            xi = np.random.default_rng(keys).standard_normal(x.shape)
        else:
            xi = np.stack([np.random.default_rng([*keys, n]).standard_normal(2) for n in samples])
        down, up = b * b / a, factor * b * math.sqrt(a * a - b * b) / a
        x = (euler_step(x, denoiser(x, a), a, down) + up * xi).astype(x.dtype)
    return x


NOISE_FAULTS = {
    "too much noise": "keeps_the_variance",
    "noise forgotten": "keeps_the_variance",
    "one draw for all": "keeps_the_variance",
    "one seed": "repeats_with_its_seed",
    "drawn in turn": "keys_noise_by_sample",
}


def test_textbook_ddpm_passes():
    check_passes(stochastic_sampler_laws, ddpm)


@pytest.mark.parametrize(("fault", "law"), NOISE_FAULTS.items())
def test_stochastic_sampler_law_catches(fault, law):
    def sample(*arguments, **keys):
        return ddpm(*arguments, **keys, fault=fault)

    check_breaks(stochastic_sampler_laws, law, sample)


# --- Langevin samplers --------------------------------------------------------------------------


def langevin(
    score,
    x0,
    *,
    log_density,
    step_size,
    num_steps,
    temperature,
    chains,
    rng,
    adjusted=True,
    fault=None,
):
    """MALA (ULA if not `adjusted`) on NumPy arrays, with one fault."""
    h, x = step_size, x0
    seeds = range(len(x0)) if fault == "noise keyed by the row" else chains
    seed = 0 if fault == "seed ignored" else rng
    streams = [np.random.default_rng([seed, chain]) for chain in seeds]
    noises = np.stack([s.standard_normal((num_steps, x.shape[1])) for s in streams], axis=1)
    uniforms = np.stack([s.uniform(size=num_steps) for s in streams], axis=1)
    scale = math.sqrt((1 if fault == "noise without the factor 2" else 2) * h)
    if fault != "temperature ignored":
        scale = scale * math.sqrt(temperature)
    for noise, log_u in zip(noises, np.log(uniforms), strict=True):
        if fault == "one draw for all coordinates":
            noise = np.broadcast_to(noise[:, :1], noise.shape)  # noqa: PLW2901
        drift = score(x)
        if fault == "drift scaled by the largest of all chains":
            drift = drift / max(1.0, np.abs(drift).max())
        y = (x + h * drift + scale * noise).astype(x.dtype)
        if adjusted and fault != "accepted always":
            log_ratio = log_density(y) - log_density(x)
            if fault != "proposal taken for symmetric":
                forward = np.sum((y - x - h * score(x)) ** 2, axis=-1)
                backward = np.sum((x - y - h * score(y)) ** 2, axis=-1)
                sign = -1 if fault == "proposal ratio upside down" else 1
                log_ratio = log_ratio + sign * (forward - backward) / (4 * h)
            y = np.where((log_u < log_ratio / temperature)[:, None], y, x)
        x = y
    return x


def with_langevin_fault(fault, **options):
    def sample(**arguments):
        return langevin(**arguments, fault=fault, **options)

    return sample


def obabo(score, x0, *, log_density, step_size, num_steps, temperature, chains, rng, fault=None):
    """Leapfrog between half steps of friction and noise, γ = 1, with one fault."""
    h, x = step_size, x0
    streams = [np.random.default_rng([rng, chain]) for chain in chains]
    noise = np.stack([s.standard_normal((2 * num_steps + 1, x.shape[1])) for s in streams], axis=1)
    decay = math.exp(-h / 2)
    share = 1 - decay if fault == "noise of the wrong size" else 1 - decay**2
    p = math.sqrt(temperature) * noise[0]
    for first, second in zip(noise[1::2], noise[2::2], strict=True):
        p = decay * p + math.sqrt(temperature * share) * first
        p = p + h / 2 * score(x)
        x = x + h * p
        p = p + (h if fault == "a whole second kick" else h / 2) * score(x)
        p = decay * p + math.sqrt(temperature * share) * second
    return x.astype(x0.dtype)


@pytest.mark.parametrize("fault", ["noise of the wrong size", "a whole second kick"])
def test_obabo_law_catches(fault):
    check_breaks(
        obabo_langevin_laws,
        "draws_the_gaussian_of_obabo",
        lambda **arguments: obabo(**arguments, fault=fault),
    )


def test_textbook_obabo_passes():
    check_passes(obabo_langevin_laws, obabo)


def test_a_score_that_is_not_the_gradient_is_found():
    x = np.random.default_rng(0).standard_normal((6, 3))

    def log_density(x):
        return -np.sum(x**4, axis=-1) / 4

    check_score(lambda x: -(x**3), log_density, x)
    with pytest.raises(AssertionError, match="component 0"):
        check_score(lambda x: x**3, log_density, x)
    with pytest.raises(AssertionError, match="component 1"):
        check_score(lambda x: -(x**3) * np.asarray([1.0, 1.001, 1.0]), log_density, x)


LANGEVIN_FAULTS = {
    "accepted always": "draws_the_gaussian",
    "proposal taken for symmetric": "satisfies_detailed_balance",
    "proposal ratio upside down": "draws_the_gaussian",
    "noise keyed by the row": "runs_each_chain_alone",
    "seed ignored": "repeats_with_its_seed",
}
UNADJUSTED_FAULTS = {
    "noise without the factor 2": "draws_the_gaussian_of_ula",
    "temperature ignored": "draws_the_gaussian_of_ula",
    "one draw for all coordinates": "draws_the_gaussian_of_ula",
    "drift scaled by the largest of all chains": "a_lost_chain_is_lost_alone",
}


def test_textbook_langevin_passes():
    check_passes(adjusted_langevin_laws, with_langevin_fault(None))
    check_passes(unadjusted_langevin_laws, with_langevin_fault(None, adjusted=False))


@pytest.mark.parametrize(("fault", "law"), LANGEVIN_FAULTS.items())
def test_langevin_law_catches(fault, law):
    check_breaks(adjusted_langevin_laws, law, with_langevin_fault(fault))


@pytest.mark.parametrize(("fault", "law"), UNADJUSTED_FAULTS.items())
def test_unadjusted_langevin_law_catches(fault, law):
    check_breaks(unadjusted_langevin_laws, law, with_langevin_fault(fault, adjusted=False))


def test_every_law_catches_some_fault():
    caught = {*SAMPLER_FAULTS.values(), *LANGEVIN_FAULTS.values(), *UNADJUSTED_FAULTS.values()}
    caught.add("draws_the_gaussian_of_obabo")  # test_obabo_law_catches
    laws = {*sampler_laws, *adjusted_langevin_laws, *unadjusted_langevin_laws}
    laws |= {*obabo_langevin_laws}
    assert {law.__name__ for law in laws} == caught
