"""Solve an initial value problem for many members, each with its own step sizes."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import (
    check_callable,
    check_choice,
    check_count,
    check_number,
    check_real,
    check_shape,
)
from solvers.ode.intervals import checked_span, checked_times
from solvers.ode.lane_steps import compiled_run
from solvers.ode.marching import CONTROLS, TABLEAUX, explicit_choice
from solvers.ode.masked_steps import RUNNING, STIFF, Batch, march_batch
from solvers.ode.results import EVENT, EXHAUSTED, FINISHED, NOT_FINITE, UNDERFLOW

METHODS = ("auto", "tsit5", "dop853", "rodas5p")
_WORDS = {
    FINISHED: "reached the end",
    EVENT: "ended at an event",
    UNDERFLOW: "met a step size underflow",
    EXHAUSTED: "took max_steps steps",
    NOT_FINITE: "met a right-hand side that is NaN or infinite",
}


class EnsembleResult(NamedTuple):
    """The members' states and how the run of each of them ended.

    Attributes
    ----------
    t : array (times,)
        `t_eval`; without it the end of `t_span` alone.
    y : array (members, n) or (members, times, n)
        The states at `t_reached`, or at `t_eval`: NaN at times that a member did not reach.
    status : array (members,)
        Integers. 0: the end was reached; 1: an event; −1: step size underflow; −2: `max_steps`;
        −3: the right-hand side is NaN or infinite.
    message : str
        How many members ended in which way.
    t_reached : array (members,)
        Where each member's run ended.
    n_accepted, n_rejected, nfev : array (members,)
        Steps taken, steps repeated with a smaller size, and evaluations of the right-hand side.
    """

    t: Any
    y: Any
    status: Any
    message: str
    t_reached: Any
    n_accepted: Any
    n_rejected: Any
    nfev: Any


class BatchProblem(NamedTuple):
    """What all members share, checked."""

    t0: float
    t1: float
    t_eval: Any
    rtol: float
    atol: Any
    max_steps: int
    switch: bool = False
    stability: float = 0.0


def solve_ensemble(
    fun,
    t_span,
    y0,
    *,
    args=(),
    method="auto",
    t_eval=None,
    rtol=1e-6,
    atol=1e-9,
    events=None,
    max_steps=100_000,
    progress=False,
):
    """Solve y' = fun(t, y) for many members at once, each with its own time and step size.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args) -> tuple`` of n numbers; `y` is indexed, ``y[0]``. On NumPy arrays it is
        compiled by numba, `@njit` or not, and called with numbers; see Notes.
    t_span : pair of float
        From t₀ to t₁, also backwards.
    y0 : array (members, n)
        The states at t₀.
    args : tuple, optional
        Further arguments of `fun`: an array (members,) gives each member a number, one of shape
        (members, k) a tuple of k, and a number is the same for all.
    method : str, optional
        "tsit5", "dop853", "rodas5p" (stiff). "auto": "tsit5", or "dop853" for `rtol` <= 1e-7; a
        member found stiff goes on with "rodas5p".
    t_eval : array (times,), optional
        Times to save, inside `t_span` and in its direction.
    rtol, atol : float
        A step's error estimate, root mean square over the components, is kept below
        ``atol + rtol |y|``. `atol` may be an array (n,).
    events : callable or sequence of callables, optional
        ``event(t, y, *args) -> number``, each like `fun`: a member's run ends where one changes
        sign; in the direction of the attribute ``event.direction`` alone if it has one.
    max_steps : int, optional
        Of each member, rejected ones included.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    EnsembleResult
        ``t``, ``y``, ``status``, ``message``, ``t_reached``, ``n_accepted``, ``n_rejected``,
        ``nfev``.

    Raises
    ------
    ValueError
        A shape or a number is out of range, or `fun` returns another count than n.
    TypeError
        An argument has the wrong kind, or `y0` is complex.

    Notes
    -----
    A member's result is, bit for bit, the same whatever the other members and the number of
    threads; one that fails does so alone.

    On NumPy arrays `LANES` members go through the same instructions, each in its own lane of a
    vector, and a lane whose member has ended takes the next one. For up to eight components a step
    is compiled anew for each right-hand side and holds it: fastest where `fun` is made of
    ``+ - * /``, whole powers and square roots, without branches on values. If it has no roots
    either, "rodas5p" takes its exact Jacobian, by dual numbers [4]_; by forward differences
    elsewhere. All is computed in float64 and rounded to the dtype of `y0`.
    The compiled code is kept on disk, by the text of `fun` and the values of the globals and
    closures it names, which are read at every call; an ``@njit`` function that `fun` calls knows
    its globals as they were when it was first compiled, which is numba's rule.
    On torch, JAX and CuPy arrays, and where numba cannot compile `fun`, it is called with arrays:
    `t` (members,) and `y` a tuple of n of them, and the batch steps together; events are for NumPy
    alone.

    Unlike ``jax.vmap`` of diffrax, a member waits for no other: neither for more steps nor for
    a smaller one. Differentiate `solve_ivp` where gradients are wanted.

    References
    ----------
    .. [1] Ch. Tsitouras, Comput. Math. Appl. 62 (2011) 770–775.
    .. [2] E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I (1993).
    .. [3] G. Steinebach, BIT Numer. Math. 63 (2023) 27.
    .. [4] A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM (2008), section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import solve_ensemble
    >>> def decay(t, y, rate):
    ...     return (-rate * y[0],)
    >>> rates = np.array([0.5, 1.0, 2.0])
    >>> result = solve_ensemble(decay, (0.0, 1.0), np.ones((3, 1)), args=(rates,), rtol=1e-10)
    >>> result.message
    '3 reached the end'
    >>> bool(np.allclose(result.y[:, 0], np.exp(-rates), rtol=1e-9))
    True
    """
    check_callable(fun, "fun")
    check_choice(method, METHODS, "method")
    xp, y0 = _arrays.asarrays(y0=y0)
    check_shape(y0, (None, None), "y0")
    check_real(y0, "y0")
    problem = _checked_problem(xp, t_span, y0, t_eval, rtol, atol, max_steps)
    args, layout = _checked_args(xp, args, y0)
    events = _checked_events(events)
    first = explicit_choice(problem.rtol) if method == "auto" else method
    stages = [(first, method == "auto")] + ([("rodas5p", False)] if method == "auto" else [])
    if y0.shape[0] * y0.shape[1] == 0 or problem.t0 == problem.t1:
        return _result(problem, _trivial(problem, y0), t_eval is not None)
    run = compiled_run(fun, y0, args, layout, events, progress) if _arrays.is_numpy(y0) else None
    if run is None:
        if events:
            raise TypeError(
                "`events` must be compilable by numba, and `y0` a NumPy array; got "
                f"{_arrays.library(y0)}"
            )
        run = _batch_run(fun, args, layout)
    batch = run(problem, stages, _started(problem, y0))
    return _result(problem, batch, t_eval is not None)


# --- the two ways -------------------------------------------------------------------------------


def _batch_run(fun, args, layout):
    """The definition: the whole batch in array operations."""

    def rate(t, y):
        xp = _arrays.result_namespace(y)
        values = fun(t, tuple(y[:, i] for i in range(y.shape[1])), *_grouped(args, layout))
        values = values if isinstance(values, tuple | list) else (values,)
        if len(values) != y.shape[1]:
            raise ValueError(
                f"`fun` must return a tuple of {y.shape[1]} numbers; got {len(values)}"
            )
        return xp.stack([v + xp.zeros_like(t) for v in values], axis=-1)

    def run(problem, stages, batch):
        with np.errstate(all="ignore"):  # `status` tells
            for name, switch in stages:
                xp, status = _arrays.result_namespace(batch.y), batch.status
                status = xp.where(status == STIFF, xp.full_like(status, RUNNING), status)
                tableau = TABLEAUX[name]
                now = problem._replace(switch=switch, stability=getattr(tableau, "stability", 0.0))
                batch = march_batch(
                    rate, tableau, CONTROLS[name], now, batch._replace(status=status)
                )
        return batch

    return run


def _grouped(args, layout):
    """The columns of `args` as the arguments they came from."""
    at = 0
    for size in layout:
        columns = tuple(args[:, at + i] for i in range(size or 1))
        yield columns[0] if size is None else columns
        at += size or 1


# --- arguments in, results out ------------------------------------------------------------------


def _checked_problem(xp, t_span, y0, t_eval, rtol, atol, max_steps):
    t0, t1 = checked_span(t_span)
    times = checked_times([] if t_eval is None else t_eval, t0, t1)
    if not isinstance(atol, int | float):
        atol = _arrays.to_numpy(_arrays.asarrays(atol=atol)[1])
        check_shape(atol, (y0.shape[1],), "atol")
        if not (atol >= 0).all():
            raise ValueError(f"`atol` must be >= 0; got {atol.tolist()}")
        atol = _arrays.from_numpy(atol.tolist(), y0)
    else:
        atol = check_number(atol, "atol", at_least=0.0)
    return BatchProblem(
        t0,
        t1,
        _arrays.from_numpy(times, y0),
        check_number(rtol, "rtol", above=0.0),
        atol,
        check_count(max_steps, "max_steps"),
    )


def _checked_args(xp, args, y0):
    """All arguments as columns (members, p), and for each the length of its tuple or None."""
    columns, layout = [xp.zeros_like(y0[:, :0])], []
    for i, arg in enumerate(tuple(args)):
        if _arrays.is_array(arg) and _arrays.result_namespace(arg) is not xp:
            raise TypeError(f"`args` must be of the library of `y0`; got {_arrays.library(arg)}")
        values = xp.asarray(arg, dtype=y0.dtype, device=_arrays.device(y0))
        if values.ndim == 0:
            values = values + xp.zeros_like(y0[:, 0])
        if values.ndim not in (1, 2) or values.shape[0] != y0.shape[0]:
            raise ValueError(
                f"`args[{i}]` must be a number or have shape ({y0.shape[0]},) or "
                f"({y0.shape[0]}, k); got {tuple(values.shape)}"
            )
        layout.append(None if values.ndim == 1 else values.shape[1])
        columns.append(values[:, None] if values.ndim == 1 else values)
    return xp.concat(columns, axis=1), tuple(layout)


def _checked_events(events):
    events = () if events is None else (events,) if callable(events) else tuple(events)
    for event in events:
        check_callable(event, "events")
    return events


def _started(problem, y0):
    """Every member at t₀."""
    xp = _arrays.result_namespace(y0)
    zero = xp.zeros_like(y0[:, 0])
    count = xp.astype(zero, xp.int32)
    shape = (y0.shape[0], problem.t_eval.shape[0], y0.shape[1])
    return Batch(
        t=zero + problem.t0,
        y=y0,
        f=y0,
        h=zero,
        previous=zero,
        repeated=zero,
        stiff_steps=zero,
        status=count + RUNNING,
        accepted=count,
        rejected=count,
        nfev=count,
        record=xp.full(shape, xp.nan, dtype=y0.dtype, device=_arrays.device(y0)),
    )


def _trivial(problem, y0):
    """Nothing to do: no members, no components, or no time."""
    batch = _started(problem, y0)
    xp, record = _arrays.result_namespace(y0), batch.record
    if problem.t0 == problem.t1:
        record = xp.zeros_like(record) + y0[:, None, :]
    return batch._replace(status=batch.status * 0, record=record, t=batch.t * 0 + problem.t1)


def _result(problem, batch, saved):
    return EnsembleResult(
        problem.t_eval if saved else _arrays.from_numpy([problem.t1], batch.y),
        batch.record if saved else batch.y,
        batch.status,
        _message(batch.status),
        batch.t,
        batch.accepted,
        batch.rejected,
        batch.nfev,
    )


def _message(status):
    counts = [(code, _arrays.concrete(_count(status, code))) for code in _WORDS]
    if any(count is None for _, count in counts):
        return "not known while traced"
    parts = [f"{int(count)} {_WORDS[code]}" for code, count in counts if count]
    return ", ".join(parts) if parts else "no members"


def _count(status, code):
    xp = _arrays.result_namespace(status)
    return xp.sum(xp.astype(status == code, xp.int32))
