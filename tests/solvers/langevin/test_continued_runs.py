"""Runs that stop and go on, adapt, follow noise levels, or see a batch of the data at each step."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import LangevinState, minibatches, sample_langevin

METHODS = ("ula", "mala", "leimkuhler-matthews", "baoab", "aboba", "obabo")


def score(x):
    return -x


def log_density(x):
    return -(x * x).sum(axis=-1) / 2


def run(x0, method="ula", **arguments):
    settings = {"log_density": log_density, "step_size": 0.5, "num_steps": 12, "rng": 3}
    return sample_langevin(score, x0, method=method, **{**settings, **arguments})


def start(xp=np, chains=4):
    values = np.linspace(-1, 1, 2 * chains).reshape(chains, 2)
    return values if xp is np else xp.asarray(values.tolist(), dtype=xp.float64)


# --- stop and go on -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_goes_on_bit_for_bit(xp, method):
    arguments = {"method": method, "burn_in": 1, "log_density": lambda x: -xp.sum(x * x, axis=-1)}
    whole = run(start(xp), num_steps=5, **arguments)
    first = run(start(xp), num_steps=3, **arguments)
    second = run(first.state, num_steps=2, **arguments)
    assert second.state.step == 5
    assert bool(xp.all(xp.concat([first.draws, second.draws], axis=1) == whole.draws))
    assert bool(xp.all(second.x == whole.x))


def test_thinning_counts_from_the_first_start():
    whole = run(start(), burn_in=2, thin=3).draws
    first = run(start(), burn_in=2, thin=3, num_steps=7)
    second = run(first.state, burn_in=2, thin=3, num_steps=5)
    assert np.array_equal(np.concatenate([first.draws, second.draws], axis=1), whole)


def test_a_callback_stops_the_run_even_in_the_burn_in():
    arguments = {"method": "mala", "adapt": True, "burn_in": 8}
    whole = run(start(), **arguments)
    stopped = run(start(), callback=lambda step: step.index == 4, **arguments)
    assert stopped.num_steps == 5
    assert stopped.draws.shape == (4, 0, 2)
    assert np.all(np.isnan(stopped.acceptance_rate))
    rest = run(stopped.state, num_steps=7, **arguments)
    assert np.array_equal(rest.draws, whole.draws)
    assert np.array_equal(rest.step_size, whole.step_size)


def test_a_state_keeps_its_seed_and_chains():
    first = run(start(), chains=[4, 5, 6, 9])
    assert isinstance(first.state, LangevinState)
    second = run(first.state, rng=99)
    assert second.seed == first.seed == 3
    assert second.state.chains.tolist() == [4, 5, 6, 9]


def test_states_are_checked():
    state = run(start()).state
    with pytest.raises(ValueError, match="`x0` must be a state of method='baoab'"):
        run(state, method="baoab")
    with pytest.raises(ValueError, match="`chains` must be left out"):
        run(state, chains=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="`burn_in` must be below `num_steps` = 24"):
        run(state, burn_in=24)
    with pytest.raises(ValueError, match=r"`x0.chains` must have shape \(3,\); got \(4,\)"):
        run(state._replace(x=state.x[:3]))


def test_a_method_without_steps_to_adapt_says_its_own_step_size():
    adapted = run(start(), "mala", adapt=True, burn_in=6).state
    assert run(adapted, "ula", step_size=0.25).step_size == 0.25


# --- adaptation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("guess", [0.001, 3.0])
def test_adaptation_finds_the_target_acceptance(guess):
    """Near 0.574 on average over 40 chains; from a step far too small, and far too large."""
    x0 = np.random.default_rng(0).standard_normal((40, 5))
    result = run(x0, "mala", adapt=True, burn_in=600, num_steps=1200, step_size=guess)
    assert result.step_size.shape == (40,)
    assert abs(result.acceptance_rate.mean() - 0.574) < 0.06


def test_adaptation_ends_with_the_burn_in():
    arguments = {"method": "mala", "adapt": True, "burn_in": 6}
    short, long = run(start(), num_steps=7, **arguments), run(start(), num_steps=30, **arguments)
    assert np.array_equal(short.step_size, long.step_size)
    fixed = run(start(), method="mala", num_steps=12, burn_in=6, adapt=False)
    assert fixed.step_size == 0.5


def test_adapted_chains_do_not_see_each_other():
    arguments = {"method": "mala", "adapt": True, "burn_in": 6}
    together = run(start(), **arguments)
    alone = [run(start()[i : i + 1], chains=[i], **arguments) for i in range(4)]
    assert np.array_equal(together.draws, np.concatenate([r.draws for r in alone]))


# --- preconditioners ----------------------------------------------------------------------------

COVARIANCE = np.asarray([[4.0, 1.5], [1.5, 1.0]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("matrix", [True, False])
def test_preconditioned_chains_draw_the_target(method, matrix):
    """With M = Σ the table holds for k = 1; with a diagonal for the eigenvalues of √D K √D."""
    h, count = 0.3, 4000
    precision = np.linalg.inv(COVARIANCE)
    m = COVARIANCE if matrix else np.diag(COVARIANCE)
    factor = np.linalg.cholesky(COVARIANCE) if matrix else np.diag(np.sqrt(m))
    k, q = np.linalg.eigh(factor.T @ precision @ factor)
    variance = 1 / k
    if method == "ula":
        variance = variance / (1 - h * k / 2)
    if method == "obabo":
        variance = variance / (1 - h**2 * k / 4)
    result = sample_langevin(
        lambda x: -np.sum(precision * x[:, None, :], axis=-1),
        np.zeros((count, 2)),
        method=method,
        log_density=lambda x: -np.sum((x @ precision) * x, axis=-1) / 2,
        step_size=h,
        num_steps=60,
        preconditioner=m,
    )
    z = np.linalg.solve(factor, result.x.T).T @ q / np.sqrt(variance)
    found = np.asarray([(z[:, 0] ** 2).mean(), (z[:, 1] ** 2).mean(), (z[:, 0] * z[:, 1]).mean()])
    errors = np.abs(found - [1, 1, 0]) / np.sqrt(np.asarray([2, 2, 1]) / count)
    assert np.max(errors) <= 4.5, errors


@pytest.mark.parametrize("method", ["mala", "baoab"])
def test_preconditioned_chains_run_alone(xp, method):
    """Also through the product with a full matrix."""
    m = xp.asarray(COVARIANCE.tolist(), dtype=xp.float64)

    def target(x):
        return -xp.sum(x * x, axis=-1) / 2

    arguments = {"method": method, "preconditioner": m, "num_steps": 3, "log_density": target}
    together = run(start(xp), **arguments).draws
    alone = [run(start(xp)[i : i + 1, :], chains=[i], **arguments).draws for i in range(4)]
    assert bool(xp.all(together == xp.concat(alone)))


@pytest.mark.parametrize(
    ("preconditioner", "message"),
    [
        (np.ones(3), r"must have shape \(2,\) or \(2, 2\); got \(3,\)"),
        ([1.0, 0.0], "must be positive definite"),
        ([[1.0, 2.0], [2.0, 1.0]], "must be positive definite"),
        ([1.0, np.nan], "must be finite"),
        ([[1.0, 0.5], [0.0, 1.0]], "must be symmetric"),
    ],
)
def test_preconditioners_are_checked(preconditioner, message):
    with pytest.raises(ValueError, match=f"`preconditioner` {message}"):
        run(start(), preconditioner=preconditioner)


# --- noise levels -------------------------------------------------------------------------------


def test_annealed_follows_the_formula_of_song_and_ermon():
    """α = εσ²/σ_L², x + ½α∇ + √α ξ: without noise, on N(0, 1 + σ²), in closed form."""
    sigmas = [4.0, 2.0, 2.0, 0.5]
    result = sample_langevin(
        lambda x, sigma: -x / (1 + sigma**2),
        np.ones((1, 1)),
        method="annealed",
        sigmas=sigmas,
        step_size=0.02,
        num_steps=4,
        temperature=1e-300,
    )
    alphas = [0.02 * (sigma / 0.5) ** 2 for sigma in sigmas]
    factors = [1 - a / 2 / (1 + s**2) for a, s in zip(alphas, sigmas, strict=True)]
    assert np.allclose(result.draws.ravel(), np.cumprod(factors), rtol=1e-14)


def test_annealed_finds_the_weights_of_modes_far_apart():
    """0.2 and 0.8 at ∓6, unit variance: ULA from zero cannot; 4.5 standard errors and the bias."""

    def mixture_score(x, sigma=0.0):
        v = 1 + sigma**2
        right = 1 / (1 + 0.25 * np.exp(-12 * x / v))
        return (6 * (2 * right - 1) - x) / v

    sigmas = np.repeat(np.geomspace(20.0, 0.1, 40), 10)
    result = sample_langevin(
        mixture_score,
        20 * np.random.default_rng(0).standard_normal((2000, 1)),
        method="annealed",
        sigmas=sigmas,
        step_size=0.002,
        num_steps=400,
    )
    share = (result.x > 0).mean()
    assert abs(share - 0.8) <= 4.5 * np.sqrt(0.16 / 2000) + 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "annealed"}, '`sigmas` must go with method="annealed"'),
        ({"sigmas": [1.0] * 12}, '`sigmas` must go with method="annealed"'),
        ({"method": "annealed", "sigmas": [1.0] * 5}, "`sigmas` must hold a level for each of 12"),
        ({"method": "annealed", "sigmas": [0.0] * 12}, "`sigmas` must be finite and positive"),
        ({"adapt": True}, '`adapt` must go with method="mala"'),
        ({"method": "mala", "adapt": True}, "`burn_in` must exceed 0 for `adapt`"),
        ({"method": "mala", "batches": lambda i: i}, "`batches` must go with another method"),
    ],
)
def test_what_belongs_to_another_method_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(start(), **arguments)


# --- minibatches --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ula", "aboba", "baoab"])
def test_stochastic_gradients(method):
    """The mean of a Gaussian, flat prior: posterior N(mean of the data, 1/n); and going on."""
    data = np.random.default_rng(0).standard_normal(50) + 2
    batches, seen = minibatches(50, 10, rng=1), []

    def batch_score(x, rows):
        seen.append(rows)
        return 5 * np.sum(data[rows] - x[:, :, None], axis=-1)

    arguments = {"method": method, "batches": batches, "step_size": 0.002, "rng": 0}
    x0 = np.full((2000, 1), 2.0)
    whole = sample_langevin(batch_score, x0, num_steps=120, **arguments)
    assert abs(whole.x.mean() - data.mean()) < 0.1
    assert 0.5 < whole.x.std() * np.sqrt(50) < 3.0
    first = sample_langevin(batch_score, x0, num_steps=50, **arguments)
    second = sample_langevin(batch_score, first.state, num_steps=70, **arguments)
    assert np.array_equal(second.x, whole.x)
    assert len({tuple(rows) for rows in seen}) == 120


def test_minibatches_are_functions_of_the_step():
    batches, again = minibatches(20, 6, rng=5), minibatches(20, 6, rng=5)
    assert all(np.array_equal(batches(i), again(i)) for i in (3, 0, 3))
    counts = np.bincount(np.concatenate([batches(i) for i in range(2000)]), minlength=20)
    # each row is in a batch with probability 0.3, drawn without replacement
    assert np.max(np.abs(counts - 600)) <= 4.5 * np.sqrt(2000 * 0.3 * 0.7)
    assert all(len(set(batches(i))) == 6 for i in range(50))
    with pytest.raises(ValueError, match="`batch_size` must be at most 20; got 21"):
        minibatches(20, 21)


def test_noise_levels_on_every_library(xp):
    x0 = xp.ones((2, 1), dtype=xp.float32)
    result = sample_langevin(
        lambda x, sigma: -x / sigma,
        x0,
        method="annealed",
        sigmas=[2.0, 1.0],
        step_size=0.1,
        num_steps=2,
    )
    assert result.x.dtype == xp.float32
    assert np.all(np.isfinite(_arrays.to_numpy(result.x)))
