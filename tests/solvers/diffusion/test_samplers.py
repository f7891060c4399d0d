"""Samplers against closed forms and a fine reference, and what they refuse."""

import itertools

import numpy as np
import pytest

from mathcore import _arrays
from solvers import coefficients, order_of, sample_diffusion, sigmas_karras

METHODS = ("euler", "heun", "dpmpp_2m", "ipndm_3", "unipc_2")


def gaussian_denoiser(x, sigma, spread=0.5):
    """Exact denoiser of N(0, spread²)."""
    return spread**2 / (spread**2 + sigma**2) * x


def array(xp, values, dtype="float64"):
    return xp.asarray(np.asarray(values).tolist(), dtype=getattr(xp, dtype))


# --- closed forms -------------------------------------------------------------------------------


def test_euler_factor_on_gaussian_data(xp):
    """DDIM multiplies x by Π (s² + ab)/(s² + a²)."""
    s, sigmas = 0.5, sigmas_karras(12, 0.002, 80.0)
    a, b = sigmas[:-1], sigmas[1:]
    factor = np.prod((s**2 + a * b) / (s**2 + a**2))
    x = array(xp, [[80.0, -3.0], [0.5, 1e-3]])
    result = sample_diffusion(gaussian_denoiser, x, sigmas, method="ddim", final="stop")
    expected = factor * _arrays.to_numpy(x)
    assert np.allclose(_arrays.to_numpy(result.x), expected, rtol=1e-13, atol=0)


def test_heun_is_the_mean_of_two_slopes():
    """Algorithm 1 of Karras et al. 2022 as written there."""
    rng = np.random.default_rng(2)
    x, sigmas = rng.standard_normal((4, 3)), [5.0, 1.0, 0.2, 0.0]
    expected = x
    for a, b in itertools.pairwise(sigmas):
        d = (expected - gaussian_denoiser(expected, a)) / a
        step = expected + (b - a) * d
        if b > 0:
            d_b = (step - gaussian_denoiser(step, b)) / b
            step = expected + (b - a) * (d + d_b) / 2
        expected = step
    result = sample_diffusion(gaussian_denoiser, x, sigmas, method="heun")
    assert result.nfe == 5
    assert np.allclose(result.x, expected, rtol=1e-13, atol=1e-15)


