"""Philox against published answers, and the statistics of the draws under every kind of key.

Statistical bounds are five standard errors of n independent draws; the seeds are fixed.
"""

import numpy as np
import pytest

from mathcore._random import normals, philox, uniforms

SEED = 0x5DEECE66D1234567


# Counter, key and output of philox4x32 with 10 rounds: the file kat_vectors of Random123.
KNOWN_ANSWERS = """
00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


@pytest.mark.parametrize("line", KNOWN_ANSWERS.split("\n")[1:-1])
def test_known_answers_of_random123(line):
    words = [int(word, 16) for word in line.split()]
    counter = tuple(np.asarray([word], dtype=np.uint64) for word in words[:4])
    out = philox(counter, tuple(words[4:6]))
    assert [int(word[0]) for word in out] == words[6:]


def check_within(value, expected, standard_error, *, errors=5):
    assert np.max(np.abs(value - expected)) <= errors * standard_error


def test_moments_of_the_normals():
    z = normals(SEED, np.arange(1000), 3, 1000)
    n = z.size
    assert z.shape == (1000, 1000)
    assert z.dtype == np.float64
    check_within(z.mean(), 0.0, np.sqrt(1 / n))
    check_within((z**2).mean(), 1.0, np.sqrt(2 / n))
    check_within((z**3).mean(), 0.0, np.sqrt(15 / n))
    check_within((z**4).mean(), 3.0, np.sqrt(96 / n))


def test_tails_of_the_normals():
    """P(|z| > 3) = 0.0026998, and the extremes of 10⁶ draws lie near 4.9."""
    z = np.abs(normals(SEED, np.arange(1000), 4, 1000)).ravel()
    p = 0.0026997960632601866
    check_within((z > 3).mean(), p, np.sqrt(p * (1 - p) / z.size))
    assert 4.4 < z.max() < 6.5  # true with probability 0.9999


def test_normals_follow_the_normal_distribution():
    """Kolmogorov–Smirnov: P(√n D > 2.5) = 7e-6."""
    from scipy.special import ndtr

    z = np.sort(normals(SEED, np.arange(300), 5, 333).ravel())
    ranks = np.arange(z.size + 1) / z.size
    distance = max(np.max(ranks[1:] - ndtr(z)), np.max(ndtr(z) - ranks[:-1]))
    assert np.sqrt(z.size) * distance < 2.5


@pytest.mark.parametrize("stream", [0, 1, 255])
def test_uniforms_fill_their_cells_evenly(stream):
    """χ² over 256 cells, of the leading bits and of those 32 bits further down."""
    u = uniforms(SEED, np.arange(500), 0, 1000, stream=stream).ravel()
    assert u.min() > 0.0
    assert u.max() <= 1.0
    for scale in (1.0, 2.0**32):
        cells = np.bincount(((u * scale) % 1.0 * 256).astype(int), minlength=256)
        chi_squared = np.sum((cells - u.size / 256) ** 2) / (u.size / 256)
        check_within(chi_squared, 255, np.sqrt(2 * 255))


def test_uniforms_never_reach_zero():
    """The smallest draw is 2⁻⁵³: its logarithm is finite."""
    from mathcore._random import _to_unit

    words = np.asarray([0, 2**32 - 1], dtype=np.uint64)
    assert _to_unit(words, words).tolist() == [2.0**-53, 1.0]


# Pairs of draws that must be independent; each yields two (1000, 200) arrays.
PAIRS = {
    "neighbouring chains": lambda: (draw(members=0), draw(members=1)),
    "chains 2**16 apart": lambda: (draw(members=0), draw(members=2**16)),
    "neighbouring steps": lambda: (draw(step=0), draw(step=1)),
    "steps 2**32 apart": lambda: (draw(step=0), draw(step=2**32)),
    "streams": lambda: (draw(stream=0), draw(stream=1)),
    "neighbouring seeds": lambda: (draw(seed=SEED), draw(seed=SEED + 1)),
    "seeds 2**32 apart": lambda: (draw(seed=SEED), draw(seed=SEED + 2**32)),
    "chain for step": lambda: (draw(members=1, step=0), draw(members=0, step=1)),
    "neighbouring draws": lambda: (draw(size=201)[:, :-1], draw(size=201)[:, 1:]),
    "draws two apart": lambda: (draw(size=202)[:, :-2], draw(size=202)[:, 2:]),
}


def draw(*, seed=SEED, members=0, step=0, stream=0, size=200):
    # every second chain, so that a shift by one meets chains not drawn before
    return normals(seed, members + 2 * np.arange(1000), step, size, stream=stream)


@pytest.mark.parametrize("name", PAIRS)
def test_draws_are_uncorrelated(name):
    """z, z² and signs: products of standardised independent variables have standard error 1/√n."""
    a, b = PAIRS[name]()
    assert not np.any(a == b)
    for f in (lambda z: z, lambda z: (z**2 - 1) / np.sqrt(2), np.sign):
        check_within((f(a) * f(b)).mean(), 0.0, 1 / np.sqrt(a.size))


def test_sums_over_chains_steps_and_draws_have_the_right_variance():
    """A sum of m independent normals has variance m, whichever key it runs over."""
    z = np.stack([normals(SEED, np.arange(64), step, 64) for step in range(64)])
    for axis in range(3):
        sums = z.sum(axis=axis) / 8.0
        check_within((sums**2).mean(), 1.0, np.sqrt(2 / sums.size))


def test_a_draw_depends_on_its_keys_alone():
    """Not on the chains drawn beside it, their order, or how many draws are taken."""
    whole = normals(SEED, np.arange(10), 7, 9)
    assert np.array_equal(normals(SEED, [5, 2], 7, 9), whole[[5, 2]])
    assert np.array_equal(normals(SEED, np.arange(10), 7, 4), whole[:, :4])
    assert normals(SEED, np.arange(3), 7, 0).shape == (3, 0)
    assert normals(SEED, [], 7, 4).shape == (0, 4)
