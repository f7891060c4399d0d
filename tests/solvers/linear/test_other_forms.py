"""Solutions on a grid, scalar solutions, SymPy; recovery of coefficients; Riccati."""

import array_api_strict
import numpy as np
import pytest
import sympy
from scipy import special

from solvers import (
    companion,
    general_solution,
    recover_coefficients,
    riccati_general_solution,
)

BESSEL = companion([1.0, lambda t: 1 / t])
ROTATION = np.array([[0.0, 1.0], [-1.0, 0.0]])


def rotation(t):
    c, s = np.cos(t), np.sin(t)
    return np.stack([np.stack([c, s], axis=-1), np.stack([-s, c], axis=-1)], axis=-2)


def bessel(t):
    j, y = special.j0(t), special.y0(t)
    return np.stack(
        [np.stack([j, y], axis=-1), np.stack([-special.j1(t), -special.y1(t)], axis=-1)], axis=-2
    )


class TestGrid:
    def test_bessel_from_samples(self):
        times = np.linspace(1.0, 30.0, 400)
        given = bessel(times)[..., :1]
        solution = general_solution(BESSEL, given, (1.0, 30.0), times=times)
        np.testing.assert_allclose(solution.fundamental(times)[..., :1], given, atol=1e-14)
        t = np.linspace(1.0, 30.0, 333)
        x = solution.fit(1.0, bessel(1.0)[:, 1])(t)
        np.testing.assert_allclose(x, bessel(t)[..., 1], atol=1e-11)

    def test_uneven_times(self):
        times = np.linspace(0.0, 5.0, 120) + np.random.default_rng(0).uniform(-0.01, 0.01, 120)
        solution = general_solution(ROTATION, rotation(times)[..., :1], (0.5, 4.5), times=times)
        phi = solution.fundamental(np.array([0.5, 1.0, 4.5]))
        c = np.linalg.solve(rotation(np.array([0.5, 1.0, 4.5])), phi)
        np.testing.assert_allclose(c, np.broadcast_to(c[0], c.shape), atol=1e-9)

    @pytest.mark.parametrize("b", [None, [0.0, 1.0]])
    def test_particular_solutions(self, b):
        """x'' + x = 1."""
        times = np.linspace(0.0, 3.0, 200)
        z = rotation(times) @ np.array([[0.3, 1.0], [1.0, 0.2]]) + np.array([[1.0], [0.0]])
        for a in (ROTATION, None) if b is None else (ROTATION,):
            given = z if a is not None else np.concatenate([z, z @ [[2.0], [-1.5]] / 2], axis=-1)
            if a is None:
                given[..., 2] += 0.75 * np.array([1.0, 0.0])
            solution = general_solution(
                a, given, (0.0, 3.0), times=times, kind="particular", b=b, rtol=1e-8
            )
            x = solution.fit(0.0, [1.0, 1.0])(2.0)
            np.testing.assert_allclose(x, [1 + np.sin(2.0), np.cos(2.0)], atol=1e-10)

    def test_too_coarse(self):
        times = np.linspace(1.0, 30.0, 12)
        with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve .* t = "):
            general_solution(BESSEL, bessel(times)[..., :1], (1.0, 30.0), times=times)

    def test_wrong_times(self):
        times = np.linspace(1.0, 3.0, 9)
        given = bessel(times)[..., :1]
        with pytest.raises(ValueError, match="`t_span` must lie in `times`"):
            general_solution(BESSEL, given, (1.0, 4.0), times=times)
        with pytest.raises(ValueError, match="`times` must be at least two and increase"):
            general_solution(BESSEL, given, (1.0, 3.0), times=times[::-1])
        with pytest.raises(ValueError, match=r"`times` must have shape \(9,\)"):
            general_solution(BESSEL, given, (1.0, 3.0), times=times[1:])
        with pytest.raises(ValueError, match=r"array \(n_times, n, k\) beside `times`"):
            general_solution(BESSEL, given[..., 0], (1.0, 3.0), times=times)
        with pytest.raises(ValueError, match=r"must have shape \(n_times, 2, k\)"):
            general_solution(BESSEL, np.ones((9, 3, 1)), (1.0, 3.0), times=times)


