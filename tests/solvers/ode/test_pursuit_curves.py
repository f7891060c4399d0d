"""Pursuit: Bouguer's curve in closed form, and ends without capture."""

import numpy as np
import pytest

from solvers import pursuit


def ship(k):
    return lambda t: (1.0, k * t)


@pytest.mark.parametrize("k", [0.2, 0.5, 0.8])
def test_the_closed_form(k):
    """y = ½[(1 − x)^{1+k}/(1 + k) − (1 − x)^{1−k}/(1 − k)] + k/(1 − k²); capture at y = k/(1 − k²).

    Nahin, Chases and Escapes (2007), section 1.1.
    """
    chase = pursuit(ship(k), 1.0, [0.0, 0.0], capture_radius=1e-9, rtol=1e-9, atol=1e-12)
    assert chase.captured
    assert abs(chase.x[-1, 1] - k / (1 - k * k)) < 1e-8
    x, y = chase.x[:, 0], chase.x[:, 1]
    rest = np.maximum(1 - x, 0.0)
    exact = (rest ** (1 + k) / (1 + k) - rest ** (1 - k) / (1 - k)) / 2 + k / (1 - k * k)
    early = rest > 1e-3
    assert early.sum() > 5
    assert np.abs(y - exact)[early].max() < 1e-7


def test_the_hit_of_a_missile_five_times_as_fast():
    chase = pursuit(ship(0.2), 1.0, [0.0, 0.0], capture_radius=1e-9, rtol=1e-10, atol=1e-12)
    assert abs(chase.x[-1, 1] - 5 / 24) < 1e-8
    assert abs(chase.t[-1] - 25 / 24) < 1e-8
    assert chase.distance == 1e-9


def test_a_faster_target_escapes():
    chase = pursuit(ship(1.5), 1.0, [0.0, 0.0], capture_radius=1e-3, t_span=(0.0, 10.0))
    assert not chase.captured
    assert chase.status == 0
    assert chase.t[-1] == 10.0
    assert chase.distance > 1.0


def test_a_target_within_reach_at_the_start():
    chase = pursuit(ship(0.2), 1.0, [0.95, 0.0], capture_radius=0.1)
    assert chase.captured
    assert chase.t.tolist() == [0.0]


def test_in_three_dimensions_and_saved_at_given_times():
    chase = pursuit(
        lambda t: (1.0, 0.0, 2.0), 2.0, np.zeros(3), capture_radius=1e-6, t_eval=[0.0, 0.5, 3.0]
    )
    assert chase.captured
    assert np.abs(chase.x[1] - np.array([1, 0, 2]) / np.sqrt(5)).max() < 1e-9


def test_of_torch():
    torch = pytest.importorskip("torch")
    start = torch.zeros(2, dtype=torch.float64)
    chase = pursuit(ship(0.2), 1.0, start, capture_radius=1e-6)
    assert isinstance(chase.x, torch.Tensor)
    assert abs(float(chase.x[-1, 1]) - 5 / 24) < 1e-5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": 0.0}, "`speed` must be"),
        ({"capture_radius": 0.0}, "`capture_radius` must be"),
        ({"x0": [[0.0, 0.0]]}, "`x0` must have shape"),
        ({"target": lambda t: (1.0, 2.0, 3.0)}, "`target\\(t\\)` must have shape"),
    ],
)
def test_wrong_arguments(change, words):
    arguments = {"target": ship(0.2), "speed": 1.0, "x0": [0.0, 0.0], "capture_radius": 0.1}
    with pytest.raises(ValueError, match=words):
        pursuit(**(arguments | change))
