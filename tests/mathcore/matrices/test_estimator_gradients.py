"""Gradients of stochastic estimators with respect to a parameter of the operator."""

import math

import numpy as np
import pytest

from mathcore.matrices.diagonal_estimators import diagonal_estimate
from mathcore.matrices.lanczos_quadrature import logdet_estimate
from mathcore.matrices.logdet_series import logdet_identity_plus
from mathcore.matrices.probing import signs
from mathcore.matrices.trace_estimators import trace_estimate

N, T = 20, 0.3
SEEDS = 150
_RNG = np.random.default_rng(0)
_Q = np.linalg.qr(_RNG.standard_normal((N, N)))[0]
START = (_Q * np.linspace(0.2, 0.6, N)) @ _Q.T
STEP = _RNG.standard_normal((N, N)) / 40
STEP = STEP + STEP.T
A = START + T * STEP


def _trace(method):
    return lambda a, rng, like=None: (
        trace_estimate(a, N, num_matvecs=12, method=method, rng=rng, like=like).value
    )


ESTIMATORS = {
    **{method: _trace(method) for method in ("hutchinson", "hutch++", "xtrace", "xnystrace")},
    "diagonal": lambda a, rng, like=None: diagonal_estimate(
        a, N, num_matvecs=12, rng=rng, like=like
    ).value[3],
    "logdet": lambda a, rng, like=None: (
        logdet_estimate(a, N, num_probes=6, num_steps=12, rng=rng, like=like).value
    ),
    "series": lambda a, rng, like=None: (
        (
            logdet_identity_plus(a, N, num_probes=6, num_terms=6, roulette=0.8, rng=rng, like=like)
        ).value
    ),
}
EXACT = {
    "diagonal": STEP[3, 3],
    "logdet": np.trace(np.linalg.solve(A, STEP)),
    "series": np.trace(np.linalg.solve(np.eye(N) + A, STEP)),
}


def _torch_slope(name, rng, *, stored):
    torch = pytest.importorskip("torch")
    start, step = torch.tensor(START), torch.tensor(STEP)
    t = torch.tensor(T, dtype=torch.float64, requires_grad=True)
    if stored:
        value = ESTIMATORS[name](start + t * step, rng)
    else:
        value = ESTIMATORS[name](lambda v: start @ v + t * (step @ v), rng, like=start)
    value.backward()
    return float(t.grad)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_gradients_are_unbiased(name, stored):
    slopes = np.asarray([_torch_slope(name, seed, stored=stored) for seed in range(SEEDS)])
    exact = EXACT.get(name, np.trace(STEP))
    error = slopes.std(ddof=1) / math.sqrt(SEEDS)
    assert abs(slopes.mean() - exact) <= 4 * error + 1e-12
    assert error < 0.2 * np.linalg.norm(STEP)  # or the mean says nothing


@pytest.mark.parametrize("name", ["xnystrace", "hutchinson", "series"])
def test_gradients_are_those_of_the_value(name):
    """Where the value is smooth in A with fixed test vectors."""

    def value(t):
        return float(ESTIMATORS[name](START + t * STEP, 4))

    h = 1e-4
    slope = (value(T + h) - value(T - h)) / (2 * h)
    np.testing.assert_allclose(_torch_slope(name, 4, stored=True), slope, rtol=1e-5)


def test_gradient_of_the_quadrature_is_a_solve():
    """With as many steps as unknowns, the mean of zᵀ A⁻¹ (dA) z to rounding."""
    torch = pytest.importorskip("torch")
    start, step = torch.tensor(START), torch.tensor(STEP)
    t = torch.tensor(T, dtype=torch.float64, requires_grad=True)
    found = logdet_estimate(
        lambda v: start @ v + t * (step @ v), N, num_probes=6, num_steps=N, rng=2, like=start
    )
    found.value.backward()
    z = signs(2, N, 6, A)
    desired = np.sum(np.linalg.solve(A, z) * (STEP @ z)) / 6
    np.testing.assert_allclose(float(t.grad), desired, rtol=1e-10)


@pytest.mark.parametrize("name", ["xtrace", "xnystrace", "logdet"])
def test_jax_and_torch_agree(name):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    start, step = jax.numpy.asarray(START), jax.numpy.asarray(STEP)
    slope = jax.jit(jax.grad(lambda t: ESTIMATORS[name](start + t * step, 5)))(T)
    np.testing.assert_allclose(float(slope), _torch_slope(name, 5, stored=True), rtol=1e-9)


@pytest.mark.parametrize("name", ["xtrace", "logdet"])
def test_torch_func(name):
    torch = pytest.importorskip("torch")
    start, step = torch.tensor(START), torch.tensor(STEP)
    slope = torch.func.grad(lambda t: ESTIMATORS[name](start + t * step, 5))
    found = float(slope(torch.tensor(T, dtype=torch.float64)))
    np.testing.assert_allclose(found, _torch_slope(name, 5, stored=True), rtol=1e-12)


def test_exact_paths_differentiate():
    torch = pytest.importorskip("torch")
    for found, desired in (
        (lambda a: logdet_estimate(a, N, num_probes=N, num_steps=3, rng=0), np.linalg.inv(A)),
        (
            lambda a: logdet_identity_plus(a, N, num_probes=N, rng=0),
            np.linalg.inv(np.eye(N) + A),
        ),
        (lambda a: trace_estimate(a, N, num_matvecs=N, rng=0), np.eye(N)),
    ):
        a = torch.tensor(A, requires_grad=True)
        found(a).value.backward()
        np.testing.assert_allclose(a.grad.numpy(), desired, atol=1e-12)
