"""Every wrong input has its error, naming the column, the time and the size of what is wrong."""

import math
import re

import array_api_strict
import numpy as np
import pytest
from scipy import special

from solvers import companion, general_solution

BESSEL = companion([1.0, lambda t: 1 / t])
CUBIC = companion([-6.0, 11.0, -6.0])


def j0(t):
    return np.array([special.j0(t), -special.j1(t)])


def exponential(r):
    return lambda t: np.exp(r * t) * np.array([1.0, r, r * r])


def time_in(error):
    """The time that a message names."""
    return float(re.search(r"t = ([-+0-9.e]+)", str(error.value)).group(1).rstrip("."))


def residual_in(error):
    return float(re.search(r"residual of ([0-9.e+-]+)", str(error.value)).group(1))


# --- what is no solution ------------------------------------------------------------------------


def test_column_that_is_no_solution():
    with pytest.raises(ValueError, match=r"`solutions\[1\]` must solve x' = A x") as error:
        general_solution(CUBIC, [exponential(1), exponential(2.5)], (0.0, 1.0))
    assert 0.0 <= time_in(error) <= 1.0
    assert residual_in(error) > 1e-3


def test_solution_of_another_equation():
    def j1(t):
        return np.array([special.j1(t), special.jvp(1, t)])

    with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve") as error:
        general_solution(BESSEL, [j1], (1.0, 9.0))
    assert residual_in(error) > 1e-3


def test_slightly_wrong_column():
    def wrong(t):
        return j0(t) * (1 + 1e-5 * t)

    with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve"):
        general_solution(BESSEL, [wrong], (1.0, 9.0))


def test_wrong_column_on_a_very_short_interval():
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve"):
        general_solution(BESSEL, [lambda t: np.array([t, t + 1.0])], (1.0, 1.0 + 1e-4))


def test_wrong_first_derivative():
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must solve"):
        general_solution(BESSEL, [lambda t: np.array([special.j0(t), special.j1(t)])], (1.0, 9.0))


def test_unverified_column_is_taken_on_trust():
    solution = general_solution(CUBIC, [exponential(1), exponential(2.5)], (0.0, 1.0), verify=False)
    assert math.isnan(solution.residual)
    assert math.isnan(solution.condition)


# --- dependent columns --------------------------------------------------------------------------


@pytest.mark.parametrize("verify", [True, False])
def test_dependent_columns(verify):
    known = [exponential(1), lambda t: -3.0 * exponential(1)(t)]
    with pytest.raises(ValueError, match=r"linearly independent .* t = .*: column 1 lies within"):
        general_solution(CUBIC, known, (0.0, 1.0), verify=verify)


def test_dependent_columns_among_n():
    known = [exponential(1), exponential(2), lambda t: exponential(2)(t) - exponential(1)(t)]
    with pytest.raises(ValueError, match=r"linearly independent .*: column 2 lies within"):
        general_solution(CUBIC, known, (0.0, 1.0))


@pytest.mark.parametrize("verify", [True, False])
def test_zero_column(verify):
    with pytest.raises(ValueError, match=r"linearly independent .*: column 0 vanishes"):
        general_solution(BESSEL, [lambda t: np.zeros(2)], (1.0, 2.0), verify=verify)


def test_columns_that_become_dependent_to_working_precision():
    """e^t and e^t + e^{−t}: independent at 0, equal in all digits at 25."""
    a = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    known = [
        lambda t: np.array([np.exp(t), np.exp(t), 0.0]),
        lambda t: np.array([2 * np.cosh(t), 2 * np.sinh(t), 0.0]),
    ]
    general_solution(a, known, (0.0, 5.0))
    with pytest.raises(ValueError, match="linearly independent") as error:
        general_solution(a, known, (0.0, 25.0))
    assert time_in(error) > 12.0


# --- poles, jumps, what is not finite -----------------------------------------------------------


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("span", [(-1.0, 1.0), (-1.0, 2.0), (-0.3, 7.0)])
def test_pole_inside(span, verify):
    """t² y'' − 3t y' + 4y = 0 with y = t²: the Wronskian t³ vanishes at 0."""
    a = companion([lambda t: 4 / t**2, lambda t: -3 / t])
    with pytest.raises(ValueError, match="t = ") as error:
        general_solution(a, [lambda t: np.array([t * t, 2 * t])], span, verify=verify)
    assert abs(time_in(error)) < 1e-6


