"""The search for ρ: both sides of 1, never worse than 1, noise not mistaken for a gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers import TunedSkips, scale_skips, tune_skips


def network(x, rho_bottom=1.0, rho_top=1.0):
    """Two skips, both of which the value shows."""
    bottom, top = scale_skips([x, x], rho_bottom, rho_top)
    return bottom + 1j * top


def distance_to(target):
    return lambda model: abs(model(np.ones(()))[()].real - target)


@pytest.mark.parametrize("target", [0.62, 0.97, 1.0, 1.03, 1.41])
def test_finds_the_minimum_on_either_side(target):
    tuned = tune_skips(network, distance_to(target), num_evaluations=30)
    assert tuned.rho_bottom == pytest.approx(target, abs=0.01)
    assert tuned.improved == (target != 1.0)
    assert tuned.value <= tuned.value_untuned


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 20))
def test_never_worse_than_untouched(seed, num_evaluations):
    """Whatever the objective is, here noise, and the validation has the last word."""
    noise = np.random.default_rng(seed)
    measured, validated = {}, {}

    def objective(values):
        def value(model):
            rho = float(model(np.ones(())).real)
            return values.setdefault(rho, float(noise.choice([noise.normal(), np.nan, np.inf])))

        return value

    measured[1.0], validated[1.0] = noise.normal(), noise.normal()
    tuned = tune_skips(
        network,
        objective(measured),
        num_evaluations=num_evaluations,
        validation=objective(validated),
    )
    assert 3 <= len(tuned.rhos) <= num_evaluations and np.all(np.diff(tuned.rhos) > 0)
    assert tuned.value == measured[tuned.rho_bottom] <= tuned.value_untuned == measured[1.0]
    if tuned.improved:
        assert validated[tuned.rho_bottom] < validated[1.0]
    else:
        assert (tuned.rho_bottom, tuned.rho_top) == (1.0, 1.0)
    finite = np.isfinite([measured[rho] for rho in tuned.rhos])
    assert np.array_equal(np.isfinite(tuned.values), finite)


def test_flat_objective_stays_at_one():
    tuned = tune_skips(network, lambda model: 0.0)
    assert tuned[:2] == (1.0, 1.0) and not tuned.improved


def test_top_factor():
    seen = []

    def objective(model):
        value = model(np.ones(()))
        seen.append((float(value.real), float(value.imag)))
        return abs(value.real - 0.7)

    assert tune_skips(network, objective, rho_top=1.1).rho_top == 1.1
    assert all(top == (1.0 if bottom == 1.0 else 1.1) for bottom, top in seen)
    seen.clear()
    tuned = tune_skips(network, objective, rho_top=None)
    assert tuned.rho_top == tuned.rho_bottom != 1.0
    assert all(top == bottom for bottom, top in seen)


def test_torch_network_is_tuned_and_left_untouched():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.deep = torch.nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return torch.cat([self.deep(x), x], dim=1)[:, 1]

    net, x = Net().requires_grad_(False), torch.ones(1, 1, 1, 1)
    tuned = tune_skips(net, lambda model: (model(x) - 1.2).abs(), num_evaluations=16)
    assert isinstance(tuned, TunedSkips)
    assert tuned.rho_bottom == pytest.approx(1.2, abs=0.02)
    assert net(x).item() == 1.0 and "forward" not in net.__dict__


def test_refusals():
    with pytest.raises(TypeError, match="`objective` must be callable"):
        tune_skips(network, 1.0)
    with pytest.raises(TypeError, match="`objective` must return a number; got str"):
        tune_skips(network, lambda model: "good")
    with pytest.raises(ValueError, match="must be finite at ρ = 1; got inf"):
        tune_skips(network, lambda model: np.nan)
    with pytest.raises(ValueError, match=r"`bounds\[0\]` must be finite and >= 0 and <= 1"):
        tune_skips(network, distance_to(1.0), bounds=(1.1, 1.5))
    with pytest.raises(ValueError, match=r"`bounds\[1\]` must be finite and >= 1"):
        tune_skips(network, distance_to(1.0), bounds=(0.5, 0.9))
    with pytest.raises(ValueError, match="`num_evaluations` must be >= 3"):
        tune_skips(network, distance_to(1.0), num_evaluations=2)
