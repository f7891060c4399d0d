"""A run whose numbers are not known while it is written down: under ``jax.jit`` and its kin.

The steps are chosen first, outside the gradient tape, in a loop of unknown length. Then they are
taken again, in a loop whose length is known by then and which can be differentiated: the gradient
is that of the discrete solution, at the cost of one more run without its rejected steps.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from solvers.ode.marching import CONTROLS, TABLEAUX, explicit_choice, make_stepper
from solvers.ode.results import EXHAUSTED, FINISHED, NOT_FINITE, UNDERFLOW, OdeResult
from solvers.ode.step_control import first_step_size, growth_after

MAX_STEPS = 4096
_GOING_ON = 100


class _Choice(NamedTuple):
    """The steps chosen so far; arrays of no axis, but for `y`, `f` and the last three."""

    t: Any
    y: Any
    f: Any
    h: Any
    error: Any
    after_rejection: Any
    accepted: Any
    rejected: Any
    status: Any
    starts: Any
    sizes: Any
    ends: Any


def is_traced(problem):
    """Whether the values of the right-hand side cannot be known."""
    if problem.f0 is None:
        return False
    f = _arrays.detach(problem.f0)
    xp = _arrays.result_namespace(f)
    return _arrays.concrete(xp.sum(xp.abs(f))) is None


def solve_traced(problem, method, t_eval):
    """`solve_ivp` without dense output and events; at both ends where `t_eval` is None."""
    method = explicit_choice(problem.rtol) if method == "auto" else method
    most = int(min(problem.max_steps, MAX_STEPS))
    chosen = _chosen_steps(problem, method, most)
    times = [problem.t0, problem.t1] if t_eval is None else t_eval
    y, saved = _repeated_steps(problem, method, chosen, times, most)
    xp = _arrays.result_namespace(y)
    t = _arrays.from_numpy(times, _arrays.real_part(y))
    if t_eval is None:
        t, saved = xp.stack([t[0], chosen.t]), xp.stack([saved[0, :], y])
    stages, tries = len(TABLEAUX[method].b), chosen.accepted + chosen.rejected
    implicit = method == "rodas5p"
    by_differences = 1 + (y.shape[0] if problem.jac is None else 0)
    return OdeResult(
        t=t,
        y=xp.matrix_transpose(saved),
        sol=None,
        t_events=None,
        y_events=None,
        nfev=2 + (stages + implicit * by_differences) * tries,
        njev=implicit * tries,
        nlu=implicit * tries,
        status=chosen.status,
        message="the run was traced: `status` tells how it ended",
        success=chosen.status >= 0,
        n_accepted=chosen.accepted,
        n_rejected=chosen.rejected,
    )


def _chosen_steps(p, method, most):
    """Run outside the tape and note the steps."""
    rate = p.fun

    def fun(t, y):
        return _arrays.detach(rate(t, y))

    p = p._replace(fun=fun, y0=_arrays.detach(p.y0))
    stepper, control = make_stepper(method, p), CONTROLS[method]
    start = _start(p, fun, method, most)

    def goes_on(state):
        return _Choice(*state).status == _GOING_ON

    def body(state):
        return tuple(_tried(p, stepper, control, _Choice(*state), most))

    return _Choice(*_arrays.while_loop(goes_on, body, tuple(start)))


def _start(p, fun, method, most):
    xp, real = _arrays.result_namespace(p.y0), _arrays.real_part(p.y0)
    f = _arrays.detach(p.f0)
    zero = xp.sum(_arrays.real_part(f) * 0)
    forward, longest = (1.0 if p.t1 >= p.t0 else -1.0), min(p.max_step, abs(p.t1 - p.t0))
    if p.first_step is None:
        h = first_step_size(
            fun,
            p.t0,
            p.y0,
            f,
            direction=forward,
            order=TABLEAUX[method].error_order + 1,
            rtol=p.rtol,
            atol=p.atol,
            longest=longest,
            traced=True,
        )
        h = xp.where(xp.isfinite(h), h, 1e-6 * longest + 0 * h)
    else:
        h = zero * 0 + min(p.first_step, longest)
    count = xp.astype(xp.isfinite(zero), xp.int32)  # traced like all the others
    status = 0 * count + (FINISHED if p.t0 == p.t1 else _GOING_ON)
    status = xp.where(count == 1, status, NOT_FINITE + 0 * status)
    none = xp.zeros(most, dtype=real.dtype, device=_arrays.device(real)) + 0 * h
    zero = xp.where(xp.isfinite(zero), zero, xp.zeros_like(zero))
    return _Choice(
        zero + p.t0,
        p.y0 + zero,
        f,
        forward * h,
        zero + 1.0,
        zero > 1.0,
        0 * count,
        0 * count,
        status,
        none,
        none,
        none,
    )


def _tried(p, stepper, control, s, most):
    """The state after one more step has been tried."""
    xp = _arrays.result_namespace(s.y)
    h = xp.clip(s.h, -p.max_step, p.max_step)
    last = xp.abs(h) * (1 + 10 * _arrays.eps(s.y)) >= xp.abs(p.t1 - s.t)
    h = xp.where(last, p.t1 - s.t, h)
    trial = stepper.attempt(s.t, s.y, s.f, h)
    finite = xp.isfinite(trial.error)
    taken = xp.logical_and(finite, trial.error <= 1.0)
    end = xp.where(last, p.t1 + 0 * s.t, s.t + h)
    error = xp.where(finite, trial.error, xp.ones_like(trial.error))
    h_next = h * growth_after(control, trial.error, s.error, taken, s.after_rejection)
    at = xp.logical_and(xp.arange(most) == s.accepted, taken)
    accepted = s.accepted + xp.astype(taken, xp.int32)
    rejected = s.rejected + xp.astype(xp.logical_not(taken), xp.int32)
    least = float(xp.finfo(s.t.dtype).smallest_normal)
    tiny = xp.abs(h_next) < 10 * _arrays.eps(s.y) * xp.abs(s.t) + least
    lost = xp.logical_and(xp.logical_not(taken), tiny)
    status = xp.where(accepted + rejected >= most, EXHAUSTED, s.status)
    status = xp.where(lost, xp.where(finite, UNDERFLOW, NOT_FINITE), status)
    status = xp.where(xp.logical_and(taken, last), FINISHED, status)
    return _Choice(
        t=xp.where(taken, end, s.t),
        y=xp.where(taken, trial.y, s.y),
        f=xp.where(taken, trial.f, s.f),
        h=h_next,
        error=xp.where(taken, error, s.error),
        after_rejection=xp.logical_not(taken),
        accepted=accepted,
        rejected=rejected,
        status=xp.astype(status, xp.int32),
        starts=xp.where(at, s.t, s.starts),
        sizes=xp.where(at, h, s.sizes),
        ends=xp.where(at, end, s.ends),
    )


def _repeated_steps(p, method, chosen, times, most):
    """Take the chosen steps, on the tape; the last state and those at `times`, NaN if not met."""
    xp, stepper = _arrays.result_namespace(p.y0), make_stepper(method, p)
    times = _arrays.from_numpy(times, _arrays.real_part(p.y0))
    saved = xp.where((times == p.t0)[:, None], p.y0, xp.nan * p.y0)

    def body(i, state):
        y, f, saved = state
        start, h = chosen.starts[i], chosen.sizes[i]
        trial = stepper.attempt(start, y, f, h)
        q = stepper.polynomial(start, y, h, trial)
        theta = (times - start) / h
        inside = xp.logical_and((times - start) * h > 0, (times - chosen.ends[i]) * h <= 0)
        theta = xp.where(inside, theta, 0 * theta)
        powers = xp.astype(theta[:, None] ** (1.0 + xp.arange(q.shape[0])), q.dtype)
        return trial.y, trial.f, xp.where(inside[:, None], y + powers @ q, saved)

    state = (p.y0, p.f0, saved)
    y, _, saved = _arrays.repeat(chosen.accepted, body, state, at_most=most)
    return y, saved
