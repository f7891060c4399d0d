"""MALA on targets that are hard for it: moments within four standard errors, R̂ below 1.01."""

import numba
import numpy as np
import pytest

from solvers import effective_sample_size, rhat, sample_langevin

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
    """Neal's funnel in 3-d with a throat of scale 1: v ~ N(0, 1), the others N(0, e^v)."""
    return -(x[0] ** 2) / 2 - x[0] - (x[1] ** 2 + x[2] ** 2) * np.exp(-x[0]) / 2


@numba.njit
def funnel_score(x, out):
    e = np.exp(-x[0])
    out[0] = -x[0] - 1 + (x[1] ** 2 + x[2] ** 2) * e / 2
    out[1], out[2] = -x[1] * e, -x[2] * e


TARGETS = {
    "mixture": (
        mixture_score,
        mixture_log_density,
        CENTERS.mean(axis=0),
        1 + CENTERS.var(axis=0),
        1.0,
    ),
    "funnel": (
        funnel_score,
        funnel_log_density,
        np.zeros(3),
        np.asarray([1.0, np.exp(0.5), np.exp(0.5)]),
        0.25,
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_mala(name):
    pytest.importorskip("arviz_stats")
    score, log_density, mean, variance, h = TARGETS[name]
    x0 = np.random.default_rng(0).standard_normal((32, len(mean)))
    draws = sample_langevin(
        score, x0, log_density=log_density, step_size=h, num_steps=42_000, burn_in=2000, thin=40
    ).draws
    assert np.all(rhat(draws) < 1.01)
    for values, expected in ((draws, mean), ((draws - mean) ** 2, variance)):
        chain_means = values.mean(axis=1)
        error = chain_means.std(axis=0, ddof=1) / np.sqrt(len(draws))
        assert np.all(np.abs(chain_means.mean(axis=0) - expected) <= 4 * error)
    assert np.all(effective_sample_size(draws) > 400)
