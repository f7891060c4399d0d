"""Exact denoisers against sums written out in high precision, and at the edges."""

import mpmath
import numpy as np
import pytest

from mathcore import _arrays
from solvers import empirical_denoiser, gaussian_mixture_denoiser
from solvers.diffusion import denoisers


def array(xp, values, dtype="float64"):
    return xp.asarray(np.asarray(values).tolist(), dtype=getattr(xp, dtype))


def exact_empirical(data, x, sigma, bandwidth):
    """(w²x + σ²ȳ)/(w² + σ²) in 40 digits, for one point x."""
    with mpmath.workdps(40):
        v = mpmath.mpf(sigma) ** 2 + mpmath.mpf(bandwidth) ** 2
        points = [[mpmath.mpf(float(y)) for y in row] for row in data]
        at = [mpmath.mpf(float(y)) for y in x]
        r = [mpmath.exp(-sum((p - q) ** 2 for p, q in zip(at, y)) / (2 * v)) for y in points]  # noqa: B905
        mean = [sum(a * y[j] for a, y in zip(r, points)) / sum(r) for j in range(len(at))]  # noqa: B905
        w2, s2 = mpmath.mpf(bandwidth) ** 2, mpmath.mpf(sigma) ** 2
        return np.array([float((w2 * p + s2 * m) / v) for p, m in zip(at, mean)])  # noqa: B905


