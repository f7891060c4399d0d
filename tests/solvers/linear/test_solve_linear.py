"""solve_linear against closed forms: every method, kind of matrix and forcing."""

import importlib

import numpy as np
import pytest
import scipy.sparse
from scipy import special

from mathcore import _arrays, expm
from solvers import solve_linear
from solvers.linear.propagation import METHODS

RNG = np.random.default_rng(3)
A = RNG.standard_normal((5, 5)) - 1.5 * np.eye(5)
X0 = RNG.standard_normal(5)
TIMES = np.asarray([2.0, 0.0, 0.3, 3.0])
OF_TIME = ("magnus4", "magnus6", "cf4", "rk")


def airy(t):
    return np.array([[0.0, 1.0], [t, 0.0]])


def exact_airy(t):
    return np.asarray(special.airy(t)[:2])


# --- A(t) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [(0.0, -5.0), (-5.0, 0.0)])
@pytest.mark.parametrize("method", OF_TIME)
def test_airy(method, span):
    found = solve_linear(airy, span, exact_airy(span[0]), method=method, rtol=1e-9, atol=1e-11)
    assert found.success and found.status == 0
    assert found.t[0] == span[0] and found.t[-1] == span[1]
    assert found.y.shape == (2, found.t.size) == (2, found.n_accepted + 1)
    np.testing.assert_allclose(found.y, exact_airy(found.t), atol=2e-8)
    t = np.linspace(*span, 7)
    np.testing.assert_allclose(found.sol(t), exact_airy(t), atol=2e-8)
    assert found.sol(t[2]).shape == (2,)


@pytest.mark.parametrize("method", OF_TIME)
def test_sol_is_as_accurate_between_the_steps_as_at_them(method):
    """A cubic through the steps would be wrong by h⁴."""
    found = solve_linear(airy, (0.0, -5.0), exact_airy(0.0), method=method, rtol=1e-11, atol=1e-13)
    middle = (found.t[1:] + found.t[:-1])[::5] / 2
    between = np.abs(found.sol(middle) - exact_airy(middle)).max()
    at_steps = np.abs(found.y - exact_airy(found.t)).max()
    assert between <= 3 * at_steps + 1e-14


def test_methods_for_times():
    found = solve_linear(airy, (0.0, -5.0), exact_airy(0.0), t_eval=[-3.0, -1.0, 0.0], rtol=1e-10)
    np.testing.assert_allclose(found.y, exact_airy([-3.0, -1.0, 0.0]), atol=1e-9)
    np.testing.assert_array_equal(found.t, [-3.0, -1.0, 0.0])
    np.testing.assert_array_equal(found.sol(found.t), found.y)


def test_batch_of_systems_shares_its_steps():
    rates = np.asarray([[0.5], [2.0]])

    def a(t):
        return rates[..., None] * np.cos(t)  # (2, 1, 1)

    x0 = np.asarray([1.0, 3.0, -1.0])[:, None, None]
    found = solve_linear(a, (0.0, 4.0), x0, t_eval=[1.0, 4.0], rtol=1e-10)
    assert found.y.shape == (3, 2, 1, 2)
    exact = x0[..., None] * np.exp(rates[..., None] * np.sin([1.0, 4.0]))
    np.testing.assert_allclose(found.y, exact, rtol=1e-9)


def test_forcing_of_a_time_dependent_system():
    """x' = x cos t + 1 − t cos t has the solution t + e^{sin t}."""
    for method in OF_TIME:
        found = solve_linear(
            lambda t: [[np.cos(t)]],
            (0.0, 6.0),
            [1.0],
            b=lambda t: [1 - t * np.cos(t)],
            t_eval=[2.0, 5.0],
            method=method,
            rtol=1e-9,
        )
        exact = np.asarray([2.0, 5.0]) + np.exp(np.sin([2.0, 5.0]))
        np.testing.assert_allclose(found.y[0], exact, rtol=1e-7, err_msg=method)


