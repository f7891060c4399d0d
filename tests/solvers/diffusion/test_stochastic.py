"""Methods that add noise: weak order by exact variances, Algorithm 2 of EDM, keyed draws."""

import itertools
import math

import numpy as np
import pytest

from mathcore import _arrays
from solvers import coefficients, order_of, sample_diffusion, sigmas_karras, sigmas_logsnr

CASES = [
    ("ancestral", {}),
    ("sde_dpmpp_1", {}),
    ("sde_dpmpp_2m", {"variant": "midpoint"}),
    ("sde_dpmpp_2m", {"variant": "heun"}),
]
SPREAD = 0.5


def shrink(sigma):
    return SPREAD**2 / (SPREAD**2 + sigma**2)


def denoiser(x, sigma):
    """Exact denoiser of N(0, SPREAD²)."""
    return shrink(sigma) * x


def final_variance(method, sigmas, **options):
    """Variance of the sample: the steps are linear in (x, last D), whose covariance is exact."""
    covariance = np.diag([SPREAD**2 + sigmas[0] ** 2, 0.0])
    for (stage,) in coefficients(method, sigmas, **options):
        now, *before = stage.weights
        gain = shrink(stage.sigma)
        step = np.array([[stage.decay + now * gain, sum(before)], [gain, 0.0]])
        covariance = step @ covariance @ step.T + np.diag([stage.noise**2, 0.0])
    return covariance[0, 0]


@pytest.mark.parametrize("eta", [0.5, 1.0])
@pytest.mark.parametrize(("method", "options"), CASES)
def test_weak_order(method, options, eta):
    def error(n):
        sigmas = sigmas_logsnr(n + 1, 0.1, 10.0)
        return abs(
            final_variance(method, sigmas, eta=eta, **options) - (SPREAD**2 + sigmas[-1] ** 2)
        )

    assert math.log2(error(640) / error(1280)) == pytest.approx(order_of(method), abs=0.1)


@pytest.mark.parametrize(("method", "options"), CASES)
def test_the_sample_has_that_variance(method, options):
    """40,000 draws: five standard errors."""
    n, sigmas = 40_000, sigmas_karras(9, 0.1, 10.0)
    start = math.sqrt(SPREAD**2 + sigmas[0] ** 2)
    x = start * np.random.default_rng(0).standard_normal((n, 1))
    options = {"eta": 1.0, **options}
    sample = sample_diffusion(denoiser, x, sigmas, method=method, final="stop", rng=1, **options).x
    expected = final_variance(method, sigmas, **options)
    assert abs(np.mean(sample**2) / expected - 1) < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize(("method", "options"), CASES)
def test_the_table_is_what_the_sampler_does(method, options):
    """With noise that is given, two latest D, one draw a step."""
    rng = np.random.default_rng(2)
    x, sigmas = rng.standard_normal((3, 2)), [5.0, 2.0, 0.5, 0.1, 0.0]
    draws = rng.standard_normal((4, 3, 2))
    expected, data = x, []
    for (stage,), xi in zip(coefficients(method, sigmas, eta=0.7, **options), draws, strict=True):
        data.insert(0, denoiser(expected, stage.sigma))
        past = sum(w * d for w, d in zip(stage.weights, data, strict=False))
        expected = stage.decay * expected + past + stage.noise * xi
    options = {"eta": 0.7, "noise": lambda step: draws[step], **options}
    result = sample_diffusion(denoiser, x, sigmas, method=method, **options)
    assert np.allclose(result.x, expected, rtol=1e-13, atol=1e-15)


def test_churn_is_algorithm_2():
    """Karras et al. 2022, Algorithm 2 as written there, S_noise and the window included."""
    rng = np.random.default_rng(3)
    x, sigmas = rng.standard_normal((3, 2)), [9.0, 5.0, 2.0, 0.5, 0.0]
    draws = rng.standard_normal((4, 3, 2))
    s_churn, s_min, s_max, s_noise = 1.2, 1.0, 6.0, 1.007
    expected = x
    for i, (a, b) in enumerate(itertools.pairwise(sigmas)):
        gamma = min(s_churn / 4, math.sqrt(2) - 1) if s_min <= a <= s_max else 0.0
        raised = a + gamma * a
        hat = expected + math.sqrt(raised**2 - a**2) * s_noise * draws[i]
        d = (hat - denoiser(hat, raised)) / raised
        expected = hat + (b - raised) * d
        if b > 0:
            d_b = (expected - denoiser(expected, b)) / b
            expected = hat + (b - raised) * (d + d_b) / 2
    result = sample_diffusion(
        denoiser,
        x,
        sigmas,
        method="edm",
        churn=(s_churn, s_min, s_max, s_noise),
        noise=lambda step: draws[step],
    )
    assert result.nfe == 7
    assert np.allclose(result.x, expected, rtol=1e-13, atol=1e-15)


