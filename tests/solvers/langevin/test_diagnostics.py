"""R̂ and effective sample size on chains whose autocorrelation is known."""

import sys

import arviz_base
import arviz_stats
import numpy as np
import pytest

from mathcore import _arrays
from solvers import draws_to_arviz, effective_sample_size, mcse, rhat, sample_langevin


def autoregressive(correlation, chains=4, draws=4000, seed=0):
    """x_t = c x_{t−1} + √(1 − c²) ξ: effective size n(1 − c)/(1 + c)."""
    noise = np.random.default_rng(seed).standard_normal((chains, draws))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for t in range(1, draws):
        x[:, t] = correlation * x[:, t - 1] + np.sqrt(1 - correlation**2) * noise[:, t]
    return x[:, :, None]


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.3])
def test_effective_size_of_an_autoregressive_chain(correlation):
    """The estimate of 16000 draws scatters by a few per cent."""
    draws = autoregressive(correlation)
    expected = draws.size * (1 - correlation) / (1 + correlation)
    assert effective_sample_size(draws)[0] == pytest.approx(expected, rel=0.15)


def test_rhat_tells_chains_that_agree_from_those_that_do_not():
    together = np.concatenate([autoregressive(0.5, seed=i) for i in range(2)], axis=-1)
    assert np.all(rhat(together) < 1.01)
    apart = together + np.asarray([0.0, 0.0, 0.0, 3.0])[:, None, None] * np.asarray([0.0, 1.0])
    found = rhat(apart)
    assert found[0] < 1.01
    assert found[1] > 1.3


def test_rhat_sees_a_difference_of_scale():
    """Which the original statistic does not: the folded ranks do."""
    draws = autoregressive(0.0) * np.asarray([1.0, 1.0, 1.0, 10.0])[:, None, None]
    assert rhat(draws)[0] > 1.1


def test_any_library(xp):
    draws = autoregressive(0.3, draws=100).astype("float32")
    values = xp.asarray(draws.tolist(), dtype=xp.float32)
    for diagnostic in (rhat, effective_sample_size):
        found = diagnostic(values)
        assert found.dtype == xp.float32
        assert np.allclose(_arrays.to_numpy(found), diagnostic(draws), rtol=1e-6)


def test_a_coordinate_that_is_not_finite_is_nan():
    draws = np.concatenate([autoregressive(0.3, draws=50)] * 2, axis=-1)
    draws[1, 7, 0] = np.inf
    for diagnostic in (rhat, effective_sample_size):
        found = diagnostic(draws)
        assert np.isnan(found[0])
        assert np.isfinite(found[1])


def test_chains_that_never_move():
    """All at one value: no answer. Each at its own: R̂ is infinite."""
    still = np.ones((4, 50, 1))
    assert np.isnan(rhat(still)[0])
    assert np.isnan(effective_sample_size(still)[0])
    apart = still * np.arange(4.0)[:, None, None]
    assert rhat(apart)[0] == np.inf
    assert effective_sample_size(apart)[0] < 10


def test_tail_size_and_standard_error_of_an_autoregressive_chain():
    draws = autoregressive(0.5)
    assert effective_sample_size(draws, kind="tail")[0] < draws.size
    assert effective_sample_size(draws, kind="tail")[0] > 4000
    assert mcse(draws)[0] == pytest.approx(np.sqrt(3 / draws.size), rel=0.1)
    with pytest.raises(ValueError, match="`kind` must be one of 'bulk', 'tail'"):
        effective_sample_size(draws, kind="mean")


def test_groups_for_arviz():
    """The layout of arviz_base.from_dict: groups of variables, (chain, draw, …)."""
    result = sample_langevin(
        lambda x: -x,
        np.zeros((3, 2)),
        log_density=lambda x: -(x**2).sum(axis=-1) / 2,
        step_size=0.5,
        num_steps=8,
        burn_in=4,
        adapt=True,
    )
    groups = draws_to_arviz(result, name="theta")
    assert np.array_equal(groups["posterior"]["theta"], result.draws)
    stats = groups["sample_stats"]
    assert all(value.shape == (3, 4) for value in stats.values())
    assert np.array_equal(stats["step_size"][:, 1], result.step_size)
    assert np.array_equal(stats["acceptance_rate"][:, 0], result.acceptance_rate)
    assert not stats["diverging"].any()


def test_arviz_reads_the_groups_and_agrees():
    """Its DataTree holds the draws, and its statistics of it are ours."""
    result = sample_langevin(
        lambda x: -x, np.zeros((3, 2)), method="ula", step_size=0.5, num_steps=60
    )
    tree = arviz_base.from_dict(draws_to_arviz(result, name="theta"))
    assert tree["posterior"]["theta"].dims[:2] == ("chain", "draw")
    assert np.array_equal(tree["posterior"]["theta"], result.draws)
    assert not tree["sample_stats"]["diverging"].any()
    for statistic, ours in (
        (arviz_stats.rhat, rhat),
        (arviz_stats.ess, effective_sample_size),
        (arviz_stats.mcse, mcse),
    ):
        assert np.allclose(statistic(tree)["theta"], ours(result.draws), rtol=1e-12)


def test_no_coordinates():
    assert rhat(np.zeros((2, 10, 0))).shape == (0,)


def test_refusals():
    with pytest.raises(ValueError, match=r"`draws` must have shape \(any, any, any\)"):
        rhat(np.zeros((2, 10)))
    with pytest.raises(ValueError, match="at least 2 chains of 4 draws; got 1 of 10"):
        rhat(np.zeros((1, 10, 1)))
    with pytest.raises(ValueError, match="at least 1 chains of 4 draws; got 1 of 3"):
        effective_sample_size(np.zeros((1, 3, 1)))
    with pytest.raises(TypeError, match="`draws` must be real"):
        rhat(np.zeros((2, 10, 1), dtype=complex))


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(ImportError, match=r'pip install "mathcore\[demo\]"'):
        rhat(np.zeros((2, 10, 1)))
