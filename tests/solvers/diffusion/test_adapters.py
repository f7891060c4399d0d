"""Networks of other parametrizations, guidance and thresholding, against the exact denoiser."""

import math

import numpy as np
import pytest

from mathcore import _arrays
from solvers import (
    coefficients,
    denoiser_from_edm,
    denoiser_from_eps,
    denoiser_from_flow,
    denoiser_from_sigma_vector,
    denoiser_from_v,
    gaussian_mixture_denoiser,
    guided,
    sample_diffusion,
    sigmas_karras,
    timestep_of,
)

LEVELS = (0.01, 0.5, 3.0, 80.0)


@pytest.fixture
def exact(xp, parameters_a):
    return gaussian_mixture_denoiser(*(xp.asarray(x.tolist()) for x in parameters_a))


def points(xp, sigma):
    values = sigma * np.random.default_rng(0).standard_normal((5, 2))
    return xp.asarray(values.tolist(), dtype=xp.float64)


def check_same(xp, denoiser, exact, sigma):
    x = points(xp, sigma)
    with_array = denoiser(x, sigma)
    assert with_array.dtype == x.dtype
    error = np.max(np.abs(_arrays.to_numpy(with_array - exact(x, sigma))))
    # D is a difference of numbers of size σ; its slope there is about 1/σ² in the shifted argument
    assert error < 1e-13 * max(1.0, sigma) / min(1.0, sigma) ** 2


@pytest.mark.parametrize("sigma", LEVELS)
@pytest.mark.parametrize("scaling", ["vp", "ve"])
def test_eps_prediction(xp, exact, sigma, scaling):
    def model(state, s):
        x = state * math.hypot(1.0, s) if scaling == "vp" else state
        return (x - exact(x, s)) / s

    check_same(xp, denoiser_from_eps(model, scaling=scaling), exact, sigma)


@pytest.mark.parametrize("sigma", LEVELS)
def test_v_prediction(xp, exact, sigma):
    def model(state, s):
        alpha = 1 / math.hypot(1.0, s)
        x = state / alpha
        x0 = exact(x, s)
        return alpha * (x - x0) / s - s * alpha * x0  # α ε − σ_t x₀

    check_same(xp, denoiser_from_v(model), exact, sigma)


@pytest.mark.parametrize("sigma", LEVELS)
def test_flow_prediction(xp, exact, sigma):
    def model(state, t):
        s = t / (1 - t)
        x = state * (1 + s)
        x0 = exact(x, s)
        return (x - x0) / s - x0  # noise − x₀

    check_same(xp, denoiser_from_flow(model), exact, sigma)


@pytest.mark.parametrize("sigma", LEVELS)
def test_edm_preconditioning(xp, exact, sigma):
    """Table 1 of Karras et al. 2022, solved for the network."""
    data = 0.7

    def network(scaled, c_noise):
        assert tuple(c_noise.shape) == (5,)
        s = math.exp(4 * float(c_noise[0]))
        total = math.sqrt(s**2 + data**2)
        x = scaled * total
        return (exact(x, s) - data**2 / total**2 * x) / (s * data / total)

    check_same(xp, denoiser_from_edm(network, sigma_data=data), exact, sigma)


def test_sigma_vectors(xp, exact):
    def model(x, sigmas):
        assert tuple(sigmas.shape) == (5,)
        assert sigmas.dtype == x.dtype
        return exact(x, float(sigmas[0]))

    check_same(xp, denoiser_from_sigma_vector(model), exact, 3.0)


def test_time_reaches_the_network():
    seen = []

    def model(x, t):
        seen.append(t)
        return x

    x = np.ones((2, 1))
    denoiser_from_eps(model, time=lambda sigma: 10 * sigma)(x, 0.5)
    denoiser_from_v(model, time=lambda sigma: 10 * sigma, vector=True)(x, 0.5)
    assert seen[0] == 5.0
    assert seen[1].tolist() == [5.0, 5.0]


def test_timesteps_of_a_training_schedule():
    """DDPM's linear betas: integer timesteps come back, and ln σ is linear between them."""
    alphas = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    sigmas = np.sqrt((1 - alphas) / alphas)
    time = timestep_of(alphas)
    for t in (0, 1, 500, 998):
        assert time(sigmas[t]) == pytest.approx(t, abs=1e-9)
        between = math.sqrt(sigmas[t] * sigmas[t + 1])
        assert time(between) == pytest.approx(t + 0.5, abs=1e-9)
    assert time(1e-9) == 0.0
    assert time(1e9) == 999.0
    for bad in ([0.5, 0.6], [1.0, 0.5], [[0.5]], []):
        with pytest.raises(ValueError, match="`alphas_cumprod` must decrease strictly"):
            timestep_of(bad)


