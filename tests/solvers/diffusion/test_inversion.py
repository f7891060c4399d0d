"""Data to noise and back, and log densities against the exact ones of Gaussian mixtures."""

import math

import numpy as np
import pytest

from mathcore import _arrays
from solvers import (
    encode_diffusion,
    gaussian_mixture_denoiser,
    log_likelihood,
    sample_diffusion,
    sigmas_logsnr,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # its own

WEIGHTS, MEANS = np.array([0.3, 0.7]), np.array([[-1.0, 0.5], [0.8, -0.2]])
COVARIANCES = np.array([[[0.3, 0.1], [0.1, 0.2]], [[0.15, -0.05], [-0.05, 0.4]]])
POINTS = np.array([[0.0, 0.0], [-1.0, 0.4], [0.9, 1.0]])
SIGMA_MIN, SIGMA_MAX = 0.01, 30.0


def log_density(x, sigma):
    """Exact, of the mixture blurred by σ."""
    total = 0.0
    for w, mu, cov in zip(WEIGHTS, MEANS, COVARIANCES, strict=True):
        blurred = cov + sigma**2 * np.eye(2)
        z = x - mu
        distance = np.sum(z * np.linalg.solve(blurred, z.T).T, axis=-1)
        total = total + w * np.exp(-distance / 2) / (2 * np.pi * math.sqrt(np.linalg.det(blurred)))
    return np.log(total)


def mixture(xp):
    return gaussian_mixture_denoiser(
        *(xp.asarray(part.tolist(), dtype=xp.float64) for part in (WEIGHTS, MEANS, COVARIANCES))
    )


def exact_prior(y):
    return log_density(y, SIGMA_MAX)


def test_log_likelihood_of_a_mixture():
    """With the exact prior at σ_max."""
    sigmas = sigmas_logsnr(81, SIGMA_MIN, SIGMA_MAX)
    result = log_likelihood(mixture(np), POINTS, sigmas, log_prior=exact_prior)
    assert np.max(np.abs(result.value - log_density(POINTS, SIGMA_MIN))) < 2e-5
    assert result.nfe == 4 * 80
    assert not np.any(result.standard_error)


def test_libraries_agree(xp):
    """Difference quotients against derivatives: eps^{2/3} of numbers of size |x|/σ."""
    x = xp.asarray(POINTS.tolist(), dtype=xp.float64)
    for options in ({}, {"trace": "hutchinson", "num_probes": 2, "rng": 5}):
        here, there = (
            log_likelihood(lambda y, s, lib=lib: lib.tanh(y) / (1 + s), z, [3.0, 1.0], **options)
            for lib, z in ((xp, x), (np, POINTS))
        )
        for one, other in zip(here[:3], there[:3], strict=True):
            assert np.allclose(_arrays.to_numpy(one), other, rtol=1e-7, atol=1e-7)


def test_log_likelihood_has_order_four():
    def error(steps):
        sigmas = sigmas_logsnr(steps + 1, SIGMA_MIN, SIGMA_MAX)
        value = log_likelihood(mixture(np), POINTS, sigmas, log_prior=exact_prior).value
        return np.max(np.abs(value - log_density(POINTS, SIGMA_MIN)))

    assert np.log2(error(40) / error(80)) == pytest.approx(4, abs=0.5)


def test_the_gaussian_prior_misses_what_it_says():
    """The covariance of the data over σ_max²: 10⁻³ nats at σ_max = 30."""
    sigmas = sigmas_logsnr(81, SIGMA_MIN, SIGMA_MAX)
    value = log_likelihood(mixture(np), POINTS, sigmas).value
    moment = np.sum(WEIGHTS[:, None] * MEANS**2) + np.sum(
        WEIGHTS * np.trace(COVARIANCES, axis1=1, axis2=2)
    )
    error = np.abs(value - log_density(POINTS, SIGMA_MIN))
    assert np.max(error) < 2 * moment / SIGMA_MAX**2


def test_hutchinson_is_unbiased_and_says_its_error():
    sigmas = sigmas_logsnr(25, SIGMA_MIN, SIGMA_MAX)
    options = {"log_prior": exact_prior}
    exact = log_likelihood(mixture(np), POINTS, sigmas, **options)
    estimate = log_likelihood(
        mixture(np), POINTS, sigmas, trace="hutchinson", num_probes=64, rng=0, **options
    )
    assert np.all(estimate.standard_error > 0)
    error = np.abs(estimate.value - exact.value)
    # the difference quotients of both have errors of eps^{2/3}
    assert np.all(error < 5 * estimate.standard_error + 1e-8)
    single = log_likelihood(mixture(np), POINTS, sigmas, trace="hutchinson", rng=0, **options)
    assert np.all(np.isnan(single.standard_error))
    alone = log_likelihood(mixture(np), POINTS[:1], sigmas, trace="hutchinson", rng=0, **options)
    assert np.allclose(alone.value, single.value[:1], rtol=1e-9)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("dpm_3", 3)])
