"""Solve an initial value problem along one trajectory."""

import contextlib
import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import (
    check_callable,
    check_choice,
    check_count,
    check_finite,
    check_number,
    check_shape,
)
from solvers.ode.events import checked_events
from solvers.ode.intervals import checked_span, checked_times
from solvers.ode.marching import Problem, march
from solvers.ode.recording import Record
from solvers.ode.results import EVENT, EXHAUSTED, UNDERFLOW, OdeResult, message
from solvers.ode.traced import is_traced, solve_traced

METHODS = ("auto", "tsit5", "dop853", "rodas5p")


def solve_ivp(
    fun,
    t_span,
    y0,
    *,
    method="auto",
    t_eval=None,
    dense_output=False,
    events=None,
    args=(),
    rtol=1e-6,
    atol=1e-9,
    jac=None,
    max_steps=None,
    first_step=None,
    max_step=math.inf,
    callback=None,
    progress=False,
):
    """Solve y' = f(t, y), y(t0) = y0, along one trajectory, with SciPy's shapes and fields.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``: the n derivatives, an array or a sequence of numbers; plain Python,
        compiled by ``numba.njit`` (the loop is compiled too), or on the arrays of `y0`.
    t_span : pair of float
        From t0 to t1, in either direction.
    y0 : array (n,)
        Real or complex, of any library; the dtype of the computation.
    method : str, optional
        "tsit5" (order 5), "dop853" (order 8), "rodas5p" (order 5, for stiff problems), or "auto":
        "dop853" for ``rtol <= 1e-7`` (with a twentieth of both tolerances for ``rtol <= 1e-9``,
        where its errors are the largest), else "tsit5", and "rodas5p" from where the problem turns
        out to be stiff (not under a JAX transformation).
    t_eval : array (times,), optional
        Where to give the solution; at every step by default.
    dense_output : bool, optional
        Whether to return ``sol``, of the full order of the method.
    events : callable or list of callable, optional
        ``event(t, y, *args) -> float``, with SciPy's attributes ``terminal`` (a bool or a count)
        and ``direction``. Its roots are found where it changes sign, pairs of roots within a step
        included; one at t0 itself is not counted.
    args : tuple, optional
        Further arguments of `fun`, `jac` and the events.
    rtol, atol : float, or array (n,) for `atol`, optional
        The estimated error of a step, root mean square of eᵢ / (atol + rtol |yᵢ|), is at most 1.
    jac : callable, optional
        ``jac(t, y, *args) -> (n, n)``, for "rodas5p"; by forward differences if None, for which a
        complex `fun` must be complex-differentiable.
    max_steps : int, optional
        Most steps to try, rejected ones included; no limit by default, 4096 under `jax.jit`.
    first_step, max_step : float, optional
        Size of the first step to try and the largest one.
    callback : callable, optional
        Called with an ``OdeStep(index, t, y, step_size)`` after each step.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    OdeResult
        ``t, y, sol, t_events, y_events, nfev, njev, nlu, status, message, success, n_accepted,
        n_rejected``; what was computed so far if the end could not be reached, and why.

    Raises
    ------
    ValueError
        A shape, a number or a word is out of range, or something is asked for that cannot be had
        under `jax.jit` (events, dense output, callback, progress).
    TypeError
        An argument has the wrong kind.

    Notes
    -----
    Unlike SciPy's, `atol` and `rtol` are small by default, failures say what may help, `fun` may
    return a tuple (so the same function serves `solve_ensemble`), and arrays of torch and JAX stay
    where they are. Gradients are those of the discrete solution, the step sizes and the times of
    events taken as constants. Under ``jax.jit``, ``jax.grad`` of a jitted function or ``jax.vmap``
    the result holds arrays; without `t_eval` it has the two ends, with it NaN at times not reached.

    References
    ----------
    .. [1] Ch. Tsitouras, Comput. Math. Appl. 62 (2011) 770–775 ("tsit5").
    .. [2] E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I, Springer
       (1993), sections II.4 to II.6 and II.10 ("dop853").
    .. [3] G. Steinebach, BIT Numer. Math. 63 (2023) 27 ("rodas5p").

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import solve_ivp
    >>> result = solve_ivp(lambda t, y: (y[1], -y[0]), (0, np.pi), [0.0, 1.0], rtol=1e-9)
    >>> result.success, bool(np.abs(result.y[:, -1] - [0, -1]).max() < 1e-7)
    (True, True)

    Where does the height vanish?

    >>> event = lambda t, y: y[0]
    >>> event.terminal = True
    >>> fall = solve_ivp(lambda t, y: (y[1], -9.81), (0, 10), [1.0, 0.0], events=event)
    >>> fall.message, bool(abs(fall.t[-1] - np.sqrt(2 / 9.81)) < 1e-9)
    ('a terminal event occurred at t = 0.451524', True)
    """
    problem = _problem(fun, jac, args, t_span, y0, rtol, atol, first_step, max_step, max_steps)
    check_choice(method, METHODS, "method")
    if t_eval is not None:
        t_eval = checked_times(t_eval, problem.t0, problem.t1)
    events = checked_events(events)
    if not _arrays.is_numpy(problem.y0):  # the rate at t0 tells whether numbers are known
        problem = problem._replace(f0=problem.fun(problem.t0, problem.y0))
    if is_traced(problem):
        if events or dense_output or callback or progress:
            raise ValueError(
                "`events`, `dense_output`, `callback` and `progress` must be left out under jit; "
                "got one of them"
            )
        return solve_traced(problem, method, t_eval)
    with _progress_bar(progress, problem) as bar, np.errstate(all="ignore"):  # the status tells
        record = Record(problem, t_eval, dense_output, events, callback, bar)
        outcome = march(problem, method, record)
    return _result(record, outcome, problem)


