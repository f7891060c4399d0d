"""The compiled loop takes the steps of the definition."""

import numba
import numpy as np
import pytest

from solvers import solve_ivp

METHODS = ["tsit5", "dop853"]


def oscillator(t, y, rate):
    return (y[1], -rate * y[0] + np.cos(t))


def explodes(t, y):
    return (y[0] * y[0], 1)  # of two kinds


def decays(t, y):
    return (-1e5 * (y[0] - np.cos(t)),)


def turns(t, y):
    return 1j * y


COMPILED = {one: numba.njit(one) for one in (oscillator, explodes, decays, turns)}


def both(fun, *arguments, **options):
    return [solve_ivp(one, *arguments, **options) for one in (fun, COMPILED[fun])]


def assert_same(ours, theirs):
    """The same steps; their sizes follow from error estimates, where rounding shows."""
    assert ours.status == theirs.status and ours.nfev == theirs.nfev
    assert (ours.n_accepted, ours.n_rejected) == (theirs.n_accepted, theirs.n_rejected)
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-4)
    np.testing.assert_allclose(ours.y[:, -1], theirs.y[:, -1], rtol=1e-7)


@pytest.mark.small
@pytest.mark.parametrize("method", METHODS)
def test_same_steps_events_and_dense_output(method):
    def event(t, y, rate):
        return y[0]

    problem = {"args": (4.0,), "method": method}
    ours, theirs = both(oscillator, (0, 6), [1.0, 0.0], **problem)
    assert_same(ours, theirs)
    options = {"events": event, "t_eval": np.linspace(0, 6, 9), "dense_output": True, **problem}
    ours, theirs = both(oscillator, (0, 6), [1.0, 0.0], **options)
    assert_same(ours, theirs)
    np.testing.assert_allclose(ours.y, theirs.y, atol=1e-7)
    np.testing.assert_allclose(ours.t_events[0], theirs.t_events[0], atol=1e-7)
    np.testing.assert_allclose(ours.sol(1.23), theirs.sol(1.23), atol=1e-7)
    event.terminal = 2
    ours, theirs = both(oscillator, (0, 6), [1.0, 0.0], **options)
    assert theirs.status == 1 and len(theirs.t_events[0]) == 2
    np.testing.assert_allclose(ours.y, theirs.y, atol=1e-7)


def test_stiffness_alike():
    ours, theirs = both(decays, (0, 1), [2.0])
    assert ours.nlu > 0 and theirs.nlu > 0
    np.testing.assert_allclose(ours.y[:, -1], theirs.y[:, -1], rtol=1e-6)
    ours, theirs = both(decays, (0, 1), [2.0], method="tsit5", max_steps=99)
    assert ours.message == theirs.message and "try rodas5p" in theirs.message


def test_complex_backward_and_many_steps():
    ours, theirs = both(turns, (300, 0), [1.0 + 0j], rtol=1e-6)
    assert theirs.n_accepted > 256  # more than one block
    assert_same(ours, theirs)


def test_failures_alike():
    ours, theirs = both(explodes, (0, 2), [1.0, 0.0])
    assert ours.status == theirs.status == -1
    assert ours.message == theirs.message
    np.testing.assert_allclose(ours.t[-1], theirs.t[-1], rtol=1e-6)