def test_samples_on_a_grid_with_forcing():
    grid = np.linspace(0.0, 2.0, 41)
    samples = np.cos(grid)[:, None, None]
    forcing = (1 - grid * np.cos(grid))[:, None]
    found = solve_linear((grid, samples), (0.0, 2.0), [1.0], b=(grid, forcing), t_eval=[1.7])
    np.testing.assert_allclose(found.y[0], 1.7 + np.exp(np.sin(1.7)), rtol=1e-6)


def test_partial_result_before_a_pole():
    found = solve_linear(lambda t: [[-1 / (1 - t)]], (0.0, 2.0), [1.0], rtol=1e-6)
    assert not found.success
    assert found.status == -1
    assert "t = 0.99" in found.message or "t = 1" in found.message
    assert 0.99 < found.t[-1] <= 1.0
    np.testing.assert_allclose(found.y[0], 1 - found.t, rtol=1e-4, atol=1e-9)
    assert found.sol(0.5)[0] == pytest.approx(0.5, rel=1e-5)


# --- constant A -----------------------------------------------------------------------------------


def exact_forced(a, b, x0, t):
    """By an augmented exponential, b(t) = b0 + b1 sin 3t: a system of order n + 3."""
    n = len(x0)
    whole = np.zeros((n + 3, n + 3))
    whole[:n, :n], whole[:n, n], whole[:n, n + 1] = a, b[0], b[1]
    whole[n + 1, n + 2], whole[n + 2, n + 1] = 3.0, -3.0
    start = np.concatenate([x0, [1.0, 0.0, 1.0]])
    return np.stack([expm(s * whole)[:n] @ start for s in t], axis=-1)


FORCINGS = {
    "none": (None, (0.0, 0.0)),
    "constant": (np.arange(5.0), (np.arange(5.0), 0.0)),
    "of time": (
        lambda t: 1.0 + np.arange(5.0) * np.sin(3 * np.asarray(t))[..., None],
        (np.ones(5), np.arange(5.0)),
    ),
}