def test_dpmpp_2m_is_algorithm_2():
    """k-diffusion's sample_dpmpp_2m, in its variables t = −ln σ, with the step to 0 appended."""
    rng = np.random.default_rng(3)
    x, sigmas = rng.standard_normal((4, 3)), [5.0, 2.0, 0.3, 0.1, 0.0]
    y, old = x, None
    for i in range(4):
        denoised = gaussian_denoiser(y, sigmas[i])
        if sigmas[i + 1] == 0:
            y = denoised
            break
        t, t_next = -np.log(sigmas[i]), -np.log(sigmas[i + 1])
        d = denoised
        if old is not None:
            r = (t + np.log(sigmas[i - 1])) / (t_next - t)
            d = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old
        y = sigmas[i + 1] / sigmas[i] * y - np.expm1(t - t_next) * d
        old = denoised
    result = sample_diffusion(gaussian_denoiser, x, sigmas[:-1], method="dpmpp_2m")
    assert result.nfe == 4
    assert np.allclose(result.x, y, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_denoise_is_one_more_evaluation(method):
    x, sigmas = np.ones((2, 3)), sigmas_karras(6, 0.01, 10.0)
    stop = sample_diffusion(gaussian_denoiser, x, sigmas, method=method, final="stop")
    denoise = sample_diffusion(gaussian_denoiser, x, sigmas, method=method)
    assert denoise.nfe == stop.nfe + 1
    assert np.array_equal(denoise.x, gaussian_denoiser(stop.x, 0.01))
    assert denoise.sigmas.tolist() == [*sigmas.tolist(), 0.0]
    assert stop.sigmas.tolist() == sigmas.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_final_words_agree_where_the_levels_end_at_zero(method):
    x, sigmas = np.ones((2, 3)), [3.0, 1.0, 0.0]
    results = [
        sample_diffusion(gaussian_denoiser, x, sigmas, method=method, final=final)
        for final in ("stop", "denoise")
    ]
    assert np.array_equal(results[0].x, results[1].x)
    assert results[0].nfe == results[1].nfe


def test_one_level_is_one_denoising():
    result = sample_diffusion(gaussian_denoiser, np.ones((1, 2)), [2.0])
    assert result.nfe == 1
    assert np.array_equal(result.x, gaussian_denoiser(np.ones((1, 2)), 2.0))


# --- the step table -----------------------------------------------------------------------------


def test_coefficients_of_tiny_steps_keep_their_digits():
    """σ_i/σ_{i+1} − 1 = 10⁻¹²: the weights keep 12 digits more than 1 − b/a would."""
    a, b, c = 1.0 + 2e-12, 1.0 + 1e-12, 1.0
    _, (stage,) = coefficients("dpmpp_2m", [a, b, c])
    h, r = np.log1p((b - c) / c), np.log1p((a - b) / b) / np.log1p((b - c) / c)
    expected = -np.expm1(-h) * np.asarray([1 + 1 / (2 * r), -1 / (2 * r)])
    assert np.allclose(stage.weights, expected, rtol=1e-14, atol=0)


# --- arrays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_library_dtype_and_shape_are_kept(xp, method, dtype):
    x = array(xp, np.random.default_rng(6).standard_normal((2, 3, 4)), dtype)
    result = sample_diffusion(
        gaussian_denoiser, x, [4.0, 1.0, 0.5], method=method, return_trajectory=True
    )
    assert result.x.dtype == x.dtype
    assert tuple(result.x.shape) == (2, 3, 4)
    assert tuple(result.trajectory.shape) == (4, 2, 3, 4)
    assert bool(xp.all(result.trajectory[0, ...] == x))
    assert bool(xp.all(result.trajectory[3, ...] == result.x))
    assert result.status == 0


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays_near_float64(method):
    """float64 coefficients: 100 float32 steps add less than 100 roundings of x."""
    x = np.random.default_rng(7).standard_normal((16, 2))
    sigmas = sigmas_karras(100, 0.002, 80.0)
    double = sample_diffusion(gaussian_denoiser, x, sigmas, method=method).x
    single = sample_diffusion(gaussian_denoiser, x.astype("float32"), sigmas, method=method).x
    assert single.dtype == np.float32
    assert np.max(np.abs(single - double)) <= 100 * np.finfo("float32").eps * np.abs(x).max()


def test_a_half_state_is_kept_in_float32_between_steps():
    seen = set()

    def denoiser(x, sigma):
        seen.add(str(x.dtype))
        return gaussian_denoiser(x, sigma)

    x = np.ones((2, 2), dtype=np.float16)
    result = sample_diffusion(denoiser, x, sigmas_karras(20, 0.002, 80.0), final="stop")
    exact = 0.5 / np.sqrt(0.25 + 80.0**2)
    assert seen == {"float16"}
    assert result.x.dtype == np.float16
    assert np.max(np.abs(result.x - exact)) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_is_the_same_in_any_batch(xp, method):
    x = array(xp, 80 * np.random.default_rng(8).standard_normal((5, 3)))
    sigmas = sigmas_karras(10, 0.002, 80.0)
    whole = sample_diffusion(gaussian_denoiser, x, sigmas, method=method).x
    for i in range(5):
        alone = sample_diffusion(gaussian_denoiser, x[i : i + 1, :], sigmas, method=method).x
        assert bool(xp.all(alone[0, :] == whole[i, :]))


def test_empty_batch_and_odd_memory():
    empty = sample_diffusion(gaussian_denoiser, np.ones((0, 3)), [2.0, 1.0])
    assert empty.x.shape == (0, 3)
    x = np.random.default_rng(9).standard_normal((6, 8))
    frozen = x.copy()
    frozen.flags.writeable = False
    plain = sample_diffusion(gaussian_denoiser, x, [2.0, 1.0]).x
    assert np.array_equal(sample_diffusion(gaussian_denoiser, frozen, [2.0, 1.0]).x, plain)
    strided = sample_diffusion(gaussian_denoiser, x[::2, ::-1], [2.0, 1.0]).x
    assert np.array_equal(strided, plain[::2, ::-1])
    assert np.array_equal(frozen, x)


def test_sigmas_of_any_library(xp):
    x = np.ones((2, 2))
    result = sample_diffusion(gaussian_denoiser, x, array(xp, [2.0, 1.0]))
    assert np.array_equal(result.x, sample_diffusion(gaussian_denoiser, x, [2.0, 1.0]).x)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_in_torch(method):
    torch = pytest.importorskip("torch")
    x = torch.ones((2, 2), dtype=torch.float64, requires_grad=True)
    spread = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    sigmas = [4.0, 2.0, 1.0]

    def sample(x, spread):
        denoiser = lambda y, sigma: gaussian_denoiser(y, sigma, spread)  # noqa: E731
        return sample_diffusion(denoiser, x, sigmas, method=method).x

    assert torch.autograd.gradcheck(sample, (x, spread))


@pytest.mark.parametrize("method", METHODS)
def test_gradients_and_jit_in_jax(method):
    jax = pytest.importorskip("jax")
    sigmas = [4.0, 2.0, 1.0]

    def sample(x):
        return sample_diffusion(gaussian_denoiser, x, sigmas, method=method)

    x = jax.numpy.ones((2, 2))
    eager = sample(x).x
    traced = jax.jit(sample)(x)
    assert np.allclose(traced.x, eager, rtol=10 * _arrays.eps(x), atol=0)
    assert int(traced.status) == 1
    # the map is linear in x, so its derivative along x is its value
    _, tangent = jax.jvp(lambda y: sample(y).x, (x,), (x,))
    assert np.allclose(tangent, eager, rtol=10 * _arrays.eps(x), atol=0)
    assert jax.grad(lambda y: sample(y).x.sum())(x).shape == x.shape


# --- reports and refusals -----------------------------------------------------------------------


def test_callback_sees_every_step():
    steps = []
    result = sample_diffusion(
        gaussian_denoiser, np.ones((1, 1)), [4.0, 2.0, 1.0], callback=steps.append
    )
    assert [step.index for step in steps] == [0, 1, 2]
    assert [step.sigma for step in steps] == [2.0, 1.0, 0.0]
    assert np.array_equal(steps[-1].x, result.x)
    assert np.array_equal(steps[-1].denoised, result.x)


def test_progress_bar(capsys):
    sample_diffusion(gaussian_denoiser, np.ones((1, 1)), [4.0, 2.0, 1.0], progress=True)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_denoiser_that_fails_is_named_with_its_step(xp, method, bad):
    def denoiser(x, sigma):
        denoised = gaussian_denoiser(x, sigma)
        return bad * denoised if sigma == 2.0 else denoised

    x = array(xp, [[1.0], [2.0]])
    first = 0 if method == "heun" else 1  # Heun's first step already looks at σ = 2
    with pytest.raises(FloatingPointError, match=f"in step {first}"):
        sample_diffusion(denoiser, x, [4.0, 2.0, 1.0], method=method)


def test_a_sum_that_overflows_is_no_failure():
    """Values near the largest float32 are finite although their sum is not."""
    x = np.full((4, 4), 3e38, dtype=np.float32)
    result = sample_diffusion(lambda y, sigma: x, x, [2.0, 1.0])
    assert np.all(np.isfinite(result.x))


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ([1.0, 1.0], "strictly"),
        ([1.0, 2.0], "strictly"),
        ([2.0, 1.0, 1.5], "at position 1"),
        ([1.0, -1.0], ">= 0"),
        ([1.0, np.nan], "finite"),
        ([np.inf, 1.0], "finite"),
        ([1e101, 1.0], "within 1e-100 to 1e100"),
        ([1.0, 1e-101], "within 1e-100 to 1e100"),
        ([0.0], "start above 0"),
        ([], "at least 1"),
        ([[2.0, 1.0]], "vector"),
    ],
)
def test_sigmas_are_checked(sigmas, message):
    with pytest.raises(ValueError, match=message):
        sample_diffusion(gaussian_denoiser, np.ones((1, 1)), sigmas)


