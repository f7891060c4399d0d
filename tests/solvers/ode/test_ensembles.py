"""Ensembles: laws on every library, the kernel beside its definition, published end values."""

import functools
import importlib
import math

import array_api_strict
import numpy as np
import pytest
import scipy.linalg

from mathcore import _arrays
from mathcore.testing import parametrize_with_laws
from mathcore.testing.ensemble_laws import ensemble_laws
from solvers import solve_ensemble
from solvers.ode import lane_steps

METHODS = ["tsit5", "dop853", "rodas5p", "auto"]


def lorenz(t, y, rho):
    return 10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]


def van_der_pol(t, y, mu):
    return y[1], mu * ((1 - y[0] * y[0]) * y[1]) - y[0]


def relaxation(t, y, e):
    return y[1], ((1 - y[0] * y[0]) * y[1] - y[0]) / e


def robertson(t, y, a):
    fast, slow = 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
    return -a * y[0] + slow, a * y[0] - slow - fast, fast


def oregonator(t, y):
    s, q, w = 77.27, 8.375e-6, 0.161
    return (
        s * (y[1] + y[0] * (1 - q * y[0] - y[1])),
        (y[2] - (1 + y[0]) * y[1]) / s,
        w * (y[0] - y[2]),
    )


def starts(*state, members=1):
    return np.tile(state, (members, 1))


# --- laws


@pytest.mark.parametrize("method", METHODS[:3])
@parametrize_with_laws(ensemble_laws)
def test_laws_on_numpy(law, method):
    """Those of "auto" are in the law suite."""
    law(functools.partial(solve_ensemble, method=method))


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@parametrize_with_laws(ensemble_laws)
def test_laws_of_the_definition(law, library):
    """JAX is below, in one compiled run: operation by operation it takes minutes."""
    pytest.importorskip(library)
    xp = {"torch": "array_api_compat.torch"}.get(library, library)
    solve = functools.partial(solve_ensemble, method="tsit5")
    law(solve, xp=importlib.import_module(xp), max_examples=1)


def test_definition_under_jit():
    jax = pytest.importorskip("jax")
    mu = np.array([0.5, 2.0, 30.0])

    @jax.jit
    def run(mu):
        y0 = jax.numpy.stack([2 + 0 * mu, 0 * mu], axis=1)
        return solve_ensemble(van_der_pol, (0.0, 1.0), y0, args=(mu,), method="tsit5").y

    expected = solve_ensemble(
        van_der_pol, (0.0, 1.0), starts(2.0, 0.0, members=3), args=(mu,), method="tsit5"
    )
    with jax.enable_x64(True):
        found = np.asarray(run(jax.numpy.asarray(mu)))
    assert np.abs(found - expected.y).max() < 1e-9


# --- twins


@pytest.mark.small
@pytest.mark.parametrize("method", METHODS)
def test_kernel_is_the_definition(method, monkeypatch):
    """Equal step by step; Rodas5P up to the rounding of its difference quotients."""
    if method == "rodas5p":  # what is unrolled has exact Jacobians
        monkeypatch.setattr(lane_steps, "_MOST_UNROLLED", 0)
    mu, times = np.array([1.0, 3.0, 20.0]), np.array([0.0, 0.05, 0.1])
    for t_eval in (None, times):
        kernel, definition = (
            solve_ensemble(
                van_der_pol,
                (0.0, 0.1),
                xp.asarray(starts(2.0, 0.0, members=3)),
                args=(xp.asarray(mu),),
                method=method,
                t_eval=t_eval,
                rtol=1e-5,
            )
            for xp in (np, array_api_strict)
        )
        bound = 1e-6 if method == "rodas5p" else 1e-12
        for one, other in zip(kernel, definition, strict=True):
            if not isinstance(one, str):
                assert np.abs(one - _arrays.to_numpy(other)).max() <= bound
        assert kernel.message == definition.message


def branching(t, y, mu):
    """Takes no vectors: called member by member."""
    if t < 0:
        return 0.0, -mu
    return y[1], math.sin(t) - mu * y[0]


@pytest.mark.parametrize("fun", [van_der_pol, branching])
@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_unrolled_steps_are_the_loops(fun, method, monkeypatch):
    """Rodas5P up to the tolerance: rounding of difference quotients changes the step sizes."""
    mu, times = np.array([1.0, 3.0, 20.0]), np.linspace(0, 0.2, 5)
    settings = {"args": (mu,), "method": method, "rtol": 1e-5}
    event = {"events": lambda t, y, mu: y[0] - 1.95}
    for more in ({}, {"t_eval": times, **event}):
        solve = functools.partial(
            solve_ensemble, fun, (0.0, 0.2), starts(2.0, 0.0, members=3), **settings, **more
        )
        unrolled = solve()
        with monkeypatch.context() as patch:
            patch.setattr(lane_steps, "_MOST_UNROLLED", 0)
            looped = solve()
        largest = np.nanmax(np.abs(looped.y)) * looped.n_accepted.max()
        bound = 1e-5 * largest if method == "rodas5p" else 1e-12
        assert np.nanmax(np.abs(unrolled.y - looped.y)) <= bound
        assert np.array_equal(np.isnan(unrolled.y), np.isnan(looped.y))
        assert np.abs(unrolled.t_reached - looped.t_reached).max() <= bound
        assert unrolled.message == looped.message
        assert method == "rodas5p" or np.array_equal(unrolled.nfev, looped.nfev)


