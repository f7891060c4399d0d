"""Exact derivatives of right-hand sides."""

import math

import mpmath
import numpy as np
import pytest

from solvers.ode._kernels.dual_numbers import Dual, jacobian


def rational(t, y, a, pair):
    x, z = y
    return (
        (2 - x) * a / (1 + z * z) - z**3 / 4 + pair[1],
        -(x**2) * np.float64(3.0) + t * z - 1 / (x + t**5) + z**-3 * x**0,
        7.0,
    )


def test_jacobian_of_rational_functions():
    """Against differences in 40 digits."""
    point, rest = (0.3, 1.1, -0.7), (0.9, (0.2, 0.4))
    found = jacobian(rational, point[0], point[1:], rest)
    with mpmath.workdps(40):
        for i in range(3):
            for j, place in ((2, (1, 0, 0)), (0, (0, 1, 0)), (1, (0, 0, 1))):
                exact = mpmath.diff(
                    lambda t, x, z, i=i: mpmath.mpf(1) * rational(t, (x, z), *rest)[i],
                    tuple(mpmath.mpf(x) for x in point),
                    place,
                )
                assert abs(found[i].get(j, 0.0) - float(exact)) < 1e-14 * max(1, abs(exact))
    assert found[2] == {}


def test_absent_derivatives_are_not_computed():
    assert jacobian(lambda t, y: y[0], 0.0, (2.0, 3.0), ()) == [{0: 1.0}]


@pytest.mark.parametrize(
    "fun",
    [
        lambda t, y: (math.sin(y[0]),),
        lambda t, y: (np.exp(y[0]),),
        lambda t, y: (y[0] if y[0] > 0 else -y[0],),
        lambda t, y: (1.0 if y[0] == 0 else y[0],),
        lambda t, y: (y[0] if y[0] else 2.0,),
        lambda t, y: (y[0] ** 0.5,),
        lambda t, y: (y[0] ** y[0],),
        lambda t, y: (abs(y[0]),),
        lambda t, y: (max(y[0], t),),
    ],
)
def test_what_is_not_rational_has_none(fun):
    assert jacobian(fun, 0.0, (2.0,), ()) is None


def test_values_are_those_without_derivatives():
    x = Dual(1.7, {0: 1.0})
    found = (3.0 - x) / (x * x + 1.0) + x**3
    assert found.value == pytest.approx((3.0 - 1.7) / (1.7 * 1.7 + 1.0) + 1.7**3, rel=1e-15)
