"""Where along a step an event function changes sign: pairs of roots inside one step included.

Each event is looked at in `_PARTS` parts of the step's dense polynomial; where its values come near
zero and leave again, the vertex of the parabola through three of them is looked at too. A root is
then bracketed and found by Brent's method.
"""

import itertools
import math
from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable

_PARTS = 8
_THETAS = tuple(i / _PARTS for i in range(_PARTS + 1))


class Event(NamedTuple):
    """An event function with SciPy's attributes: it ends the run at root number `limit`."""

    function: Any
    direction: float
    limit: float


class Root(NamedTuple):
    """A root of event number `event` at t + θh."""

    theta: float
    event: int


def checked_events(events):
    """A tuple of `Event`, from a callable or a sequence of them."""
    if events is None:
        return ()
    functions = (events,) if callable(events) else tuple(events)
    return tuple(_checked(function) for function in functions)


def _checked(function):
    check_callable(function, "events")
    terminal = getattr(function, "terminal", None)
    if terminal is None or terminal is False:
        limit = math.inf
    elif terminal is True:
        limit = 1
    else:
        limit = int(terminal)
        if limit != terminal or limit < 0:
            raise ValueError(
                "`events` must have an attribute `terminal` that is a bool or a "
                f"non-negative integer; got {terminal!r}"
            )
        limit = limit or math.inf
    return Event(function, float(getattr(function, "direction", 0)), limit)


def value(event, t, y, args):
    """The event function as a Python float."""
    g = event.function(t, y, *args)
    return float(_arrays.detach(g)) if _arrays.is_array(g) else float(g)


def roots_of_step(events, value_at, first, last):
    """Roots in 0 < θ <= 1 of all events, in the order of θ.

    ``value_at(i, theta)`` is event i along the step, `first` and `last` its values at both ends.
    """
    roots = []
    for i, event in enumerate(events):
        inner = [value_at(i, theta) for theta in _THETAS[1:-1]]
        samples = list(zip(_THETAS, [first[i], *inner, last[i]], strict=True))
        samples = _with_vertices(samples, lambda theta, i=i: value_at(i, theta))
        for (a, g_a), (b, g_b) in itertools.pairwise(samples):
            if _crosses(g_a, g_b, event.direction):
                roots.append(Root(_root(lambda s, i=i: value_at(i, s), a, b, g_a, g_b), i))
    return sorted(roots)


def _crosses(before, after, direction):
    """A root at the beginning belongs to the part before."""
    rises, falls = before < 0 <= after, before > 0 >= after
    return (rises and direction >= 0) or (falls and direction <= 0)


def _with_vertices(samples, value_at):
    """The samples, and the vertex of the parabola through three where |g| has a minimum."""
    out = [samples[0]]
    for left, middle, right in zip(samples, samples[1:], samples[2:], strict=False):
        out.append(middle)
        towards_zero = abs(middle[1]) <= min(abs(left[1]), abs(right[1]))
        same_sign = min(left[1] * middle[1], middle[1] * right[1]) > 0
        if towards_zero and same_sign:
            width = right[0] - middle[0]
            slope, bend = right[1] - left[1], right[1] - 2 * middle[1] + left[1]
            theta = middle[0] - width * slope / (2 * bend) if bend else middle[0]
            out.append((theta, value_at(theta)))
    return sorted({*out, samples[-1]})


def _root(function, a, b, g_a, g_b):
    if g_b == 0:
        return b
    from scipy.optimize import brentq

    return float(brentq(function, a, b, xtol=4e-16, rtol=1e-15))
