"""Mixture A, five Gaussians on a circle, and its exact probability flow."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from benchmarks.diffusion_errors import mixture_a
from solvers import gaussian_mixture_denoiser


def reference_flow(denoiser, x, a, b):
    """Probability-flow ODE from σ = a to b: DOP853 on x/√(1 + σ²) in λ = −ln σ."""

    def slope(lam, y):
        sigma = np.exp(-lam)
        scale = np.sqrt(1 + sigma**2)
        state = y.reshape(x.shape) * scale
        velocity = (state - denoiser(state, sigma)) / sigma  # dx/dσ
        return -sigma * (velocity / scale - state * sigma / scale**3).ravel()

    start = (x / np.sqrt(1 + a**2)).ravel()
    span = (-np.log(a), -np.log(b))
    solution = solve_ivp(slope, span, start, method="DOP853", rtol=3e-14, atol=1e-14)
    return solution.y[:, -1].reshape(x.shape) * np.sqrt(1 + b**2)


@pytest.fixture(scope="session")
def parameters_a():
    """Weights, means and covariances of mixture A."""
    return mixture_a()


@pytest.fixture(scope="session")
def problem_a():
    """Denoiser, noise at σ = 80 and the exact states at σ = .002."""
    denoiser = gaussian_mixture_denoiser(*mixture_a())
    x = 80.0 * np.random.default_rng(0).standard_normal((64, 2))
    return denoiser, x, reference_flow(denoiser, x, 80.0, 0.002)


@pytest.fixture(scope="session")
def smooth_problem():
    """Denoiser, noise at σ = 10 and the exact states at σ = 0.1."""
    denoiser = gaussian_mixture_denoiser(*mixture_a())
    x = 10.0 * np.random.default_rng(1).standard_normal((32, 2))
    return denoiser, x, reference_flow(denoiser, x, 10.0, 0.1)


@pytest.fixture(scope="module")
def one_thread():
    """Tiny convolutions gain nothing from more, and lose much where the cores are busy."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
