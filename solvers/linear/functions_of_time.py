"""What a caller hands in, a function of one time or of many, as a function of a vector of times."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays

_AGREEMENT = 1000  # units of rounding by which a library's vector and scalar functions may differ
_NUMBERS = (int, float, complex, np.number)


class OfTimes(NamedTuple):
    """``call``: ``t (m,) -> (m, *shape)``."""

    call: Any
    shape: tuple
    is_complex: bool


def constant(a):
    """An array as a function of time."""
    xp = _arrays.result_namespace(a)
    shape = tuple(a.shape)
    return OfTimes(lambda t: xp.broadcast_to(a, (*t.shape, *shape)), shape, _arrays.is_complex(a))


def reshaped(function, shape):
    """The same values in another shape."""

    def call(t):
        return _arrays.result_namespace(t).reshape(function.call(t), (*t.shape, *shape))

    return OfTimes(call, shape, function.is_complex)


def over_times(function, name, probe):
    """Call `function` on vectors where that gives what scalars give, and in a loop elsewhere."""
    xp = _arrays.result_namespace(probe)
    ends = (0, probe.shape[0] // 2, probe.shape[0] - 1)
    samples = [_at(function, name, probe[i]) for i in ends]
    shape = tuple(samples[0].shape)
    if any(tuple(x.shape) != shape for x in samples):
        raise ValueError(f"`{name}` must return one shape; got {[tuple(x.shape) for x in samples]}")
    is_complex = any(_arrays.is_complex(x) for x in samples)
    # One more time than the size: (m, n) and (n, m) cannot be taken for each other.
    times = probe if probe.shape[0] not in shape else xp.concat([probe, probe[-1:]])
    axes = _time_axis(function, times, shape, {i: samples[j] for j, i in enumerate(ends)})
    if axes is None:
        return OfTimes(lambda t: _loop(function, name, t, samples[0]), shape, is_complex)
    return OfTimes(lambda t: _vectorised(function, name, t, axes), shape, is_complex)


def _time_axis(function, times, shape, samples):
    """Where `function` puts the time axis, 0 or −1; None when it takes no vectors."""
    m = times.shape[0]
    try:
        with np.errstate(all="ignore"):
            values = _to_array(function(times), times)
    except Exception:  # whatever a function of one number does when handed many
        return None
    axis = {(m, *shape): 0, (*shape, m): -1}.get(tuple(values.shape))
    if axis is None:
        return None
    values = _arrays.to_numpy(values)
    for i, sample in samples.items():
        alone = _arrays.to_numpy(sample)
        error = np.abs(np.take(values, i, axis=axis) - alone)
        bound = _AGREEMENT * _arrays.eps(times) * np.abs(alone).max(initial=0.0)
        if not np.all(error <= bound):
            return None
    return axis


def _vectorised(function, name, t, axis):
    with np.errstate(all="ignore"):  # what is not finite is reported with its time
        values = _same_library(_to_array(function(t), t), t, name)
    return values if axis == 0 else _arrays.result_namespace(t).moveaxis(values, -1, 0)


def _loop(function, name, t, like):
    xp = _arrays.result_namespace(t)
    values = [_at(function, name, t[i]) for i in range(t.shape[0])]
    return xp.stack(values) if values else like[None, ...][:0, ...]


def _at(function, name, t):
    """One value, at a 0-d time of the caller's library."""
    try:
        with np.errstate(all="ignore"):
            value = function(t)
    except ArithmeticError as error:
        raise ValueError(
            f"`{name}` must be finite on `t_span`; got {type(error).__name__} at t = "
            f"{_arrays.concrete(t):.17g}"
        ) from error
    return _same_library(_to_array(value, t), t, name)


def _same_library(values, t, name):
    if _arrays.result_namespace(values) is not _arrays.result_namespace(t):
        raise TypeError(
            f"`{name}` must return arrays of the library of `t_span` ({_arrays.library(t)}); "
            f"got {_arrays.library(values)}"
        )
    return values


def _to_array(value, t):
    """Arrays as they are; a sequence of arrays and numbers stacked, its gradient kept."""
    if _arrays.is_array(value):
        return value
    xp = _arrays.result_namespace(t)
    if isinstance(value, list | tuple) and not _holds_only_numbers(value):
        parts = [_to_array(x, t) for x in value]
        dtype = xp.result_type(*parts)
        return xp.stack([x if x.dtype == dtype else xp.astype(x, dtype) for x in parts])
    host = np.asarray(value)
    if host.dtype.kind not in "biufc":
        raise TypeError(f"a function of time must return numbers; got {type(value).__name__}")
    dtype = xp.result_type(t.dtype, xp.complex64) if host.dtype.kind == "c" else t.dtype
    return xp.asarray(host.tolist(), dtype=dtype, device=_arrays.device(t))


def _holds_only_numbers(values):
    return all(
        _holds_only_numbers(x) if isinstance(x, list | tuple) else isinstance(x, _NUMBERS)
        for x in values
    )


def finite(call, dtype, name):
    """The function in one dtype at times of any shape, an error where it is not finite."""

    def checked(t):
        xp = _arrays.result_namespace(t)
        values = call(xp.reshape(t, (-1,)))
        values = values if values.dtype == dtype else xp.astype(values, dtype)
        if _arrays.concrete(xp.all(xp.isfinite(values))) is False:
            _raise_not_finite(_arrays.to_numpy(values), _arrays.to_numpy(t), name)
        return xp.reshape(values, (*t.shape, *values.shape[1:]))

    return checked


def _raise_not_finite(values, t, name):
    bad = ~np.isfinite(values.reshape(t.size, -1)).all(axis=1)
    raise ValueError(
        f"`{name}` must be finite on `t_span`; got NaN or infinity at t = "
        f"{t.ravel()[np.argmax(bad)]:.17g}"
    )


def on_span(function, span):
    """The function for times checked to lie in the span, also for no times at all."""
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    slack = 4 * _arrays.eps(span) * max(abs(lo), abs(hi))

    def checked(t):
        xp, times, _ = _arrays.asarrays(t=t, t_span=span)
        if _arrays.is_complex(times):
            raise TypeError(f"`t` must be real; got dtype {times.dtype}")
        times = xp.astype(times, span.dtype)
        inside = xp.all((times >= lo - slack) & (times <= hi + slack))
        if _arrays.concrete(inside) is False:
            raise ValueError(f"`t` must lie in `t_span` = ({lo}, {hi}); got {t}")
        if math.prod(times.shape):
            return function(times)
        one = function(span[:1])
        return xp.reshape(one[:0, ...], (*times.shape, *one.shape[1:]))

    return checked