class TestCoefficientsOnAGrid:
    times = np.linspace(1.0, 10.0, 401)
    samples = BESSEL(times)

    @pytest.mark.parametrize("form", ["array", "pair"])
    @pytest.mark.parametrize("known", ["array", "callables"])
    def test_bessel(self, form, known):
        a = self.samples if form == "array" else (self.times, self.samples)
        given = bessel(self.times)[..., :1] if known == "array" else [special.j0]
        needed = form == "array" or known == "array"
        solution = general_solution(
            a, given, (1.0, 10.0), times=self.times if needed else None, rtol=1e-8
        )
        y = solution.fit(1.0, bessel(1.0)[:, 1])(np.linspace(1.0, 10.0, 50))
        exact = bessel(np.linspace(1.0, 10.0, 50))[..., 1]
        np.testing.assert_allclose(y, exact, atol=1e-9)
        assert solution.residual < 1e-7

    def test_forcing(self):
        a, b = (self.times, self.samples), (self.times, self.samples[:, 1])
        given = [lambda t: bessel(t)[..., 0]]
        found = general_solution(a, given, (1.0, 10.0), b=b, rtol=1e-8).fit(1.0, [1.0, 0.0])
        exact = general_solution(BESSEL, given, (1.0, 10.0), b=lambda t: BESSEL(t)[..., 1, :])
        np.testing.assert_allclose(found(7.7), exact.fit(1.0, [1.0, 0.0])(7.7), atol=1e-9)

    def test_too_coarse(self):
        few = self.times[::40]
        with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve x' = A x; got .* t = "):
            general_solution((few, BESSEL(few)), [lambda t: bessel(t)[..., 0]], (1.0, 10.0))

    def test_errors(self):
        known = bessel(self.times)[..., :1]
        with pytest.raises(ValueError, match=r"shape \(9,\), one for each row of `a`"):
            general_solution(self.samples[:9], known, (1.0, 9.0), times=self.times)
        with pytest.raises(ValueError, match="`t_span` must lie in `times`"):
            general_solution((self.times, self.samples), [special.j0], (0.5, 9.0))
        later = (self.times[9:], self.samples[9:])
        with pytest.raises(
            ValueError, match="`times` of `solutions` must lie between those of `a`"
        ):
            general_solution(later, known, (5.0, 9.0), times=self.times)


class TestScalarSolutions:
    def test_bessel_from_j0_alone(self):
        solution = general_solution(BESSEL, [special.j0], (1.0, 30.0), rtol=1e-14)
        t = np.linspace(1.0, 30.0, 301)
        truth = bessel(t)
        np.testing.assert_allclose(solution.fundamental(t)[..., 0], truth[..., 0], atol=1e-14)
        x = solution.fit(1.0, truth[0, :, 1])(t)
        np.testing.assert_allclose(x, truth[..., 1], atol=1e-13)

    def test_third_order_from_one(self):
        cubic = companion([-6.0, 11.0, -6.0])
        x = general_solution(cubic, [np.exp], (0.0, 2.0)).fit(0.0, [1.0, 3.0, 9.0])
        assert x(2.0)[0] == pytest.approx(np.exp(6.0), rel=1e-10)

    def test_complex(self):
        solution = general_solution(ROTATION, [lambda t: np.exp(1j * t)], (0.0, 3.0))
        x = solution.fundamental(1.0)[:, 0]
        np.testing.assert_allclose(x, np.exp(1j) * np.array([1.0, 1j]), atol=1e-14)

    def test_no_solution(self):
        with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve .* residual .* t = "):
            general_solution(BESSEL, [special.j1], (1.0, 30.0))
        with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve .* residual .* t = "):
            general_solution(BESSEL, [lambda t: 1 / (t - 2.0)], (1.0, 3.3))

    def test_only_with_a_companion_matrix(self):
        with pytest.raises(ValueError, match="need `a` to be a companion matrix"):
            general_solution(-ROTATION, [np.cos], (0.0, 1.0))
        with pytest.raises(ValueError, match=r"`b` must be given beside scalar solutions"):
            general_solution(ROTATION, [np.cos, np.sin], (0.0, 1.0), kind="particular")

    def test_with_a_forcing(self):
        x = general_solution(ROTATION, [np.cos], (0.0, 3.0), b=[0.0, 1.0]).fit(0.0, [0.0, 0.0])
        np.testing.assert_allclose(x(2.0), [1 - np.cos(2.0), np.sin(2.0)], atol=1e-13)


T = sympy.Symbol("t")


