"""From step to step until the end of the interval, a terminal event or a failure."""

import math
from typing import Any, NamedTuple

from mathcore import _arrays
from solvers.ode.compiled_steps import advance_compiled, runs_compiled
from solvers.ode.explicit_steps import explicit_stepper, no_counts
from solvers.ode.numpy_steps import numpy_stepper
from solvers.ode.results import EVENT, EXHAUSTED, FINISHED, NOT_FINITE, UNDERFLOW
from solvers.ode.rosenbrock_steps import rosenbrock_stepper
from solvers.ode.step_control import (
    SMALLEST_FACTOR,
    STIFF_STEPS,
    Control,
    first_step_size,
    growth,
    nan_unless_finite,
    smallest_step,
)
from solvers.ode.tableaux import DOP853, RODAS5P, TSIT5

TABLEAUX = {tableau.name: tableau for tableau in (TSIT5, DOP853, RODAS5P)}
CONTROLS = {
    "tsit5": Control(0.7 / 5, 0.4 / 5),
    "dop853": Control(1 / 8, 0.0),
    "rodas5p": Control(1 / 5, 0.0),
}
_LOOK_EVERY = 8
_HIGH_ACCURACY = 1e-7
# Below this, the error of dop853 is an order above that of tsit5 at the same tolerance (measured on
# Arenstorf's orbit), so that "auto" asks it for more.
_STRICT, _SHARPENED = 1e-9, 1 / 20


class Problem(NamedTuple):
    """An initial value problem and how it is to be solved, all arguments checked.

    ``fun(t, y)`` returns an array like `y0`, ``raw(t, y)`` what the user's function
    ``user(t, y, *args)`` returns; `f0` is ``fun(t0, y0)``, or None.
    """

    fun: Any
    raw: Any
    user: Any
    args: tuple
    jac: Any
    t0: float
    t1: float
    y0: Any
    rtol: float
    atol: Any
    first_step: Any
    max_step: float
    max_steps: float
    f0: Any = None


class Outcome(NamedTuple):
    """How a run ended, and the work it took."""

    status: int
    t: float
    stiff: bool
    nfev: int
    njev: int
    nlu: int
    n_accepted: int
    n_rejected: int


def explicit_choice(rtol):
    """The explicit method for this tolerance."""
    return "dop853" if rtol <= _HIGH_ACCURACY else "tsit5"


def make_stepper(method, problem):
    """The method's steps on this problem."""
    tableau, p = TABLEAUX[method], problem
    if method == "rodas5p":
        return rosenbrock_stepper(tableau, p.fun, p.y0, p.rtol, p.atol, p.jac)
    if _arrays.is_numpy(p.y0):
        return numpy_stepper(tableau, p.raw, p.y0, p.rtol, p.atol)
    return explicit_stepper(tableau, p.fun, p.y0, p.rtol, p.atol)


class Run:
    """Where a run stands; `status` is None while it goes on."""

    def __init__(self, t, y, f, h, status):
        self.t, self.y, self.f, self.h, self.status = t, y, f, h, status
        self.accepted = self.rejected = self.stiff_steps = 0
        self.error, self.after_rejection = 1.0, False


def march(problem, method, record):
    """Step with the method ("auto": explicit until the problem is found stiff); an `Outcome`."""
    p, auto = problem, method == "auto"
    method = explicit_choice(p.rtol) if auto else method
    if auto and p.rtol <= _STRICT:
        p = p._replace(rtol=_SHARPENED * p.rtol, atol=_SHARPENED * p.atol)
    run, nfev = begin(p, method)
    counts, looks_stiff = {**no_counts(), "nfev": nfev}, False
    while run.status is None:
        used, looks_stiff = _advance_by(p, method, run, record, auto)
        counts = {name: counts[name] + used[name] for name in counts}
        method, auto = "rodas5p", False
    return Outcome(
        run.status, run.t, looks_stiff, **counts, n_accepted=run.accepted, n_rejected=run.rejected
    )


