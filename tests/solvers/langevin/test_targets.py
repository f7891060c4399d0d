"""MALA on targets that are hard for it: moments within four standard errors, R̂ below 1.01."""

import numba
import numpy as np

from solvers import effective_sample_size, mcse, rhat, sample_langevin

CENTERS = np.asarray([[-1.5, 0.0], [1.5, 1.0], [0.0, -2.0]])


@numba.njit
def mixture_log_density(x):
    total = 0.0
    for k in range(3):
        total += np.exp(-((x[0] - CENTERS[k, 0]) ** 2 + (x[1] - CENTERS[k, 1]) ** 2) / 2)
    return np.log(total)


@numba.njit
def mixture_score(x, out):
    total = 0.0
    out[:] = 0.0
    for k in range(3):
        weight = np.exp(-((x[0] - CENTERS[k, 0]) ** 2 + (x[1] - CENTERS[k, 1]) ** 2) / 2)
        total += weight
        for i in range(2):
            out[i] += weight * (CENTERS[k, i] - x[i])
    for i in range(2):
        out[i] /= total


@numba.njit
def funnel_log_density(x):
    """Neal's funnel (Ann. Statist. 31 (2003) 705, § 8): v ~ N(0, 9), nine others N(0, e^v)."""
    squares = 0.0
    for i in range(1, 10):
        squares += x[i] ** 2
    return -(x[0] ** 2) / 18 - 9 * x[0] / 2 - squares * np.exp(-x[0]) / 2


@numba.njit
def funnel_score(x, out):
    precision, squares = np.exp(-x[0]), 0.0
    for i in range(1, 10):
        squares += x[i] ** 2
        out[i] = -x[i] * precision
    out[0] = -x[0] / 9 - 9 / 2 + squares * precision / 2


def check_moments(draws, mean, variance):
    """First and second moments within four of their Monte Carlo standard errors."""
    for values, expected in ((draws, mean), ((draws - mean) ** 2, variance)):
        assert np.all(np.abs(values.mean(axis=(0, 1)) - expected) <= 4 * mcse(values))


def test_mala_on_a_mixture():
    x0 = np.random.default_rng(0).standard_normal((32, 2))
    draws = sample_langevin(
        mixture_score,
        x0,
        log_density=mixture_log_density,
        step_size=1.0,
        num_steps=42_000,
        burn_in=2000,
        thin=40,
    ).draws
    assert np.all(rhat(draws) < 1.01)
    assert np.all(effective_sample_size(draws) > 400)
    check_moments(draws, CENTERS.mean(axis=0), 1 + CENTERS.var(axis=0))


def test_mala_on_neals_funnel():
    """No step size serves neck and mouth: preconditioners for every height take turns.

    At height v the Fisher information is 1/9 + 9/2 for v and e^{−v} for the others. Each kernel
    leaves the funnel invariant, so their cycle does. z = x e^{−v/2} is standard normal.
    """
    state, ends = np.random.default_rng(0).standard_normal((8, 10)), []
    for _ in range(600):
        for height in range(-8, 9, 2):
            run = sample_langevin(
                funnel_score,
                state,
                log_density=funnel_log_density,
                step_size=0.8,
                num_steps=128,
                preconditioner=np.asarray([0.2] + 9 * [np.exp(height)]),
            )
            state = run.state
        ends.append(run.x)
    draws = np.stack(ends[60:], axis=1)
    v, x = draws[..., :1], draws[..., 1:]
    assert np.all(rhat(draws) < 1.01)
    assert np.all(effective_sample_size(draws) > 400)
    assert v.min() < -7
    assert v.max() > 7
    standard = np.concatenate([v, x * np.exp(-v / 2)], axis=-1)
    check_moments(standard, np.zeros(10), np.asarray([9.0] + 9 * [1.0]))
