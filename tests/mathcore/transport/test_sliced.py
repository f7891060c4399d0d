"""Sliced transport: closed forms, its definition, gradients, seeds, errors."""

import numpy as np
import pytest

from mathcore import _arrays
from mathcore.transport.one_dimensional import wasserstein_1d
from mathcore.transport.sliced import sliced_wasserstein


def _clouds(n=40, m=30, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5


@pytest.mark.parametrize("d", [2, 5, 20])
def test_translated_cloud(d):
    """Between a cloud and its translate by t the square is |t|²/d in the mean over directions."""
    x = np.random.default_rng(1).standard_normal((50, d))
    t = np.arange(1.0, d + 1)
    estimate = sliced_wasserstein(x, x + t, num_projections=2000, rng=3)
    exact = np.sqrt(t @ t / d)
    assert abs(float(estimate.value) - exact) <= 3 * float(estimate.standard_error)
    assert 0 < float(estimate.standard_error) < 0.05 * exact


def test_between_gaussians():
    """N(0, I) and N(m, I): |m|²/d, up to three standard errors and the bias of sampling both."""
    rng = np.random.default_rng(2)
    n, d = 20_000, 4
    shift = np.array([2.0, 0.0, 1.0, -1.0])
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d)) + shift
    estimate = sliced_wasserstein(x, y, num_projections=400, rng=0)
    value, error = float(estimate.value), float(estimate.standard_error)
    sampling = 3 * np.sqrt(2 / n)  # of a mean in one direction, three deviations
    assert abs(value**2 - shift @ shift / d) <= 3 * 2 * value * error + 2 * value * sampling


@pytest.mark.parametrize("p", [1, 2, 3])
def test_is_the_mean_over_lines(p, xp):
    x, y = _clouds()
    a, b = np.arange(1.0, 41) / 820, np.arange(1.0, 31) / 465
    directions = np.random.default_rng(5).standard_normal((12, 3))
    costs = [float(wasserstein_1d(x @ u, y @ u, a, b, p=p)) ** p for u in directions]
    x, y, a, b, directions = (
        xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y, a, b, directions)
    )
    estimate = sliced_wasserstein(x, y, a, b, p=p, projections=directions)
    assert float(estimate.value) == pytest.approx(np.mean(costs) ** (1 / p), rel=1e-12)
    error = np.std(costs, ddof=1) / np.sqrt(12) * np.mean(costs) ** (1 / p - 1) / p
    assert float(estimate.standard_error) == pytest.approx(error, rel=1e-9)
    assert estimate.num_projections == 12
    assert _arrays.result_namespace(estimate.value) is xp


def test_directions_do_not_depend_on_the_library(xp):
    x, y = _clouds()
    want = float(sliced_wasserstein(x, y, rng=7).value)
    x, y = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y))
    assert float(sliced_wasserstein(x, y, rng=7).value) == pytest.approx(want, rel=1e-12)
    assert float(sliced_wasserstein(x, y, rng=8).value) != pytest.approx(want, rel=1e-6)


def test_edges():
    x, y = _clouds()
    same = sliced_wasserstein(x, x[::-1], rng=0)
    assert float(same.value) == float(same.standard_error) == 0.0
    assert np.isnan(sliced_wasserstein(x, y, num_projections=1, rng=0).standard_error)
    single = sliced_wasserstein(x[:1], y[:1], rng=0)
    assert 0 < float(single.value) < np.linalg.norm(x[0] - y[0])
    half = sliced_wasserstein(x.astype("float16"), y.astype("float16"), rng=0)
    assert half.value.dtype == np.float16


def test_gradients_are_difference_quotients():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    x, y = _clouds(9, 7, 2)
    tensors = [torch.tensor(v, requires_grad=True) for v in (x, y)]
    sliced_wasserstein(*tensors, rng=0, num_projections=8).value.backward()

    def value(x, y):
        return sliced_wasserstein(x, y, rng=0, num_projections=8).value

    in_jax = jax.jit(jax.grad(value))(jax.numpy.asarray(x), jax.numpy.asarray(y))
    u = np.random.default_rng(1).standard_normal(x.shape)
    want = float(value(x + 1e-6 * u, y) - value(x - 1e-6 * u, y)) / 2e-6
    assert (tensors[0].grad.numpy() * u).sum() == pytest.approx(want, rel=1e-6)
    assert (np.asarray(in_jax) * u).sum() == pytest.approx(want, rel=1e-6)


def test_bad_input():
    x, y = _clouds()
    for options, message in (
        ({"p": 0}, "`p` must be"),
        ({"num_projections": 0}, "`num_projections` must be"),
        ({"projections": np.ones((3, 2))}, "`projections` must have shape"),
        ({"projections": np.ones((0, 3))}, "`projections` must have at least one row"),
        ({"a": np.ones(40)}, "`b` must have the mass"),
    ):
        with pytest.raises(ValueError, match=message):
            sliced_wasserstein(x, y, rng=0, **options)
    with pytest.raises(ValueError, match="`x` must be finite"):
        sliced_wasserstein(x * np.nan, y, rng=0)