def _advance_by(p, method, run, record, switch):
    """Step until the run ends or, with `switch`, is found stiff; counts, whether it looks stiff."""
    tableau, control = TABLEAUX[method], CONTROLS[method]
    if method != "rodas5p" and runs_compiled(p.user, p.y0):
        return advance_compiled(p, tableau, control, run, record, switch)
    stepper = make_stepper(method, p)
    return stepper.counts, _advance(p, method, stepper, run, record, switch)


def begin(p, method):
    """The run before its first step, and what that cost in evaluations."""
    f = p.fun(p.t0, p.y0) if p.f0 is None else p.f0
    finite = math.isfinite(float(_arrays.detach(nan_unless_finite(f))))
    if not finite or p.t0 == p.t1:
        return Run(p.t0, p.y0, f, 0.0, FINISHED if finite else NOT_FINITE), 1
    longest, forward = min(p.max_step, abs(p.t1 - p.t0)), math.copysign(1.0, p.t1 - p.t0)
    if p.first_step is not None:
        return Run(p.t0, p.y0, f, forward * min(p.first_step, longest), None), 1
    size = first_step_size(
        lambda t, y: _arrays.detach(p.fun(t, y)),
        p.t0,
        _arrays.detach(p.y0),
        _arrays.detach(f),
        direction=forward,
        order=TABLEAUX[method].error_order + 1,
        rtol=p.rtol,
        atol=p.atol,
        longest=longest,
    )
    size = size if math.isfinite(size) else 1e-6 * longest
    return Run(p.t0, p.y0, f, forward * max(size, smallest_step(p.t0)), None), 2


def _advance(p, method, stepper, run, record, switch):
    """Step until the run ends or, with `switch`, is found stiff; whether it looks stiff."""
    control, longest = CONTROLS[method], p.max_step
    while run.status is None:
        if run.accepted + run.rejected >= p.max_steps:
            run.status = EXHAUSTED
            break
        h = run.h if abs(run.h) <= longest else math.copysign(longest, run.h)
        last = abs(h) * (1 + 1e-10) >= abs(p.t1 - run.t)
        h = p.t1 - run.t if last else h
        trial = stepper.attempt(run.t, run.y, run.f, h)
        error = trial.error  # a float already where NumPy steps
        error = error if type(error) is float else float(_arrays.detach(error))
        if not error <= 1.0:
            _reject(p, control, run, h, error)
            continue
        if switch and _found_stiff(method, stepper, run, h, trial):
            return True
        _accept(p, control, stepper, run, record, h, trial, error, p.t1 if last else run.t + h)
    if run.status >= 0 or stepper.stiffness is None or run.accepted + run.rejected == 0:
        return False
    return stepper.stiffness(h, trial) > 0.8 * TABLEAUX[method].stability


def _accept(p, control, stepper, run, record, h, trial, error, t):
    t_old, y_old = run.t, run.y
    if record.plain:
        stop = record.append(t, trial.y)
    else:
        stop = record.take(
            t_old, y_old, t, trial.y, lambda: stepper.polynomial(t_old, y_old, h, trial)
        )
    factor = growth(control, error, run.error)
    run.h = h * (min(1.0, factor) if run.after_rejection else factor)
    run.t, run.y, run.f, run.error, run.after_rejection = t, trial.y, trial.f, error, False
    run.accepted += 1
    if stop:
        run.status = EVENT
    elif t == p.t1:
        run.status = FINISHED


def _reject(p, control, run, h, error):
    run.rejected += 1
    run.after_rejection = True
    finite = math.isfinite(error)
    total = Control(control.alpha + control.beta, 0.0)
    factor = min(1.0, growth(total, error, 1.0)) if finite else SMALLEST_FACTOR
    run.h = h * factor
    if abs(run.h) < smallest_step(run.t):
        run.status = UNDERFLOW if finite else NOT_FINITE


def _found_stiff(method, stepper, run, h, trial):
    """Fifteen steps near the border of stability; looked at now and then until the first one."""
    if run.stiff_steps == 0 and run.accepted % _LOOK_EVERY:
        return False
    stiff = stepper.stiffness(h, trial) > 0.9 * TABLEAUX[method].stability
    run.stiff_steps = run.stiff_steps + 1 if stiff else max(0, run.stiff_steps - 2)
    return run.stiff_steps >= STIFF_STEPS
