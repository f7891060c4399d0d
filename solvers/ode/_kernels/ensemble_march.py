"""Many members from t to t₁, `LANES` side by side; a lane whose member has ended takes the next."""

import math

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import aligned_zeros
from solvers.ode._kernels.ensemble_lanes import call_lanes, call_step
from solvers.ode._kernels.ensemble_steps import (
    ACCEPTED,
    END,
    ERROR,
    EVALUATIONS,
    HIGH,
    LOW,
    MEMBER,
    PREVIOUS,
    REJECTED,
    REPEATED,
    SAVED,
    SLOPE,
    STAGE_T,
    START,
    STATUS,
    STIFF_STEPS,
    STIFFNESS,
    TAKEN,
    THETA,
    G,
    H,
    T,
    estimate_error,
    estimate_stiffness,
    exp2,
    explicit_step,
    extra_stages,
    interpolate,
    log2,
    rosenbrock_step,
)
from solvers.ode._kernels.ensemble_vectors import LANES, any_lane, load, store, where

STIFF, RUNNING = 8, 9  # beside the codes of `solvers.ode.results`
_FINISHED, _EVENT, _UNDERFLOW, _EXHAUSTED, _NOT_FINITE = 0, 1, -1, -2, -3
_NO_MEMBER, _NEVER = -1.0, 2.0
_PARTS, _BISECTIONS = 8, 52
_STIFF_STEPS = 15
_TEN_ULP, _TINY = 2.220446049250313e-15, 1e-300

# What only some runs need is None in the others, and no part of their kernel: `separate` where a
# step compiled with its right-hand side in it is all of a step, `uncompiled` where there is one at
# the address `step`, `events` and `t_eval` where there are no events to find, no times to save.


@kernel()
def march(low, high, problem, members, shares, numbers, functions, step, options):
    """Every member; share i takes members i, i + shares, …

    `numbers` are (method, table, at), `options` (separate, uncompiled, events, t_eval).
    """
    for share in range(low, high):
        _march(share, shares, problem, members, numbers, functions, step, *options)


@part()
def _march(
    share, shares, problem, members, numbers, functions, step, separate, uncompiled, events, t_eval
):
    method, table, at = numbers
    v = _begin_share(members, at, share)
    queue, going = share, 0
    while going or queue < members.numbers.size:
        before = queue
        queue = _fill(members, v, at, queue, shares)
        if queue != before:
            _begin(functions, method, problem, v, at)
            if events is not None:
                _begin_events(events, v, at)
        going = _collect(members, v, at)
        ended = going == 0
        while not ended:
            if separate is None:
                ended = call_step(step, v, problem.numbers)
            else:
                _try(functions, method, table, at, problem, v, step, uncompiled)
                if events is not None:
                    _extra(functions, method, table, v, at, load(v, TAKEN))
                    _find_events(events, method, table, v, at)
                if t_eval is not None:
                    extra = events is not None
                    _save(functions, method, table, t_eval, problem.t1, extra, members, v, at)
                ended = _take(method, problem, v, at)
        going = _collect(members, v, at)


@part()
def _try(functions, method, table, at, problem, v, step, uncompiled):
    """A step of every lane."""
    if uncompiled is None:
        call_step(step, v, problem.numbers)
    else:
        _attempt(functions, method, table, problem, v, at)


@part()
def _begin_share(members, at, share):
    """A workspace; an idle lane computes too: not where `fun` is not defined."""
    v = aligned_zeros(at.end, LANES, members.t)
    for lane in range(LANES):
        v[MEMBER, lane] = _NO_MEMBER
        _enter(members, v, at, lane, members.numbers[share])
    return v


# --- members in and out -------------------------------------------------------------------------


@part(simplify=True)
def _fill(members, v, at, queue, shares):
    """Put the next members into the free lanes; the queue after that."""
    for lane in range(LANES):
        if v[MEMBER, lane] != _NO_MEMBER or queue >= members.numbers.size:
            continue
        m = members.numbers[queue]
        queue += shares
        v[MEMBER, lane], v[STATUS, lane] = m, RUNNING
        v[ACCEPTED, lane], v[REJECTED, lane] = members.accepted[m], members.rejected[m]
        v[SAVED, lane], v[EVALUATIONS, lane] = members.saved[m], members.nfev[m] + 2
        v[STIFF_STEPS, lane], v[REPEATED, lane], v[PREVIOUS, lane] = 0.0, 0.0, 0.0
        _enter(members, v, at, lane, m)
    return queue


