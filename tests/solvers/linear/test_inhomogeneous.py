"""Particular solutions: from b, and from solutions of the inhomogeneous system."""

import numpy as np
import pytest

from solvers import companion, general_solution

SPAN = (0.0, 3.0)
T = np.linspace(*SPAN, 31)
RATES = np.array([0.7, -0.4, 0.2])
TURN = np.array([[0.2, -0.5, 0.1], [0.4, 0.1, 0.3], [-0.3, 0.2, 0.5]])


def fundamental(t):
    s = np.asarray(t)[..., None, None]
    return (2 * np.eye(3) + np.sin(s) * TURN) * np.exp(RATES * s)


def a(t):
    s = np.asarray(t)[..., None, None]
    slope = np.cos(s) * TURN * np.exp(RATES * s) + fundamental(t) * RATES
    return slope @ np.linalg.inv(fundamental(t))


def z(t):
    return np.stack([np.sin(t), np.cos(3 * t), t * t], axis=-1)


def b(t):
    slope = np.stack([np.cos(t), -3 * np.sin(3 * t), 2 * t], axis=-1)
    return slope - (a(t) @ z(t)[..., None])[..., 0]


def columns(k):
    return [lambda t, j=j: fundamental(t)[..., j] for j in range(k)]


def particulars(count):
    weights = np.random.default_rng(0).uniform(-1, 1, (count, 3))
    return [lambda t, w=w: z(t) + fundamental(t) @ w for w in weights]


def error_of(solution):
    return np.abs(solution.fit(1.0, z(np.array(1.0)))(T) - z(T)).max()


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("base", ["auto", 1.5])
def test_forced_system(k, base):
    solution = general_solution(a, columns(k), SPAN, b=b, base=base)
    assert error_of(solution) < 1e-11
    assert solution.residual < 1e-10
    x = solution.particular(T)
    c = np.linalg.solve(fundamental(T), (x - z(T))[..., None])
    np.testing.assert_allclose(c, np.broadcast_to(c[:1], c.shape), atol=1e-11)


def test_constant_forcing_of_an_unstable_system():
    """x' = x + 1: based at the right end, the particular solution is −1 and does not grow."""
    solution = general_solution(
        [[1.0, 0], [0, -1.0]], [lambda t: np.array([0, np.exp(-t)])], (0.0, 20.0), b=[1.0, 0.0]
    )
    t = np.linspace(0.0, 20.0, 41)
    assert np.abs(solution.particular(t)).max() < 2
    np.testing.assert_allclose(solution.fit(0.0, [-1.0, 0.0])(t)[:, 0], -1.0, rtol=1e-6)


def test_without_forcing_the_particular_solution_is_zero():
    np.testing.assert_array_equal(general_solution(a, columns(2), SPAN).particular(T), 0.0)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("forcing", [None, b])
def test_particular_solutions(count, forcing):
    given = particulars(count)
    solution = general_solution(a, given, SPAN, kind="particular", b=forcing)
    assert error_of(solution) < 1e-11
    np.testing.assert_array_equal(solution.particular(T), np.stack([given[0](t) for t in T]))
    first = solution.fundamental(T)[..., 0]
    expected = np.stack([given[1](t) - given[0](t) for t in T])
    np.testing.assert_allclose(first, expected, atol=1e-14)


def test_enough_of_them_need_no_coefficient():
    """x'' + x = t; the constants of the solution through (2, 3)."""
    given = [
        lambda t: np.array([t, 1 + 0 * t]),
        lambda t: np.array([t + np.cos(t), 1 - np.sin(t)]),
        lambda t: np.array([t + np.sin(t), 1 + np.cos(t)]),
    ]
    solution = general_solution(None, given, (0.0, 6.0), kind="particular")
    constants = np.linalg.solve(solution.fundamental(0.0), [2.0, 3.0] - solution.particular(0.0))
    np.testing.assert_array_equal(constants, [2.0, 2.0])
    x = solution.fit(0.0, [2.0, 3.0])
    assert x(2.0)[0] == pytest.approx(2 + 2 * np.cos(2) + 2 * np.sin(2), rel=1e-15)
    assert np.isnan(solution.residual)
    np.testing.assert_allclose(solution.log_wronskian(T), 0.0, atol=1e-15)


def test_all_homogeneous_solutions_need_no_coefficient():
    solution = general_solution(None, columns(3), SPAN)
    np.testing.assert_array_equal(solution.fundamental(T), fundamental(T))
    np.testing.assert_array_equal(solution.particular(T), 0.0)
    start = fundamental(SPAN[0])
    np.testing.assert_allclose(solution.fit(SPAN[0], start[:, 1])(T), fundamental(T)[..., 1])


