"""The vector generator: the definition's draws, and their statistics under every kind of key.

Bounds are 4.5 standard errors of independent draws; the seeds are fixed.
"""

import numba
import numpy as np
import pytest

from mathcore._kernels import normals_cpu
from mathcore._random import log_uniforms_of_steps, normals, normals_of_steps, uniforms

SEED = 0x5DEECE66D1234567


@pytest.mark.small
@pytest.mark.parametrize(("members", "size"), [(1, 1), (3, 4), (7, 5), (1, 200)])
def test_twin_of_the_definition(members, size):
    """Cosine and sine near their zeros: an absolute error of a few ε."""
    first, numbers = 2**32 - 2, np.arange(members) * 5 + 2**31
    found = normals_of_steps(SEED, numbers, first, 4, size, stream=3)
    expected = [normals(SEED, numbers, first + i, size, stream=3) for i in range(4)]
    assert np.max(np.abs(found - expected)) <= 20 * np.finfo(float).eps


@pytest.mark.small
def test_twin_of_the_logarithm():
    found = log_uniforms_of_steps(SEED, np.arange(5), 9, 3, stream=1)
    expected = [np.log(uniforms(SEED, np.arange(5), 9 + i, 1, stream=1)) for i in range(3)]
    assert np.allclose(found, expected, rtol=4 * np.finfo(float).eps, atol=0)


def test_logarithms_over_the_whole_range():
    """Every binary order of (0, 1], and both ends of √½ … √2."""
    u = np.concatenate([2.0 ** -np.arange(54), 1 - 2.0 ** -np.arange(1, 54)])
    u = np.concatenate([u, np.sqrt(0.5) * (1 + np.arange(-10, 11) * 2.0**-52)])
    u = np.concatenate([u, np.random.default_rng(0).uniform(size=64 * 4 - len(u))])
    out = np.empty_like(u)
    for k in range(0, len(u), 64):
        logarithms(u[k : k + 64], np.empty((2, 64)), out[k : k + 64])
    assert np.allclose(out, np.log(u), rtol=4 * np.finfo(float).eps, atol=0)


@numba.njit
def logarithms(u, scratch, out):
    normals_cpu.logarithms(u, scratch, out)


def test_the_fill_of_one_chain_is_the_draw_of_all():
    rows, row = np.empty((64, 4)), np.empty(64)
    fill_normals(np.uint64(SEED), np.uint64(7), 128, np.uint64(2), rows)
    assert np.allclose(rows, normals_of_steps(SEED, [7], 128, 64, 4, stream=2)[:, 0], atol=1e-14)
    fill_log_uniforms(np.uint64(SEED), np.uint64(7), 128, np.uint64(1), row)
    expected = log_uniforms_of_steps(SEED, [7], 128, 64, stream=1)[:, 0, 0]
    assert np.allclose(row, expected, rtol=1e-14, atol=0)


@numba.njit
def fill_normals(seed, member, first, stream, rows):
    normals_cpu.fill_normals(seed, member, first, stream, normals_cpu.room(), rows)


@numba.njit
def fill_log_uniforms(seed, member, first, stream, row):
    normals_cpu.fill_log_uniforms(seed, member, first, stream, normals_cpu.room(), row)


def test_no_bit_depends_on_what_is_drawn_beside():
    whole = normals_of_steps(SEED, np.arange(600), 10, 64, 3)  # enough for several threads
    assert np.array_equal(normals_of_steps(SEED, [5, 2], 12, 3, 3), whole[2:5, [5, 2]])
    assert np.array_equal(normals_of_steps(SEED, np.arange(9), 73, 1, 3)[0], whole[-1, :9])


# --- statistics: 2.6 million draws, (steps, chains, coordinates) --------------------------------


@pytest.fixture(scope="module")
def draws():
    return normals_of_steps(SEED, np.arange(256), 0, 1024, 10)


def check_within(value, expected, standard_error):
    assert np.max(np.abs(value - expected)) <= 4.5 * standard_error


def test_moments(draws):
    for power, (mean, variance) in {
        1: (0, 1),
        2: (1, 2),
        3: (0, 15),
        4: (3, 96),
        6: (15, 10_170),
    }.items():
        check_within((draws**power).mean(), mean, np.sqrt(variance / draws.size))


def test_uniformity():
    """χ² of 4096 equal cells of the normal distribution, and of pairs in 64 × 64."""
    from scipy.special import ndtr

    u = ndtr(draws_of(SEED + 1))
    cells = np.bincount((u.ravel() * 4096).astype(int), minlength=4096)
    pairs = (u[..., 0::2] * 64).astype(int) * 64 + (u[..., 1::2] * 64).astype(int)
    for counts in (cells, np.bincount(pairs.ravel(), minlength=4096)):
        expected = counts.sum() / 4096
        check_within(np.sum((counts - expected) ** 2) / expected, 4095, np.sqrt(2 * 4095))


def draws_of(seed):
    return normals_of_steps(seed, np.arange(256), 0, 512, 10)


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["steps", "chains", "coordinates"])
def test_correlations_along_every_axis(draws, axis):
    """At lags 1 to 9, of z, z² and the signs."""
    z = np.moveaxis(draws, axis, 0)
    for function in (lambda z: z, lambda z: (z**2 - 1) / np.sqrt(2), np.sign):
        f = function(z)
        for lag in range(1, 10):
            product = f[lag:] * f[:-lag]
            check_within(product.mean(), 0.0, 1 / np.sqrt(product.size))


def test_seeds_and_streams_are_independent(draws):
    for other in (
        normals_of_steps(SEED + 1, np.arange(256), 0, 1024, 10),
        normals_of_steps(SEED + 2**32, np.arange(256), 0, 1024, 10),
        normals_of_steps(SEED, np.arange(256), 0, 1024, 10, stream=3),
        normals_of_steps(SEED, np.arange(256), 2**32, 1024, 10),
        normals_of_steps(SEED, np.arange(256) + 2**16, 0, 1024, 10),
    ):
        check_within((draws * other).mean(), 0.0, 1 / np.sqrt(draws.size))


def test_sums_over_every_axis_are_normal(draws):
    """A sum of m has variance m and kurtosis 3: what long-range correlation would spoil."""
    for axis in range(3):
        z = draws.sum(axis=axis) / np.sqrt(draws.shape[axis])
        check_within((z**2).mean(), 1.0, np.sqrt(2 / z.size))
        check_within((z**4).mean(), 3.0, np.sqrt(96 / z.size))


def test_spectrum_over_the_steps_is_white(draws):
    """Periodograms of 2560 series: each frequency exponential with mean 1."""
    series = draws.reshape(1024, -1)
    power = np.mean(np.abs(np.fft.rfft(series, axis=0)[1:-1]) ** 2, axis=1) / 1024
    check_within(power, 1.0, 1 / np.sqrt(series.shape[1]))


def test_acceptance_draws_are_uniform_and_unrelated_to_the_noise(draws):
    u = np.exp(log_uniforms_of_steps(SEED, np.arange(256), 0, 1024, stream=1)[:, :, 0])
    cells = np.bincount((u.ravel() * 255.999).astype(int), minlength=256)
    expected = u.size / 256
    check_within(np.sum((cells - expected) ** 2) / expected, 255, np.sqrt(2 * 255))
    centred = (u - 0.5) * np.sqrt(12)
    check_within((centred[:, :, None] * draws).mean(axis=(0, 1)), 0.0, 1 / np.sqrt(u.size))
