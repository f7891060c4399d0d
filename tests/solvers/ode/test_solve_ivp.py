"""`solve_ivp` on the problems of the literature, its failures, and SciPy's conventions."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

from mathcore.testing import check_order
from solvers import solve_ivp

EXPLICIT = ["tsit5", "dop853"]
METHODS = [*EXPLICIT, "rodas5p"]


def lorenz(t, y):
    return (10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2])


def lotka_volterra(t, y):
    return (1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3 * y[1])


def robertson(t, y):
    made, back, burnt = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return (back - made, made - back - burnt, burnt)


def oregonator(t, y):
    s, q, w = 77.27, 8.375e-6, 0.161
    return (
        s * (y[1] + y[0] * (1 - q * y[0] - y[1])),
        (y[2] - (1 + y[0]) * y[1]) / s,
        w * (y[0] - y[2]),
    )


def van_der_pol(t, y, epsilon):
    return (y[1], ((1 - y[0] ** 2) * y[1] - y[0]) / epsilon)


def pleiades(t, z):
    x, y, mass = z[:7], z[7:14], np.arange(1.0, 8.0)
    dx, dy = x - x[:, None], y - y[:, None]
    cubes = (dx**2 + dy**2) ** 1.5 + np.eye(7)
    return np.concatenate([z[14:], (mass * dx / cubes).sum(1), (mass * dy / cubes).sum(1)])


def arenstorf(t, z):
    mu = 0.012277471
    x, y, vx, vy = z
    near = ((x + mu) ** 2 + y * y) ** 1.5
    far = ((x - 1 + mu) ** 2 + y * y) ** 1.5
    ax = x + 2 * vy - (1 - mu) * (x + mu) / near - mu * (x - 1 + mu) / far
    return (vx, vy, ax, y - 2 * vx - (1 - mu) * y / near - mu * y / far)


PLEIADES_START = np.zeros(28)
PLEIADES_START[:14] = (3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4)
PLEIADES_START[[19, 20, 24, 25]] = (1.75, -1.5, -1.25, 1)
# Mazzia, Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (2008).
PLEIADES_END = np.array(
    [
        *(0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310),
        *(0.3425581707156584, 1.562172101400631, -0.7003092922212495, -3.943437585517392),
        *(-3.271380973972550, 5.225081843456543, -2.590612434977470, 1.198213693392275),
        *(-0.2429682344935824, 1.091449240428980),
    ]
)
ARENSTORF_START = (0.994, 0.0, 0.0, -2.00158510637908252240537862224)
ARENSTORF_PERIOD = 17.0652165601579625588917206249


@pytest.mark.parametrize("method", METHODS)
def test_lorenz(method):
    result = solve_ivp(lorenz, (0, 10), [1.0, 0.0, 0.0], rtol=1e-8, atol=1e-8, method=method)
    # Taylor series of order 60 in mpmath
    expected = [-5.857685382423, -5.831082486423, 23.932132987031]
    np.testing.assert_allclose(result.y[:, -1], expected, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_lotka_volterra(method):
    result = solve_ivp(lotka_volterra, (0, 10), [1.0, 1.0], rtol=1e-8, atol=1e-8, method=method)
    np.testing.assert_allclose(result.y[:, -1], [1.026344767575, 0.909691078136], rtol=1e-6)
    x, y = result.y
    invariant = x - 3 * np.log(x) + y - 1.5 * np.log(y)
    assert np.ptp(invariant) < 1e-6


@pytest.mark.parametrize("method", EXPLICIT)
def test_pleiades(method):
    result = solve_ivp(pleiades, (0, 3), PLEIADES_START, rtol=1e-8, atol=1e-8, method=method)
    np.testing.assert_allclose(result.y[:14, -1], PLEIADES_END, rtol=1e-5)


@pytest.mark.parametrize("method", ["tsit5", "auto"])
def test_arenstorf_orbit_closes(method):
    options = {"rtol": 1e-10, "atol": 1e-10, "method": method}
    result = solve_ivp(arenstorf, (0, ARENSTORF_PERIOD), ARENSTORF_START, **options)
    np.testing.assert_allclose(result.y[:, -1], ARENSTORF_START, atol=1e-7)


# Ends of the stiff problems: the same test set.
@pytest.mark.parametrize("method", ["rodas5p", "auto"])
def test_robertson(method):
    options = {"rtol": 1e-8, "atol": 1e-12, "method": method}
    result = solve_ivp(robertson, (0, 40), [1.0, 0.0, 0.0], **options)
    expected = [0.7158270687194, 9.185534764558e-6, 0.2841637457458]
    np.testing.assert_allclose(result.y[:, -1], expected, rtol=1e-6)


def test_robertson_to_1e11():
    result = solve_ivp(robertson, (0, 1e11), [1.0, 0.0, 0.0], rtol=1e-8, atol=1e-18)
    expected = [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]
    np.testing.assert_allclose(result.y[:, -1], expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["rodas5p", "auto"])
def test_oregonator(method):
    options = {"rtol": 1e-8, "atol": 1e-10, "method": method}
    result = solve_ivp(oregonator, (0, 360), [1.0, 2.0, 3.0], **options)
    expected = [1.000814870318523, 1228.178521549917, 132.0554942846706]
    np.testing.assert_allclose(result.y[:, -1], expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["rodas5p", "auto"])
def test_van_der_pol(method):
    options = {"rtol": 1e-8, "atol": 1e-10, "method": method, "args": (1e-6,)}
    result = solve_ivp(van_der_pol, (0, 2), [2.0, 0.0], **options)
    expected = [1.706167732170483, -0.8928097010247975]
    np.testing.assert_allclose(result.y[:, -1], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "order", "steps", "margin"),
    [("tsit5", 5, (8, 16), 0.2), ("dop853", 8, (8, 16), 0.6), ("rodas5p", 5, (16, 32), 0.2)],
)
def test_order(method, order, steps, margin):
    def integrate(fun, t_span, y0, num_steps):
        h = (t_span[1] - t_span[0]) / num_steps
        result = solve_ivp(
            fun, t_span, y0, method=method, rtol=1e6, atol=1e6, first_step=h, max_step=h
        )
        assert result.n_accepted == num_steps
        return result.y[:, -1]

    check_order(integrate, order, steps=steps, margin=margin)


@pytest.mark.parametrize(("method", "order"), [("tsit5", 4), ("dop853", 7), ("rodas5p", 4)])
def test_order_of_the_dense_output(method, order):
    def error(h):
        options = {"rtol": 1e6, "atol": 1e6, "first_step": h, "max_step": h}
        result = solve_ivp(
            lorenz, (0, h), [1.0, 2.0, 3.0], method=method, **options, t_eval=times(h)
        )
        exact = scipy_solve_ivp(
            lorenz,
            (0, h),
            [1.0, 2.0, 3.0],
            method="DOP853",
            rtol=1e-13,
            atol=1e-15,
            t_eval=times(h),
        )
        return np.abs(result.y - exact.y).max()

    def times(h):
        return np.array([0.3, 0.55, 0.8]) * h

    h = 0.02 if method != "dop853" else 0.03
    measured = math.log2(error(2 * h) / error(h))
    assert measured > order + 1 - 0.5  # of one step


@pytest.mark.parametrize("method", METHODS)
def test_all_three_roots_in_few_steps(method):
    result = solve_ivp(
        lambda t, y: (3 * t**2 + 12 * t - 4,),
        (-8, 4),
        [-120.0],
        method=method,
        events=lambda t, y: y[0],
    )
    np.testing.assert_allclose(result.t_events[0], [-6, -2, 2], rtol=1e-7)
    assert result.y_events[0].shape == (3, 1)
    assert result.n_accepted < 10


def test_terminal_direction_and_count():
    def height(t, y):
        return y[0]

    def falling(t, y):
        return y[0]

    height.terminal, falling.direction = 3, -1
    result = solve_ivp(
        lambda t, y: (y[1], -y[0]),
        (0, 20),
        [0.0, 1.0],
        rtol=1e-9,
        events=[height, falling],
        dense_output=True,
    )
    assert result.status == 1 and result.success
    np.testing.assert_allclose(result.t_events[0], np.pi * np.arange(1, 4), rtol=1e-7)
    np.testing.assert_allclose(result.t_events[1], np.pi * np.array([1, 3]), rtol=1e-7)
    assert result.t[-1] == result.t_events[0][-1]
    np.testing.assert_allclose(result.sol(result.t), result.y, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_backward_complex_and_t_eval(method):
    times = np.array([2.0, 1.3, 0.7, 0.0])
    result = solve_ivp(
        lambda t, y: 1j * y, (2, 0), [1.0 + 0j], t_eval=times, method=method, dense_output=True
    )
    expected = np.exp(1j * (times - 2))
    np.testing.assert_allclose(result.y[0], expected, atol=1e-5)
    np.testing.assert_allclose(result.sol(times)[0], result.y[0], atol=1e-13)
    np.testing.assert_array_equal(result.t, times)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_agrees_with_scipy_in_shape_and_meaning(method):
    times = np.linspace(0, 3, 7)
    options = {"t_eval": times, "dense_output": True, "events": [lambda t, y: y[0] - 1.5]}
    ours = solve_ivp(lotka_volterra, (0, 3), [1.0, 1.0], method=method, **options)
    theirs = scipy_solve_ivp(lotka_volterra, (0, 3), [1.0, 1.0], rtol=1e-9, atol=1e-9, **options)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-5)
    np.testing.assert_allclose(ours.t_events[0], theirs.t_events[0], rtol=1e-5)
    assert ours.sol(1.0).shape == theirs.sol(1.0).shape
    assert ours.sol(times).shape == theirs.sol(times).shape
    assert ours.y_events[0].shape == theirs.y_events[0].shape


def test_failures_are_data_with_advice():
    stiff = solve_ivp(van_der_pol, (0, 2), [2, 0], args=(1e-6,), method="tsit5", max_steps=300)
    assert (stiff.status, stiff.success) == (-2, False)
    assert "max_steps = 300" in stiff.message and "try rodas5p" in stiff.message
    blown = solve_ivp(lambda t, y: y * y, (0, 2), [1.0])
    assert blown.status == -1 and blown.message.startswith("step size underflow at t = 1")
    assert abs(blown.t[-1] - 1) < 1e-5 and np.isfinite(blown.y).all()
    undefined = solve_ivp(lambda t, y: (np.sqrt(1 - t),), (0, 2), [0.0], rtol=1e-8)
    assert undefined.status == -3 and "NaN" in undefined.message
    np.testing.assert_allclose(undefined.y[0, -1], 2 / 3, rtol=1e-6)
    assert solve_ivp(lambda t, y: y * np.nan, (0, 1), [1.0]).status == -3


def test_a_stiff_problem_is_noticed():
    explicit = solve_ivp(van_der_pol, (0, 2), [2.0, 0.0], args=(1e-3,), method="tsit5")
    auto = solve_ivp(van_der_pol, (0, 2), [2.0, 0.0], args=(1e-3,))
    assert auto.nlu > 0 and auto.n_accepted < explicit.n_accepted / 3
    np.testing.assert_allclose(auto.y[:, -1], explicit.y[:, -1], rtol=1e-3)


def test_jacobian_saves_evaluations():
    def jac(t, y):
        return [[1.5 - y[1], -y[0]], [y[1], y[0] - 3]]

    with_jac = solve_ivp(lotka_volterra, (0, 5), [1, 1], method="rodas5p", jac=jac)
    without = solve_ivp(lotka_volterra, (0, 5), [1, 1], method="rodas5p")
    assert with_jac.nfev < without.nfev and with_jac.njev == without.njev
    np.testing.assert_allclose(with_jac.y[:, -1], without.y[:, -1], rtol=1e-6)


def test_callback_and_bounds_on_the_steps():
    steps = []
    result = solve_ivp(
        lotka_volterra, (0, 1), [1, 1], callback=steps.append, max_step=0.1, first_step=0.01
    )
    assert [step.index for step in steps] == list(range(result.n_accepted))
    assert steps[-1].t == 1.0 and max(step.step_size for step in steps) <= 0.1
    assert steps[0].step_size == 0.01
    with pytest.raises(ZeroDivisionError):
        solve_ivp(lotka_volterra, (0, 1), [1, 1], callback=lambda step: 1 / 0)


def test_sizes_zero_and_none():
    empty = solve_ivp(lambda t, y: y, (0, 1), np.empty(0))
    assert empty.success and empty.y.shape[0] == 0
    still = solve_ivp(lotka_volterra, (1, 1), [1, 1])
    assert still.success and still.y.shape == (2, 1)
    nowhere = solve_ivp(lotka_volterra, (0, 1), [1, 1], t_eval=[])
    assert nowhere.y.shape == (2, 0)


def test_zero_stays_zero_without_an_absolute_tolerance():
    result = solve_ivp(lambda t, y: -y, (0, 1), [0.0, 1.0], atol=0.0)
    assert result.success and result.y[0, -1] == 0.0
    np.testing.assert_allclose(result.y[1, -1], np.exp(-1), rtol=1e-5)


def test_float32_stays():
    result = solve_ivp(lotka_volterra, (0, 1), np.ones(2, np.float32), rtol=1e-4, atol=1e-5)
    assert result.y.dtype == np.float32 and result.success


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "euler"}, "`method` must be one of"),
        ({"y0": [[1.0, 1.0]]}, "`y0` must have shape"),
        ({"y0": [1.0, np.nan]}, "`y0` must be finite"),
        ({"t_span": (0, 1, 2)}, "`t_span` must be a pair"),
        ({"t_eval": [0.5, 0.2]}, "`t_eval` must lie within"),
        ({"t_eval": [0.5, 2]}, "`t_eval` must lie within"),
        ({"rtol": 0.0}, "`rtol` must be"),
        ({"atol": [1e-6]}, "`atol` must have shape"),
        ({"max_steps": 0}, "`max_steps` must be >= 1"),
        ({"first_step": -1.0}, "`first_step` must be"),
        ({"fun": lambda t, y: (1.0, 2.0, 3.0)}, "`fun` must return"),
        ({"fun": lambda t, y: 1j * y}, "`y0` must be complex"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"fun": lotka_volterra, "t_span": (0, 1), "y0": [1.0, 1.0], **change}
    with pytest.raises(ValueError, match=message):
        solve_ivp(**arguments)


def test_wrong_kinds():
    with pytest.raises(TypeError, match="`fun` must be callable"):
        solve_ivp(3, (0, 1), [1.0])
    with pytest.raises(TypeError, match="`events` must be callable"):
        solve_ivp(lotka_volterra, (0, 1), [1.0, 1.0], events=[1])