@pytest.mark.parametrize("forcing", FORCINGS)
@pytest.mark.parametrize("method", METHODS)
def test_constant_matrix(method, forcing):
    b, parts = FORCINGS[forcing]
    rtol = 1e-8 if method in ("magnus4", "cf4") else 1e-10
    found = solve_linear(A, (0.0, 3.0), X0, b=b, t_eval=TIMES, method=method, rtol=rtol)
    np.testing.assert_allclose(found.y, exact_forced(A, parts, X0, TIMES), atol=50 * rtol)
    assert found.sol(0.3) == pytest.approx(found.y[:, 2], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("forcing", FORCINGS)
@pytest.mark.parametrize("kind", ["sparse", "operator", "sparse by rk"])
def test_scipy_objects(kind, forcing):
    b, parts = FORCINGS[forcing]
    a = scipy.sparse.csr_array(A)
    if kind == "operator":
        a = scipy.sparse.linalg.aslinearoperator(a)
    method = "rk" if kind == "sparse by rk" else "auto"
    found = solve_linear(a, (0.0, 3.0), X0, b=b, t_eval=TIMES, method=method, rtol=1e-10)
    np.testing.assert_allclose(found.y, exact_forced(A, parts, X0, TIMES), atol=1e-8)


@pytest.mark.parametrize("method", ["krylov", "expm"])
@pytest.mark.parametrize("complex_start", [False, True])
def test_large_matrix(method, complex_start):
    n = 150
    a = RNG.standard_normal((n, n)) / np.sqrt(n) - 0.5 * np.eye(n)
    x0 = RNG.standard_normal(n) + (1j * RNG.standard_normal(n) if complex_start else 0.0)
    t = np.linspace(0.0, -8.0, 12)
    found = solve_linear(a, (0.0, -8.0), x0, t_eval=t, method=method, rtol=1e-13)
    exact = np.stack([expm(s * a) @ x0 for s in t], axis=-1)
    error = np.linalg.norm(found.y - exact, axis=0) / np.linalg.norm(exact, axis=0)
    assert error.max() < 1e-12


def test_many_krylov_spaces():
    """Heat on a line, ‖A‖ t = 16000: the spaces are renewed. Exact by the sine transform."""
    n, t = 200, np.asarray([0.0, 10.0, 3990.0, 4000.0])
    a = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsr()
    k = np.arange(1, n + 1)
    sines = np.sqrt(2 / (n + 1)) * np.sin(np.pi * np.outer(k, k) / (n + 1))
    rates = -4 * np.sin(np.pi * k / (2 * (n + 1))) ** 2
    x0 = RNG.standard_normal(n)
    found = solve_linear(a, (0.0, 4000.0), x0, t_eval=t, rtol=1e-10)
    exact = sines @ (np.exp(rates[:, None] * t) * (sines @ x0)[:, None])
    np.testing.assert_allclose(found.y, exact, atol=1e-10)
    assert found.n_accepted > 1


def test_zero_start():
    for method in ("expm", "krylov"):
        found = solve_linear(A, (0.0, 3.0), 0 * X0, t_eval=TIMES, method=method)
        np.testing.assert_array_equal(found.y, 0.0)
        forced = solve_linear(A, (0.0, 3.0), 0 * X0, b=1e-20 * np.ones(5), method=method)
        exact = exact_forced(A, (1e-20, 0.0), 0 * X0, [3.0])[:, 0]
        np.testing.assert_allclose(forced.y[:, -1], exact, rtol=1e-9)


@pytest.mark.parametrize(
    ("a", "n", "method"),
    [
        (np.eye(64), 64, "expm"),
        (np.eye(65), 65, "krylov"),
        (np.stack([np.eye(70)] * 2), 70, "expm"),
        (scipy.sparse.eye_array(3).tocsr(), 3, "krylov"),
        (lambda t: np.cos(t) * np.eye(4), 4, "magnus6"),
        (lambda t: np.cos(t) * np.eye(40), 40, "rk"),
        (lambda t: 2000 * np.kron(np.eye(20), [[0.0, 1.0], [-1.0, 0.0]]), 40, "magnus6"),
    ],
)
def test_automatic_choice(a, n, method):
    given = (a, (0.0, 1.0), np.ones(n))
    chosen, named = (solve_linear(*given, method=word, rtol=1e-6) for word in ("auto", method))
    np.testing.assert_array_equal(chosen.y, named.y)
    assert chosen.message == named.message


# --- libraries ------------------------------------------------------------------------------------


def test_same_answer_from_every_library(xp):
    one = _arrays.is_jax_namespace(xp)  # which compiles everything once more for another
    for dtype in (xp.float64,) if one else (xp.float32, xp.float64):
        a, x0 = (xp.asarray(x.tolist(), dtype=dtype) for x in (A, X0))
        found = solve_linear(a, (0.0, 3.0), x0, t_eval=TIMES)
        assert found.y.dtype == found.t.dtype == dtype
        assert _arrays.result_namespace(found.y) is xp
        exact = exact_forced(A, (0.0, 0.0), X0, TIMES)
        np.testing.assert_allclose(_arrays.to_numpy(found.y), exact, atol=200 * xp.finfo(dtype).eps)
        assert found.sol(1.0).dtype == dtype


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_half_precision_is_computed_in_single(library):
    xp = pytest.importorskip(library)
    a = xp.asarray([[0.0, 1.0], [-1.0, 0.0]], dtype=xp.float16)
    found = solve_linear(a, (0.0, 1.0), xp.asarray([1.0, 0.0], dtype=xp.float16), t_eval=[1.0])
    assert found.y.dtype == xp.float16
    np.testing.assert_allclose(np.asarray(found.y)[:, 0], [np.cos(1), -np.sin(1)], atol=1e-3)


def test_gradients():
    torch = pytest.importorskip("torch")
    a, x0, b = (torch.tensor(x[..., :3]) for x in (A[:3], X0, np.ones(5)))
    for x in (a, x0, b):
        x.requires_grad_()

    def solve(a, x0, b):
        return solve_linear(a, (0.0, 1.0), x0, b=b, t_eval=[0.4, 1.0]).y

    assert torch.autograd.gradcheck(solve, (a, x0, b))
    grid = np.linspace(0.0, 1.0, 4)
    samples = torch.tensor(RNG.standard_normal((4, 2, 2)), requires_grad=True)

    def on_grid(samples):
        return solve_linear((grid, samples), (0.0, 1.0), x0[:2].detach(), t_eval=[0.4]).y

    assert torch.autograd.gradcheck(on_grid, (samples,))


def test_under_jit():
    jax = pytest.importorskip("jax")
    jnp = importlib.import_module("jax.numpy")
    a, x0 = jnp.asarray(A[:2, :2], jnp.float32), jnp.asarray(X0[:2], jnp.float32)

    def last(a):
        return jnp.sum(solve_linear(a, (0.0, 1.0), x0, t_eval=[1.0]).y)

    value, slope = jax.jit(jax.value_and_grad(last))(a)
    exact = np.sum(expm(A[:2, :2]) @ X0[:2])
    assert float(value) == pytest.approx(exact, rel=1e-5)
    step = 1e-4
    nearby = [np.sum(expm(A[:2, :2] + s * np.eye(2)) @ X0[:2]) for s in (-step, step)]
    trace = float(slope[0, 0] + slope[1, 1])
    assert trace == pytest.approx((nearby[1] - nearby[0]) / (2 * step), rel=1e-3)


# --- edges and wrong input ------------------------------------------------------------------------


def test_empty_systems_and_batches():
    assert solve_linear(np.zeros((0, 0)), (0.0, 1.0), np.zeros(0)).y.shape == (0, 2)
    assert solve_linear(np.zeros((0, 2, 2)), (0.0, 1.0), np.zeros((0, 2))).y.shape == (0, 2, 2)
    assert solve_linear(A, (0.0, 1.0), X0, t_eval=[]).y.shape == (5, 0)
    frozen = A.T.copy().T
    frozen.flags.writeable = False
    np.testing.assert_array_equal(
        solve_linear(frozen, (0.0, 1.0), X0).y, solve_linear(A, (0.0, 1.0), X0).y
    )


def test_nan_stays_in_its_member():
    batch = np.stack([A, np.full((5, 5), np.nan), A])
    found = solve_linear(batch, (0.0, 1.0), X0)
    assert np.isnan(found.y[1, :, -1]).all()
    np.testing.assert_allclose(found.y[0, :, -1], expm(A) @ X0, rtol=1e-12)
    np.testing.assert_array_equal(found.y[0], found.y[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": A[:3]}, "`a` must be square"),
        ({"x0": X0[:3]}, "`x0` and `b` must have shape"),
        ({"x0": 1.0}, "`x0` must have shape"),
        ({"b": np.ones(4)}, "`x0` and `b` must have shape"),
        ({"a": np.stack([A] * 2), "x0": np.stack([X0] * 3)}, "batch axes"),
        ({"t_span": (0.0, np.inf)}, "`t_span` must be finite"),
        ({"t_eval": [4.0]}, "`t_eval` must lie within"),
        ({"t_eval": 1.0}, "`t_eval` must be a sequence"),
        ({"method": "euler"}, "`method` must be one of"),
        ({"a": lambda t: A, "method": "expm"}, "`method` must not be"),
        ({"a": np.stack([A] * 2), "method": "krylov"}, "`method` must not be"),
        ({"a": scipy.sparse.csr_array(A), "method": "magnus6"}, "`method` must be"),
        ({"a": scipy.sparse.csr_array(A), "x0": X0[:4]}, "`x0` must have shape"),
        ({"rtol": 0.0}, "`rtol`"),
    ],
)
def test_wrong_input(arguments, message):
    given = {"a": A, "t_span": (0.0, 1.0), "x0": X0} | arguments
    a, t_span, x0 = (given.pop(name) for name in ("a", "t_span", "x0"))
    with pytest.raises(ValueError, match=message):
        solve_linear(a, t_span, x0, **given)


def test_mixed_libraries():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="same library"):
        solve_linear(torch.eye(5), (0.0, 1.0), X0)
    with pytest.raises(TypeError, match="NumPy"):
        solve_linear(scipy.sparse.csr_array(A), (0.0, 1.0), torch.ones(5))


