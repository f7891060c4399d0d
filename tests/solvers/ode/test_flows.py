"""Volumes along flows: closed forms, and the Jacobian that autograd finds."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import flow_logdet

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # its own

MATRIX = np.array([[-1.0, 2.0, 0.1], [0.5, 0.3, -0.4], [0.0, 1.0, 0.2]])


def linear(xp):
    a = xp.asarray(MATRIX.tolist(), dtype=xp.float64)
    return lambda t, x: x @ xp.matrix_transpose(a)


def lorenz(xp):
    def fun(t, x):
        a, b, c = x[..., 0], x[..., 1], x[..., 2]
        return xp.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], axis=-1)

    return fun


def test_a_linear_flow(xp):
    """logdet = tr(A) t, whatever the tolerance."""
    x0 = xp.asarray(np.linspace(-1, 1, 12).reshape(2, 2, 3).tolist(), dtype=xp.float64)
    flow = flow_logdet(linear(xp), (0.0, -0.5), x0, method="tsit5", rtol=1e-2, atol=1e-2)
    logdet = _arrays.to_numpy(flow.logdet)
    assert logdet.shape == (2, 2)
    assert np.abs(logdet + 0.5 * np.trace(MATRIX)).max() < 1e-12


def test_a_divergence_given():
    x0 = np.ones((2, 3))
    flow = flow_logdet(linear(np), (0, 1), x0, divergence=lambda t, x: 0 * x[:, 0] + 2 * t)
    assert np.abs(flow.logdet - 1.0).max() < 1e-12


def test_the_volume_of_lorenz():
    """The divergence is −41/3 everywhere."""
    flow = flow_logdet(lorenz(np), (0.0, 2.0), np.array([[1.0, 0.0, 0.0]]), rtol=1e-8)
    assert abs(flow.logdet[0] + 82 / 3) < 1e-11


def test_a_nonlinear_flow():
    """x' = x − x³ in each component: ∂x(t)/∂x₀ = (x/x₀)³ e^{−2t}."""
    x0 = np.array([[0.2, 1.5], [0.7, -0.4]])
    flow = flow_logdet(lambda t, x: x - x**3, (0.0, 1.0), x0, rtol=1e-10, atol=1e-12)
    exact = np.sum(3 * np.log(flow.x / x0) - 2.0, axis=-1)
    assert np.abs(flow.logdet - exact).max() < 1e-8


def test_hutchinson_is_unbiased():
    """The mean over seeds within five standard errors; one probe and three."""
    x0 = np.ones((400, 3))
    for probes in (1, 3):
        flow = flow_logdet(
            linear(np), (0.0, 1.0), x0, divergence="hutchinson", num_probes=probes, rng=1
        )
        error = flow.logdet.std() / np.sqrt(400)
        assert 0 < error < 0.2
        assert abs(flow.logdet.mean() - np.trace(MATRIX)) < 5 * error


def test_probes_repeat_with_their_seed_and_not_with_the_batch():
    x0 = np.ones((6, 3))

    def run(x, seed):
        options = {"divergence": "hutchinson", "rng": seed}
        return flow_logdet(linear(np), (0.0, 1.0), x, **options).logdet

    assert np.array_equal(run(x0, 3), run(x0, 3))
    assert np.abs(run(x0, 3)[:4] - run(x0[:4], 3)).max() < 1e-12  # the steps are others
    assert not np.array_equal(run(x0, 3), run(x0, 4))


@pytest.mark.parametrize(
    "fun",
    [lambda t, x: -np.abs(x), lambda t, x: -np.maximum(x, -x), lambda t, x: -(x * np.conj(x)).real],
    ids=["abs", "maximum", "conj"],
)
def test_what_is_not_analytic_is_differenced(fun):
    x0 = np.array([[0.5, 2.0]])
    flow = flow_logdet(fun, (0.0, 1.0), x0, rtol=1e-9, atol=1e-12)
    analytic = fun(0.0, np.array([2.0]))[0] == -4.0
    exact = -2 * np.log1p(x0).sum() if analytic else -2.0
    assert abs(flow.logdet[0] - exact) < 1e-7


def test_against_autograd():
    """torch: the Jacobian of the solved flow, and the gradient with respect to a weight."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    x0 = torch.randn(2, 3, generator=generator, dtype=torch.float64)

    def flow(weight, x):
        options = {"method": "tsit5", "rtol": 1e-7, "atol": 1e-9}
        return flow_logdet(lambda t, y: torch.tanh(y @ weight.T), (0.0, 1.0), x, **options)

    logdet = flow(weight, x0).logdet
    jacobian = torch.func.jacrev(lambda x: flow(weight, x[None]).x[0])
    exact = torch.stack([torch.linalg.slogdet(jacobian(x)).logabsdet for x in x0])
    assert (logdet - exact).abs().max() < 1e-6

    free = weight.clone().requires_grad_()
    flow(free, x0).logdet.sum().backward()
    step = torch.zeros_like(weight)
    step[0, 1] = 1e-5
    up, down = (flow(w, x0).logdet.sum() for w in (weight + step, weight - step))
    assert abs(free.grad[0, 1] - (up - down) / 2e-5) < 1e-5


def test_gradient_in_jax():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):

        def total(scale):
            x0 = jax.numpy.ones((1, 2))
            options = {"method": "tsit5", "rtol": 1e-2, "atol": 1e-2, "max_steps": 6}
            return flow_logdet(lambda t, x: -scale * x, (0.0, 0.1), x0, **options).logdet[0]

        assert abs(float(jax.jvp(total, (0.7,), (1.0,))[1]) + 0.2) < 1e-12


def test_no_points():
    flow = flow_logdet(linear(np), (0.0, 1.0), np.ones((0, 3)))
    assert flow.x.shape == (0, 3)
    assert flow.logdet.shape == (0,)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x0": 1.0}, ValueError, "`x0` must have shape"),
        ({"x0": np.ones(3) + 0j}, TypeError, "`x0` must be real"),
        ({"divergence": "trace"}, ValueError, "`divergence` must be one of"),
        ({"num_probes": 0}, ValueError, "`num_probes` must be"),
        ({"method": "rodas5p"}, ValueError, "`method` must be one of"),
    ],
)
def test_wrong_arguments(change, error, words):
    arguments = {"fun": linear(np), "t_span": (0, 1), "x0": np.ones(3)} | change
    with pytest.raises(error, match=words):
        flow_logdet(**arguments)