NOISY = [
    *((name, {"eta": 1.0}) for name in ("ancestral", "sde_dpmpp_1", "sde_dpmpp_2m")),
    ("edm", {"churn": 5.0}),
]


@pytest.mark.parametrize(("method", "options"), NOISY)
def test_a_batch_is_its_samples_bit_for_bit(xp, method, options):
    values = 10 * np.random.default_rng(4).standard_normal((16, 3))
    x = xp.asarray(values.tolist(), dtype=xp.float32)
    sigmas = sigmas_karras(4, 0.1, 10.0)
    options = {"method": method, "rng": 7, **options}
    whole = sample_diffusion(denoiser, x, sigmas, **options).x
    for i in range(16) if _arrays.is_numpy(x) else (0, 15):
        alone = sample_diffusion(denoiser, x[i : i + 1, :], sigmas, samples=[i], **options).x
        assert bool(xp.all(alone[0, :] == whole[i, :]))


@pytest.mark.parametrize(("method", "options"), NOISY)
def test_libraries_draw_the_same(xp, method, options):
    values = 10 * np.random.default_rng(5).standard_normal((4, 3))
    sigmas = sigmas_karras(6, 0.1, 10.0)
    options = {"method": method, "rng": 7, **options}
    x = xp.asarray(values.tolist(), dtype=xp.float64)
    here = _arrays.to_numpy(sample_diffusion(denoiser, x, sigmas, **options).x)
    there = sample_diffusion(denoiser, values, sigmas, **options).x
    assert np.allclose(here, there, rtol=1e-12, atol=1e-12)


def test_seeds():
    x, sigmas = np.ones((2, 3)), [4.0, 1.0, 0.5]

    def sample(rng):
        return sample_diffusion(denoiser, x, sigmas, method="ancestral", eta=1.0, rng=rng).x

    assert np.array_equal(sample(1), sample(1))
    assert not np.array_equal(sample(1), sample(2))
    assert not np.array_equal(sample(None), sample(None))
    assert not np.array_equal(sample(1)[0], sample(1)[1])


def test_draws_have_the_shape_of_pictures():
    x = np.ones((2, 3, 4, 4), dtype=np.float16)
    result = sample_diffusion(denoiser, x, [4.0, 1.0, 0.5], method="sde_dpmpp_2m", eta=1.0, rng=0)
    assert result.x.dtype == np.float16
    assert result.x.shape == x.shape


def test_refusals():
    x, sigmas = np.ones((2, 3)), [4.0, 1.0]
    options = {"method": "ancestral", "eta": 1.0}
    with pytest.raises(ValueError, match=r"`samples` must have shape \(2,\); got \(1,\)"):
        sample_diffusion(denoiser, x, sigmas, samples=[0], **options, final="stop")
    with pytest.raises(ValueError, match="`samples` must be in"):
        sample_diffusion(denoiser, x, sigmas, samples=[0, -1], **options, final="stop")
    with pytest.raises(TypeError, match="`samples` must be integers"):
        sample_diffusion(denoiser, x, sigmas, samples=[0.5, 1.0], **options, final="stop")
    with pytest.raises(TypeError, match="`noise` must be callable"):
        sample_diffusion(denoiser, x, sigmas, noise=x, **options, final="stop")
    with pytest.raises(ValueError, match="`noise` must keep the shape"):
        sample_diffusion(denoiser, x, sigmas, noise=lambda i: x[0], **options, final="stop")
    with pytest.raises(TypeError, match="`rng` must be"):
        sample_diffusion(denoiser, x, sigmas, rng="seed", **options, final="stop")
