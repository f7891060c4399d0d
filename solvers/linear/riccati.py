"""The general solution of a Riccati equation from three of its solutions."""

from collections.abc import Callable
from typing import NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable


class RiccatiSolution(NamedTuple):
    """All solutions of y' = f + g y + h y².

    Attributes
    ----------
    solution : callable
        ``c -> y``, the solution with the constant c, itself a callable ``t -> y(t)`` (or an
        expression where expressions were given): y1, y2 and y3 have c = 0, ∞ and 1.
    fit : callable
        ``(t0, y0) -> y``, the solution through y0 at t0.
    constant : callable
        ``(t, y) -> c``, the cross-ratio, constant along every solution.
    """

    solution: Callable
    fit: Callable
    constant: Callable


def riccati_general_solution(y1, y2, y3):
    """General solution of y' = f(t) + g(t) y + h(t) y² from three solutions, by their cross-ratio.

    Parameters
    ----------
    y1, y2, y3 : callables or SymPy expressions
        Distinct solutions ``t -> y``, real or complex, of a scalar or an array of times. f, g and h
        are not needed.

    Returns
    -------
    RiccatiSolution
        Functions ``solution(c)``, ``fit(t0, y0)`` and ``constant(t, y)``.

    Raises
    ------
    ValueError
        `fit` or `constant` at a time where two of the three coincide, or three expressions of which
        two are equal.
    TypeError
        One of them is neither callable nor an expression, or they are mixed.

    Notes
    -----
    (y − y1)(y3 − y2) / ((y − y2)(y3 − y1)) = c. Solutions may have poles that move with c; y is
    infinite there. `fit` keeps c as a quotient, so y0 = y2(t0) is no exception.

    References
    ----------
    .. [1] E. L. Ince, "Ordinary Differential Equations", Dover (1956), section 2.15.

    Examples
    --------
    Of y' = 1 + y² know tan t, −cot t and tan(t + 1):

    >>> import numpy as np
    >>> from solvers import riccati_general_solution
    >>> known = np.tan, lambda t: -1 / np.tan(t), lambda t: np.tan(t + 1)
    >>> y = riccati_general_solution(*known).fit(0.2, np.tan(0.7))
    >>> bool(abs(y(0.5) - np.tan(1.0)) < 1e-14)
    True
    """
    given = (y1, y2, y3)
    if all(_arrays.library(y) == "sympy" for y in given):
        return _of_expressions(*given)
    for i, y in enumerate(given):
        check_callable(y, f"y{i + 1}")
    return RiccatiSolution(
        lambda c: _member(given, c, 1),
        lambda t0, y0: _member(given, *_ratio(given, t0, y0)),
        lambda t, y: _quotient(*_ratio(given, t, y)),
    )


def _values(given, t):
    xp, t = _arrays.asarrays(t=t)
    _, _, *y = _arrays.asarrays(t=t, **{f"y{i + 1}": one(t) for i, one in enumerate(given)})
    return xp, *y


def _member(given, c, d):
    """The solution with constant c/d: d (y − y1)(y3 − y2) = c (y − y2)(y3 − y1)."""

    def y(t):
        _, y1, y2, y3 = _values(given, t)
        left, right = d * (y3 - y2), c * (y3 - y1)
        return _quotient(left * y1 - right * y2, left - right)

    return y


def _ratio(given, t, y):
    """Numerator and denominator of the cross-ratio."""
    xp, *known = _values(given, t)
    y1, y2, y3 = known
    _, y, _ = _arrays.asarrays(y=y, y1=y1)
    for first, second, names in ((y1, y2, "y1, y2"), (y2, y3, "y2, y3"), (y1, y3, "y1, y3")):
        limit = 64 * _arrays.eps(y1) * xp.maximum(xp.abs(first), xp.abs(second))
        if _arrays.concrete(xp.all(xp.abs(first - second) > limit)) is False:
            raise ValueError(f"`{names}` must differ; got equal values at t = {t}")
    infinite = xp.isinf(y)  # at a pole of y both differences with it cancel
    finite = xp.where(infinite, xp.zeros_like(y), y)
    one = xp.ones_like(y)
    left, right = (xp.where(infinite, one, finite - other) for other in (y1, y2))
    return left * (y3 - y2), right * (y3 - y1)


def _quotient(top, bottom):
    """Their quotient, infinite where `bottom` is 0."""
    xp = _arrays.result_namespace(bottom)
    pole = bottom == 0
    return xp.where(pole, xp.inf, top / xp.where(pole, xp.ones_like(bottom), bottom))


def _of_expressions(y1, y2, y3):
    import sympy

    if any(sympy.simplify(one - other) == 0 for one, other in ((y1, y2), (y2, y3), (y1, y3))):
        raise ValueError("`y1, y2, y3` must differ; got equal expressions")
    symbols = sorted((y1.free_symbols | y2.free_symbols | y3.free_symbols), key=str)

    def constant(t, y):
        value = (y - y1) * (y3 - y2) / ((y - y2) * (y3 - y1))
        return value.subs({symbol: t for symbol in symbols if symbol.name == "t"})

    def solution(c):
        return sympy.simplify(((y3 - y2) * y1 - c * (y3 - y1) * y2) / (y3 - y2 - c * (y3 - y1)))

    return RiccatiSolution(solution, lambda t0, y0: solution(constant(t0, y0)), constant)