def test_powers_and_roots_in_lanes():
    """y' = −y² is 1/(1 + t), y' = 2√y is (1 + t)², y' = −1/(2y) is √(4 − t) from 2."""

    def fun(t, y):
        return -(y[0] ** 2), 2 * np.sqrt(y[1]), -(y[2] ** -1) / 2, y[3] ** 1 * math.sqrt(y[0])

    y = solve_ensemble(fun, (0, 3), starts(1.0, 1.0, 2.0, 1.0), rtol=1e-9).y
    expected = [1 / 4, 16.0, 1.0, np.exp(2.0)]  # the last: ∫ (1 + t)^{−1/2} = 2
    assert np.abs(y / expected - 1).max() < 1e-7


def test_many_components():
    """A wave through a ring; more components than a step is unrolled for."""
    n = 12

    def fun(t, y):
        return (
            y[11] - y[0], y[0] - y[1], y[1] - y[2], y[2] - y[3], y[3] - y[4], y[4] - y[5],
            y[5] - y[6], y[6] - y[7], y[7] - y[8], y[8] - y[9], y[9] - y[10], y[10] - y[11],
        )  # fmt: skip

    y0 = np.random.default_rng(0).normal(size=(3, n))
    exact = scipy.linalg.expm(2.0 * (np.roll(np.eye(n), 1, axis=0) - np.eye(n)))
    for method in ("dop853", "rodas5p"):
        y = solve_ensemble(fun, (0, 2), y0, method=method, rtol=1e-8).y
        assert np.abs(y - y0 @ exact.T).max() < 1e-6


def test_members_are_the_same_in_any_batch_and_on_any_threads():
    import numba

    rho, y0 = np.linspace(0.5, 28, 70), starts(1.0, 0.0, 0.0, members=70)
    threads = numba.get_num_threads()
    for method in METHODS:
        whole = solve_ensemble(lorenz, (0, 3), y0, args=(rho,), method=method)
        try:
            numba.set_num_threads(1)
            again = solve_ensemble(lorenz, (0, 3), y0[::-1], args=(rho[::-1],), method=method)
            alone = solve_ensemble(lorenz, (0, 3), y0[:1], args=(rho[33:34],), method=method)
        finally:
            numba.set_num_threads(threads)
        assert np.array_equal(whole.y, again.y[::-1])
        assert np.array_equal(whole.nfev, again.nfev[::-1])
        assert np.array_equal(whole.y[33], alone.y[0])


# --- references


def test_lorenz():
    y = solve_ensemble(
        lorenz, (0, 10), starts(1.0, 0.0, 0.0, members=3), args=(28.0,), rtol=1e-8, atol=1e-8
    ).y
    expected = [-5.857685382423, -5.831082486423, 23.932132987031]
    assert np.abs(y / expected - 1).max() < 1e-5


@pytest.mark.parametrize(
    ("fun", "args", "y0", "end", "expected", "atol"),
    [
        (
            robertson,
            (0.04,),
            (1.0, 0.0, 0.0),
            40.0,
            (0.7158270687194, 9.185534764558e-6, 0.2841637457458),
            1e-12,
        ),
        (
            oregonator,
            (),
            (1.0, 2.0, 3.0),
            360.0,
            (1.000814870318523, 1228.178521549917, 132.0554942846706),
            1e-10,
        ),
        (
            relaxation,
            (1e-6,),
            (2.0, 0.0),
            2.0,
            (1.706167732170483, -0.8928097010247975),
            1e-10,
        ),
    ],
    ids=["robertson", "orego", "van der pol"],
)
@pytest.mark.parametrize("method", ["rodas5p", "auto"])
def test_stiff_problems(fun, args, y0, end, expected, atol, method):
    """The IVP test set (Mazzia, Magherini, 2008), relative 1e-6 at rtol 1e-8."""
    result = solve_ensemble(
        fun, (0, end), starts(*y0), args=args, method=method, rtol=1e-8, atol=atol
    )
    assert result.message == "1 reached the end"
    assert np.abs(result.y[0] / expected - 1).max() < 1e-6