class TestScalarEquation:
    """y'' + y = t from y alone."""

    oscillator = staticmethod(companion([1.0, 0.0]))
    given = (lambda t: t, lambda t: t + np.cos(t), lambda t: t + np.sin(t))

    @pytest.mark.parametrize("count", [2, 3])
    @pytest.mark.parametrize("forcing", [lambda t: t, lambda t: np.array([0 * t, t])])
    def test_from_solutions_of_it(self, count, forcing):
        solution = general_solution(
            self.oscillator, self.given[:count], (0.0, 6.0), b=forcing, kind="particular"
        )
        t = np.linspace(0.0, 6.0, 31)
        x = solution.fit(0.0, [2.0, 3.0])(t)
        np.testing.assert_allclose(x[:, 0], t + 2 * np.cos(t) + 2 * np.sin(t), atol=2e-12)
        np.testing.assert_allclose(solution.particular(t), np.stack([t, 1 + 0 * t], -1), atol=2e-12)
        assert solution.residual < 1e-11

    def test_from_one_of_the_homogeneous_equation(self):
        solution = general_solution(self.oscillator, [np.cos], (0.0, 6.0), b=lambda t: t)
        x = solution.fit(0.0, [0.0, 1.0])(5.0)
        np.testing.assert_allclose(x, [5.0, 1.0], atol=1e-12)

    def test_a_forcing_that_vanishes_and_one_that_is_large(self):
        for b, factor in ((0.0, 0.0), (1e100, 1e100)):
            given = [lambda t, f=factor: f + 0 * t, lambda t, f=factor: f + np.cos(t) * max(f, 1)]
            solution = general_solution(
                self.oscillator, given, (0.0, 3.0), b=lambda t, b=b: b + 0 * t, kind="particular"
            )
            value = solution.particular(2.0)
            np.testing.assert_allclose(value, [factor, 0.0], atol=1e-12 * max(factor, 1))

    def test_what_solves_something_else(self):
        wrong = [self.given[0], lambda t: 1.01 * t]
        with pytest.raises(ValueError, match=r"`solutions\[1\]` must solve x' = A x \+ b; .* t = "):
            general_solution(self.oscillator, wrong, (0.0, 6.0), b=lambda t: t, kind="particular")


class TestFirstOrder:
    """x' = cos t (x + 1): here the trace is the whole matrix, and no solution need be known."""

    t = np.linspace(0.0, 6.0, 31)
    exact = 3 * np.exp(np.sin(t)) - 1

    @pytest.mark.parametrize("known", [[], [lambda t: np.exp(np.sin(t))]])
    @pytest.mark.parametrize("a", [np.cos, lambda t: np.array([[np.cos(t)]])])
    def test_variation_of_constants(self, a, known):
        solution = general_solution(a, known, (0.0, 6.0), b=np.cos)
        x = solution.fit(0.0, [2.0])(self.t)
        np.testing.assert_allclose(x[:, 0], self.exact, rtol=1e-12)
        assert solution.residual < 1e-10
        np.testing.assert_allclose(solution.log_wronskian(self.t), np.sin(self.t), atol=1e-13)

    def test_from_one_solution_of_the_inhomogeneous_equation(self):
        given = [lambda t: 0 * t - 1]
        solution = general_solution(np.cos, given, (0.0, 6.0), kind="particular")
        np.testing.assert_allclose(solution.fit(0.0, [2.0])(self.t)[:, 0], self.exact, rtol=1e-12)

    def test_constants(self):
        solution = general_solution(2j, [], (0.0, 3.0), b=1.0)
        x = solution.fit(0.0, [0.0])(2.0)
        np.testing.assert_allclose(x, [(np.exp(4j) - 1) / 2j], rtol=1e-13)


def test_affinely_dependent():
    given = particulars(3)
    given.append(lambda t: (given[0](t) + given[1](t)) / 2)
    for matrix in (None, a):
        with pytest.raises(ValueError, match=r"affinely independent .* column 3 minus column 0"):
            general_solution(matrix, given, SPAN, kind="particular")


def test_what_is_no_particular_solution():
    given = [*particulars(2), lambda t: fundamental(t)[..., 0]]
    with pytest.raises(ValueError, match=r"`solutions\[2\] - solutions\[0\]` must solve x' = A x;"):
        general_solution(a, given, SPAN, kind="particular")
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve x' = A x \+ b; .* t = "):
        general_solution(a, particulars(3), SPAN, kind="particular", b=lambda t: 1.01 * b(t))


def test_forcing_of_another_shape():
    with pytest.raises(ValueError, match=r"`b` must be or return shape \(3,\); got \(2,\)"):
        general_solution(a, columns(2), SPAN, b=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"`a` must be given beside `b`"):
        general_solution(None, columns(3), SPAN, b=b)


def test_pole_of_the_forcing():
    with pytest.raises(ValueError, match="t = ") as error:
        general_solution(a, columns(2), SPAN, b=lambda t: np.ones(3) / (t - 1.7))
    assert "`b`" in str(error.value)


def test_complex_forcing_of_a_real_system():
    """x'' + x = e^{2it}: the particular solution −e^{2it}/3."""
    oscillator = companion([1.0, 0.0])
    solution = general_solution(
        oscillator,
        [lambda t: np.array([np.cos(t), -np.sin(t)])],
        SPAN,
        b=lambda t: np.array([0 * t, np.exp(2j * t)]),
    )
    exact = lambda t: -np.exp(2j * t) / 3 * np.array([1.0, 2j])  # noqa: E731
    x = solution.fit(0.0, exact(0.0))
    np.testing.assert_allclose(x(2.0), exact(2.0), atol=1e-13)