@part(simplify=True)
def _enter(members, v, at, lane, m):
    """Time, state and arguments of member m."""
    v[T, lane], v[H, lane] = members.t[m], 0.0
    for i in range(at.n):
        v[at.y + i, lane] = members.y[m, i]
    for i in range(members.args.shape[1]):
        v[at.args + i, lane] = members.args[m, i]


@part(simplify=True)
def _collect(members, v, at):
    """Write down the members that ended and free their lanes; how many go on."""
    going = 0
    for lane in range(LANES):
        m = int(v[MEMBER, lane])
        if m >= 0 and v[STATUS, lane] == RUNNING:
            going += 1
        elif m >= 0:
            members.t[m], members.status[m] = v[T, lane], int(v[STATUS, lane])
            members.accepted[m] = int(v[ACCEPTED, lane])
            members.rejected[m] = int(v[REJECTED, lane])
            members.saved[m], members.nfev[m] = int(v[SAVED, lane]), int(v[EVALUATIONS, lane])
            for i in range(at.n):
                members.y[m, i] = v[at.y + i, lane]
            v[MEMBER, lane], v[H, lane] = _NO_MEMBER, 0.0
    return going


@part(simplify=True)
def _begin(functions, method, problem, v, at):
    """f(t, y) and a first step size where h = 0: Hairer, Nørsett, Wanner I (1993), II.4."""
    call_lanes(functions.rate, v, T, at.y, at.args, at.z)
    for lane in range(LANES):
        v[THETA, lane] = 0.0
        if v[H, lane] == 0.0 and v[MEMBER, lane] >= 0:
            for i in range(at.n):
                v[at.f + i, lane] = v[at.z + i, lane]
            _guess_step(problem, v, at, lane)
    for lane in range(LANES):
        v[STAGE_T, lane] = v[T, lane] + v[THETA, lane]
        for i in range(at.n):
            v[at.w + i, lane] = v[at.y + i, lane] + v[THETA, lane] * v[at.f + i, lane]
    call_lanes(functions.rate, v, STAGE_T, at.w, at.args, at.z)
    for lane in range(LANES):
        if v[THETA, lane] != 0.0:
            _first_step(method, problem, v, at, lane)


@part()
def _begin_events(events, v, at):
    for e in range(len(events.directions)):
        call_lanes(events.functions[e], v, T, at.y, at.args, G)
        store(v, at.g + e, where(load(v, THETA) == 0.0, load(v, at.g + e), load(v, G)))


@part(simplify=True)
def _guess_step(problem, v, at, lane):
    size = slope = 0.0
    for i in range(at.n):
        scale = problem.atol[i] + problem.rtol * abs(v[at.y + i, lane])
        size += (v[at.y + i, lane] / scale) ** 2
        slope += (v[at.f + i, lane] / scale) ** 2
    size, slope = math.sqrt(size / at.n), math.sqrt(slope / at.n)
    guess = 0.01 * size / slope if size >= 1e-5 and slope >= 1e-5 else 1e-6
    span = problem.t1 - v[T, lane]
    v[THETA, lane], v[SLOPE, lane] = math.copysign(min(guess, abs(span)), span), slope


@part(simplify=True)
def _first_step(method, problem, v, at, lane):
    guess, slope, bend = abs(v[THETA, lane]), v[SLOPE, lane], 0.0
    for i in range(at.n):
        scale = problem.atol[i] + problem.rtol * abs(v[at.y + i, lane])
        bend += ((v[at.z + i, lane] - v[at.f + i, lane]) / scale) ** 2
    steepest = max(slope, math.sqrt(bend / at.n) / guess)
    if steepest <= 1e-15:
        refined = max(1e-6, 1e-3 * guess)
    else:
        refined = (0.01 / steepest) ** (1.0 / method.order)
    span = problem.t1 - v[T, lane]
    refined = min(100.0 * guess, refined, abs(span))
    if not math.isfinite(slope):
        v[STATUS, lane] = _NOT_FINITE
    if not math.isfinite(refined):
        refined = 1e-6 * abs(span)
    smallest = max(_TEN_ULP * abs(v[T, lane]), _TINY)
    v[H, lane] = math.copysign(max(refined, smallest), span)


