"""`solve_ivp` on every array library, its gradients, and ``jax.jit``."""

import numpy as np
import pytest

from mathcore import _arrays
from mathcore.testing import dense_output_laws, event_laws, integrator_laws
from solvers import solve_ivp

METHODS = ["tsit5", "dop853", "rodas5p"]


def lotka_volterra(t, y, a):
    return (a * y[0] - y[0] * y[1], y[0] * y[1] - 3 * y[1])


def end(a, y0, method, **options):
    options = {"rtol": 1e-7, "atol": 1e-7, **options}
    return solve_ivp(lotka_volterra, (0, 1), y0, args=(a,), method=method, **options).y[0, -1]


def slope(method):
    """The derivative by a."""
    high, low = (end(1.5 + d, np.ones(2), method, rtol=1e-10, atol=1e-10) for d in (1e-4, -1e-4))
    return (high - low) / 2e-4


@pytest.mark.parametrize("method", METHODS)
def test_every_library_agrees_with_numpy(xp, method):
    if _arrays.is_jax_namespace(xp):
        pytest.skip("under jit below: eager JAX takes a millisecond for every operation")
    times = [0.0, 0.4, 1.0]
    options = {"t_eval": times, "dense_output": True, "events": lambda t, y: y[0] - 1.1}
    result, expected = (
        solve_ivp(lambda t, y: lotka_volterra(t, y, 1.5), (0, 1), y0, method=method, **options)
        for y0 in (xp.ones(2, dtype=xp.float64), np.ones(2))
    )
    assert _arrays.result_namespace(result.y) is _arrays.result_namespace(xp.ones(1))
    assert _arrays.result_namespace(result.t_events[0]) is _arrays.result_namespace(result.y)
    for ours, theirs in (
        (result.y, expected.y),
        (result.t_events[0], expected.t_events[0]),
        (result.sol(0.3), expected.sol(0.3)),
    ):
        np.testing.assert_allclose(_arrays.to_numpy(ours), theirs, rtol=1e-6)
    assert (result.n_accepted, result.nfev) == (expected.n_accepted, expected.nfev)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_in_torch(method):
    torch = pytest.importorskip("torch")
    a = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    value = end(a, torch.ones(2, dtype=torch.float64), method)
    value.backward()
    assert float(a.grad) == pytest.approx(slope(method), rel=1e-5)


def test_gradients_in_jitted_jax():
    method = "tsit5"
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        y0 = jax.numpy.ones(2)
        function = jax.jit(jax.value_and_grad(lambda a: end(a, y0, method, max_steps=200)))
        value, gradient = function(1.5)
        assert float(value) == pytest.approx(float(end(1.5, np.ones(2), method)), rel=1e-6)
        assert float(gradient) == pytest.approx(slope(method), rel=1e-5)


def test_status_and_times_in_jitted_jax():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        times = np.array([0.0, 0.5, 1.5, 2.0])

        @jax.jit
        def run(y0):
            result = solve_ivp(
                lambda t, y: y * y, (0, 2), y0, t_eval=times, method="tsit5", max_steps=300
            )
            return result.y, result.status, result.n_accepted

        y, status, _ = run(jax.numpy.ones(1))
        assert int(status) < 0
        np.testing.assert_allclose(np.asarray(y[0, :2]), [1.0, 2.0], rtol=1e-5)
        assert np.isnan(np.asarray(y[0, 2:])).all()
        y, status, accepted = run(jax.numpy.full(1, 0.25))
        assert int(status) == 0 and int(accepted) > 1
        np.testing.assert_allclose(np.asarray(y[0]), 0.25 / (1 - 0.25 * times), rtol=1e-5)
        with pytest.raises(ValueError, match="must be left out under jit"):
            jax.jit(lambda y: solve_ivp(lambda t, y: y, (0, 1), y, dense_output=True).y)(y[0])


@pytest.mark.parametrize("method", METHODS)
def test_laws(method):
    def integrate(fun, t_span, y0, rtol, atol):
        return solve_ivp(fun, t_span, y0, method=method, rtol=rtol, atol=atol).y[:, -1]

    def solve(fun, t_span, y0, rtol, atol):
        options = {"method": method, "rtol": rtol, "atol": atol, "dense_output": True}
        return solve_ivp(fun, t_span, y0, **options).sol

    def find(fun, t_span, y0, event, rtol, atol):
        options = {"method": method, "rtol": rtol, "atol": atol, "events": event}
        return solve_ivp(fun, t_span, y0, **options).t_events[0]

    for laws, function in ((integrator_laws, integrate), (dense_output_laws, solve)):
        for one in laws:
            for dtype in one.dtypes:
                one(function, dtype=dtype)
    for one in event_laws:
        one(find)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("library", ["numpy", "array_api_strict"])
def test_every_evaluation_is_counted(library, method):
    xp, calls = pytest.importorskip(library), []

    def fun(t, y):
        calls.append(t)
        return lotka_volterra(t, y, 1.5)

    result = solve_ivp(fun, (0, 1), xp.ones(2, dtype=xp.float64), method=method)
    assert result.nfev == len(calls)