def symbolic_cases():
    half = sympy.Rational(1, 4)
    return {
        "Euler": (companion([4 / T**2, -3 / T]), [T**2], (1, 5), T**2 * sympy.log(T)),
        "Legendre": (
            companion([2 / (1 - T**2), -2 * T / (1 - T**2)]),
            [T],
            (-0.9, 0.9),
            T * sympy.atanh(T) - 1,
        ),
        "Bessel 1/2": (
            companion([1 - half / T**2, 1 / T]),
            [sympy.sin(T) / sympy.sqrt(T)],
            (1, 30),
            sympy.cos(T) / sympy.sqrt(T),
        ),
        "cubic": (
            companion([sympy.Integer(-6), 11, -6]),
            [sympy.exp(T), sympy.exp(2 * T)],
            (0, 3),
            sympy.exp(3 * T),
        ),
    }


def reducible():
    """A, known columns, interval, columns that are missing."""
    exp, matrix = sympy.exp, sympy.Matrix
    turning = sympy.Matrix([[0, -2 * T, 0], [2 * T, 0, 0], [0, 0, 0]])
    cubic = companion([-6 / T**3, 6 / T**2, -3 / T])

    def column(y, n):
        return matrix([sympy.diff(y, T, i) for i in range(n)])

    return {
        "Euler": (cubic, [T], (1, 3), [column(T**2, 3), column(T**3, 3)]),
        "Euler, t < 0": (cubic, [T], (-3, -1), [column(T**3, 3)]),
        "constant": (
            companion([sympy.Integer(4), 0, 5, 0]),
            [sympy.cos(T)],
            (0, 3),
            [column(sympy.sin(2 * T), 4)],
        ),
        "of one direction": (
            turning,
            [matrix([0, 0, 1])],
            (0, 2),
            [matrix([sympy.cos(T**2), sympy.sin(T**2), 0])],
        ),
        "one after the other": (
            matrix([[1, 1, 0], [0, 1 / T, T], [0, 0, 2 / T]]),
            [matrix([exp(T), 0, 0])],
            (1, 2),
            [matrix([-T - 1, T, 0])],
        ),
        "complex": (
            matrix([[sympy.I, 1, 0], [0, -sympy.I, 0], [0, 0, 1]]),
            [matrix([0, 0, exp(T)])],
            (0, 2),
            [matrix([exp(sympy.I * T), 0, 0])],
        ),
    }