def test_guidance_counts_what_it_calls():
    calls = []

    def branch(name, value):
        def denoiser(x, sigma):
            calls.append(name)
            return 0 * x + value

        return denoiser

    x, sigmas = np.ones((1, 2)), [4.0, 2.0, 1.0]
    for weight, expected in ((3.0, 1.0 + 3.0 * (2.0 - 1.0)), (1.0, 2.0), (0.0, 1.0)):
        calls.clear()
        denoiser = guided(branch("c", 2.0), branch("u", 1.0), weight)
        result = sample_diffusion(denoiser, x, sigmas)
        assert result.nfe == len(calls)
        assert np.all(result.x == expected)
    nested = guided(guided(branch("c", 2.0), branch("u", 1.0), 2.0), branch("n", 0.0), 2.0)
    calls.clear()
    assert sample_diffusion(nested, x, sigmas).nfe == len(calls) == 9
    with pytest.raises(TypeError, match="`denoiser_uncond` must be callable"):
        guided(branch("c", 2.0), None, 2.0)
    with pytest.raises(ValueError, match="`weight` must be finite"):
        guided(branch("c", 2.0), branch("u", 1.0), math.nan)


def test_adapters_keep_the_count():
    model = guided(lambda x, s: x, lambda x, s: 0 * x, 2.0)
    assert sample_diffusion(denoiser_from_eps(model), np.ones((1, 1)), [2.0, 1.0]).nfe == 4


def test_dynamic_threshold(xp):
    """Saharia et al. 2022, section 2.3, against NumPy's quantile, each sample by itself."""
    target = (
        np.random.default_rng(1).standard_normal((3, 4, 5)) * np.array([0.1, 1, 5])[:, None, None]
    )
    x = xp.asarray(target.tolist(), dtype=xp.float64)
    for p in (0.5, 0.995, 1.0):
        result = sample_diffusion(lambda y, sigma: x, 0 * x, [2.0], threshold=p)
        s = np.maximum(1.0, np.quantile(np.abs(target).reshape(3, -1), p, axis=1))[:, None, None]
        expected = np.clip(target, -s, s) / s
        assert np.allclose(_arrays.to_numpy(result.x), expected, rtol=1e-14, atol=0)
    plain = sample_diffusion(lambda y, sigma: x, 0 * x, [2.0]).x
    assert bool(xp.all(plain == x))
    for bad in (0.0, 1.5):
        with pytest.raises(ValueError, match="`threshold` must be"):
            sample_diffusion(lambda y, sigma: x, 0 * x, [2.0], threshold=bad)


def test_a_callback_may_replace_the_state(xp):
    """Inpainting: the known half is put back at every level."""
    known = xp.asarray([[1.0, 0.0]], dtype=xp.float64)
    mask = xp.asarray([[True, False]])

    def callback(step):
        return xp.where(mask, known, step.x)

    x = xp.asarray([[40.0, -20.0]], dtype=xp.float64)
    sigmas = sigmas_karras(6, 0.1, 40.0)
    denoiser = lambda y, sigma: y / (1 + sigma**2)  # noqa: E731
    for method in ("euler", "ipndm_3"):
        result = sample_diffusion(denoiser, x, sigmas, method=method, callback=callback)
        plain = sample_diffusion(denoiser, x, sigmas, method=method)
        assert float(result.x[0, 0]) == 1.0
        assert abs(float(result.x[0, 1]) - float(plain.x[0, 1])) < 1e-12
    with pytest.raises(ValueError, match="`callback` must keep the shape"):
        sample_diffusion(denoiser, x, sigmas, callback=lambda step: step.x[0, ...])


ADAPTERS = {
    "eps": denoiser_from_eps,
    "eps, vector": lambda network: denoiser_from_eps(network, scaling="ve", vector=True),
    "v": denoiser_from_v,
    "flow": denoiser_from_flow,
    "edm": denoiser_from_edm,
    "sigma vector": denoiser_from_sigma_vector,
}


@pytest.mark.parametrize(
    ("adapter", "method"), [*((name, "dpmpp_2m") for name in ADAPTERS), ("eps", "ipndm_3")]
)
def test_a_scan_over_the_step_table(adapter, method):
    """``jax.lax.scan``, in which σ is traced, is the loop of `sample_diffusion`."""
    jax, kind = pytest.importorskip("jax"), "weights" if method == "dpmpp_2m" else "slopes"
    jnp = pytest.importorskip("jax.numpy")

    def network(x, time):
        return jnp.tanh(x) + 0.1 * jnp.reshape(time, (-1,) + (1,) * (jnp.ndim(time) > 0))

    denoiser, sigmas = ADAPTERS[adapter](network), sigmas_karras(6, 0.1, 9.0)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 2)))
    (stages,) = zip(*coefficients(method, sigmas), strict=True)
    columns = [[stage.sigma, stage.decay, *getattr(stage, kind)] for stage in stages]

    def step(carry, row):
        x, history = carry
        sigma, decay, multipliers = row[0], row[1], row[2:]
        found = denoiser(x, sigma)
        newest = found if kind == "weights" else (x - found) / sigma
        history = jnp.concatenate([newest[None], history[:-1]])
        return (decay * x + jnp.tensordot(multipliers, history, axes=1), history), None

    history = jnp.zeros((len(columns[0]) - 2, *x.shape), x.dtype)
    (scanned, _), _ = jax.jit(lambda x: jax.lax.scan(step, (x, history), jnp.asarray(columns)))(x)
    direct = sample_diffusion(denoiser, x, sigmas, method=method, final="stop").x
    eps = float(jnp.finfo(x.dtype).eps)
    assert np.allclose(scanned, direct, rtol=100 * eps, atol=100 * eps)