@pytest.mark.parametrize("verify", [True, False])
def test_pole_without_a_trace(verify):
    """t² y'' = 2 y with y = t²: tr A = 0 and only the integrand sees the pole."""
    a = companion([lambda t: -2 / t**2, 0.0])
    with pytest.raises(ValueError, match="t = ") as error:
        general_solution(a, [lambda t: np.array([t * t, 2 * t])], (-1.0, 1.5), verify=verify)
    assert abs(time_in(error)) < 1e-6


def test_pole_of_a_known_solution():
    a = companion([lambda t: -2 / t**2, 0.0])
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must be smooth .* t = ") as error:
        general_solution(a, [lambda t: np.array([1 / t, -1 / t**2])], (-1.0, 1.5))
    assert abs(time_in(error)) < 1e-6


def test_time_at_which_a_column_is_not_finite():
    """A singularity that is removable, but not removed."""

    def known(t):
        return np.array([np.cos(t) * (t / t), -np.sin(t)])

    with pytest.raises(ValueError, match=r"`solutions\[0\]` must be finite .* at t = 0$"):
        general_solution([[0.0, 1.0], [-1.0, 0.0]], [known], (0.0, 1.0))


def test_jump():
    def a(t):
        return np.array([[0.0, 1.0], [-1.0 - (t > 0.3), 0.0]])

    with pytest.raises(ValueError, match="must be smooth on `t_span`") as error:
        general_solution(a, [lambda t: np.array([np.cos(t), -np.sin(t)])], (0.0, 1.0), verify=False)
    assert time_in(error) == pytest.approx(0.3, abs=1e-6)


def test_noise_above_rtol():
    rng = np.random.default_rng(0)

    def noisy(t):
        return np.array([np.cos(t), -np.sin(t)]) * (1 + 1e-6 * rng.standard_normal())

    with pytest.raises(ValueError, match=r"`solutions\[0\]` must be smooth .* noise above `rtol`"):
        general_solution([[0.0, 1.0], [-1.0, 0.0]], [noisy], (0.0, 1.0))