# --- one step -----------------------------------------------------------------------------------


@part()
def _attempt(functions, method, table, problem, v, at):
    """Try a step in every lane, none beyond t₁: TAKEN is 1 where its error is small enough."""
    h, rest = load(v, H), problem.t1 - load(v, T)
    store(v, H, where(abs(h) * (1 + 1e-10) >= abs(rest), rest, h))
    cost = float(method.stages)
    if method.implicit:
        rosenbrock_step(functions.rate, method, table, v, at)
        cost += 0.0 if functions.exact else at.n + 1.0
    else:
        explicit_step(functions.rate, method, table, v, at)
    estimate_error(method, table, v, at, problem.rtol, problem.atol)
    running, good = load(v, STATUS) == RUNNING, load(v, ERROR) <= 1.0
    taken = where(running & good, 1.0, 0.0)
    store(v, TAKEN, taken)
    store(v, END, _NEVER)
    store(v, ACCEPTED, load(v, ACCEPTED) + taken)
    store(v, REJECTED, load(v, REJECTED) + (1.0 - taken))
    store(v, EVALUATIONS, load(v, EVALUATIONS) + cost)
    if problem.switch:
        _watch_stiffness(method, v, at)


@part()
def _watch_stiffness(method, v, at):
    estimate_stiffness(method, v, at)
    count = load(v, STIFF_STEPS)
    fewer = where(count > 2.0, count - 2.0, 0.0)
    changed = where(load(v, STIFFNESS) > 0.9 * method.stability, count + 1.0, fewer)
    store(v, STIFF_STEPS, where(load(v, TAKEN) > 0.0, changed, count))


@part()
def _take(method, problem, v, at):
    """Take the accepted steps, choose the next sizes; whether a member ended."""
    taken = load(v, TAKEN) > 0.0
    for i in range(at.n):
        store(v, at.y + i, where(taken, load(v, at.w + i), load(v, at.y + i)))
        store(v, at.f + i, where(taken, load(v, at.f_new + i), load(v, at.f + i)))
    t, h, end, error = load(v, T), load(v, H), load(v, END), load(v, ERROR)
    whole = end == _NEVER
    arrived = taken & whole & (h == problem.t1 - t)
    t_new = where(arrived, problem.t1, t + where(whole, h, end * h))
    t = where(taken, t_new, t)
    growth = _growth(method, v)
    h = h * growth
    store(v, T, t)
    store(v, H, h)
    store(v, REPEATED, where(taken, 0.0, 1.0))
    steps = load(v, ACCEPTED) + load(v, REJECTED)
    smallest = where(_TEN_ULP * abs(t) > _TINY, _TEN_ULP * abs(t), _TINY)
    small = ~taken & (abs(h) < smallest)
    status = where(steps >= problem.max_steps, _EXHAUSTED, RUNNING)
    status = where(small, where(error < np.inf, _UNDERFLOW, _NOT_FINITE), status)
    if problem.switch:
        status = where(load(v, STIFF_STEPS) >= float(_STIFF_STEPS), STIFF, status)
    status = where(taken & ~whole, _EVENT, where(arrived, _FINISHED, status))
    running = load(v, STATUS) == RUNNING
    store(v, STATUS, where(running, status, load(v, STATUS)))
    return any_lane(running & (status < float(RUNNING)))


@part()
def _growth(method, v):
    """The factor 0.9 error^{−alpha} previous^{beta} of the step size, within bounds."""
    square, taken = load(v, ERROR), load(v, TAKEN) > 0.0
    clipped = where(square > 1e-20, where(square < 1e300, square, 1e300), 1e-20)
    now, before = 0.5 * log2(clipped), load(v, PREVIOUS)
    alpha = where(taken, method.alpha, method.alpha + method.beta)
    z = where(taken, method.beta * before, 0.0) - alpha * now
    store(v, PREVIOUS, where(taken, now, before))
    factor = 0.9 * exp2(z)
    largest = where(taken & (load(v, REPEATED) == 0.0), 10.0, 1.0)
    factor = where(factor > largest, largest, factor)
    factor = where(factor > 0.2, factor, 0.2)
    return where(square < np.inf, factor, 0.2)


