"""What an ODE solver returns, and in which words it says how it ended."""

from typing import Any, NamedTuple

FINISHED, EVENT, UNDERFLOW, EXHAUSTED, NOT_FINITE = 0, 1, -1, -2, -3

_MESSAGES = {
    FINISHED: "the end of the interval was reached",
    EVENT: "a terminal event occurred at t = {t:.6g}",
    UNDERFLOW: "step size underflow at t = {t:.6g}",
    EXHAUSTED: "max_steps = {max_steps} steps were taken at t = {t:.6g}",
    NOT_FINITE: "the right-hand side is NaN or infinite near t = {t:.6g}",
}


class OdeResult(NamedTuple):
    """A trajectory, in the fields of SciPy's ``solve_ivp``, and the work it took.

    Attributes
    ----------
    t : array (times,)
        The times of `y`.
    y : array (n, times)
        The states.
    sol : callable or None
        ``sol(t)``: the state at any time of the interval, ``(n,)`` or ``(n, times)``.
    t_events, y_events : list of array, or None
        For each event its times ``(roots,)`` and the states there ``(roots, n)``.
    nfev, njev, nlu : int
        Evaluations of the right-hand side (those of a differenced Jacobian included), Jacobians,
        factorizations.
    status : int
        0: the end was reached; 1: a terminal event; −1: step size underflow; −2: `max_steps`;
        −3: the right-hand side is NaN or infinite. An array where the value is traced.
    message : str
        The status in words.
    success : bool
        ``status >= 0``.
    n_accepted, n_rejected : int
        Steps taken, and steps repeated with a smaller size.
    """

    t: Any
    y: Any
    sol: Any
    t_events: Any
    y_events: Any
    nfev: Any
    njev: Any
    nlu: Any
    status: Any
    message: str
    success: Any
    n_accepted: Any
    n_rejected: Any


def message(status, t, *, max_steps=None, advice=""):
    """The status in words, followed by what may be done about it."""
    return _MESSAGES[status].format(t=t, max_steps=max_steps) + advice
