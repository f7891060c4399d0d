"""Functions of time as Chebyshev polynomials on panels, refined until their tails are small.

A panel is split until the last coefficients of its interpolant, of all the places where an
unresolved function shows, are below the tolerance: no comparison of two quadrature sums, which can
agree by symmetry while both are wrong.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays

NODES = 32
_TAIL = 4  # an even or odd function has every second coefficient 0
_NOISE = 64
_BATCH = 8
_CHUNK = 2**14  # times at once: all coefficients of its panel are gathered for each

# cos(π j / 2N) for j = k (2i + 1), reduced in integers: a large argument would lose digits.
_COSINES = np.cos(np.pi * np.arange(4 * NODES) / (2 * NODES))
_DEGREES_BY_NODES = np.arange(NODES)[:, None] * (2 * np.arange(NODES) + 1)
_POINTS = _COSINES[2 * np.arange(NODES) + 1]
_VALUES_TO_COEFFICIENTS = 2 / NODES * _COSINES[_DEGREES_BY_NODES % (4 * NODES)]
_VALUES_TO_COEFFICIENTS[0] /= 2


def _integration_matrix():
    """Coefficients of the antiderivative, its constant left 0: b_k = (a_{k−1} − a_{k+1}) / 2k."""
    matrix = np.zeros((NODES + 1, NODES))
    for k in range(1, NODES + 1):
        matrix[k, k - 1] = (2 if k == 1 else 1) / (2 * k)
        if k + 1 < NODES:
            matrix[k, k + 1] = -1 / (2 * k)
    return matrix


_INTEGRATION = _integration_matrix()
_RIGHT_ENDS = np.ones(NODES + 1)  # T_k(1)
_LEFT_ENDS = (-1.0) ** np.arange(NODES + 1)  # T_k(−1)

# Node values to integrals from −1 to each node.
INTEGRALS_TO_NODES = (
    (
        np.polynomial.chebyshev.chebvander(_POINTS, NODES)
        - np.polynomial.chebyshev.chebvander([-1.0], NODES)
    )
    @ _INTEGRATION
    @ _VALUES_TO_COEFFICIENTS
)

UNIFORM_POINTS = np.linspace(-1.0, 1.0, NODES)
CHECK_POINTS = (2 * np.arange(NODES) + 1) / NODES - 1
_DERIVATIVE_AT_CHECK_POINTS = np.polynomial.chebyshev.chebvander(
    CHECK_POINTS, NODES - 2
) @ np.polynomial.chebyshev.chebder(np.eye(NODES), axis=0)


class Panels(NamedTuple):
    """A function of time with d components, piecewise polynomial.

    ``breaks``: floats, increasing, one more than panels. ``coefficients``: array
    (panels, degree + 1, d). ``unresolved``: None, or ``(t, component, tail)`` of the first panel
    that reached the narrowest width with a tail above the tolerance; there are no panels then.
    """

    breaks: tuple
    coefficients: Any
    unresolved: Any = None


def times(panels, like, points=_POINTS):
    """The points of [−1, 1] (the Chebyshev nodes) on each of p panels (lo, hi): (p, points)."""
    lo, hi = np.asarray(panels).T[..., None]
    return _arrays.from_numpy((lo + hi) / 2 + (hi - lo) / 2 * points, like)


def batch_size(like):
    """How many panels to evaluate at once: one where every shape costs a compilation."""
    return 1 if _arrays.is_jax_namespace(_arrays.result_namespace(like)) else _BATCH


def interpolate(function, breaks, like):
    """Interpolate `function` on panels fine enough for it.

    Parameters
    ----------
    function : callable
        ``t (p, NODES) -> (values, tolerance)``, both (p, NODES, d). The tail of a component must
        not exceed the least of its tolerances on the panel, or 64 times that where it is the
        noise of the function.
    breaks : sequence of float
        Panels to start from.
    like : array
        Its library, dtype and device are those of ``t``.

    Returns
    -------
    Panels
    """
    return interpolate_panels(lambda panels: function(times(panels, like)), breaks, like)


def interpolate_panels(function, breaks, like):
    """As `interpolate`, `function` being handed the panels [(lo, hi), …] in place of their nodes.

    A negative tolerance splits the panel.
    """
    narrowest = 2**10 * _arrays.eps(like) * max(abs(breaks[0]), abs(breaks[-1]))
    # Depth first, left to right: a pole is met after some forty splits, before panels abound.
    pending = [(lo, hi, np.inf) for lo, hi in itertools.pairwise(breaks)][::-1]
    done, size = [], batch_size(like)
    while pending:
        batch, pending = pending[-size:][::-1], pending[:-size]
        values, tolerance = function([panel[:2] for panel in batch])
        coefficients = _arrays.from_numpy(_VALUES_TO_COEFFICIENTS, values) @ values
        tails = np.abs(_arrays.to_numpy(coefficients)[:, -_TAIL:, :]).max(axis=1)
        allowed = _arrays.to_numpy(tolerance).min(axis=1)
        halves = []
        for i, (lo, hi, before) in enumerate(batch):
            if np.all(_resolved(tails[i], allowed[i], before)):
                done.append((lo, hi, coefficients[i, ...]))
            elif hi - lo <= narrowest:
                worst = int(np.argmax(tails[i] - allowed[i]))
                return Panels((), None, ((lo + hi) / 2, worst, float(tails[i, worst])))
            else:
                middle = (lo + hi) / 2
                halves += [(lo, middle, tails[i]), (middle, hi, tails[i])]
        pending += halves[::-1]
    done.sort(key=lambda panel: panel[0])
    rows = [coefficients for _, _, coefficients in done]
    ends = tuple(hi for _, hi, _ in done)
    return Panels((breaks[0], *ends), _arrays.result_namespace(rows[0]).stack(rows))


def _resolved(tail, allowed, before):
    """Small, or noise: within `_NOISE` of small and not smaller than on a panel twice as wide.

    Where a function is resolved at all, halving the panel divides its tail by far more than 8.
    """
    return (tail <= allowed) | ((tail <= _NOISE * allowed) & (tail >= before / 8))


def antiderivative(panels, bases):
    """The integral of every component from its own base.

    Parameters
    ----------
    panels : Panels
        With d components.
    bases : sequence of int
        For each component the index in ``panels.breaks`` of the point where its integral is 0.

    Returns
    -------
    Panels

    Notes
    -----
    Panels right of the base are summed to the right and those left of it to the left, so that no
    integral is formed as the difference of two larger ones.
    """
    breaks, count = panels.breaks, len(panels.breaks) - 1
    c = panels.coefficients
    xp = _arrays.result_namespace(c)
    half = np.diff(breaks)[:, None, None] / 2
    pieces = _arrays.from_numpy(half * _INTEGRATION, c) @ c
    left, stop = (_arrays.from_numpy(ends, c) @ pieces for ends in (_LEFT_ENDS, _RIGHT_ENDS))
    rise = stop - left
    ahead = _arrays.from_numpy(np.arange(count)[:, None] >= np.asarray(bases), c)
    none = 0 * rise[:1, :]
    before = xp.cumulative_sum(xp.concat([none, (ahead * rise)[:-1, :]]), axis=0)
    behind = xp.flip(xp.concat([((1 - ahead) * rise)[1:, :], none]), axis=0)
    behind = xp.flip(xp.cumulative_sum(behind, axis=0), axis=0)
    constant = ahead * (before - left) - (1 - ahead) * (behind + stop)
    return Panels(breaks, xp.concat([constant[:, None, :], pieces[:, 1:, :]], axis=1))


def evaluate(panels, t):
    """Values (..., d) at times (...) inside the breaks."""
    xp = _arrays.result_namespace(t)
    flat = xp.reshape(t, (-1,))
    m = flat.shape[0]
    chunks = [flat[start : min(start + _CHUNK, m)] for start in range(0, m, _CHUNK)]
    parts = [_evaluate(xp, panels, chunk) for chunk in chunks]
    values = parts[0] if len(parts) == 1 else xp.concat(parts)
    return xp.reshape(values, (*t.shape, values.shape[-1]))


def _evaluate(xp, panels, flat):
    breaks = _arrays.from_numpy(panels.breaks, flat)
    i = xp.searchsorted(breaks[1:-1], flat, side="right")
    lo, hi = xp.take(breaks[:-1], i), xp.take(breaks[1:], i)
    x = xp.clip(((flat - lo) - (hi - flat)) / (hi - lo), -1.0, 1.0)
    degrees = _arrays.from_numpy(np.arange(panels.coefficients.shape[1]), flat)
    polynomials = xp.cos(degrees * xp.acos(x)[:, None])  # T_k(cos θ) = cos kθ
    coefficients = xp.take(panels.coefficients, i, axis=0)
    return xp.sum(polynomials[..., None] * coefficients, axis=1)


def derivative_at_check_points(panels, some):
    """Derivatives (p, NODES, d) at ``CHECK_POINTS`` of interpolated panels, a slice of them."""
    scale = 2 / np.diff(panels.breaks)[some, None, None]
    coefficients = panels.coefficients[some, ...]
    return _arrays.from_numpy(scale * _DERIVATIVE_AT_CHECK_POINTS, coefficients) @ coefficients


def derivative(panels):
    """The derivative of every component, panel by panel."""
    degree = panels.coefficients.shape[1] - 1
    widths = np.diff(panels.breaks)[:, None, None]
    matrix = np.polynomial.chebyshev.chebder(np.eye(degree + 1), axis=0) * (2 / widths)
    return Panels(
        panels.breaks, _arrays.from_numpy(matrix, panels.coefficients) @ panels.coefficients
    )


def refine(*sequences):
    """All the breaks of several panels of one interval, increasing."""
    return tuple(sorted(set().union(*sequences)))