def test_encoding_and_sampling_return(method, order):
    denoiser = mixture(np)

    def error(steps):
        sigmas = sigmas_logsnr(steps + 1, 0.1, 10.0)
        encoded = encode_diffusion(denoiser, POINTS, sigmas, method=method)
        assert encoded.sigmas.tolist() == sigmas[::-1].tolist()
        back = sample_diffusion(denoiser, encoded.x, sigmas, method=method, final="stop").x
        return np.max(np.abs(back - POINTS))

    assert np.log2(error(100) / error(200)) > order - 0.2


@pytest.mark.parametrize("method", ["ddim", "dpm_2", "dpmpp_2s", "dpmpp_2m"])
def test_encoding_of_a_gaussian(xp, method):
    """N(0, s²): the flow scales by √((s² + b²)/(s² + a²)) in either direction."""
    x = xp.asarray([[1.0], [-2.0]], dtype=xp.float64)
    sigmas = sigmas_logsnr(201, 0.1, 10.0)
    encoded = encode_diffusion(lambda y, s: 0.25 / (0.25 + s * s) * y, x, sigmas, method=method)
    expected = _arrays.to_numpy(x) * math.sqrt((0.25 + 100) / (0.25 + 0.01))
    tolerance = 3e-2 if method == "ddim" else 1e-3
    assert np.allclose(_arrays.to_numpy(encoded.x), expected, rtol=tolerance, atol=0)


def test_ddim_inversion_is_its_formula():
    """x + (b − a)(x − D)/a for b > a."""
    x, sigmas = np.array([[0.3, -1.0]]), [4.0, 1.0, 0.2]
    expected = x
    for a, b in ((0.2, 1.0), (1.0, 4.0)):
        expected = expected + (b - a) * (expected - mixture(np)(expected, a)) / a
    encoded = encode_diffusion(mixture(np), x, sigmas, method="ddim")
    assert encoded.nfe == 2
    assert np.allclose(encoded.x, expected, rtol=1e-13)


def test_a_half_is_followed_in_float32():
    """The denoiser sees halves, whose rounding is all that is lost."""
    torch, seen = pytest.importorskip("torch"), set()

    def denoiser(x, sigma):
        seen.add(x.dtype)
        return x / (1 + sigma**2)

    x, sigmas = torch.tensor([[0.5, -1.0]], dtype=torch.bfloat16), sigmas_logsnr(41, 0.01, 100.0)
    found = log_likelihood(denoiser, x, sigmas)
    exact = -math.log(2 * math.pi) - 1.25 / 2
    assert seen == {torch.bfloat16} and found.value.dtype == found.x.dtype == torch.bfloat16
    assert float(found.value[0]) == pytest.approx(exact, rel=2**-6)


@pytest.mark.parametrize("consumer", [log_likelihood, encode_diffusion])
def test_a_denoiser_must_keep_the_shape(consumer):
    with pytest.raises(ValueError, match=r"`denoiser` must keep the shape \(2, 3\)"):
        consumer(lambda x, s: x[:1], np.ones((2, 3)), [2.0, 0.5])


@pytest.mark.parametrize("consumer", [log_likelihood, encode_diffusion])
def test_a_denoiser_that_fails_is_named_with_its_step(consumer):
    denoiser = mixture(np)
    with pytest.raises(FloatingPointError, match="NaN or infinity in step 1"):
        consumer(lambda x, s: denoiser(x, s) * (np.nan if s > 0.5 else 1), POINTS, [2.0, 0.5, 0.1])


def test_refusals():
    denoiser = mixture(np)
    with pytest.raises(ValueError, match="`sigmas` must stay above 0"):
        encode_diffusion(denoiser, POINTS, [1.0, 0.0])
    with pytest.raises(ValueError, match="`method` must be one of"):
        encode_diffusion(denoiser, POINTS, [1.0, 0.5], method="unipc_2")
    with pytest.raises(ValueError, match="`trace` must be one of"):
        log_likelihood(denoiser, POINTS, [1.0, 0.5], trace="sum")
    with pytest.raises(ValueError, match="`num_probes` must be >= 1"):
        log_likelihood(denoiser, POINTS, [1.0, 0.5], trace="hutchinson", num_probes=0)
    with pytest.raises(ValueError, match="`sigmas` must stay above 0"):
        log_likelihood(denoiser, POINTS, [1.0, 0.0])
