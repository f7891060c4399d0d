"""Steps fine enough for a tolerance, found for a whole interval at once.

Each round estimates the errors of all steps not yet accepted in one vectorised evaluation and
divides those that are too long into as many as their error asks for: a handful of rounds replaces
thousands of calls one after the other.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays

_FIRST = 16
_MOST_PARTS = 16
_MARGIN = 1.1
_AT_ONCE = 2**10
_NARROWEST = 2.0**10  # units of rounding of the times


class Mesh(NamedTuple):
    """``nodes`` (steps + 1,) from t0 on, and how the search for them ended.

    ``error``: the sum of the estimated relative errors; ``rejected``: steps tried and divided;
    ``message``: empty where the nodes reach t1.
    """

    nodes: Any
    error: float
    rejected: int
    message: str


def adaptive_mesh(errors, t_span, *, rtol, order, breaks=(), most_steps=2**20):
    """Divide `t_span` until every step has its share of `rtol`.

    Parameters
    ----------
    errors : callable
        ``(start, stop) -> (m, 2)``, for (m,) steps: the relative error of each, and below what it
        is rounding. NaN or infinity counts as too large.
    t_span : (t0, t1)
        In either order.
    rtol : float
        The sum of the errors of all steps.
    order : int
        The error of a step falls like its length to the power ``order + 1``.
    breaks : sequence of float
        Times that no step crosses.
    most_steps : int

    Returns
    -------
    Mesh
    """
    t0, t1 = t_span
    length = abs(t1 - t0)
    start, stop = _first_steps(t0, t1, breaks)
    accepted, failed, rejected, count = [], [], 0, 0
    narrowest = _NARROWEST * np.finfo(float).eps * max(abs(t0), abs(t1))
    while start.size:
        # Earliest first: what nothing can resolve is met before all that follows is divided
        later = start[_AT_ONCE:], stop[_AT_ONCE:]
        start, stop = start[:_AT_ONCE], stop[:_AT_ONCE]
        error, noise = np.asarray(errors(start, stop)).T
        allowed = np.maximum(rtol * np.abs(stop - start) / length, noise)
        good = error <= allowed
        accepted.append((start[good], stop[good], error[good]))
        start, stop, excess = start[~good], stop[~good], error[~good] / allowed[~good]
        count, rejected = count + good.sum(), rejected + start.size
        parts = _parts(excess, order)
        hopeless = np.abs(stop - start) / parts <= narrowest
        if count + parts.sum() + later[0].size > most_steps:
            hopeless[:] = True
        if hopeless.any():
            first = int(np.argmax(hopeless))
            failed, later = [start[first]], (start[:0], stop[:0])
            start, stop, parts = start[:first], stop[:first], parts[:first]
        divided = _divided(start, stop, parts)
        start, stop = (np.concatenate(x) for x in zip(divided, later, strict=True))
    return _mesh(accepted, np.asarray(failed), t0, t1, int(rejected))


def in_rounds(function, size, *, padded=False):
    """``function(start, stop) -> (m, …)`` called with at most `size` steps at a time.

    With exactly so many where `padded`: for libraries that compile for every length.
    """

    def limited(start, stop):
        count = start.shape[0]
        if count == 0 or (count <= size and not padded):
            return function(start, stop)
        parts = []
        for i in range(0, count, size):
            steps = [x[i : i + size] for x in (start, stop)]
            some = steps[0].size
            if padded:
                steps = [np.pad(x, (0, size - some), mode="edge") for x in steps]
            parts.append(function(*steps)[:some, ...])
        return _arrays.result_namespace(parts[0]).concat(parts)

    return limited


def power_of_two_steps(nodes):
    """As many steps as the next power of two, the longest ones halved."""
    lengths = np.abs(np.diff(nodes))
    more = (1 << (lengths.size - 1).bit_length()) - lengths.size
    longest = np.sort(np.argsort(-lengths, kind="stable")[:more])
    return np.insert(nodes, longest + 1, (nodes[longest] + nodes[longest + 1]) / 2)


def _first_steps(t0, t1, breaks):
    ends = np.linspace(t0, t1, _FIRST + 1)
    if len(breaks):
        inside = [t for t in breaks if min(t0, t1) < t < max(t0, t1)]
        ends = np.unique([t0, *inside, t1])
        ends = ends if t1 >= t0 else ends[::-1]
    return ends[:-1], ends[1:]


def _parts(excess, order):
    usable = np.isfinite(excess)
    wanted = _MARGIN * np.where(usable, excess, 2.0) ** (1 / order)
    return np.clip(np.ceil(wanted), 2, _MOST_PARTS).astype(int)


def _divided(start, stop, parts):
    """Each step in its number of equal parts."""
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    start, stop, parts = (np.repeat(x, parts) for x in (start, stop, parts))
    h = stop - start
    # The ends of neighbours must be the same numbers
    return start + h * (number / parts), np.where(
        number + 1 == parts, stop, start + h * ((number + 1) / parts)
    )


def _mesh(accepted, failed, t0, t1, rejected):
    start, stop, error = (np.concatenate(x) for x in zip(*accepted, strict=True))
    ascending = np.argsort(start if t1 >= t0 else -start)
    start, stop, error = (x[ascending] for x in (start, stop, error))
    message = ""
    if failed.size:
        first = failed.min() if t1 >= t0 else failed.max()
        before = start < first if t1 >= t0 else start > first
        start, stop, error = start[before], stop[before], error[before]
        message = f"no step is short enough for the tolerance at t = {first:.17g}"
    nodes = np.concatenate([[t0], stop])
    return Mesh(nodes, math.fsum(error), int(rejected), message)