def test_noise_below_rtol_is_let_pass():
    rng = np.random.default_rng(0)

    def noisy(t):
        return np.array([np.cos(t), -np.sin(t)]) * (1 + 1e-8 * rng.standard_normal())

    a = [[0.0, 1.0], [-1.0, 0.0]]
    solution = general_solution(a, [noisy], (0.0, 1.0), rtol=1e-6)
    assert solution.log_wronskian(1.0) == 0


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_columns_out_of_scale(factor):
    known = [lambda t, r=r: factor * exponential(r)(t) for r in (1, 2)]
    with pytest.raises(ValueError, match=r"`solutions` must leave the new column"):
        general_solution(CUBIC, known, (0.0, 1.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    with pytest.raises(ValueError, match="`a` must be finite"):
        general_solution([[0.0, bad], [1.0, 0.0]], [j0], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must be finite .* at t = "):
        general_solution(BESSEL, [lambda t: np.array([bad, 1.0])], (1.0, 2.0))


def test_function_that_raises_at_its_pole():
    def a(t):
        return [[0.0, 1.0], [1.0 / (float(t) - float(t)), 0.0]]

    with pytest.raises(ValueError, match=r"`a` must be finite .* ZeroDivisionError at t = "):
        general_solution(a, [j0], (1.0, 2.0))


# --- shapes, kinds, ranges ----------------------------------------------------------------------


def test_shapes():
    with pytest.raises(ValueError, match=r"`a` must be or return an \(n, n\) matrix.*\(2, 3\)"):
        general_solution(np.ones((2, 3)), [j0], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"`a` must be or return an \(n, n\) matrix.*\(2,\)"):
        general_solution(lambda t: np.ones(2), [j0], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must return shape \(2,\); got \(3,\)"):
        general_solution(BESSEL, [exponential(1)], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"`a` must return one shape"):
        general_solution(lambda t: np.eye(2 if t < 1.5 else 3), [j0], (1.0, 2.0))


def test_how_many_solutions():
    with pytest.raises(ValueError, match=r"1 to n of them, n = 2; got 3"):
        general_solution(BESSEL, [j0, j0, j0], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"1 to n of them, n = 2; got 0"):
        general_solution(BESSEL, [], (1.0, 2.0))
    with pytest.raises(ValueError, match="at least one solution; got none"):
        general_solution(None, [], (1.0, 2.0))
    for count in (1, 4):
        with pytest.raises(ValueError, match=rf"2 to n \+ 1 of them, n = 2; got {count}"):
            general_solution(BESSEL, [j0] * count, (1.0, 2.0), kind="particular")


def test_only_the_trace():
    with pytest.raises(ValueError, match=r"tr A alone.*one first integral.*got a scalar"):
        general_solution(lambda t: -1 / t, [j0], (1.0, 2.0))
    with pytest.raises(ValueError, match=r"one first integral.*got None with 1 solutions missing"):
        general_solution(None, [j0], (1.0, 2.0))


def test_solutions_of_another_kind():
    with pytest.raises(ValueError, match="`solutions` must be a list of callables"):
        general_solution(BESSEL, np.ones((5, 2, 1)), (1.0, 2.0))
    with pytest.raises(ValueError, match=r"`solutions\[0\]` must be a callable .* got ndarray"):
        general_solution(BESSEL, [np.ones((5, 2))], (1.0, 2.0))


@pytest.mark.parametrize("span", [(2.0, 1.0), (1.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_interval(span):
    with pytest.raises(ValueError, match=r"`t_span` must be finite times \(t0, t1\) with t0 < t1"):
        general_solution(BESSEL, [j0], span)


def test_interval_of_another_kind():
    with pytest.raises(ValueError, match=r"`t_span` must be a pair .*shape \(3,\)"):
        general_solution(BESSEL, [j0], (1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="`t_span` must be a pair"):
        general_solution(BESSEL, [j0], 1.0)
    with pytest.raises(TypeError, match="`t_span` must be real"):
        general_solution(BESSEL, [j0], (1.0, 2.0j))


def test_options():
    with pytest.raises(ValueError, match="`base` must be one of 'auto'; got 'left'"):
        general_solution(BESSEL, [j0], (1.0, 2.0), base="left")
    with pytest.raises(ValueError, match="`base` must be finite and >= 1 and <= 2; got 3"):
        general_solution(BESSEL, [j0], (1.0, 2.0), base=3.0)
    with pytest.raises(ValueError, match="`rtol` must be"):
        general_solution(BESSEL, [j0], (1.0, 2.0), rtol=0.0)
    with pytest.raises(ValueError, match="`kind` must be one of 'homogeneous', 'particular'"):
        general_solution(BESSEL, [j0], (1.0, 2.0), kind="inhomogeneous")
    with pytest.raises(ValueError, match="`structure` must be one of None, 'hamiltonian'"):
        general_solution(BESSEL, [j0], (1.0, 2.0), structure="skew")


# --- libraries ----------------------------------------------------------------------------------


def test_mixed_libraries():
    torch = pytest.importorskip("torch")
    span = torch.tensor([1.0, 2.0], dtype=torch.float64)
    with pytest.raises(TypeError, match=r"`solutions\[0\]` must return arrays .*torch.*numpy"):
        general_solution(torch.eye(2, dtype=torch.float64), [lambda t: np.ones(2)], span)
    with pytest.raises(TypeError, match=r"`a` must return arrays .*numpy.*got torch"):
        general_solution(lambda t: torch.eye(2), [j0], (1.0, 2.0))
    with pytest.raises(TypeError, match="`a` must be an array of the same library as `t_span`"):
        general_solution(np.eye(2), [j0], span)


def test_function_that_returns_no_numbers():
    with pytest.raises(TypeError, match="must return numbers; got NoneType"):
        general_solution(lambda t: None, [j0], (1.0, 2.0))


# --- evaluation ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solution():
    return general_solution(BESSEL, [j0], (1.0, 2.0))


@pytest.mark.parametrize("t", [0.9, 2.1, [1.5, 3.0], np.nan])
def test_evaluation_outside(solution, t):
    for function in (solution.fundamental, solution.adjoint, solution.log_wronskian):
        with pytest.raises(ValueError, match=r"`t` must lie in `t_span` = \(1.0, 2.0\)"):
            function(t)
    with pytest.raises(ValueError, match="`t` must lie in"):
        solution.fit(1.5, [1.0, 0.0])(t)


def test_evaluation_of_another_kind(solution):
    with pytest.raises(TypeError, match="`t` must be real"):
        solution.fundamental(1.5 + 0j)
    with pytest.raises(TypeError, match="same library"):
        solution.fundamental(array_api_strict.asarray(1.5))


def test_fit(solution):
    with pytest.raises(ValueError, match="`t` must lie in"):
        solution.fit(5.0, [1.0, 0.0])
    with pytest.raises(ValueError, match=r"`x0` must have shape \(2,\); got \(3,\)"):
        solution.fit(1.5, [1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"`t0` must be one time; got shape \(2,\)"):
        solution.fit([1.2, 1.5], [1.0, 0.0])