# --- units, dtypes and what is not finite ---------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e9, 1e200])
@pytest.mark.parametrize("method", ["krylov", "expm"])
def test_the_unit_of_time_does_not_matter(unit, method):
    a, b = 0.1 * RNG.standard_normal((70, 70)), RNG.standard_normal(70)

    def solve(unit, b):
        span, x0 = (0.0, unit), np.ones(70)
        return solve_linear(a / unit, span, x0, b=b, method=method, rtol=1e-12).sol(unit)

    np.testing.assert_allclose(solve(unit, None), solve(1.0, None), rtol=1e-10)
    forced = solve(unit, lambda t: b * np.cos(3 * t / unit) / unit)
    np.testing.assert_allclose(forced, solve(1.0, lambda t: b * np.cos(3 * t)), atol=1e-10)


@pytest.mark.parametrize("size", [1e-12, 1e6, 1e100])
@pytest.mark.parametrize("method", ["krylov", "expm", "magnus6"])
def test_forcing_of_another_size_than_the_state(size, method):
    matrix = A if method != "magnus6" else lambda t: A
    found = solve_linear(matrix, (0.0, 2.0), X0, b=size * np.ones(5), method=method, rtol=1e-12)
    moved = np.linalg.solve(A, size * np.ones(5))
    exact = expm(2 * A) @ (X0 + moved) - moved
    assert np.abs(found.y[:, -1] - exact).max() < 1e-11 * np.abs(exact).max()