class TestExpressions:
    @pytest.mark.parametrize("name", symbolic_cases())
    def test_closed_form(self, name):
        a, known, span, missing = symbolic_cases()[name]
        solution = general_solution(a, known, span)
        expression = solution.expression
        n = a.rows
        assert not expression.has(sympy.Integral)
        for j, y in enumerate(known):
            assert expression[:, j] == sympy.Matrix([sympy.diff(y, T, i) for i in range(n)])
        t = 0.3 * span[0] + 0.7 * span[1]
        numbers = np.array(expression.subs(T, t).evalf(30).tolist(), dtype=complex)
        np.testing.assert_allclose(solution.fundamental(t), numbers, rtol=1e-11, atol=1e-13)
        # Modulo the known ones it is the expected solution: a vanishing Wronskian of all.
        span_of = sympy.Matrix([[*known, missing, expression[0, -1]]])
        rows = [span_of.diff(T, i) if i else span_of for i in range(n + 1)]
        wronskian = sympy.Matrix.vstack(*rows).det().subs(T, sympy.Rational(7, 9) * span[1])
        assert abs(complex(wronskian.evalf(30))) < 1e-20

    def test_integral_that_is_not_elementary(self):
        solution = general_solution(companion([1, 1 / T]), [sympy.besselj(0, T)], (1, 30))
        assert solution.expression.has(sympy.Integral)
        t = 2.0
        column = solution.expression[:, 1].subs(T, t)
        integrals = {one: one.evalf() for one in column.atoms(sympy.Integral)}
        numbers = np.array(column.subs(integrals).evalf(), dtype=float)[:, 0]
        np.testing.assert_allclose(solution.fundamental(t)[:, 1], numbers, rtol=1e-10)
        assert solution.residual < 1e-10

    def test_skew_system_is_a_cross_product(self):
        a = sympy.Matrix([[0, -2 * T, 0], [2 * T, 0, 0], [0, 0, 0]])
        known = [sympy.Matrix([sympy.cos(T**2), sympy.sin(T**2), 0]), sympy.Matrix([0, 0, 1])]
        solution = general_solution(a, known, (0, 2))
        expected = sympy.Matrix([sympy.sin(T**2), -sympy.cos(T**2), 0])
        assert sympy.simplify(solution.expression[:, 2] - expected) == sympy.zeros(3, 1)

    def test_complex(self):
        a = sympy.Matrix([[sympy.I, 1], [0, -sympy.I]])
        solution = general_solution(a, [sympy.Matrix([sympy.exp(sympy.I * T), 0])], (0, 2))
        numbers = np.array(solution.expression.subs(T, 1.5).evalf().tolist(), dtype=complex)
        np.testing.assert_allclose(solution.fundamental(1.5), numbers, atol=1e-13)

    @pytest.mark.parametrize("name", reducible())
    def test_from_fewer(self, name):
        a, known, span, missing = reducible()[name]
        solution = general_solution(a, known, span)
        n, expression = a.rows, solution.expression
        residual = (expression.diff(T) - a * expression).applyfunc(sympy.simplify)
        assert residual == sympy.zeros(n, n)
        t = np.linspace(*span, 9)[1:-1]
        numbers = sympy.lambdify(T, expression, "numpy")
        exact = np.stack([numbers(one) for one in t]).astype(complex)
        np.testing.assert_allclose(solution.fundamental(t), exact, rtol=1e-10, atol=1e-12)
        p = solution.adjoint(t)[:, None, :] @ exact
        np.testing.assert_allclose(p[:, 0], np.eye(n)[[-1] * 7], atol=1e-10)
        logs = np.log(np.abs(np.linalg.det(exact)))
        np.testing.assert_allclose(solution.log_wronskian(t).real, logs, atol=1e-10)
        for one in missing:
            column = np.stack([sympy.lambdify(T, one, "numpy")(s) for s in t])[..., 0]
            c = np.linalg.solve(exact, column[..., None])
            np.testing.assert_allclose(c, np.broadcast_to(c[:1], c.shape), atol=1e-10)

    def test_numbers_without_an_expression(self):
        """What is left beside a constant is Legendre's equation."""
        a = companion([sympy.Integer(0), 2 / (1 - T**2), -2 * T / (1 - T**2)])
        solution = general_solution(a, [sympy.Matrix([1, 0, 0])], (-0.5, 0.5))
        assert solution.expression is None
        x = solution.fit(0.0, [0.0, 0.0, 1.0])(0.4)
        assert x[1] == pytest.approx(0.4, rel=1e-12)

    def test_scalar_expression_for_a_callable(self):
        solution = general_solution(BESSEL, [sympy.besselj(0, T)], (1.0, 9.0))
        assert solution.expression is None
        np.testing.assert_allclose(solution.fundamental(4.0)[:, 0], bessel(4.0)[:, 0], atol=1e-14)

    def test_system_of_order_one(self):
        solution = general_solution(sympy.Matrix([[T]]), [sympy.exp(T**2 / 2)], (0, 1), b=[1.0])
        x = solution.fit(0.0, [0.0])(1.0)
        assert x[0] == pytest.approx(np.exp(0.5) * 0.855624391892149, rel=1e-13)

    def test_all_given(self):
        known = [sympy.Matrix([sympy.cos(T), -sympy.sin(T)])]
        known.append(known[0].subs(T, T - sympy.pi / 2))
        a = sympy.Matrix([[0, 1], [-1, 0]])
        assert general_solution(a, known, (0, 1)).expression == sympy.Matrix.hstack(*known)

    @pytest.mark.parametrize("a", [sympy.cos(T), sympy.Matrix([[sympy.cos(T)]])])
    def test_first_order_without_a_solution(self, a):
        x = general_solution(a, [], (0, 6), b=sympy.cos(T)).fit(0.0, [2.0])(5.0)
        np.testing.assert_allclose(x, [3 * np.exp(np.sin(5.0)) - 1], rtol=1e-12)

    def test_right_hand_side_of_a_scalar_equation(self):
        a = companion([sympy.Integer(1), 0])
        solution = general_solution(a, [T, T + sympy.cos(T)], (0, 6), b=T, kind="particular")
        np.testing.assert_allclose(solution.fit(0.0, [0.0, 1.0])(5.0), [5.0, 1.0], atol=1e-11)

    def test_errors(self):
        a = sympy.Matrix([[0, 1], [-1, 0]])
        with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve"):
            general_solution(a, [sympy.exp(T)], (0, 1))
        with pytest.raises(ValueError, match=r"one symbol, the time; got \['s', 't'\]"):
            general_solution(a, [sympy.Symbol("s") * sympy.cos(T)], (0, 1))
        with pytest.raises(TypeError, match="`t_span` must be numbers or NumPy's"):
            general_solution(a, [sympy.cos(T)], array_api_strict.asarray([0.0, 1.0]))


