"""Systems with a solution in closed form: the new column against it, modulo the given ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from mathcore.testing import strategies
from solvers import companion, general_solution
from solvers.linear import quadratures

SMALLEST = 1e-15  # an rtol that asks for all the digits there are


def power(k):
    """t^k with two derivatives."""
    return lambda t: np.array([t**k, k * t ** (k - 1), k * (k - 1) * t ** max(k - 2, 0)])


def exponential(r):
    return lambda t: np.exp(r * t) * np.array([1.0, r, r * r])


def bessel_half(of, slope):
    return lambda t: np.array(
        [of(t) / np.sqrt(t), slope(t) / np.sqrt(t) - of(t) / (2 * t * np.sqrt(t))]
    )


def markus_yamabe(t):
    c, s = np.cos(t), np.sin(t)
    return np.array([[-1 + 1.5 * c * c, 1 - 1.5 * s * c], [-1 - 1.5 * s * c, -1 + 1.5 * s * s]])


def growing(t):
    return np.exp(t / 2) * np.array([-np.cos(t), np.sin(t)])


def decaying(t):
    return np.exp(-t) * np.array([np.sin(t), np.cos(t)])


def turning(t):
    zero = 0.0 * t
    return np.array([[zero, -2 * t, zero], [2 * t, zero, zero], [zero, zero, zero]])


EULER_2 = companion([lambda t: 4 / t**2, lambda t: -3 / t])
EULER_3 = companion([lambda t: -6 / t**3, lambda t: 6 / t**2, lambda t: -3 / t])
LEGENDRE = companion([lambda t: 2 / (1 - t**2), lambda t: -2 * t / (1 - t**2)])
BESSEL_0 = companion([1.0, lambda t: 1 / t])
BESSEL_HALF = companion([lambda t: 1 - 0.25 / t**2, lambda t: 1 / t])
AIRY = companion([lambda t: -t, 0.0])
CUBIC = companion([-6.0, 11.0, -6.0])

# name: a, known, span, the missing solution, the error to stay below (ten times that reached by the
# reference calculation, relative to the solution at each time)
CASES = {
    "t^2 y'' - 3t y' + 4y": (
        EULER_2,
        [lambda t: np.array([t**2, 2 * t])],
        (1.0, 5.0),
        lambda t: np.array([t**2 * np.log(t), 2 * t * np.log(t) + t]),
        1e-14,
    ),
    "Legendre 1": (
        LEGENDRE,
        [lambda t: (t, 1.0)],
        (-0.9, 0.9),
        lambda t: np.array([t * np.arctanh(t) - 1, np.arctanh(t) + t / (1 - t * t)]),
        4e-15,
    ),
    "Bessel 0, across nine zeros": (
        BESSEL_0,
        [lambda t: np.array([special.j0(t), -special.j1(t)])],
        (1.0, 30.0),
        lambda t: np.pi / 2 * np.array([special.y0(t), -special.y1(t)]),
        2e-14,
    ),
    "Bessel 1/2": (
        BESSEL_HALF,
        [bessel_half(np.sin, np.cos)],
        (1.0, 30.0),
        bessel_half(np.cos, lambda t: -np.sin(t)),
        2e-14,
    ),
    "Airy": (
        AIRY,
        [lambda t: np.array(special.airy(t)[:2])],
        (-20.0, 3.0),
        lambda t: np.pi * np.array(special.airy(t)[2:]),
        5e-13,
    ),
    "Markus-Yamabe, from the growing one": (markus_yamabe, [growing], (0.0, 10.0), decaying, 2e-12),
    "Markus-Yamabe, from the decaying one": (
        markus_yamabe,
        [decaying],
        (0.0, 10.0),
        growing,
        2e-12,
    ),
    "skew": (
        turning,
        [
            lambda t: np.array([np.cos(t * t), np.sin(t * t), 0.0 * t]),
            lambda t: np.array([0.0, 0.0, 1.0]),
        ],
        (0.0, 4.0),
        lambda t: np.array([np.sin(t * t), -np.cos(t * t), 0.0]),
        1e-14,
    ),
    "y''' - 6y'' + 11y' - 6y": (
        CUBIC,
        [exponential(1), exponential(2)],
        (0.0, 3.0),
        exponential(3),
        3e-14,
    ),
    "t^3 y''' - 3t^2 y'' + 6t y' - 6y": (
        EULER_3,
        [power(1), power(2)],
        (1.0, 5.0),
        power(3),
        1e-14,
    ),
}


def error_modulo(phi, expected):
    """Largest relative distance of the last column from expected · s + known · C, and s."""
    known, new = phi[..., :-1], phi[..., -1]
    size = np.linalg.norm(new, axis=-1, keepdims=True)
    columns = np.concatenate([known, expected[..., None]], axis=-1) / size[..., None]
    columns = columns.reshape(-1, columns.shape[-1])
    scale = np.abs(columns).max(axis=0)
    target = (new / size).ravel()
    coefficients = np.linalg.lstsq(columns / scale, target, rcond=None)[0]
    return np.abs(columns / scale @ coefficients - target).max(), coefficients[-1] / scale[-1]


def solve_and_compare(a, known, span, missing, **options):
    solution = general_solution(a, known, span, **options)
    t = np.linspace(*span, 501)
    phi = solution.fundamental(t)
    expected = np.stack([missing(float(s)) for s in t])
    error, scale = error_modulo(phi, expected)
    # det Φ(t0) = 1 fixes the scale.
    first = np.concatenate([phi[0, :, :-1], expected[0][:, None]], axis=-1)
    assert scale * np.linalg.det(first) == pytest.approx(1.0, rel=1e-9)
    return solution, t, phi, error


@pytest.mark.parametrize("name", CASES)
def test_missing_solution(name):
    *case, bound = CASES[name]
    solution, t, phi, error = solve_and_compare(*case, rtol=SMALLEST)
    assert error <= bound
    assert solution.residual < 1e-9
    sign, logs = np.linalg.slogdet(phi)
    assert np.all(sign == 1)
    np.testing.assert_allclose(solution.log_wronskian(t), logs, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_default_accuracy_is_kept(name):
    *case, _ = CASES[name]
    assert solve_and_compare(*case)[-1] <= 1e-10  # rtol


@pytest.mark.parametrize(
    ("name", "wronskian"),
    [
        ("t^2 y'' - 3t y' + 4y", lambda t: t**3),
        ("Legendre 1", lambda t: 0.19 / (1 - t**2)),
        ("Bessel 0, across nine zeros", lambda t: 1 / t),
        ("Airy", np.ones_like),
        ("t^3 y''' - 3t^2 y'' + 6t y' - 6y", lambda t: t**3),
    ],
)
def test_wronskian(name, wronskian):
    a, known, span, *_ = CASES[name]
    t = np.linspace(*span, 33)
    log = general_solution(a, known, span).log_wronskian(t)
    np.testing.assert_allclose(np.exp(log), wronskian(t), rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_wrong_wronskian_is_noticed(count, monkeypatch):
    """An error in ∫ tr A is refused by Liouville, or shows in the residual for n − 1 columns."""
    right = quadratures.integral_of_trace

    def wrong(*arguments):
        panels = right(*arguments)
        return panels._replace(coefficients=panels.coefficients * (1 + 1e-4))

    monkeypatch.setattr(quadratures, "integral_of_trace", wrong)
    known = [exponential(r) for r in (1, 2, 3)][:count]
    if count == 2:
        assert general_solution(CUBIC, known, (0.0, 3.0)).residual > 1e-6
        return
    with pytest.raises(ValueError, match=r"differs from ∫ tr A by .* at t = "):
        general_solution(CUBIC, known, (0.0, 3.0))


def test_skew_system_needs_no_quadrature():
    a, known, span, *_ = CASES["skew"]
    phi = general_solution(a, known, span).fundamental(np.linspace(*span, 41))
    cross = np.cross(phi[..., 0], phi[..., 1])
    np.testing.assert_allclose(phi[..., 2], cross, atol=1e-15)


def test_all_solutions_given():
    known = [exponential(r) for r in (1, 2, 3)]
    solution = general_solution(CUBIC, known, (0.0, 2.0))
    t = np.linspace(0.0, 2.0, 7)
    expected = np.stack([np.stack([x(s) for s in t]) for x in known], axis=-1)
    np.testing.assert_array_equal(solution.fundamental(t), expected)
    np.testing.assert_allclose(solution.log_wronskian(t), np.log(2) + 6 * t, rtol=1e-13)
    products = (solution.adjoint(t)[..., None, :] @ expected)[..., 0, :]
    np.testing.assert_allclose(products, np.tile([0.0, 0.0, 1.0], (7, 1)), atol=1e-12)


def test_scalar_equation_of_first_order():
    solution = general_solution([[2.0]], [lambda t: np.exp(2 * t)[None]], (0.0, 1.0))
    assert solution.fundamental(0.5) == pytest.approx(np.exp(1.0))
    assert solution.fit(0.0, [3.0])(1.0) == pytest.approx(3 * np.exp(2.0))


class TestBasePoint:
    """e^t from e^{2t} and e^{3t}: the wrong base buries it under what it is orthogonal to."""

    span = (0.0, 12.0)
    known = (exponential(2), exponential(3))

    def error_of_growth(self, **options):
        """The error modulo the known columns, and how much larger than e^t the new one is."""
        t = np.linspace(*self.span, 301)
        solution = general_solution(CUBIC, list(self.known), self.span, rtol=SMALLEST, **options)
        phi = solution.fundamental(t)
        expected = np.stack([exponential(1)(s) for s in t])
        lengths = [np.linalg.norm(x, axis=-1) for x in (phi[..., -1], expected)]
        return solution, error_modulo(phi, expected)[0], lengths[0] / lengths[1]

    def test_auto_loses_no_digits(self):
        solution, error, ratio = self.error_of_growth()
        assert error < 7e-14
        assert np.all((ratio > 0.01) & (ratio < 100))  # nowhere a multiple of e^{2t} or e^{3t}
        assert solution.condition < 100

    def test_wrong_end_shows_in_the_condition(self):
        solution, _, ratio = self.error_of_growth(base=0.0)
        assert solution.condition > 1e10
        assert ratio[-1] > 1e4

    def test_base_is_where_the_column_is_orthogonal_to_the_known(self):
        for base in (0.0, 5.0, 12.0):
            solution = general_solution(CUBIC, list(self.known), self.span, base=base)
            phi = solution.fundamental(base)
            cosines = phi[:, :-1].T @ phi[:, -1]
            lengths = np.linalg.norm(phi[:, :-1], axis=0) * np.linalg.norm(phi[:, -1])
            np.testing.assert_allclose(cosines / lengths, 0.0, atol=1e-13)


def test_each_component_has_its_own_base():
    """From e^t and e^{3t}, e^{2t}: no multiple of e^t is left at t0 and none of e^{3t} at t1."""
    solution = general_solution(CUBIC, [exponential(1), exponential(3)], (0.0, 12.0), rtol=SMALLEST)
    t = np.linspace(0.0, 12.0, 301)
    phi = solution.fundamental(t)
    assert error_modulo(phi, np.stack([exponential(2)(s) for s in t]))[0] < 1e-13
    assert solution.condition < 100


def test_complex_system():
    """x' = A x with eigenvalues i, −1 + 2i of a matrix that is not normal."""
    vectors = np.array([[1.0, 1.0j], [0.5j, 2.0]])
    rates = np.array([1j, -1 + 2j])
    a = vectors @ np.diag(rates) @ np.linalg.inv(vectors)
    column = [
        lambda t, j=j: np.exp(rates[j] * np.asarray(t))[..., None] * vectors[:, j] for j in (0, 1)
    ]
    t = np.linspace(0.0, 4.0, 41)
    for known, missing in itertools.permutations((0, 1)):
        solution = general_solution(a, [column[known]], (0.0, 4.0))
        phi = solution.fundamental(t)
        assert phi.dtype == np.complex128
        assert error_modulo(phi, column[missing](t))[0] < 1e-13
        np.testing.assert_allclose(solution.log_wronskian(t), rates.sum() * t, atol=1e-13)
        p = solution.adjoint(t)[..., None, :]
        np.testing.assert_allclose((p @ phi)[:, 0, :] - [0, 1], 0.0, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    system=st.sampled_from(["float64", "complex128"]).flatmap(
        lambda dtype: strategies.linear_systems_with_solutions(dtype=dtype)
    ),
    hidden=st.integers(0, 4),
)
def test_hidden_column_of_every_order(system, hidden):
    n = system.rates.shape[0]
    t = np.linspace(0.0, 2.0, 17)
    known = [lambda s, j=j: system.fundamental(s)[..., j] for j in range(n) if j != hidden % n]
    solution = general_solution(system.coefficient, known, (0.0, 2.0))
    truth = system.fundamental(t)
    c = np.linalg.solve(truth, solution.fundamental(t))
    assert np.abs(c - c[:1]).max() < 1e-10 * np.linalg.cond(truth).max()
    assert solution.residual < 1e-8


@pytest.mark.parametrize("factor", [1e-140, 1e140])
def test_columns_of_extreme_scale(factor):
    a, (known,), span, missing, _ = CASES["Bessel 0, across nine zeros"]
    solution = general_solution(a, [lambda t: factor * known(t)], span)
    t = np.linspace(*span, 201)
    phi = solution.fundamental(t)
    expected = np.stack([missing(float(s)) for s in t]) / factor
    assert error_modulo(phi / np.asarray([factor, 1 / factor]), expected * factor)[0] < 1e-13
    assert solution.residual < 1e-11
