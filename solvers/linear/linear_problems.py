"""x' = A x + b, x(t0) = x0 as the caller gives it: shapes, library and dtype settled once."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.matrices.linear_operators import is_scipy
from mathcore.matrices.scaling import norm1
from solvers.linear.coefficients import arrays_in, is_function, read_coefficient


class LinearProblem(NamedTuple):
    """One system or a batch of them.

    ``a``: `Coefficient` of shape (..., n, n), None for an operator; ``operator``: the SciPy object
    or the constant matrix; ``b``: `Coefficient` of shape (..., n) or None; ``x0``: (..., n) with
    all batch axes; ``span``: two floats; ``size``: what errors in x are relative to, a power of
    two.
    """

    a: Any
    operator: Any
    b: Any
    x0: Any
    span: tuple
    size: float

    @property
    def is_constant(self):
        """Whether A is."""
        return self.operator is not None


def read_span(t_span):
    """Two finite floats, different from each other."""
    host = _arrays.to_numpy(t_span) if _arrays.is_array(t_span) else np.asarray(t_span)
    if host.shape != (2,) or host.dtype.kind not in "iuf":
        raise ValueError(f"`t_span` must be two real times (t0, t1); got {t_span}")
    t0, t1 = (float(t) for t in host)
    if not np.isfinite(t0 - t1) or t0 == t1:
        raise ValueError(f"`t_span` must be finite times, not equal; got ({t0}, {t1})")
    return t0, t1


def checked_times(t, span, name):
    """Host times (times,), each within the span."""
    host = _arrays.to_numpy(t) if _arrays.is_array(t) else np.asarray(t)
    if host.dtype.kind not in "iuf" or host.ndim != 1:
        raise ValueError(f"`{name}` must be a sequence of real times; got {t!r}")
    host = host.astype(np.float64)
    low, high = min(span), max(span)
    if not np.all((host >= low) & (host <= high)):
        raise ValueError(f"`{name}` must lie within [{low}, {high}]; got {host}")
    return host


def real_like(**named):
    """An empty array of the common library and real dtype of the arrays among these."""
    _, *found = _arrays.asarrays(**named)
    return _arrays.detach(_arrays.real_part(found[0][..., :0]))


def read_matrix(a, like, span):
    """The coefficient A; square, (..., n, n)."""
    found = read_coefficient(a, "a", like, span, axes=2)
    if len(found.shape) < 2 or found.shape[-1] != found.shape[-2]:
        raise ValueError(f"`a` must be square (..., n, n); got shape {found.shape}")
    return found


def read_problem(a, t_span, x0, b):
    """Check and convert the arguments of `solve_linear`."""
    span = read_span(t_span)
    if a is None:
        raise TypeError("`a` must be an array, a function of time, a pair or an operator; got None")
    given = {f"{name} {i}": x for name, y in (("a", a), ("b", b)) for i, x in _numbered(y)}
    xp, x0, *_ = _arrays.asarrays(x0=x0, **given)
    if x0.ndim < 1:
        raise ValueError(f"`x0` must have shape (..., n); got shape {tuple(x0.shape)}")
    like = real_like(x0=x0)
    forcing = None if b is None else read_coefficient(b, "b", like, span, axes=1)
    if is_scipy(a):
        return _of_operator(a, span, x0, forcing)
    matrix = read_matrix(a, like, span)
    n = matrix.shape[-1]
    if x0.shape[-1] != n or (forcing is not None and forcing.shape[-1:] != (n,)):
        got = f"x0 {tuple(x0.shape)}" + ("" if forcing is None else f", b {forcing.shape}")
        raise ValueError(f"`x0` and `b` must have shape (..., {n}) like `a`; got {got}")
    dtype = _common_dtype(xp, x0, matrix, forcing)
    batch = _batch(matrix.shape[:-2], x0.shape[:-1], () if forcing is None else forcing.shape[:-1])
    matrix = matrix.cast(dtype)
    forcing = None if forcing is None else forcing.cast(dtype)
    x0 = xp.broadcast_to(x0 if x0.dtype == dtype else xp.astype(x0, dtype), (*batch, n))
    size = _size(x0, forcing, span, lambda b: norm_at(matrix.at, span))
    return LinearProblem(matrix, matrix.value, forcing, x0, span, size)


def _numbered(x):
    return enumerate(arrays_in(x)) if not is_function(x) else ()


def _of_operator(a, span, x0, forcing):
    if x0.ndim != 1 or a.shape != (x0.shape[0],) * 2:
        raise ValueError(f"`x0` must have shape ({a.shape[0]},) like `a`; got {tuple(x0.shape)}")
    if not _arrays.is_numpy(x0):
        raise TypeError(f"`x0` must be a NumPy array beside a SciPy object; got {type(x0)}")
    kinds = [x0.dtype, a.dtype or np.float32]
    if forcing is not None:
        if forcing.shape != x0.shape:
            raise ValueError(f"`b` must have shape {x0.shape}; got {forcing.shape}")
        kinds += [np.complex64] * forcing.is_complex
    dtype = np.result_type(*kinds)
    forcing = None if forcing is None else forcing.cast(dtype)
    x0 = x0.astype(dtype)

    def growth(b):
        norms = np.linalg.norm(b, axis=-1)
        i = int(np.argmax(norms))
        return np.linalg.norm(a @ b[i]) / norms[i]

    return LinearProblem(None, a, forcing, x0, span, _size(x0, forcing, span, growth))


def norm_at(at, span):
    """Largest ‖A‖₁ at nine times."""
    values = at(np.linspace(*span, 11)[1:-1])
    xp = _arrays.result_namespace(values)
    return xp.max(norm1(xp, _arrays.detach(values))) if 0 not in values.shape else 0.0


def _common_dtype(xp, x0, *coefficients):
    if any(c is not None and c.is_complex for c in coefficients):
        return xp.result_type(x0.dtype, xp.complex64)
    return x0.dtype


def _batch(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(f"batch axes of `a`, `x0` and `b` must fit; got {shapes}") from error


def _size(x0, forcing, span, growth):
    """A power of two about as large as x0, or as what b makes of it: b / (‖A‖ + 1 / T) or so.

    Entries of b over the size are then no larger than those of A, or than 1 / T. ``growth(b)`` is
    ‖A‖ or what A makes of some b (m, ..., n).
    """
    size, length = _largest(x0) or 0.0, abs(span[1] - span[0])
    if forcing is not None:
        sample = forcing.at(np.linspace(*span, 9)[1:-1])
        largest = _largest(sample) or 0.0
        rate = _arrays.concrete(growth(sample)) if size > 0 and largest > 0 else 0.0
        size = max(size, largest / ((rate or 0.0) + 1 / length))
    return 2.0 ** round(np.log2(size)) if 0 < size < np.inf else 1.0


def _largest(x):
    xp = _arrays.result_namespace(x)
    if 0 in x.shape:
        return 0.0
    return _arrays.concrete(xp.max(xp.abs(_arrays.detach(x))))


def augmented(problem):
    """[[A, b / size], [0, 0]] (..., n + 1, n + 1) as a function of host times, and its start."""
    a, b, size = problem.a, problem.b, problem.size
    if b is None:
        return a.at, problem.x0

    def at(t):
        top, right = a.at(t), b.at(t)[..., None] / size
        return bordered(top, right, 0.0)

    return at, with_last(problem.x0, size)


def with_last(x, value):
    """(x, value), (..., n + 1)."""
    xp = _arrays.result_namespace(x)
    last = xp.full((*x.shape[:-1], 1), value, dtype=x.dtype, device=_arrays.device(x))
    return xp.concat([x, last], axis=-1)


def bordered(top, right, corner):
    """[[top, right], [0, corner]] of (m, ..., n, n) and (m, ..., n, 1)."""
    xp = _arrays.result_namespace(top)
    batch = np.broadcast_shapes(top.shape[1:-2], right.shape[1:-2])
    m, n = top.shape[0], top.shape[-1]
    parts = []
    for x in (top, right):
        shape = (m, *(1,) * (len(batch) + 3 - x.ndim), *x.shape[1:])
        parts.append(xp.broadcast_to(xp.reshape(x, shape), (m, *batch, n, x.shape[-1])))
    last = np.zeros((1, n + 1))
    last[0, -1] = corner
    upper = xp.concat(parts, axis=-1)
    below = xp.broadcast_to(_arrays.from_numpy(last, upper), (m, *batch, 1, n + 1))
    return xp.concat([upper, below], axis=-2)
