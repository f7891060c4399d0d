"""The contrastive gradient against the exact one, and chains that persist."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import contrastive_loss, restart_chains, sample_langevin


def test_the_contrastive_gradient_is_that_of_the_likelihood():
    """E = θx²/2: d/dθ of −log p is E x²/2 − 1/(2θ), the second from draws of N(0, 1/θ)."""
    torch = pytest.importorskip("torch")
    theta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    rng = np.random.default_rng(0)
    data = torch.tensor(rng.standard_normal((500, 1)))
    samples = torch.tensor(rng.standard_normal((200_000, 1)) / np.sqrt(2.0))
    loss = contrastive_loss(lambda x: theta * x[:, 0] ** 2 / 2, data, samples)
    (slope,) = torch.autograd.grad(loss, theta)
    exact = float((data**2).mean() / 2) - 0.25
    assert float(slope) == pytest.approx(exact, abs=5 * np.sqrt(2 / 200_000) / 4)


def test_maximum_likelihood_with_our_chains_in_the_loop():
    """θ of exp(−θx²/2) by persistent chains: 1/θ is the mean square of the data."""
    torch = pytest.importorskip("torch")
    data = 0.5 * np.random.default_rng(0).standard_normal((400, 1))
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=2.0)
    state, moved = torch.zeros((400, 1), dtype=torch.float64), torch.tensor(data)
    for _ in range(60):
        k = float(theta.detach())
        run = sample_langevin(
            lambda x, k=k: -k * x,
            state,
            log_density=lambda x, k=k: -k * x[:, 0] ** 2 / 2,
            step_size=0.2,
            num_steps=5,
        )
        state = run.state
        loss = contrastive_loss(lambda x: theta * x[:, 0] ** 2 / 2, moved, run.x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert state.step == 300
    assert float(theta.detach()) == pytest.approx(1 / np.mean(data**2), rel=0.2)


def test_no_gradient_passes_into_the_draws():
    torch = pytest.importorskip("torch")
    samples = torch.ones((3, 1), requires_grad=True)
    loss = contrastive_loss(lambda x: x[:, 0], torch.ones((3, 1), requires_grad=True), samples)
    loss.backward()
    assert samples.grad is None


def test_the_weight_adds_the_mean_squares(xp):
    data, samples = xp.asarray([[1.0], [3.0]]), xp.asarray([[2.0], [0.0]])
    found = contrastive_loss(lambda x: x[:, 0], data, samples, energy_weight=0.5)
    assert float(found) == 2.0 - 1.0 + 0.5 * (5.0 + 2.0)


def start(xp, chains=400):
    x0 = xp.zeros((chains, 2), dtype=xp.float64)
    return sample_langevin(lambda x: -x, x0, method="ula", step_size=0.1, num_steps=2).state


def test_restarted_chains(xp):
    state = start(xp)
    fresh = xp.full((400, 2), 9.0, dtype=xp.float64)
    again = restart_chains(state, fresh, rate=0.1)
    rows = _arrays.to_numpy(again.x) == 9.0
    assert np.all(rows[:, 0] == rows[:, 1])
    assert abs(rows[:, 0].sum() - 40) <= 4.5 * np.sqrt(400 * 0.09)
    assert np.array_equal(_arrays.to_numpy(again.x)[~rows], _arrays.to_numpy(state.x)[~rows])
    assert (again.step, again.seed) == (state.step, state.seed)
    assert np.all(_arrays.to_numpy(restart_chains(state, fresh, rate=1.0).x) == 9.0)
    assert np.all(_arrays.to_numpy(restart_chains(state, fresh, rate=0.0).x) != 9.0)


def test_restarts_are_keyed_by_chain_and_step():
    state = start(np)
    fresh = np.full((400, 2), 9.0)
    rows = restart_chains(state, fresh, rate=0.5).x == 9.0
    part = state._replace(x=state.x[100:200], chains=state.chains[100:200])
    assert np.array_equal(restart_chains(part, fresh[:100], rate=0.5).x == 9.0, rows[100:200])
    later = restart_chains(state._replace(step=7), fresh, rate=0.5).x == 9.0
    assert not np.array_equal(later, rows)


def test_refusals():
    state = start(np, 3)
    with pytest.raises(TypeError, match="`state` must be a LangevinState"):
        restart_chains(state.x, state.x, rate=0.1)
    with pytest.raises(ValueError, match="`fresh` must have shape"):
        restart_chains(state, state.x[:2], rate=0.1)
    with pytest.raises(ValueError, match="`rate` must be"):
        restart_chains(state, state.x, rate=1.5)
    with pytest.raises(ValueError, match=r"`energy\(data\)` must have shape \(3,\)"):
        contrastive_loss(lambda x: x, state.x, state.x)
    with pytest.raises(TypeError, match="`energy` must be callable"):
        contrastive_loss(None, state.x, state.x)
