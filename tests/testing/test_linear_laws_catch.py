"""The laws of the general solution fail plausible wrong implementations of it."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from mathcore.testing import general_solution_laws


def adjoint_of(x):
    return np.conj(np.swapaxes(x, -1, -2))


def cross_product(x):
    n = x.shape[-2]
    minors = [np.linalg.det(np.delete(x, i, axis=-2)) for i in range(n)]
    return np.stack([(-1) ** (i + n - 1) * minors[i] for i in range(n)], axis=-1)


def integrals(function, span, base):
    """t ↦ ∫_base^t of each component, by one interpolant of a degree that leaves no error."""
    each = [
        Chebyshev.interpolate(lambda s, j=j: function(s)[..., j], 300, span).integ(lbnd=base)
        for j in range(function(np.asarray(span)).shape[-1])
    ]
    return lambda t: np.stack([one(t) for one in each], axis=-1)


def right_hand_side(a, fault):
    if fault == "A alone":
        return a
    if fault == "transposed, not conjugated":
        return a + np.swapaxes(a, -1, -2)
    return a + adjoint_of(a)


def written_out(a, solutions, t_span, *, fault=None):
    """The formula as on paper, for n − 1 solutions, with one thing wrong."""
    t0, t1 = (float(t) for t in t_span)
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

    return SimpleNamespace(fundamental=fundamental, adjoint=adjoint, log_wronskian=tau, fit=fit)


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
