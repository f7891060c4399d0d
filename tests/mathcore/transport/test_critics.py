"""The critic: optimal, 1-Lipschitz, the same in every library, differentiable."""

import numpy as np
import pytest

from mathcore import _arrays
from mathcore.transport.critics import kantorovich_critic, nearest_by_definition
from mathcore.transport.exact import wasserstein

EPS = 2.0**-52


def _measures(n=60, m=50, d=3, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    a, b = rng.random(n), rng.random(m)
    b[: m // 10] = 0
    return x, y, a / a.sum(), b / b.sum()


@pytest.mark.parametrize("d", [1, 3, 64])
def test_attains_the_distance_with_slope_one(d, xp):
    x, y, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in _measures(d=d))
    critic = kantorovich_critic(x, y, a, b)
    want = float(wasserstein(x, y, a, b, p=1).value)
    attained = xp.sum(a * critic(x)) - xp.sum(b * critic(y))
    assert float(critic.value) == pytest.approx(want, rel=1e-14)
    assert float(attained) == pytest.approx(want, rel=1e-12)
    assert abs(float(critic.gap)) <= 512 * EPS * want * d
    assert float(critic.largest_slope) == pytest.approx(1, abs=1e-9)
    assert _arrays.result_namespace(critic(x)) is xp


def test_lipschitz_on_new_points():
    x, y, a, b = _measures()
    critic = kantorovich_critic(x, y, a, b)
    rng = np.random.default_rng(1)
    z = np.concatenate([3 * rng.standard_normal((300, 3)), x + 1e-3 * rng.standard_normal(x.shape)])
    values = critic(z)
    apart = np.linalg.norm(z[:, None] - z[None], axis=-1) + np.eye(len(z))
    rise = np.abs(values[:, None] - values)
    assert (rise - apart * (1 - np.eye(len(z)))).max() <= 32 * EPS * np.abs(values).max()


def test_libraries_agree(xp):
    x, y, a, b = _measures()
    z = np.random.default_rng(2).standard_normal((40, 3))
    want = kantorovich_critic(x, y, a, b)(z)
    critic = kantorovich_critic(*(xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y, a, b)))
    got = critic(xp.asarray(z.tolist(), dtype=xp.float64))
    assert _arrays.to_numpy(got) == pytest.approx(want, rel=1e-13, abs=1e-13)
    assert tuple(critic(xp.zeros((0, 3), dtype=xp.float64)).shape) == (0,)


@pytest.mark.small
def test_kernel_is_the_definition():
    x, y, _, _ = _measures(8, 5)
    g = np.arange(5.0)
    critic = kantorovich_critic(x, y)._replace(points=y, potential=g)
    nearest = nearest_by_definition(_arrays.result_namespace(x), x, y, g)
    distance = np.linalg.norm(x - y[nearest], axis=1)
    assert critic(x) == pytest.approx(distance - g[nearest], rel=1e-14)


def test_points_on_a_line_and_one_point():
    x, y = np.array([[3.0], [4.0]]), np.array([[0.0], [1.0]])
    critic = kantorovich_critic(x, y)
    assert float(critic.value) == 3.0
    line = np.linspace(-5, 5, 11)[:, None]
    assert np.abs(np.diff(critic(line))) == pytest.approx(np.ones(10), rel=1e-15)
    single = kantorovich_critic(x[:1], x[:1])
    assert float(single.value) == float(single.largest_slope) == 0.0


def test_gradient_has_norm_one():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    x, y, a, b = _measures()
    critic = kantorovich_critic(x, y, a, b)
    in_torch = kantorovich_critic(*(torch.tensor(v) for v in (x, y, a, b)))
    z = torch.randn(30, 3, dtype=torch.float64, requires_grad=True)
    in_torch(z).sum().backward()
    assert z.grad.norm(dim=1).numpy() == pytest.approx(np.ones(30), rel=1e-13)
    in_jax = kantorovich_critic(*(jax.numpy.asarray(v) for v in (x, y, a, b)))
    gradient = jax.jit(jax.grad(lambda z: in_jax(z).sum()))(jax.numpy.asarray(z.detach().numpy()))
    assert np.asarray(gradient) == pytest.approx(z.grad.numpy(), abs=1e-13)
    assert critic(z.detach().numpy()) == pytest.approx(in_torch(z).detach().numpy(), abs=1e-13)


def test_value_is_differentiable():
    torch = pytest.importorskip("torch")
    x, y, *_ = _measures()
    x = torch.tensor(x, requires_grad=True)
    kantorovich_critic(x, torch.tensor(y)).value.backward()
    assert x.grad.norm(dim=1).max() <= 1 / 60 + 1e-12


def test_float32_slope():
    x, y, *_ = (v.astype("float32") for v in _measures())
    critic = kantorovich_critic(x, y)
    assert critic(x).dtype == np.float32
    assert float(critic.largest_slope) == pytest.approx(1, abs=1e-3)


def test_bad_input():
    x, y, a, b = _measures()
    with pytest.raises(ValueError, match="`z` must have shape"):
        kantorovich_critic(x, y)(x[:, :2])
    with pytest.raises(ValueError, match="`b` must have the mass"):
        kantorovich_critic(x, y, a, 2 * b)