def test_steps_follow_the_size_of_the_solution():
    """A forcing that is large beside x0 asks for no more than the digits of the solution."""
    a = -np.diag(np.linspace(1.0, 5.0, 5))
    found = solve_linear(a, (0.0, 10.0), np.ones(5), b=lambda t: 1e9 * np.cos(t) * np.ones(5))
    assert found.success and found.n_accepted < 500


@pytest.mark.parametrize("method", ["krylov", "expm"])
def test_float32_stays(method):
    a, x0 = (0.1 * RNG.standard_normal((80, 80))).astype(np.float32), np.ones(80, np.float32)
    found = solve_linear(a, (0.0, 1.0), x0, method=method, t_eval=[0.3, 1.0])
    assert found.y.dtype == found.t.dtype == np.float32
    exact = expm(a.astype(np.float64)) @ np.ones(80)
    np.testing.assert_allclose(found.y[:, -1], exact, atol=2e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [3, 80])
def test_what_is_not_finite_is_no_success(n):
    for a in (np.full((n, n), np.nan), 1e3 * np.eye(n)[::-1]):
        found = solve_linear(a, (0.0, 1.0), np.ones(n))
        assert found.status == -1 and not found.success and found.message.startswith("not finite")


def test_noise_has_no_short_enough_step():
    noise = np.random.default_rng(0)
    found = solve_linear(lambda t: noise.standard_normal((1, 1)), (0.0, 1.0), [1.0], method="cf4")
    assert not found.success and found.t[-1] == 0.0


def test_a_table_of_times_is_refused():
    with pytest.raises(ValueError, match="`t` must be a sequence of real times"):
        solve_linear(A, (0.0, 1.0), X0).sol([[0.5]])
    with pytest.raises(TypeError, match="`a` must be an array, a function of time"):
        solve_linear(None, (0.0, 1.0), X0)