def test_the_widest_levels_have_finite_tables():
    for method in ("heun", "dpm_3", "dpmpp_3m", "unipc_3", "deis_3", "lms_4", "ipndm_4"):
        table = coefficients(method, [1e100, 1.0, 0.5, 1e-100, 0.0])
        numbers = [(s.decay, *s.weights, *s.slopes) for step in table for s in step]
        assert all(np.all(np.isfinite(row)) for row in numbers)


def test_other_refusals():
    x, sigmas = np.ones((2, 2)), [2.0, 1.0]
    with pytest.raises(ValueError, match=r"`method` must be one of 'euler'.*; got 'dpm'"):
        sample_diffusion(gaussian_denoiser, x, sigmas, method="dpm")
    with pytest.raises(ValueError, match="`method` must"):
        order_of("dpm")
    with pytest.raises(ValueError, match="`final` must"):
        sample_diffusion(gaussian_denoiser, x, sigmas, final="zero")
    with pytest.raises(ValueError, match="at least 2 levels"):
        sample_diffusion(gaussian_denoiser, x, [2.0], final="stop")
    with pytest.raises(ValueError, match="`x` must be finite"):
        sample_diffusion(gaussian_denoiser, np.full((1, 1), np.nan), sigmas)
    with pytest.raises(TypeError, match="`x` must be real"):
        sample_diffusion(gaussian_denoiser, x + 1j, sigmas)
    with pytest.raises(TypeError, match="`denoiser` must be callable"):
        sample_diffusion(None, x, sigmas)
    with pytest.raises(ValueError, match=r"keep the shape \(2, 2\); got \(2,\)"):
        sample_diffusion(lambda x, sigma: x[0], x, sigmas)
    with pytest.raises(TypeError, match="library of `x`"):
        sample_diffusion(lambda x, sigma: 0.0, x, sigmas)
    with pytest.raises(TypeError, match="real numbers"):
        sample_diffusion(gaussian_denoiser, x, ["a"])


def test_denoiser_of_another_library():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="library of `x`"):
        sample_diffusion(lambda x, sigma: torch.ones(2, 2), np.ones((2, 2)), [2.0, 1.0])
