"""The laws of the general solution fail plausible wrong implementations of it."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.polynomial import Chebyshev
from scipy.integrate import solve_ivp

from mathcore.testing import check_general_solution, general_solution_laws


def adjoint_of(x):
    return np.conj(np.swapaxes(x, -1, -2))


def cross_product(x):
    n = x.shape[-2]
    minors = [np.linalg.det(np.delete(x, i, axis=-2)) for i in range(n)]
    return np.stack([(-1) ** (i + n - 1) * minors[i] for i in range(n)], axis=-1)


def integrals(function, span, base):
    """t ↦ ∫_base^t of each component, by one interpolant of a degree that leaves no error."""
    each = [
        Chebyshev.interpolate(lambda s, j=j: function(s)[..., j], 1000, span).integ(lbnd=base)
        for j in range(function(np.asarray(span)).shape[-1])
    ]
    return lambda t: np.stack([one(t) for one in each], axis=-1)


def right_hand_side(a, fault):
    if fault == "A alone":
        return a
    if fault == "transposed, not conjugated":
        return a + np.swapaxes(a, -1, -2)
    return a + adjoint_of(a)


def written_out(a, solutions, t_span, *, b=None, kind="homogeneous", fault=None):
    """The formula as on paper, for n − 1 solutions, with one thing wrong."""
    t0, t1 = (float(t) for t in t_span)
    first = np.asarray(solutions[0](np.zeros(1)))
    if b is not None or kind == "particular" or len(solutions) < first.shape[-1] - 1:
        return integrated(a, solutions, (t0, t1), b, kind, fault)
    traces = integrals(lambda s: np.trace(a(s), axis1=-2, axis2=-1)[:, None], (t0, t1), t0)

    def tau(t):
        return 0 * t if fault == "no Wronskian" else traces(t)[..., 0]

    def columns(t):
        return np.stack([x(t) for x in solutions], axis=-1)

    def adjoint(t):
        sign = 1 if fault == "wrong sign of tau in the adjoint" else -1
        return np.exp(sign * tau(t))[..., None] * cross_product(columns(t))

    def normal_part(t):
        c = cross_product(columns(t))
        conjugate = c if fault == "cross product not conjugated" else np.conj(c)
        length = np.linalg.norm(c, axis=-1)[..., None]
        return (
            np.exp(tau(t))[..., None]
            * conjugate
            / length ** (1 if fault == "norm not squared" else 2)
        )

    def rate(t):
        x = columns(t)
        inverse = np.linalg.pinv(x) if fault != "Q^H alone" else adjoint_of(np.linalg.qr(x)[0])
        return (inverse @ right_hand_side(a(t), fault) @ normal_part(t)[..., None])[..., 0]

    middle = (t0 + t1) / 2
    early, late = (integrals(rate, (t0, t1), base) for base in (t0, middle))

    def u(t):
        moved = (t > middle) & (fault == "base moves with t")
        return np.where(np.asarray(moved)[..., None], late(t), early(t))

    def fundamental(t):
        x, new = columns(t), normal_part(t)
        if fault != "X u forgotten":
            new = new + (x @ u(t)[..., None])[..., 0]
        if fault == "a combination of the known ones":
            new = x[..., 0]
        return np.concatenate([x, new[..., None]], axis=-1)

    def fit(start, x0):
        phi = fundamental(start)
        coefficients = np.linalg.solve(phi.T if fault == "fit transposed" else phi, x0)
        return lambda t: fundamental(t) @ coefficients

    return SimpleNamespace(
        fundamental=fundamental,
        adjoint=adjoint,
        log_wronskian=tau,
        fit=fit,
        particular=lambda t: np.zeros_like(normal_part(t)),
    )


def integrated(a, solutions, span, b, kind, fault):
    """The same promises kept by a differential equation solver, with one thing wrong."""

    def columns(t):
        return np.stack([x(t) for x in solutions], axis=-1)

    if kind == "particular":
        given = 0 if fault == "first solution not subtracted" else 1
        return of_columns(lambda t: columns(t)[..., 1:] - given * columns(t)[..., :1], solutions[0])
    n, k = a(np.zeros(1)).shape[-1], len(solutions)
    x = columns(np.asarray([span[0]]))[0]
    start = np.concatenate([x, np.linalg.svd(x)[0][:, k:], np.zeros((n, 1))], axis=1)
    if fault == "a column twice":
        start[:, n - 1] = start[:, k]
    forced = np.zeros(n + 1)
    forced[-1] = b is not None and fault != "b forgotten"

    def rate(t, y):
        y = y.reshape(n, n + 1)
        force = 0 if b is None else b(np.asarray([t]))[0][:, None] * forced
        return (a(np.asarray([t]))[0] @ y + force).ravel()

    path = solve_ivp(
        rate,
        span,
        start.astype(x.dtype).ravel(),
        "DOP853",
        dense_output=True,
        rtol=1e-12,
        atol=1e-12,
    ).sol

    def whole(t):
        y = np.moveaxis(path(np.ravel(t)), 0, -1).reshape(*np.shape(t), n, n + 1)
        return np.concatenate([columns(t), y[..., k:]], axis=-1)

    def new_columns(t):
        y = whole(t)[..., :n]
        if fault != "known parts taken out":
            return y
        x, new = y[..., :k], y[..., k:]
        return np.concatenate([x, new - x @ np.linalg.pinv(x) @ new], axis=-1)

    return of_columns(new_columns, lambda t: whole(t)[..., n])


def of_columns(fundamental, particular):
    def fit(start, x0):
        c = np.linalg.solve(fundamental(start), x0 - particular(start))
        return lambda t: particular(t) + fundamental(t) @ c

    return SimpleNamespace(fundamental=fundamental, particular=particular, fit=fit)


FAULTS = {
    "A alone": "recovers_the_hidden_column",
    "X u forgotten": "recovers_the_hidden_column",
    "base moves with t": "recovers_the_hidden_column",
    "Q^H alone": "recovers_the_hidden_column",
    "a combination of the known ones": "recovers_the_hidden_column",
    "transposed, not conjugated": "recovers_the_hidden_column",
    "cross product not conjugated": "recovers_the_hidden_column",
    "no Wronskian": "liouville",
    "norm not squared": "liouville",
    "wrong sign of tau in the adjoint": "adjoint_is_a_first_integral",
    "fit transposed": "fit_reproduces_a_solution",
    "known parts taken out": "recovers_all_but_one",
    "a column twice": "recovers_all_but_one",
    "b forgotten": "inhomogeneous_solution",
    "first solution not subtracted": "differences_of_particular_solutions",
}
BY_NAME = {one.__name__: one for one in general_solution_laws}


@pytest.mark.parametrize("name", list(BY_NAME))
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_formula_on_paper_passes(name, dtype):
    BY_NAME[name](written_out, dtype=dtype, max_examples=2)


@pytest.mark.parametrize(("fault", "name"), FAULTS.items())
def test_fault_is_caught(fault, name):
    wrong = functools.partial(written_out, fault=fault)
    with pytest.raises(AssertionError):
        BY_NAME[name](wrong, dtype="complex128", max_examples=2)


def test_every_law_catches_a_fault():
    assert set(FAULTS.values()) == set(BY_NAME)


# --- a system of the user's own -----------------------------------------------------------------


def own_fundamental(t):
    one, s = np.ones_like(t), np.sin(t)
    rows = [[np.exp(t), one, s], [0 * t, np.exp(-t), t], [t, 0.3 * one, 2 + np.cos(t)]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def all_given(function):
    """`function` for fewer than n columns, the columns themselves for n."""

    def general_solution(a, solutions, t_span):
        if len(solutions) == 3:
            return of_columns(lambda t: np.stack([x(t) for x in solutions], axis=-1), None)
        return function(a, solutions, t_span)

    return general_solution


def test_own_system_passes():
    check_general_solution(all_given(written_out), own_fundamental, (0.0, 1.5), tolerance=1e-8)


@pytest.mark.parametrize("fault", ["X u forgotten", "known parts taken out", "a column twice"])
def test_fault_is_caught_on_an_own_system(fault):
    wrong = all_given(functools.partial(written_out, fault=fault))
    with pytest.raises(AssertionError, match="from columns"):
        check_general_solution(wrong, own_fundamental, (0.0, 1.5), tolerance=1e-8)


def test_wrong_formula_of_the_user_is_caught():
    def coefficient(t):
        return np.broadcast_to(np.eye(3), (*np.shape(t), 3, 3))

    with pytest.raises(AssertionError, match="from columns"):
        check_general_solution(
            all_given(written_out), own_fundamental, (0.0, 1.5), coefficient=coefficient
        )
