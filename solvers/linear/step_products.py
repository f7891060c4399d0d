"""Products of the propagators of many steps: states at all nodes, and Φ(b, a) for any two times.

Products of 2, 4, 8, … consecutive steps form a tree, each level one batched product; the steps
between two nodes are then a product of at most two from each level. Nothing is interpolated: a
time inside a step is reached by a shorter step of the same method.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mathcore import _arrays


class StepSequence:
    """The propagators of x' = A x (or of its augmented form) over consecutive steps.

    Parameters
    ----------
    nodes : array (steps + 1,)
        Host times, increasing or decreasing.
    step : callable
        ``(start, stop) -> Φ(stop, start)`` (m, ..., n, n), for host times (m,) in either order.
    """

    def __init__(self, nodes: Any, step: Callable):
        self.nodes = nodes
        self.step = step
        self.sign = 1.0 if nodes[-1] >= nodes[0] else -1.0

    @functools.cached_property
    def levels(self):
        """Products of 2^j steps, j = 0, 1, …; an incomplete last one is left out."""
        levels = [self.step(self.nodes[:-1], self.nodes[1:])]
        while levels[-1].shape[0] > 1:
            x = levels[-1]
            pairs = x.shape[0] // 2
            levels.append(x[1 : 2 * pairs : 2, ...] @ x[0 : 2 * pairs : 2, ...])
        return levels

    @functools.cached_property
    def reversed(self):
        """The steps from the last node to the first."""
        return StepSequence(self.nodes[::-1], self.step)

    def states(self, x0):
        """x (steps + 1, ..., n) at all nodes from x0 (..., n), every product made once."""
        x = x0[None, ..., None]
        xp = _arrays.result_namespace(x)
        for level in reversed(self.levels):
            odd = aligned(level[::2, ...], x) @ x[: (level.shape[0] + 1) // 2, ...]
            x = _interleaved(xp, xp.broadcast_to(x, (x.shape[0], *odd.shape[1:])), odd)
        return x[..., 0]

    def index(self, t):
        """The step in which each time lies, (m,)."""
        inner = self.sign * self.nodes[1:-1]
        return np.searchsorted(inner, self.sign * t, side="right")

    def between(self, t1, t0):
        """Φ(t1, t0) for host times (m,) each, (m, ..., n, n)."""
        ahead = self.sign * (t1 - t0) >= 0
        if np.all(ahead):
            return self._forward(t1, t0)
        if not np.any(ahead):
            return self.reversed._forward(t1, t0)
        there, back = self._forward(t1, t0, ahead), self.reversed._forward(t1, t0, ~ahead)
        xp = _arrays.result_namespace(there)
        return xp.where(_mask(ahead, there), there, back)

    def _forward(self, t1, t0, where=True):
        """Φ(t1, t0), t1 after t0; anything where not `where`."""
        t0 = np.where(where, t0, t1)
        first, last = self.index(t0), self.index(t1)
        same = first == last
        if np.all(same):
            return self.step(t0, t1)
        stop = np.where(same, t1, self.nodes[first + 1])
        start = np.where(same, t1, self.nodes[last])
        inner = self._product(np.where(same, last, first + 1), last)
        return self.step(start, t1) @ (inner @ self.step(t0, stop))

    def _product(self, first, last):
        """The product of the steps first … last − 1, (m, ..., n, n)."""
        x = self.levels[0]
        xp = _arrays.result_namespace(x)
        one = xp.eye(x.shape[-1], dtype=x.dtype, device=_arrays.device(x))
        early = late = xp.broadcast_to(one, (first.size, *x.shape[1:]))
        for level in self.levels:
            odd = (first < last) & (first % 2 == 1)
            early = xp.where(_mask(odd, x), _taken(level, first, odd) @ early, early)
            first = first + odd
            odd = (first < last) & (last % 2 == 1)
            late = xp.where(_mask(odd, x), late @ _taken(level, last - 1, odd), late)
            last = last - odd
            first, last = first // 2, last // 2
            if np.all(first >= last):
                break
        return late @ early


def aligned(matrices, x):
    """Matrices (m, *batch, n, n) with the axes of x (m, *more, n, 1) between."""
    missing = x.ndim - matrices.ndim
    shape = (matrices.shape[0], *(1,) * missing, *matrices.shape[1:])
    return _arrays.result_namespace(x).reshape(matrices, shape)


def _interleaved(xp, even, odd):
    """even[0], odd[0], even[1], … with as many odd as even ones, or one fewer."""
    both = xp.stack([even[: odd.shape[0], ...], odd], axis=1)
    both = xp.reshape(both, (2 * odd.shape[0], *odd.shape[1:]))
    return both if even.shape[0] == odd.shape[0] else xp.concat([both, even[-1:, ...]])


def _mask(condition, like):
    mask = np.reshape(condition, (-1, *(1,) * (like.ndim - 1)))
    xp = _arrays.result_namespace(like)
    return xp.asarray(mask, device=_arrays.device(like))


def _taken(level, index, used):
    xp = _arrays.result_namespace(level)
    index = xp.asarray(np.where(used, index, 0), device=_arrays.device(level))
    return xp.take(level, index, axis=0)