# --- empirical ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 80.0])
def test_empirical_against_40_digits(xp, sigma, bandwidth):
    """Rounding: log r errs by eps·‖x‖‖y‖/v, which moves D by at most that times the spread."""
    rng = np.random.default_rng(0)
    data, x = rng.standard_normal((7, 3)), rng.standard_normal((4, 3))
    expected = np.stack([exact_empirical(data, point, sigma, bandwidth) for point in x])
    denoiser = empirical_denoiser(array(xp, data), bandwidth=bandwidth)
    actual = _arrays.to_numpy(denoiser(array(xp, x), sigma))
    v, size = sigma**2 + bandwidth**2, np.abs(data).max() + np.abs(x).max()
    tolerance = 20 * np.finfo(float).eps * size * (1 + size**2 / v)
    assert np.max(np.abs(actual - expected)) <= tolerance


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sigma", [0.0, 1e-300, 1e-20, 1e-6])
def test_empirical_at_vanishing_noise_is_the_nearest_point(xp, dtype, sigma):
    data = array(xp, [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype)
    x = array(xp, [[0.1, 0.2], [5.0, -1.0], [0.2, 1.5]], dtype)
    found = empirical_denoiser(data)(x, sigma)
    assert found.dtype == x.dtype
    assert np.allclose(_arrays.to_numpy(found), [[0, 0], [1, 0], [0, 2]], rtol=0, atol=1e-6)


def test_empirical_tie_at_zero_noise_is_the_mean():
    data = np.array([[-1.0], [1.0], [-5.0], [5.0]])
    assert empirical_denoiser(data)(np.zeros((1, 1)), 0.0).tolist() == [[0.0]]


def test_smoothed_data_keep_x_at_zero_noise(xp):
    x = array(xp, [[0.3, 0.4]])
    found = empirical_denoiser(array(xp, np.eye(2)), bandwidth=0.5)(x, 0.0)
    assert np.allclose(_arrays.to_numpy(found), [[0.3, 0.4]], rtol=1e-14)


def test_smoothed_data_are_a_mixture_of_equal_gaussians(xp):
    """The same as the Gaussian mixture with covariances w²I."""
    rng = np.random.default_rng(1)
    data, x = array(xp, rng.standard_normal((6, 2))), array(xp, rng.standard_normal((5, 2)))
    covariances = array(xp, np.broadcast_to(0.09 * np.eye(2), (6, 2, 2)))
    mixture = gaussian_mixture_denoiser(array(xp, np.ones(6)), data, covariances)
    smoothed = empirical_denoiser(data, bandwidth=0.3)
    for sigma in (0.01, 0.5, 10.0):
        a, b = (_arrays.to_numpy(denoiser(x, sigma)) for denoiser in (smoothed, mixture))
        assert np.max(np.abs(a - b)) <= 1e3 * np.finfo(float).eps


def test_far_and_offset_data_lose_no_digits():
    """Data around 1e6 and noise of 80: distances from the centred data, not from the origin."""
    rng = np.random.default_rng(2)
    data, x = rng.standard_normal((20, 2)), rng.standard_normal((8, 2))
    near = empirical_denoiser(data)(x, 0.3)
    shift = 2.0**20  # exact in float64, up to the rounding of the data themselves
    far = empirical_denoiser(data + shift)(x + shift, 0.3)
    assert np.max(np.abs(far - shift - near)) <= 100 * np.finfo(float).eps * shift


def test_duplicates_weigh_twice():
    x = np.array([[0.2]])
    twice = empirical_denoiser(np.array([[0.0], [1.0], [1.0]]))(x, 0.7)
    weighted = gaussian_mixture_denoiser([1.0, 2.0], [[0.0], [1.0]], np.zeros((2, 1, 1)))(x, 0.7)
    assert np.allclose(twice, weighted, rtol=1e-14)


def test_images_and_one_point():
    data = np.arange(24.0).reshape(2, 3, 2, 2)
    x = data[:1] + 0.1
    assert np.allclose(empirical_denoiser(data)(x, 0.5), data[:1], atol=1e-12)
    assert empirical_denoiser(np.ones((1, 4)))(np.zeros((3, 4)), 1.0).tolist() == [[1.0] * 4] * 3
    assert empirical_denoiser(np.ones(1))(np.zeros(3), 1.0).tolist() == [1.0] * 3
    assert empirical_denoiser(data)(x[:0], 0.5).shape == (0, 3, 2, 2)


def test_memory_is_bounded_without_changing_the_answer(monkeypatch):
    rng = np.random.default_rng(3)
    data, x = rng.standard_normal((50, 3)), rng.standard_normal((20, 3))
    whole = empirical_denoiser(data)(x, 0.5)
    largest = []
    weighted_mean = denoisers._weighted_mean
    monkeypatch.setattr(denoisers, "_MOST_PAIRS", 350)
    monkeypatch.setattr(
        denoisers,
        "_weighted_mean",
        lambda xp, x, y, v: largest.append(x.shape[0] * y.shape[0]) or weighted_mean(xp, x, y, v),
    )
    parts = empirical_denoiser(data)(x, 0.5)
    assert max(largest) <= 350
    assert np.allclose(parts, whole, rtol=0, atol=100 * np.finfo(float).eps)


# --- mixtures -----------------------------------------------------------------------------------


def test_singular_covariances_at_zero_noise():
    """A mixture of points and segments: finite, and x itself stays put on the segment."""
    covariances = np.stack([np.zeros((2, 2)), np.diag([1.0, 0.0])])
    denoiser = gaussian_mixture_denoiser([0.5, 0.5], [[5.0, 5.0], [0.0, 0.0]], covariances)
    for dtype in ("float32", "float64"):
        x = np.array([[0.7, 0.0], [5.0, 5.0]], dtype=dtype)
        assert np.allclose(denoiser(x, 0.0), x, atol=1e-6)


def test_a_component_of_weight_zero_is_absent(xp):
    means, covariances = [[0.0], [3.0]], [[[1.0]], [[0.5]]]
    two = gaussian_mixture_denoiser(*(array(xp, v) for v in ([1.0, 0.0], means, covariances)))
    x = array(xp, [[2.5]])
    assert _arrays.to_numpy(two(x, 1.0)).tolist() == [[1.25]]


def test_unnormalised_weights():
    means, covariances = [[0.0], [3.0]], [[[1.0]], [[0.5]]]
    x = np.linspace(-2, 5, 9)[:, None]
    a, b = (
        gaussian_mixture_denoiser(w, means, covariances)(x, 0.6) for w in ([1, 3], [0.25, 0.75])
    )
    assert np.allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_from_every_component(dtype):
    """Where every density underflows the nearest component still decides."""
    denoiser = gaussian_mixture_denoiser([0.5, 0.5], [[-1.0], [1.0]], [[[0.01]], [[0.01]]])
    found = denoiser(np.array([[1e3], [-1e3]], dtype=dtype), 0.1)
    assert np.allclose(found, [[500.5], [-500.5]], rtol=1e-5)


# --- common -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["empirical", "mixture"])
def test_the_dtype_of_x_decides(xp, kind):
    x = array(xp, [[0.1, 0.2]], "float32")
    if kind == "empirical":
        denoiser = empirical_denoiser(array(xp, np.eye(2), "float64"))
    else:
        parts = (array(xp, v, "float64") for v in ([1.0], np.ones((1, 2)), np.eye(2)[None]))
        denoiser = gaussian_mixture_denoiser(*parts)
    assert denoiser(x, 0.5).dtype == x.dtype


def test_sigma_may_be_traced():
    jax = pytest.importorskip("jax")
    denoiser = empirical_denoiser(jax.numpy.eye(2), bandwidth=0.1)
    x = jax.numpy.ones((1, 2))
    assert np.allclose(jax.jit(denoiser)(x, jax.numpy.asarray(0.5)), denoiser(x, 0.5), rtol=1e-6)


@pytest.mark.parametrize("kind", ["empirical", "mixture"])
def test_gradients_in_torch(kind):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    data = torch.asarray(rng.standard_normal((4, 2)))
    if kind == "empirical":
        denoiser = empirical_denoiser(data, bandwidth=0.2)
    else:
        eye = torch.eye(2, dtype=torch.float64).expand(4, 2, 2)
        denoiser = gaussian_mixture_denoiser(torch.ones(4, dtype=torch.float64), data, eye)
    x = torch.asarray(rng.standard_normal((3, 2))).requires_grad_()
    sigma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(denoiser, (x, sigma))


def test_empirical_refusals():
    with pytest.raises(ValueError, match="at least one point"):
        empirical_denoiser(np.empty((0, 2)))
    with pytest.raises(ValueError, match="`data` must be finite"):
        empirical_denoiser(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="`bandwidth` must"):
        empirical_denoiser(np.ones((1, 1)), bandwidth=-1.0)
    with pytest.raises(TypeError, match="`data` must be real"):
        empirical_denoiser(np.ones((1, 1), dtype=complex))
    denoiser = empirical_denoiser(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"`x` must have shape \(any, 3\); got \(1, 2\)"):
        denoiser(np.ones((1, 2)), 1.0)
    with pytest.raises(ValueError, match="`sigma` must"):
        denoiser(np.ones((1, 3)), -1.0)


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        ([1.0], [[0.0]], [[[-1.0]]], "positive semidefinite"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]], "symmetric"),
        ([-1.0], [[0.0]], [[[1.0]]], ">= 0"),
        ([0.0], [[0.0]], [[[1.0]]], "not all 0"),
        ([1.0, 1.0], [[0.0]], [[[1.0]]], r"`weights` must have shape \(1,\)"),
        ([1.0], [0.0], [[[1.0]]], "`means` must"),
        ([1.0], [[0.0]], [[1.0]], "`covariances` must"),
        ([1.0], [[np.inf]], [[[1.0]]], "finite"),
    ],
)
def test_mixture_refusals(weights, means, covariances, message):
    with pytest.raises(ValueError, match=message):
        gaussian_mixture_denoiser(weights, means, covariances)


def test_another_library_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="library"):
        empirical_denoiser(np.ones((2, 2)))(torch.ones(1, 2), 1.0)