# --- between the steps --------------------------------------------------------------------------


@part()
def _save(functions, method, table, times, t1, extra, members, v, at):
    """States at the `times` that this step passes; `extra` if the further stages are there."""
    while True:
        found = False
        for lane in range(LANES):
            v[THETA, lane] = -1.0
            saved, h = int(v[SAVED, lane]), v[H, lane]
            if v[TAKEN, lane] == 0.0 or saved >= times.size:
                continue
            theta, end = max((times[saved] - v[T, lane]) / h, 0.0), v[END, lane]
            if theta <= min(end, 1.0) or (end == _NEVER and h == t1 - v[T, lane]):
                v[THETA, lane], found = theta, True
        if not found:
            break
        if not extra:
            _extra(functions, method, table, v, at, where(load(v, THETA) >= 0.0, 1.0, 0.0))
            extra = True
        interpolate(method, table, v, at, at.z)
        for lane in range(LANES):
            if v[THETA, lane] >= 0.0:
                m, saved = int(v[MEMBER, lane]), int(v[SAVED, lane])
                for i in range(at.n):
                    members.record[m, saved, i] = v[at.z + i, lane]
                v[SAVED, lane] += 1.0


@part()
def _extra(functions, method, table, v, at, wanted):
    if method.extras > 0:
        extra_stages(functions.rate, method, table, v, at)
        store(v, EVALUATIONS, load(v, EVALUATIONS) + float(method.extras) * wanted)


@part()
def _find_events(events, method, table, v, at):
    """END: where in its step an event function first changes sign; y₁ is moved there."""
    for e in range(len(events.directions)):
        event, direction = events.functions[e], events.directions[e]
        store(v, START, load(v, at.g + e))
        store(v, HIGH, _NEVER)
        for piece in range(1, _PARTS + 1):
            store(v, THETA, piece / _PARTS)
            _event_values(event, method, table, v, at)
            _bracket(direction, piece, v)
        store(v, at.g + e, where(load(v, TAKEN) > 0.0, load(v, G), load(v, at.g + e)))
        if any_lane(load(v, HIGH) < _NEVER):
            _bisect(event, method, table, v, at)
    ends = load(v, END)
    if any_lane(ends < _NEVER):
        store(v, THETA, where(ends < _NEVER, ends, 0.0))
        interpolate(method, table, v, at, at.z)
        for i in range(at.n):
            store(v, at.w + i, where(ends < _NEVER, load(v, at.z + i), load(v, at.w + i)))


@part()
def _event_values(event, method, table, v, at):
    """G, at t + θh."""
    interpolate(method, table, v, at, at.z)
    store(v, STAGE_T, load(v, T) + load(v, THETA) * load(v, H))
    call_lanes(event, v, STAGE_T, at.z, at.args, G)


@part()
def _bracket(direction, piece, v):
    """LOW and HIGH around the first change of sign."""
    start, g = load(v, START), load(v, G)
    rises, falls = (start < 0.0) & (g >= 0.0), (start > 0.0) & (g <= 0.0)
    crossed = rises | falls
    if direction != 0.0:
        crossed = rises if direction > 0.0 else falls
    first = load(v, HIGH) == _NEVER
    crossed = crossed & first & (load(v, TAKEN) > 0.0)
    store(v, LOW, where(crossed, (piece - 1) / _PARTS, load(v, LOW)))
    store(v, HIGH, where(crossed, piece / _PARTS, load(v, HIGH)))
    store(v, START, where(first & ~crossed, g, start))


@part()
def _bisect(event, method, table, v, at):
    """The root of this event, and END where it is the first of all."""
    crossed = load(v, HIGH) < _NEVER
    for _ in range(_BISECTIONS):
        middle = 0.5 * (load(v, LOW) + load(v, HIGH))
        store(v, THETA, middle)
        _event_values(event, method, table, v, at)
        same = load(v, START) * load(v, G) > 0.0
        store(v, LOW, where(same, middle, load(v, LOW)))
        store(v, HIGH, where(same, load(v, HIGH), middle))
    end, high = load(v, END), load(v, HIGH)
    store(v, END, where(crossed & (high < end), high, end))
