"""The propagator Φ(t1, t0) of x' = A(t) x between any two times, with its log-determinant."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, expm
from mathcore._checks import check_choice, check_number
from solvers.linear import chebyshev_panels
from solvers.linear.coefficients import arrays_in, is_function
from solvers.linear.linear_problems import read_matrix, read_span, real_like
from solvers.linear.magnus import METHODS as _MAGNUS
from solvers.linear.paths import magnus_steps
from solvers.linear.step_products import StepSequence

METHODS = ("auto", "expm", *_MAGNUS)
_TRACE = 8  # units of eps, relative to the size of the integrand


class FundamentalMatrix(NamedTuple):
    """The propagator of a linear system, called as ``phi(t1, t0)``.

    Attributes
    ----------
    propagator : callable
        ``(t1, t0) -> Φ(t1, t0)`` (..., n, n) with x(t1) = Φ(t1, t0) x(t0), for times of the
        interval in any order; vectors of times give (times, ..., n, n).
    log_det : callable
        ``(t1, t0) -> log det Φ(t1, t0)`` (...), by Liouville's formula ∫ tr A; complex where A is.
    t : array (steps + 1,)
        The ends of the steps. ``message`` is empty where they reach the end of the interval.
    error : float
        Sum of the estimated errors of all steps, relative to their propagators.
    message : str
        Why the steps end early.
    """

    propagator: Callable
    log_det: Callable
    t: Any
    error: float
    message: str

    def __call__(self, t1, t0):
        """Φ(t1, t0)."""
        return self.propagator(t1, t0)


@_arrays.halves_in_float32
def fundamental_matrix(a, t_span, *, method="auto", rtol=1e-8):
    """Propagator Φ(t1, t0) of the linear system x' = A(t) x, for any two times of an interval.

    Parameters
    ----------
    a : array (..., n, n), callable, or pair (times, values)
        As in `solve_linear`; leading axes are a batch that shares its steps.
    t_span : (t0, t1)
        The interval, in either order. An array of a library makes that library and dtype the ones
        a callable `a` is called with.
    method : str, optional
        "expm" for constant A; "magnus4", "magnus6" or "cf4". "auto": "expm" or "magnus6".
    rtol : float, optional
        Bound on the sum of the estimated errors of all steps (not taken below 16 eps).

    Returns
    -------
    FundamentalMatrix
        Call it: ``phi(t1, t0)``; then ``log_det``, ``t``, ``error`` and ``message``.

    Raises
    ------
    ValueError
        A shape or a time does not fit; `method` does not fit `a`; tr A is not integrable.

    Notes
    -----
    Products of 2, 4, 8, … consecutive steps are kept, so a call costs a product for each of these
    levels and two short steps, wherever the times lie, and Φ(t0, t1) is made of backward steps and
    not of an inverse. The logarithm of the determinant does not come from Φ: the integral of tr A
    has its own Chebyshev panels, accurate to rounding whatever `rtol`.

    Peers offer the matrix only as n solves of an initial value problem: orthogonality of the
    propagator of a skew A is kept to rounding here.

    References
    ----------
    .. [1] S. Blanes, F. Casas, J. A. Oteo, J. Ros, Phys. Rep. 470 (2009) 151–238.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import fundamental_matrix
    >>> hill = lambda t: np.array([[0.0, 1.0], [np.cos(t) - 2.0, 0.0]])
    >>> phi = fundamental_matrix(hill, (0.0, 10.0), rtol=1e-11)
    >>> bool(np.allclose(phi(7.0, 1.0), phi(7.0, 3.0) @ phi(3.0, 1.0), atol=1e-9))
    True
    >>> phi.log_det(7.0, 1.0).item()
    0.0
    """
    check_choice(method, METHODS, "method")
    rtol = check_number(rtol, "rtol", above=0)
    span = read_span(t_span)
    matrix, like = _read(a, t_span, span)
    constant = matrix.value is not None
    if method == "expm" and not constant:
        raise ValueError('`method` must not be "expm" where `a` depends on time')
    if constant and method in ("auto", "expm"):
        steps, error, message = _constant(matrix.value, span), 0.0, ""
    else:
        name = "magnus6" if method == "auto" else method
        empty = _arrays.detach(matrix.at(np.asarray(span[:1])))
        steps, mesh = magnus_steps(matrix.at, matrix.shape, name, span, rtol, matrix.breaks, empty)
        error, message = mesh.error, mesh.message
    covered = (span[0], float(steps.nodes[-1]))

    def propagator(t1, t0):
        t1, t0, shape = _times(t1, t0, covered)
        return _reshaped(steps.between(t1, t0), shape)

    log_det = _log_determinant(matrix, covered, like)
    nodes = _arrays.from_numpy(steps.nodes, like)
    return FundamentalMatrix(propagator, log_det, nodes, error, message)


def _read(a, t_span, span):
    named = {f"a {i}": x for i, x in enumerate([] if is_function(a) else arrays_in(a))}
    if not named and _arrays.is_array(t_span):
        named = {"t_span": t_span}
    like = real_like(**(named or {"a": np.empty(0)}))
    matrix = read_matrix(a, like, span)
    if matrix.is_complex:
        xp = _arrays.result_namespace(like)
        return matrix.cast(xp.result_type(like.dtype, xp.complex64)), like
    return matrix.cast(like.dtype), like


def _constant(value, span):
    def step(begin, end):
        h = _arrays.from_numpy(end - begin, _arrays.real_part(value))
        return expm(h[(..., *(None,) * value.ndim)] * value)

    return StepSequence(np.asarray(span), step)


def _times(t1, t0, span):
    """Both times as host vectors, and the shape they broadcast to."""
    t1, t0 = (_arrays.to_numpy(t) if _arrays.is_array(t) else np.asarray(t) for t in (t1, t0))
    t1, t0 = np.broadcast_arrays(t1.astype(np.float64), t0.astype(np.float64))
    low, high = min(span), max(span)
    for t in (t1, t0):
        if not np.all((t >= low) & (t <= high)):
            raise ValueError(f"times must lie within [{low}, {high}]; got {t}")
    return t1.ravel(), t0.ravel(), t1.shape


def _reshaped(x, shape):
    return _arrays.result_namespace(x).reshape(x, (*shape, *x.shape[1:]))


# --- Liouville ------------------------------------------------------------------------------------


def _log_determinant(matrix, span, like):
    """``(t1, t0) -> ∫ tr A`` (...)."""
    batch = matrix.shape[:-2]
    if matrix.value is not None:
        return _constant_log_determinant(_trace(matrix.value), span)
    rise = _integral_of_trace(matrix, span, like)
    xp = _arrays.result_namespace(like)

    def log_det(t1, t0):
        t1, t0, shape = _times(t1, t0, span)
        t1, t0 = (_arrays.from_numpy(t, like) for t in (t1, t0))
        total = chebyshev_panels.evaluate(rise, t1) - chebyshev_panels.evaluate(rise, t0)
        return xp.reshape(total, (*shape, *batch))

    return log_det


def _constant_log_determinant(trace, span):
    def log_det(t1, t0):
        t1, t0, shape = _times(t1, t0, span)
        h = _arrays.from_numpy(t1 - t0, _arrays.real_part(trace))
        return _reshaped(h[(..., *(None,) * trace.ndim)] * trace, shape)

    return log_det


def _trace(x):
    xp = _arrays.result_namespace(x)
    return xp.sum(xp.linalg.diagonal(x), axis=-1)


def _integral_of_trace(matrix, span, like):
    low, high = min(span), max(span)

    def rate(t):
        values = matrix.at(_arrays.to_numpy(t).ravel())
        xp = _arrays.result_namespace(values)
        traces = xp.reshape(_trace(values), (*t.shape, -1))
        size = xp.sum(xp.abs(_arrays.detach(xp.linalg.diagonal(values))), axis=-1)
        size = xp.max(xp.reshape(size, (*t.shape, -1)), axis=1, keepdims=True)
        allowed = _TRACE * _arrays.eps(values) * size
        return traces, xp.broadcast_to(allowed, traces.shape)

    breaks = [low, *sorted(matrix.breaks), high]
    panels = chebyshev_panels.interpolate(rate, [t for t in breaks if low <= t <= high], like)
    if panels.unresolved is not None:
        t, _, tail = panels.unresolved
        raise ValueError(
            f"the trace of `a` must be integrable; got a tail of {tail:.1e} at t = {t:.17g}"
        )
    count = panels.coefficients.shape[-1]
    return chebyshev_panels.antiderivative(panels, [0] * count)