def test_exact_jacobians_keep_long_stiff_runs_short():
    """With difference quotients this takes 716 steps."""
    result = solve_ensemble(
        robertson, (0, 1e11), starts(1.0, 0.0, 0.0), args=(0.04,), method="rodas5p", atol=1e-22
    )
    expected = (0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050)
    assert np.abs(result.y[0] / expected - 1).max() < 1e-6
    assert result.n_accepted[0] < 400


# --- how runs end


def test_events_end_each_member_alone():
    """A throw: y = vt − gt²/2 is back at 0 at 2v/g."""

    def flight(t, y, g):
        return y[1], -g

    def ground(t, y, g):
        return y[0]

    ground.direction = -1.0
    speeds, g = np.linspace(1.0, 9.0, 40), 9.81
    y0 = np.stack([0 * speeds, speeds], axis=1)
    for method in METHODS[:3]:
        result = solve_ensemble(flight, (0, 1), y0, args=(g,), events=ground, method=method)
        landed = 2 * speeds / g < 1
        assert np.array_equal(result.status == 1, landed)
        assert np.abs(result.t_reached[landed] - 2 * speeds[landed] / g).max() < 1e-12
        assert np.array_equal(result.t_reached[~landed], np.ones((~landed).sum()))


def test_roots_inside_one_step_are_found():
    """Both roots of (t − 0.5)² − 0.01 in one long step; nothing is saved after the first."""

    def constant(t, y):
        return (0.0,)

    def dip(t, y):
        return (t - 0.5) * (t - 0.5) - 0.01

    result = solve_ensemble(constant, (0, 1), np.ones((1, 1)), events=dip, t_eval=[0.3, 0.5])
    assert abs(result.t_reached[0] - 0.4) < 1e-12
    assert result.y[0, 0, 0] == 1.0
    assert np.isnan(result.y[0, 1, 0])


def test_limits():
    y0 = starts(1.0, 0.0, 0.0, members=2)
    result = solve_ensemble(lorenz, (0, 10), y0, args=(28.0,), max_steps=5)
    assert result.status.tolist() == [-2, -2]
    assert (result.n_accepted + result.n_rejected).tolist() == [5, 5]
    empty = solve_ensemble(lorenz, (0, 1), y0[:0], args=(28.0,), t_eval=[0.5])
    assert empty.y.shape == (0, 1, 3)
    assert empty.message == "no members"
    still = solve_ensemble(lorenz, (1, 1), y0, args=(28.0,), t_eval=[1.0])
    assert np.array_equal(still.y[:, 0], y0)


def test_arguments_of_every_shape():
    def fun(t, y, rate, pair):
        return -rate * y[0] + pair[0], pair[1]

    y0, pairs = np.zeros((3, 2), np.float32), np.arange(6).reshape(3, 2)
    result = solve_ensemble(fun, (0, 1), y0, args=(0.0, pairs), rtol=1e-6)
    assert result.y.dtype == np.float32
    assert np.allclose(result.y, pairs, rtol=1e-6)


def test_what_numba_cannot_compile_runs_as_arrays():
    table = {"rate": -1.0}

    def fun(t, y):
        return (table["rate"] * y[0],)

    result = solve_ensemble(fun, (0, 1), np.ones((2, 1)), rtol=1e-8)
    assert np.abs(result.y - np.exp(-1.0)).max() < 1e-7


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"y0": np.ones(3)}, ValueError, "`y0` must have shape"),
        ({"y0": np.ones((2, 3)) + 0j}, TypeError, "`y0` must be real"),
        ({"t_span": (0, np.inf)}, ValueError, "`t_span` must be"),
        ({"t_span": (0, 1, 2)}, ValueError, "`t_span` must be a pair"),
        ({"t_eval": [0.5, 0.2]}, ValueError, "`t_eval` must lie"),
        ({"args": (np.ones(3),)}, ValueError, "`args\\[0\\]` must be"),
        ({"method": "rk45"}, ValueError, "`method` must be one of"),
        ({"rtol": 0.0}, ValueError, "`rtol` must be"),
        ({"atol": [1.0, 2.0]}, ValueError, "`atol` must have shape"),
        ({"max_steps": 0}, ValueError, "`max_steps` must be"),
        ({"events": 3}, TypeError, "not iterable|`events`"),
        (
            {"fun": lambda t, y, rho: (y[0], y[1])},
            ValueError,
            "`fun` must return a tuple of 3 numbers",
        ),
    ],
)
def test_wrong_arguments(change, error, words):
    arguments = {
        "fun": lorenz,
        "t_span": (0, 1),
        "y0": starts(1.0, 0.0, 0.0, members=2),
        "args": (28.0,),
    } | change
    with pytest.raises(error, match=words):
        solve_ensemble(**arguments)
