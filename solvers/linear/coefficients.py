"""The coefficients A and b of x' = A x + b as functions of a vector of times, however given."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.matrices.linear_operators import is_scipy
from solvers.linear.functions_of_time import constant, over_times

_PROBES = np.array([0.11, 0.31, 0.52, 0.73, 0.94])  # no round numbers: poles like these
_STENCIL = 4  # samples on a grid are joined by cubics through four of them


class Coefficient(NamedTuple):
    """A coefficient of one system or of a batch of them.

    ``at``: float64 times on the host (m,) -> ``(m, *shape)``; ``value``: the array where it is
    constant, else None; ``breaks``: times where it is not smooth.
    """

    at: Callable
    shape: tuple
    value: Any = None
    breaks: tuple = ()
    is_complex: bool = False

    def cast(self, dtype):
        """The same coefficient in another dtype."""

        def as_dtype(x):
            return x if x.dtype == dtype else _arrays.result_namespace(x).astype(x, dtype)

        value = None if self.value is None else as_dtype(self.value)
        return self._replace(at=lambda t: as_dtype(self.at(t)), value=value)


def is_function(a):
    """Whether `a` is a function of time: neither an array nor an operator of SciPy."""
    return callable(a) and not _arrays.is_array(a) and not is_scipy(a)


def is_grid(a, axes):
    """Whether `a` is a pair (times, samples) of coefficients with at least so many axes."""
    if not isinstance(a, tuple) or len(a) != 2:
        return False
    return all(np.ndim(x) == 1 for x in a[:1]) and _ndim(a[1]) == axes + 1


def _ndim(x):
    return x.ndim if _arrays.is_array(x) else np.ndim(x)


def arrays_in(a):
    """The arrays by which `a` fixes the library and dtype of the results."""
    if isinstance(a, tuple):
        return [x for x in a[1:] if _arrays.is_array(x)]
    return [a] if _arrays.is_array(a) else []


def read_coefficient(a, name, like, t_span, *, axes):
    """`Coefficient` of a function of time, samples on a grid or a constant.

    `like` gives library, device and real dtype of the times; `axes` is 2 for matrices.
    """
    if is_function(a):
        return _of_function(a, name, like, t_span)
    if any(is_grid(a, k) for k in (axes, axes + 1)):
        return _of_samples(*a, name, like, t_span)
    _, _, value = _arrays.asarrays(like=like, **{name: a})
    found = constant(value)
    return Coefficient(found.call, found.shape, value, is_complex=found.is_complex)


def _of_function(a, name, like, t_span):
    inside = t_span[0] + (t_span[1] - t_span[0]) * _PROBES
    found = over_times(a, name, _arrays.from_numpy(inside, like))

    def at(t):
        with np.errstate(all="ignore"):  # the steps stop before a pole, and the result says so
            return found.call(_arrays.from_numpy(t, like))

    return Coefficient(at, found.shape, is_complex=found.is_complex)


# --- samples on a grid ----------------------------------------------------------------------------


def _of_samples(times, samples, name, like, t_span):
    """Cubics through the four samples nearest to each interval of the grid; linear in samples."""
    grid = np.asarray(_arrays.to_numpy(times) if _arrays.is_array(times) else times, float)
    _, _, samples = _arrays.asarrays(like=like, **{name: samples})
    if samples.shape[0] != grid.size or grid.size < _STENCIL or not np.all(np.diff(grid) > 0):
        raise ValueError(
            f"`{name}` must be (times, samples) with at least {_STENCIL} increasing times and as "
            f"many samples; got {grid.size} and {samples.shape[0]}"
        )
    if min(t_span) < grid[0] or max(t_span) > grid[-1]:
        raise ValueError(
            f"`t_span` must lie within the times of `{name}`, [{grid[0]}, {grid[-1]}]; got {t_span}"
        )
    xp, inner = _arrays.result_namespace(samples), (1,) * (samples.ndim - 1)

    def at(t):
        interval = np.searchsorted(grid[1:-1], t, side="right")
        first = np.clip(interval - 1, 0, grid.size - _STENCIL)
        total = 0.0
        for j in range(_STENCIL):
            weight = _arrays.from_numpy(_lagrange(grid, first, j, t), like)
            index = xp.asarray(first + j, device=_arrays.device(samples))
            total = total + xp.reshape(weight, (-1, *inner)) * xp.take(samples, index, axis=0)
        return total

    low, high = min(t_span), max(t_span)
    breaks = tuple(float(t) for t in grid if low < t < high)
    return Coefficient(at, tuple(samples.shape[1:]), None, breaks, _arrays.is_complex(samples))


def _lagrange(grid, first, j, t):
    """The polynomial at t that is 1 at node first + j and 0 at the others of the stencil."""
    others = [k for k in range(_STENCIL) if k != j]
    factors = [(t - grid[first + k]) / (grid[first + j] - grid[first + k]) for k in others]
    return np.prod(factors, axis=0)
