"""Runs of chains: targets with known moments, keys, counts, divergence, refusals."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import sample_langevin

METHODS = ("ula", "mala", "leimkuhler-matthews", "baoab", "aboba", "obabo")


def score(x):
    return -x


def log_density(x):
    return -(x**2).sum(axis=-1) / 2


def run(method="mala", count=8, dim=2, **arguments):
    """A short run on N(0, I) in NumPy, whatever is not given."""
    settings = {
        "log_density": log_density,
        "step_size": 0.5,
        "num_steps": 6,
        "x0": np.linspace(-1.0, 1.0, count * dim).reshape(count, dim),
    }
    settings.update(arguments)
    return sample_langevin(score, settings.pop("x0"), method=method, **settings)


# --- targets ------------------------------------------------------------------------------------


def mixture(centers, variance):
    """Score and log density of an equal mixture in the plane."""

    def log_terms(x):
        return -np.sum((x[:, None, :] - centers) ** 2, axis=-1) / (2 * variance)

    def mixture_log_density(x):
        return np.logaddexp.reduce(log_terms(x), axis=-1)

    def mixture_score(x):
        terms = log_terms(x)
        r = np.exp(terms - np.logaddexp.reduce(terms, axis=-1)[:, None])
        return (r @ centers - x) / variance

    return mixture_score, mixture_log_density


def check_moments(x, mean, variance):
    """Mean and second moment of independent rows within 5 standard errors, those measured."""
    for values, expected in ((x, mean), ((x - mean) ** 2, variance)):
        error = np.abs(values.mean(axis=0) - expected)
        assert np.all(error <= 5 * values.std(axis=0) / np.sqrt(len(values)))


def test_mala_on_a_mixture():
    """Two overlapping Gaussians: mean and variance in closed form, 4000 chains."""
    centers = np.asarray([[-1.0, 0.0], [1.0, 1.0]])
    target_score, target = mixture(centers, 0.5)
    x0 = np.random.default_rng(0).standard_normal((4000, 2))
    result = sample_langevin(
        target_score, x0, log_density=target, step_size=0.4, num_steps=200, burn_in=150
    )
    mean = centers.mean(axis=0)
    check_moments(result.x, mean, 0.5 + centers.var(axis=0))
    assert np.all((result.acceptance_rate > 0.4) & (result.acceptance_rate <= 1.0))


def test_mala_beyond_the_gaussian_with_temperature():
    """π ∝ exp(−x⁴/4), drawn from π^{1/T}: E x² = 2√T Γ(3/4)/Γ(1/4)."""
    temperature, gamma_ratio = 2.0, 1.2254167024651776 / 3.6256099082219083
    result = sample_langevin(
        lambda x: -(x**3),
        np.random.default_rng(1).standard_normal((8000, 1)),
        log_density=lambda x: -(x[:, 0] ** 4) / 4,
        step_size=0.2,
        num_steps=150,
        temperature=temperature,
    )
    check_moments(result.x, 0.0, 2 * np.sqrt(temperature) * gamma_ratio)


def test_ula_is_biased_and_mala_is_not():
    """The hyperbolic secant density has E x² = π²/4; at h = 2 ULA is many standard errors off."""

    def error(method):
        result = sample_langevin(
            lambda x: -np.tanh(x),
            np.random.default_rng(2).standard_normal((8000, 1)),
            log_density=lambda x: -np.logaddexp(x[:, 0], -x[:, 0]),
            method=method,
            step_size=2.0,
            num_steps=150,
        )
        squares = result.x**2
        return (squares.mean() - np.pi**2 / 4) / (squares.std() / np.sqrt(8000))

    assert error("ula") > 10
    assert abs(error("mala")) <= 5


def test_small_steps_are_accepted_large_ones_are_not():
    rates = [run(step_size=h, num_steps=200, count=50).acceptance_rate.mean() for h in (0.01, 3.0)]
    assert rates[0] > 0.99
    assert rates[1] < 0.5


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_sixteen_chains_are_sixteen_runs(xp, method):
    x0 = xp.asarray(np.linspace(-1, 1, 32).reshape(16, 2).tolist(), dtype=xp.float64)

    def target(x):
        return -xp.sum(x**2, axis=-1) / 2

    def draws(x0, chains):
        return sample_langevin(
            score,
            x0,
            method=method,
            log_density=target,
            step_size=0.5,
            num_steps=4,
            chains=chains,
            rng=3,
        ).draws

    together = draws(x0, None)
    alone = xp.concat([draws(x0[i : i + 1, :], [i]) for i in range(16)])
    assert bool(xp.all(together == alone))


@pytest.mark.parametrize("method", METHODS)
def test_libraries_see_the_same_noise(xp, method):
    """Every library draws the NumPy sample up to rounding: 6 steps, contracting."""
    values = np.linspace(-1, 1, 16).reshape(8, 2)
    x0 = xp.asarray(values.tolist(), dtype=xp.float64)
    result = run(method, x0=x0, log_density=lambda x: -xp.sum(x**2, axis=-1) / 2)
    expected = run(method)
    for name in ("draws", "x", "acceptance_rate", "status"):
        a, b = _arrays.to_numpy(getattr(result, name)), getattr(expected, name)
        assert np.allclose(a, b, rtol=0, atol=100 * np.finfo(float).eps)


@pytest.mark.parametrize("method", METHODS)
def test_dtype_is_kept(xp, method):
    x0 = xp.ones((3, 2), dtype=xp.float32)
    result = run(method, x0=x0, log_density=lambda x: -xp.sum(x**2, axis=-1) / 2)
    assert result.draws.dtype == result.x.dtype == result.acceptance_rate.dtype == xp.float32
    assert result.status.dtype == xp.int32


def test_the_seed_is_reported_and_repeats_the_run():
    result = run(rng=np.random.default_rng(5))
    again = run(rng=result.seed)
    assert np.array_equal(result.draws, again.draws)
    assert not np.any(
        run(rng=result.seed + 1, method="ula").x == run(method="ula", rng=result.seed).x
    )


def test_equal_chain_numbers_share_their_noise():
    """Two chains of one number contract towards each other: a synchronous coupling."""
    x0 = np.asarray([[0.0], [1.0]])
    x = run("ula", x0=x0, chains=[4, 4], num_steps=30).x
    assert abs(x[1, 0] - x[0, 0]) == pytest.approx(0.5**30, rel=1e-5)


# --- counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_burn_in_and_thinning_pick_the_steps_they_say(method):
    every = run(method, num_steps=20).draws
    assert every.shape == (8, 20, 2)
    some = run(method, num_steps=20, burn_in=5, thin=4)
    assert some.draws.shape == (8, (20 - 5) // 4, 2)
    assert np.array_equal(some.draws, every[:, [8, 12, 16], :])
    assert np.array_equal(some.x, every[:, -1, :])
    assert some.num_steps == 20


def test_thinning_may_leave_nothing():
    assert run(num_steps=3, thin=4).draws.shape == (8, 0, 2)


@pytest.mark.parametrize("method", METHODS)
def test_edges_of_shape(method):
    assert run(method, count=1, dim=1).draws.shape == (1, 6, 1)
    assert run(method, x0=np.zeros((0, 2))).draws.shape == (0, 6, 2)
    assert run(method, x0=np.zeros((3, 0))).draws.shape == (3, 6, 0)


def test_the_start_is_not_written_to():
    x0 = np.ones((4, 6))[::2, ::3]
    x0.flags.writeable = False
    run(x0=x0)
    assert np.all(x0 == 1.0)


def test_callback_and_progress(capsys):
    steps = []
    result = run(callback=steps.append, progress=True)
    assert [step.index for step in steps] == list(range(6))
    assert np.array_equal(steps[-1].x, result.x)
    accepted = np.mean([step.accepted for step in steps], axis=0)
    assert np.allclose(accepted, result.acceptance_rate)
    assert "6/6" in capsys.readouterr().err
    run("ula", callback=steps.append)
    assert steps[-1].accepted is None


# --- divergence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ula", "baoab"])
def test_a_chain_that_diverges_says_so_alone(method):
    """The cubic force blows up a chain that starts far out; nothing is raised or warned."""
    x0 = np.asarray([[0.1], [50.0], [-0.2]])
    arguments = {"method": method, "step_size": 0.1, "num_steps": 40}
    result = sample_langevin(lambda x: -(x**3), x0, **arguments)
    assert result.status.tolist() == [0, 1, 0]
    calm = sample_langevin(lambda x: -(x**3), x0[[0, 2]], chains=[0, 2], **arguments)
    assert np.array_equal(result.draws[[0, 2]], calm.draws)


def test_mala_rejects_what_is_not_finite():
    """A proposal outside the support, or without a density, is not taken."""

    def half_line(x):
        return np.where(x[:, 0] > 0, -x[:, 0], -np.inf)

    x0 = np.full((200, 1), 0.1)
    result = sample_langevin(
        lambda x: -np.ones_like(x), x0, log_density=half_line, step_size=0.5, num_steps=50
    )
    assert np.all(result.draws > 0)
    assert np.all(result.status == 0)


def test_mala_that_starts_without_a_density_is_reported():
    result = run(log_density=lambda x: np.where(x[:, 0] < -0.9, np.nan, log_density(x)))
    assert result.status.tolist()[0] == 1
    assert sum(result.status.tolist()) == 1


def test_gradients_in_torch():
    """ULA is differentiable in what its score depends on: d/dμ of the mean is 1 − (1 − h)ⁿ."""
    torch = pytest.importorskip("torch")
    mu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x0 = torch.zeros((4, 1), dtype=torch.float64)
    result = sample_langevin(lambda x: mu - x, x0, method="ula", step_size=0.5, num_steps=3)
    (slope,) = torch.autograd.grad(result.x.mean(), mu)
    assert float(slope) == pytest.approx(1 - 0.5**3)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "mala", "log_density": None}, "`log_density` must be given"),
        ({"method": "hmc"}, "`method` must be one of 'ula'"),
        ({"step_size": 0.0}, "`step_size` must be finite and > 0"),
        ({"step_size": np.inf}, "`step_size` must"),
        ({"num_steps": 0}, "`num_steps` must"),
        ({"burn_in": 6}, "`burn_in` must be below `num_steps` = 6; got 6"),
        ({"burn_in": -1}, "`burn_in` must"),
        ({"thin": 0}, "`thin` must"),
        ({"friction": -1.0}, "`friction` must"),
        ({"temperature": 0.0}, "`temperature` must"),
        ({"x0": np.ones(3)}, r"`x0` must have shape \(any, any\)"),
        ({"x0": np.full((8, 2), np.nan)}, "`x0` must be finite"),
        ({"log_density": lambda x: x}, r"`log_density\(x\)` must have shape \(8,\)"),
    ],
)
def test_values_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(**arguments)


@pytest.mark.parametrize(
    ("chains", "error"),
    [([0], ValueError), ([-1, 0], ValueError), ([0, 2**32], ValueError), ([0.0, 1.0], TypeError)],
)
def test_chain_numbers_are_checked(chains, error):
    with pytest.raises(error, match="`chains` must"):
        sample_langevin(
            score, np.ones((2, 1)), method="ula", step_size=0.1, num_steps=1, chains=chains
        )


def test_kinds_are_checked():
    x0, settings = np.ones((2, 1)), {"method": "ula", "step_size": 0.1, "num_steps": 1}
    with pytest.raises(TypeError, match="`score` must be callable"):
        sample_langevin(None, x0, **settings)
    with pytest.raises(TypeError, match="`score` must return an array"):
        sample_langevin(lambda x: 0.0, x0, **settings)
    with pytest.raises(ValueError, match=r"`score\(x\)` must have shape \(2, 1\); got \(2,\)"):
        sample_langevin(lambda x: x[:, 0], x0, **settings)
    with pytest.raises(TypeError, match=r"`score\(x\)` must be real; got dtype complex128"):
        sample_langevin(lambda x: x * 1j, x0, **settings)
    with pytest.raises(TypeError, match="`preconditioner` must be real"):
        sample_langevin(score, x0, **settings, preconditioner=[1j])
    with pytest.raises(TypeError, match="`x0` must be an array or a LangevinState; got None"):
        sample_langevin(score, None, **settings)
    with pytest.raises(TypeError, match="`x0` must be real"):
        sample_langevin(score, x0 + 1j, **settings)
    with pytest.raises(TypeError, match="`num_steps` must be an integer"):
        sample_langevin(score, x0, **{**settings, "num_steps": 2.0})
    with pytest.raises(TypeError, match="`rng` must"):
        sample_langevin(score, x0, **settings, rng="0")
