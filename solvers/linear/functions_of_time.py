"""What a caller hands in, a function of one time or of many, as a function of a vector of times."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.linear import chebyshev_panels

_AGREEMENT = 1000  # units of rounding by which a library's vector and scalar functions may differ
_NUMBERS = (int, float, complex, np.number)


class LinearSystem(NamedTuple):
    """x' = A(t) x on [t0, t1] and k of its solutions, checked for shape and made one dtype.

    ``coefficient``: ``t (...) -> (..., n, n)``; ``columns``: ``t (...) -> (..., n, k)``; ``span``:
    real array (2,) of namespace ``xp``, whose library and precision are those of all results.
    """

    xp: Any
    coefficient: Any
    columns: Any
    span: Any
    n: int
    k: int


def linear_system(a, solutions, t_span):
    """Check the arguments of `general_solution` and bring them to functions of vectors of times."""
    _check_kinds(a, solutions)
    span, a = _span(t_span, a)
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi):
        raise ValueError(f"`t_span` must be finite times (t0, t1) with t0 < t1; got ({lo}, {hi})")
    probe = chebyshev_panels.times([(lo, hi)], span)[0, :]
    coefficient = _over_times(a, "a", probe) if callable(a) else _constant(a)
    n = _order(coefficient.shape)
    if not n - 1 <= len(solutions) <= n:
        raise ValueError(
            f"`solutions` must hold n - 1 or n of them, n = {n} (fewer are not supported yet); "
            f"got {len(solutions)}"
        )
    columns = [_over_times(x, f"solutions[{j}]", probe) for j, x in enumerate(solutions)]
    for j, column in enumerate(columns):
        if column.shape != (n,):
            raise ValueError(f"`solutions[{j}]` must return shape ({n},); got {column.shape}")
    dtype = _common_dtype(span, [coefficient, *columns])
    return LinearSystem(
        _arrays.result_namespace(span),
        _finite(coefficient.call, dtype, "a"),
        _stacked([_finite(x.call, dtype, f"solutions[{j}]") for j, x in enumerate(columns)]),
        span,
        n,
        len(columns),
    )


def _check_kinds(a, solutions):
    if _arrays.library(a) == "sympy":
        raise ValueError("`a` must be a callable or a constant array (SymPy is not supported yet)")
    if not isinstance(solutions, list | tuple):
        raise ValueError(
            "`solutions` must be a list of callables t -> (n,) (arrays on a grid and SymPy vectors "
            f"are not supported yet); got {type(solutions).__name__}"
        )
    if not solutions:
        raise ValueError("`solutions` must hold at least one solution; got none")
    for j, x in enumerate(solutions):
        if not callable(x):
            raise ValueError(
                f"`solutions[{j}]` must be a callable t -> (n,) (arrays on a grid and SymPy "
                f"vectors are not supported yet); got {type(x).__name__}"
            )


def _span(t_span, a):
    """`t_span` as a real array (2,), and `a` itself or, where it is constant, as an array."""
    if isinstance(t_span, list | tuple) and any(_arrays.is_array(t) for t in t_span):
        xp, *times = _arrays.asarrays(**{f"t_span[{i}]": t for i, t in enumerate(t_span)})
        t_span = xp.stack(times)
    if callable(a):
        _, span = _arrays.asarrays(t_span=t_span)
    else:
        _, span, a = _arrays.asarrays(t_span=t_span, a=a)
        span = _arrays.real_part(span)
    if tuple(span.shape) != (2,):
        raise ValueError(f"`t_span` must be a pair (t0, t1); got shape {tuple(span.shape)}")
    if _arrays.is_complex(span):
        raise TypeError(f"`t_span` must be real; got dtype {span.dtype}")
    return _arrays.detach(span), a


class _OfTimes(NamedTuple):
    """``call``: ``t (m,) -> (m, *shape)``."""

    call: Any
    shape: tuple
    is_complex: bool


def _order(shape):
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise ValueError(f"`a` must be or return an (n, n) matrix, n >= 1; got shape {shape}")
    return shape[0]


def _constant(a):
    xp = _arrays.result_namespace(a)
    shape = tuple(a.shape)
    return _OfTimes(lambda t: xp.broadcast_to(a, (*t.shape, *shape)), shape, _arrays.is_complex(a))


def _over_times(function, name, probe):
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
        return _OfTimes(lambda t: _loop(function, name, t), shape, is_complex)
    return _OfTimes(lambda t: _vectorised(function, name, t, axes), shape, is_complex)


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


def _loop(function, name, t):
    xp = _arrays.result_namespace(t)
    return xp.stack([_at(function, name, t[i]) for i in range(t.shape[0])])


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


def _common_dtype(span, functions):
    if not any(one.is_complex for one in functions):
        return span.dtype
    xp = _arrays.result_namespace(span)
    return xp.result_type(span.dtype, xp.complex64)


def _finite(call, dtype, name):
    """The function in one dtype at times of any shape, an error where it is not finite."""

    def finite(t):
        xp = _arrays.result_namespace(t)
        values = call(xp.reshape(t, (-1,)))
        values = values if values.dtype == dtype else xp.astype(values, dtype)
        if _arrays.concrete(xp.all(xp.isfinite(values))) is False:
            _raise_not_finite(_arrays.to_numpy(values), _arrays.to_numpy(t), name)
        return xp.reshape(values, (*t.shape, *values.shape[1:]))

    return finite


def _raise_not_finite(values, t, name):
    bad = ~np.isfinite(values.reshape(t.size, -1)).all(axis=1)
    raise ValueError(
        f"`{name}` must be finite on `t_span`; got NaN or infinity at t = "
        f"{t.ravel()[np.argmax(bad)]:.17g}"
    )


def _stacked(columns):
    def stacked(t):
        return _arrays.result_namespace(t).stack([x(t) for x in columns], axis=-1)

    return stacked