class TestRecovery:
    def test_coefficients_of_bessel(self):
        t = np.linspace(1.0, 20.0, 40)
        known = [lambda t, j=j: bessel(t)[..., j] for j in (0, 1)]
        a, b, condition = recover_coefficients(known, t)
        np.testing.assert_allclose(a, BESSEL(t), atol=1e-11)
        np.testing.assert_array_equal(b, 0.0)
        assert condition.max() < 3
        one, *_ = recover_coefficients(known, 3.0)
        np.testing.assert_allclose(one, BESSEL(3.0), atol=1e-12)

    def test_inhomogeneous_with_one_to_spare(self):
        shift = np.array([1.0, 0.0])
        weights = np.random.default_rng(1).normal(size=(4, 2))
        known = [lambda t, w=w: rotation(t) @ w + shift for w in weights]
        a, b, _ = recover_coefficients(known, [0.0, 1.0, 2.0], kind="particular")
        np.testing.assert_allclose(a, np.broadcast_to(ROTATION, a.shape), atol=1e-12)
        np.testing.assert_allclose(b, np.broadcast_to([0.0, 1.0], b.shape), atol=1e-12)

    def test_order_on_a_grid(self):
        errors = []
        for count in (31, 61):
            t = np.linspace(0.0, 6.0, count)
            a, *_ = recover_coefficients(rotation(t), t)
            errors.append(np.abs(a - ROTATION).max())
        assert errors[0] / errors[1] > 2**7

    def test_errors(self):
        known = [lambda t, j=j: rotation(t)[..., j] for j in (0, 0)]
        with pytest.raises(ValueError, match=r"linearly independent; .* at t = 0.5"):
            recover_coefficients(known, [0.5, 0.7])
        with pytest.raises(ValueError, match=r"`solutions` must hold n \+ 1 or more, n = 2; got 2"):
            recover_coefficients(known, 0.5, kind="particular")
        with pytest.raises(ValueError, match="increasing"):
            recover_coefficients(known, [0.7, 0.5])


class TestRiccati:
    known = (np.tan, lambda t: -1 / np.tan(t), lambda t: np.tan(t + 1))  # y' = 1 + y²

    def test_through_a_pole(self):
        y = riccati_general_solution(*self.known).fit(0.2, np.inf)
        assert np.isinf(y(0.2)) and y(1.0) == pytest.approx(-1 / np.tan(0.8), rel=1e-13)

    def test_fit_and_constant(self):
        general = riccati_general_solution(*self.known)
        y = general.fit(0.2, np.tan(0.7))
        t = np.linspace(0.1, 0.9, 9)
        np.testing.assert_allclose(y(t), np.tan(t + 0.5), rtol=1e-13)
        constants = general.constant(t, np.tan(t + 0.5))
        np.testing.assert_allclose(constants, constants[0], rtol=1e-12)
        np.testing.assert_allclose(general.solution(float(constants[0]))(t), y(t), rtol=1e-12)

    @pytest.mark.parametrize("i", [0, 1, 2])
    def test_the_given_ones_are_members(self, i):
        y = riccati_general_solution(*self.known).fit(0.3, self.known[i](0.3))
        assert y(0.6) == pytest.approx(self.known[i](0.6), rel=1e-13)

    def test_pole(self):
        y = riccati_general_solution(lambda t: t, lambda t: 1 + t, lambda t: 2 + t).solution(2.0)
        assert y(1.0) == np.inf or np.isfinite(y(1.0))
        at_infinity = riccati_general_solution(
            lambda t: 0 * t, lambda t: 0 * t + 1, lambda t: 0 * t + 2
        )
        assert at_infinity.constant(1.0, 1.0) == np.inf

    def test_expressions(self):
        known = [sympy.Integer(0), 1 / T, 2 / (2 * T + 1)]  # y' = −y²
        y = riccati_general_solution(*known).solution(sympy.Symbol("c"))
        assert sympy.simplify(sympy.diff(y, T) + y**2) == 0

    def test_errors(self):
        with pytest.raises(ValueError, match="`y1, y2` must differ"):
            riccati_general_solution(np.tan, np.tan, np.cos).fit(0.3, 1.0)
        with pytest.raises(TypeError, match="`y2` must be callable"):
            riccati_general_solution(np.tan, 1.0, np.cos)
        with pytest.raises(ValueError, match="equal expressions"):
            riccati_general_solution(T, T, 1 / T)