def _result(record, outcome, p):
    t, y, sol, t_events, y_events = record.solution()
    end = record.end if outcome.status == EVENT else outcome.t
    return OdeResult(
        t=t,
        y=y,
        sol=sol,
        t_events=t_events,
        y_events=y_events,
        nfev=outcome.nfev,
        njev=outcome.njev,
        nlu=outcome.nlu,
        status=outcome.status,
        message=message(outcome.status, end, max_steps=p.max_steps, advice=_advice(outcome)),
        success=outcome.status >= 0,
        n_accepted=outcome.n_accepted,
        n_rejected=outcome.n_rejected,
    )


def _advice(outcome):
    if outcome.status in (UNDERFLOW, EXHAUSTED) and outcome.stiff:
        return ", the problem looks stiff: try rodas5p"
    if outcome.status == UNDERFLOW:
        return ", the solution may not exist beyond"
    return ""


def _problem(fun, jac, args, t_span, y0, rtol, atol, first_step, max_step, max_steps):
    check_callable(fun, "fun")
    _, y0 = _arrays.asarrays(y0=y0)
    t0, t1 = checked_span(t_span)
    check_shape(y0, (None,), "y0")
    check_finite(y0, "y0")
    if jac is not None:
        check_callable(jac, "jac")
    if first_step is not None:
        first_step = check_number(first_step, "first_step", above=0.0)
    if max_step != math.inf:
        max_step = check_number(max_step, "max_step", above=0.0)
    raw, matrix = _with_arguments(fun, args), _with_arguments(jac, args)
    return Problem(
        lambda t, y: as_rate(raw(t, y), y),
        raw,
        fun,
        tuple(args),
        None if jac is None else lambda t, y: _as_matrix(matrix(t, y), y),
        t0,
        t1,
        y0,
        check_number(rtol, "rtol", above=0.0),
        _checked_atol(atol, y0),
        first_step,
        max_step,
        math.inf if max_steps is None else check_count(max_steps, "max_steps"),
    )


def _with_arguments(function, args):
    return (lambda t, y: function(t, y, *args)) if args else function


def as_rate(value, y):
    """What a right-hand side returned, an array or a sequence of numbers, as an array like `y`."""
    xp = _arrays.result_namespace(y)
    if _arrays.is_numpy(y):
        rate = np.asarray(value)
        if rate.dtype.kind == "c" and y.dtype.kind != "c":
            raise ValueError("`y0` must be complex where `fun` is; got a real one")
        rate = rate.astype(y.dtype, copy=False)
    elif _arrays.is_array(value):
        rate = value if value.dtype == y.dtype else xp.astype(value, y.dtype)
    else:
        rate = xp.stack([_as_scalar(xp, v, y) for v in value])
    if tuple(rate.shape) != tuple(y.shape):
        raise ValueError(
            f"`fun` must return as many numbers as `y0` has, {y.shape[0]}; "
            f"got shape {tuple(rate.shape)}"
        )
    return rate


def _as_scalar(xp, value, y):
    if _arrays.is_array(value):
        return xp.astype(xp.reshape(value, ()), y.dtype)
    return xp.asarray(value, dtype=y.dtype, device=_arrays.device(y))


def _as_matrix(value, y):
    if _arrays.is_array(value):
        matrix = value
    else:
        matrix = _arrays.result_namespace(y).asarray(value, dtype=y.dtype)
    check_shape(matrix, (y.shape[0], y.shape[0]), "jac")
    return matrix


def _checked_atol(atol, y0):
    """`atol`, at least the smallest normal number: an error of 0 is within any tolerance."""
    real = _arrays.real_part(y0)
    least = float(_arrays.result_namespace(y0).finfo(real.dtype).smallest_normal)
    if isinstance(atol, int | float):
        return max(check_number(atol, "atol", at_least=0.0), least)
    _, atol = _arrays.asarrays(atol=atol)
    check_shape(atol, (y0.shape[0],), "atol")
    host = _arrays.to_numpy(atol)
    if not (host >= 0).all():
        raise ValueError("`atol` must be >= 0 and not NaN")
    return _arrays.from_numpy(np.maximum(host, least).tolist(), real)


@contextlib.contextmanager
def _progress_bar(progress, p):
    if not progress:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=abs(p.t1 - p.t0), desc="solve_ivp", unit="t") as bar:
        yield bar
