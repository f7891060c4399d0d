"""Fewer than n − 1 solutions: reduced systems, half of a Hamiltonian system, reduce_order."""

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import solve_ivp

from mathcore import expm
from solvers import companion, general_solution, reduce_order
from solvers.linear import decoupling

EULER_3 = companion([lambda t: -6 / t**3, lambda t: 6 / t**2, lambda t: -3 / t])
POWERS = [
    lambda t: np.array([t, 1 + 0 * t, 0 * t]),
    lambda t: np.array([t**2, 2 * t, 2 + 0 * t]),
    lambda t: np.array([t**3, 3 * t**2, 6 * t]),
]


def system(n, seed, dtype):
    """Φ = (2 I + sin ω₁t M₁ + cos ω₂t M₂) diag(e^{rt}) and A = Φ' Φ⁻¹."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        values = rng.uniform(-1, 1, shape)
        return values + 1j * rng.uniform(-1, 1, shape) if dtype == "complex128" else values

    m, rates, (v, w) = draw(2, n, n) / (2 * np.sqrt(n)), draw(n), rng.uniform(0.5, 3, 2)

    def factor(t):
        return 2 * np.eye(n) + np.sin(v * t) * m[0] + np.cos(w * t) * m[1]

    def fundamental(t):
        t = np.asarray(t)[..., None, None]
        return factor(t) * np.exp(rates * t)

    def coefficient(t):
        s = np.asarray(t)[..., None, None]
        turning = v * np.cos(v * s) * m[0] - w * np.sin(w * s) * m[1]
        slope = turning * np.exp(rates * s) + fundamental(t) * rates
        return slope @ np.linalg.inv(fundamental(t))

    return fundamental, coefficient


def columns(fundamental, indices):
    return [lambda t, j=j: fundamental(t)[..., j] for j in indices]


def error(truth, phi):
    """‖Φ − Φ_true C‖ of each column relative to its size, C from the middle time."""
    c = np.linalg.solve(truth, phi)[len(truth) // 2]
    return (np.linalg.norm(phi - truth @ c, axis=-2) / np.linalg.norm(phi, axis=-2)).max()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("n", "k"), [(2, 1), (4, 1), (4, 2), (4, 3), (6, 2), (8, 1), (8, 5)])
def test_any_number_of_columns(n, k, dtype):
    fundamental, a = system(n, 10 * n + k, dtype)
    solution = general_solution(a, columns(fundamental, range(k)), (0.0, 2.0), rtol=1e-11)
    t = np.linspace(0.0, 2.0, 41)
    truth, phi = fundamental(t), solution.fundamental(t)
    assert error(truth, phi) < 1e-11 * np.linalg.cond(truth).max()
    assert solution.residual < 1e-9
    logs = solution.log_wronskian(t)
    determinants = np.linalg.det(phi) if dtype == "complex128" else abs(np.linalg.det(phi))
    np.testing.assert_allclose(np.exp(logs), determinants, rtol=1e-10)
    p = solution.adjoint(t)[..., None, :] @ phi
    np.testing.assert_allclose(p[:, 0, :], np.tile(np.eye(n)[-1], (41, 1)), atol=1e-10)


def test_euler_equation_from_one_solution():
    solution = general_solution(EULER_3, POWERS[:1], (1.0, 5.0), rtol=1e-15)
    t = np.linspace(1.0, 5.0, 101)
    truth = np.stack([np.stack([x(s) for x in POWERS], axis=-1) for s in t])
    assert error(truth, solution.fundamental(t)) < 2e-12


@pytest.mark.parametrize("base", [1.0, 2.5, 5.0])
def test_new_columns_are_orthonormal_at_the_base(base):
    solution = general_solution(EULER_3, POWERS[:1], (1.0, 5.0), base=base)
    phi = solution.fundamental(base)
    first = phi[:, :1] / np.linalg.norm(phi[:, 0])
    q = np.concatenate([first, phi[:, 1:]], axis=1)
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-11)
    assert np.linalg.det(q) > 0


def test_the_chart_turns_with_the_columns():
    """A rotation by 20 radians: no constant complement lasts."""
    a = np.zeros((4, 4))
    a[0, 1], a[1, 0], a[2, 3], a[3, 2], a[0, 2] = -10.0, 10.0, 0.5, -0.5, 1.0
    exact = lambda t: expm(np.asarray(t)[..., None, None] * a)  # noqa: E731
    solution = general_solution(a, columns(exact, [0]), (0.0, 2.0))
    t = np.linspace(0.0, 2.0, 41)
    assert error(exact(t), solution.fundamental(t)) < 1e-11


class TestDichotomy:
    """Turning solutions e^{r t} over ten units of time: the sizes spread by up to e^{160}."""

    @staticmethod
    def system(rates):
        turn = np.random.default_rng(0).standard_normal((4, 4))
        turn, rates = (turn - turn.T) / 2, np.asarray(rates)

        def rotation(t):
            return expm(np.asarray(t)[..., None, None] * turn)

        def a(t):
            q = rotation(t)
            return turn + (q * rates) @ np.swapaxes(q, -1, -2)

        return lambda t: rotation(t) * np.exp(rates * np.asarray(t)[..., None, None]), a

    @pytest.mark.parametrize("k", [1, 2])
    @pytest.mark.parametrize("rates", [(6.0, 2, -2, -6), (-3.0, -1, 1, 3), (1.0, -8, 8, -1)])
    def test_columns_stay_independent(self, rates, k):
        exact, a = self.system(rates)
        solution = general_solution(a, columns(exact, range(k)), (0.0, 10.0), rtol=1e-11)
        assert solution.condition < 10 and solution.residual < 1e-9
        t = np.linspace(0.0, 10.0, 101)
        truth, phi = exact(t), solution.fundamental(t)
        for column in np.moveaxis(phi[..., k:], -1, 0):
            size = np.linalg.norm(column, axis=-1, keepdims=True)
            rows = np.reshape(truth / size[..., None], (-1, 4))
            scale = np.linalg.norm(rows, axis=0)
            c = np.linalg.lstsq(rows / scale, np.reshape(column / size, -1), rcond=None)[0] / scale
            assert np.linalg.norm((truth @ c - column) / size, axis=-1).max() < 1e-10
        volume = np.log(np.abs(np.linalg.det(phi))) - sum(rates) * t
        np.testing.assert_allclose(volume, volume[0], atol=1e-9)

    def test_a_forcing_leaves_a_bounded_solution(self):
        exact, a = self.system((6.0, 2, -2, -6))
        solution = general_solution(
            a, columns(exact, [0]), (0.0, 10.0), b=lambda t: np.cos(t) * np.ones(4)
        )
        assert np.abs(solution.particular(np.linspace(0.0, 10.0, 101))).max() < 10

    def test_a_stiff_column_keeps_its_digits(self):
        a, known = np.diag([-60.0, -1, 1]), [lambda t: np.array([0 * t, np.exp(-t), 0 * t])]
        solution = general_solution(a, known, (0.0, 3.0))
        t = np.linspace(0.0, 3.0, 31)
        decaying = np.abs(solution.fundamental(t)[:, 0, 1:]).max(axis=-1) * np.exp(60 * t)
        np.testing.assert_allclose(decaying, decaying[0], rtol=1e-10)

    def test_sizes_beyond_the_dtype(self):
        known = [lambda t: np.array([0 * t, np.exp(-t), 0 * t])]
        with pytest.raises(ValueError, match=r"`t_span` must be short enough .* sizes from 0.0e"):
            general_solution(np.diag([-500.0, -1, 1]), known, (0.0, 2.0))


def test_separated_columns():
    """Steps diag(2, 1/2) in an order that a start from the unit vectors would keep."""
    steps = np.tile(np.diag([0.25, 4.0]), (30, 1, 1))
    w = np.stack(decoupling.separated(steps, np.eye(2)))
    np.testing.assert_allclose(
        np.abs(w[:, :, 0]), 4.0 ** np.arange(31)[:, None] * [0, 1], atol=1e-9
    )
    np.testing.assert_allclose(np.abs(w[:, :, 1]) * 4.0 ** np.arange(31)[:, None], [[1, 0]] * 31)


@pytest.mark.parametrize("verify", [True, False])
def test_pole_inside(verify):
    with pytest.raises(ValueError, match="t = "):
        general_solution(EULER_3, POWERS[:1], (-1.0, 1.5), verify=verify)


class TestHamiltonian:
    symmetric = np.array([[2.0, 0.3, 0.1, 0], [0.3, 1, 0, 0.2], [0.1, 0, 1, 0.4], [0, 0.2, 0.4, 2]])
    j = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])

    def known(self, first):
        a = self.j @ self.symmetric
        return a, [lambda t, x=x: expm(np.asarray(t)[..., None, None] * a) @ x for x in first.T]

    def test_half_is_enough(self):
        a, known = self.known(np.array([[1.0, 0], [0, 1], [0.3, 0.2], [0.2, -0.5]]))
        solution = general_solution(a, known, (0.0, 3.0), structure="hamiltonian")
        t = np.linspace(0.0, 3.0, 31)
        phi = solution.fundamental(t)
        truth = scipy.linalg.expm(t[:, None, None] * a)
        assert error(truth, phi) < 1e-12
        # Φᵀ J Φ is constant, and X's part of it is Xᵀ J Y = −I.
        product = np.swapaxes(phi, -1, -2) @ self.j @ phi
        np.testing.assert_allclose(product, np.broadcast_to(product[0], product.shape), atol=1e-11)
        np.testing.assert_allclose(product[0, :2, 2:], -np.eye(2), atol=1e-12)
        assert solution.residual < 1e-11

    def test_wrong_half(self):
        a, known = self.known(np.eye(4)[:, [0, 2]])
        with pytest.raises(ValueError, match=r"X\^T J X = 0 .* defect of .* at t = "):
            general_solution(a, known, (0.0, 3.0), structure="hamiltonian")
        a, known = self.known(np.eye(4)[:, :1])
        with pytest.raises(ValueError, match="n/2 of them"):
            general_solution(a, known, (0.0, 3.0), structure="hamiltonian")

    def test_other_matrix(self):
        a = np.diag([1.0, 2.0, 3.0, 4.0])
        known = [lambda t, j=j: np.eye(4)[j] * np.exp((j + 1) * t) for j in (0, 1)]
        with pytest.raises(ValueError, match="`a` must be Hamiltonian"):
            general_solution(a, known, (0.0, 1.0), structure="hamiltonian")


class TestReduceOrder:
    @pytest.mark.parametrize("dtype", ["float64", "complex128"])
    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_lift_of_a_reduced_solution(self, k, dtype):
        fundamental, a = system(4, k, dtype)
        reduced = reduce_order(a, columns(fundamental, range(k)), (0.0, 2.0), rtol=1e-7)
        t = np.linspace(0.0, 2.0, 21)
        v, x = reduced.frame(t), fundamental(t)
        adjoint = np.conj(np.swapaxes(v, -1, -2))
        identity = np.broadcast_to(np.eye(4 - k), (21, 4 - k, 4 - k))
        np.testing.assert_allclose(adjoint @ v, identity, atol=1e-7)  # what rtol asks for
        np.testing.assert_allclose(adjoint @ x[..., :k], 0.0, atol=1e-12)
        assert reduced.coefficient(0.5).shape == (4 - k, 4 - k)
        s = solve_ivp(
            lambda t, s: reduced.coefficient(t) @ s,
            (0.0, 2.0),
            np.conj(reduced.frame(0.0).T) @ x[0, :, 3],
            method="DOP853",
            rtol=1e-10,
            atol=1e-11,
            dense_output=True,
        ).sol
        lifted = reduced.lift(s)(t)
        c = np.linalg.solve(x, lifted[..., None])[..., 0]
        np.testing.assert_allclose(c, np.broadcast_to(c[0], c.shape), atol=1e-6)
        assert c[0, 3] == pytest.approx(1.0, rel=1e-6)

    def test_frame_does_not_turn_in_itself(self):
        fundamental, a = system(4, 9, "float64")
        reduced = reduce_order(a, columns(fundamental, [0]), (0.0, 2.0))
        h = 1e-4
        slope = (reduced.frame(1.0 + h) - reduced.frame(1.0 - h)) / (2 * h)
        np.testing.assert_allclose(reduced.frame(1.0).T @ slope, 0.0, atol=1e-6)

    def test_nothing_is_left(self):
        with pytest.raises(ValueError, match="fewer than n = 3; got 3"):
            reduce_order(EULER_3, POWERS, (1.0, 2.0))
        reduced = reduce_order(EULER_3, POWERS[:1], (1.0, 2.0))
        with pytest.raises(ValueError, match=r"`s` must return shape \(2,\)"):
            reduced.lift(lambda t: t)
