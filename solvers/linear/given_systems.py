"""The arguments of `general_solution`, checked and brought to functions of vectors of times."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.coefficients import is_grid
from solvers.linear.functions_of_time import constant, finite, over_times, reshaped
from solvers.linear.gridded_solutions import gridded_columns, gridded_function
from solvers.linear.scalar_solutions import full_columns, is_companion, last_component

ONLY_THE_TRACE = (
    "`a` must be the whole (n, n) matrix: with tr A alone, n - 1 solutions yield one first "
    "integral p·x, not the last solution (except for a companion matrix, a skew one, and n = 1)"
)


class LinearSystem(NamedTuple):
    """x' = A(t) x + b(t) on [t0, t1] and k solutions of x' = A x, of one dtype.

    ``coefficient``: ``t (...) -> (..., n, n)`` or None; ``columns``: ``t (...) -> (..., n, k)``;
    ``forcing``: ``t (...) -> (..., n)`` or None; ``origin``, of the same form: the solution of the
    inhomogeneous system from which the columns are differences, or None; ``span``: real array (2,)
    of namespace ``xp``, whose library and precision are those of all results.
    ``breaks``: times between which all is smooth.
    """

    xp: Any
    coefficient: Any
    columns: Any
    forcing: Any
    origin: Any
    span: Any
    breaks: tuple
    n: int
    k: int

    def name(self, j):
        """What to call column j in a message."""
        difference = "" if self.origin is None else " - solutions[0]"
        return f"`solutions[{j + (self.origin is not None)}]{difference}`"


def linear_system(a, solutions, t_span, b=None, kind="homogeneous", times=None):
    """Check the arguments of `general_solution` and bring them to functions of vectors of times."""
    _check_kinds(solutions, times)
    (a_times, a), (b_times, b) = _on_grid(a, 2, times), _on_grid(b, 1, times)
    span, a, b = _span(t_span, a, b)
    lo, hi = (_arrays.concrete(span[i]) for i in range(2))
    if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi):
        raise ValueError(f"`t_span` must be finite times (t0, t1) with t0 < t1; got ({lo}, {hi})")
    probe = chebyshev_panels.times([(lo, hi)], span)[0, :]
    coefficient, a_breaks = _of_times(a, "a", a_times, probe, span)
    forcing, b_breaks = _of_times(b, "b", b_times, probe, span)
    breaks = chebyshev_panels.refine((lo, hi), a_breaks, b_breaks)
    if isinstance(solutions, list | tuple):
        columns = [over_times(x, f"solutions[{j}]", probe) for j, x in enumerate(solutions)]
        n = _common_order(coefficient, columns)
        coefficient, forcing, columns = _of_scalars(
            coefficient, forcing, columns, n, breaks, span, kind
        )
    else:
        columns, own = gridded_columns(coefficient, forcing, solutions, times, span, kind)
        n = _common_order(coefficient, columns)
        breaks = chebyshev_panels.refine(breaks, own)
    _check_shapes(columns, forcing, n)
    count = len(columns) - (kind == "particular")
    _check_count(count, n, a, kind, forcing)
    return _assembled(coefficient, columns, forcing, span, breaks, n, kind)


def _on_grid(x, axes, times):
    """The times at which `x` holds samples, or None, and `x` or its samples."""
    if is_grid(x, axes):
        return x
    sampled = times is not None and x is not None and not callable(x) and np.ndim(x) == axes + 1
    return (times, x) if sampled else (None, x)


def _of_scalars(coefficient, forcing, columns, n, breaks, span, kind):
    """Scalar equations: y alone from `companion`, and all that is scalar where n = 1."""
    if n == 1:
        coefficient, forcing, *columns = (
            reshaped(one, (1,) * axes) if one is not None and one.shape == () else one
            for one, axes in [(coefficient, 2), (forcing, 1), *((x, 1) for x in columns)]
        )
        return coefficient, forcing, columns
    if forcing is not None and forcing.shape == () and is_companion(coefficient, span):
        forcing = last_component(forcing, n)
    if columns and all(x.shape == () for x in columns):
        columns = full_columns(coefficient, forcing, columns, breaks, span, kind)
    return coefficient, forcing, columns


def _assembled(coefficient, columns, forcing, span, breaks, n, kind):
    named = [(forcing, "b"), (coefficient, "a")]
    named += [(x, f"solutions[{j}]") for j, x in enumerate(columns)]
    dtype = _common_dtype(span, [one for one, _ in named if one is not None])
    forcing, coefficient, *columns = (
        None if one is None else finite(one.call, dtype, name) for one, name in named
    )
    origin = None
    if kind == "particular":
        origin, *columns = columns
    return LinearSystem(
        _arrays.result_namespace(span),
        coefficient,
        _stacked(columns, origin) if columns else lambda t: coefficient(t)[..., :0],
        forcing,
        origin,
        span,
        breaks,
        n,
        len(columns),
    )


def _check_kinds(solutions, times):
    if times is not None and not _holds_callables(solutions):
        shape = getattr(solutions, "shape", np.shape(solutions))
        if len(shape) != 3 or 0 in shape:
            raise ValueError(
                f"`solutions` must be an array (n_times, n, k) beside `times`; got shape {shape}"
            )
        return
    if not isinstance(solutions, list | tuple):
        raise ValueError(
            "`solutions` must be a list of callables t -> (n,), or an array (n_times, n, k) with "
            f"`times`; got {type(solutions).__name__}"
        )
    for j, x in enumerate(solutions):
        if not callable(x):
            raise ValueError(
                f"`solutions[{j}]` must be a callable t -> (n,) (arrays on a grid need `times`); "
                f"got {type(x).__name__}"
            )


def _span(t_span, a, b):
    """`t_span` as a real array (2,), and `a` and `b` themselves or, where constant, as arrays."""
    if isinstance(t_span, list | tuple) and any(_arrays.is_array(t) for t in t_span):
        xp, *times = _arrays.asarrays(**{f"t_span[{i}]": t for i, t in enumerate(t_span)})
        t_span = xp.stack(times)
    named = {"t_span": t_span, "a": a, "b": b}
    fixed = {name: x for name, x in named.items() if x is not None and not callable(x)}
    _, *arrays = _arrays.asarrays(**fixed)
    named |= dict(zip(fixed, arrays, strict=True))
    span = named["t_span"]
    if tuple(span.shape) != (2,):
        raise ValueError(f"`t_span` must be a pair (t0, t1); got shape {tuple(span.shape)}")
    if _arrays.is_complex(span) and all(callable(x) or x is None for x in (a, b)):
        raise TypeError(f"`t_span` must be real; got dtype {span.dtype}")
    return _arrays.detach(_arrays.real_part(span)), named["a"], named["b"]


def _holds_callables(solutions):
    return isinstance(solutions, list | tuple) and any(callable(x) for x in solutions)


def _of_times(x, name, grid, probe, span):
    """A coefficient as a function of time, and times between which it is smooth."""
    if x is None:
        return None, ()
    if grid is not None:
        return gridded_function(grid, x, name, span)
    return (over_times(x, name, probe) if callable(x) else constant(x)), ()


def _order(shape):
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise ValueError(f"`a` must be or return an (n, n) matrix, n >= 1; got shape {shape}")
    return shape[0]


def _common_order(coefficient, columns):
    if coefficient is not None and coefficient.shape == ():
        if any(x.shape not in ((), (1,)) for x in columns):
            raise ValueError(f"{ONLY_THE_TRACE}; got a scalar")
        return 1
    if coefficient is not None:
        return _order(coefficient.shape)
    if not columns:
        raise ValueError("`solutions` must hold at least one solution; got none")
    shape = columns[0].shape
    if len(shape) != 1 or shape[0] == 0:
        raise ValueError(f"`solutions[0]` must return shape (n,), n >= 1; got {shape}")
    return shape[0]


def _check_shapes(columns, forcing, n):
    for j, column in enumerate(columns):
        if column.shape != (n,):
            raise ValueError(f"`solutions[{j}]` must return shape ({n},); got {column.shape}")
    if forcing is not None and forcing.shape != (n,):
        raise ValueError(f"`b` must be or return shape ({n},); got {forcing.shape}")


def _check_count(count, n, a, kind, forcing):
    if not (n > 1) <= count <= n:
        wanted = "2 to n + 1" if kind == "particular" else "1 to n"
        given = count + (kind == "particular")
        raise ValueError(f"`solutions` must hold {wanted} of them, n = {n}; got {given}")
    if a is None and count < n:
        raise ValueError(f"{ONLY_THE_TRACE}; got None with {n - count} solutions missing")
    if a is None and forcing is not None and kind != "particular":
        raise ValueError("`a` must be given beside `b`; got None")


def _common_dtype(span, functions):
    if not any(one.is_complex for one in functions):
        return span.dtype
    xp = _arrays.result_namespace(span)
    return xp.result_type(span.dtype, xp.complex64)


def _stacked(columns, origin):
    def stacked(t):
        xp = _arrays.result_namespace(t)
        x = xp.stack([x(t) for x in columns], axis=-1)
        return x if origin is None else x - origin(t)[..., None]

    return stacked
