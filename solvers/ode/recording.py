"""What is kept of a run while it steps: the states asked for, the polynomials, the events."""

import bisect
from typing import Any, NamedTuple

from mathcore import _arrays
from solvers.ode import events as event_roots
from solvers.ode.dense_output import DenseSolution, evaluate


class OdeStep(NamedTuple):
    """What the callback of `solve_ivp` sees after each step.

    Attributes
    ----------
    index : int
        Number of the step, from 0.
    t : float
        Its end.
    y : array (n,)
        The state there.
    step_size : float
        Signed.
    """

    index: int
    t: float
    y: Any
    step_size: float


class Record:
    """The states, polynomials and events kept; ``take`` is told of each accepted step."""

    def __init__(self, problem, t_eval, dense_output, events, callback, bar):
        t, y = problem.t0, problem.y0
        self.times, self.states, self._blocks = [], [], []
        if t_eval is None:
            self.append(t, y)
        self.end, self._y0, self._args = t, y, problem.args
        self._t_eval, self._next, self._index = t_eval, 0, 0
        self._dense_output, self._events = dense_output, events
        self._callback, self._bar = callback, bar
        self._pieces = []  # t, h, y and the polynomial of each step
        self._roots = [[] for _ in events]
        self._values = [event_roots.value(event, t, y, self._args) for event in events]
        self.plain = t_eval is None and not (dense_output or events or callback or bar)
        self.wants_polynomials = bool(dense_output or events or t_eval)
        if t_eval and t_eval[0] == t:
            self.append(t, y)
            self._next = 1

    def append(self, t, y):
        """Keep a state: all there is to do where `plain`."""
        self.times.append(t)
        self.states.append(y)

    def extend(self, times, states):
        """Keep an array of times and one of states, row by row."""
        self._end_block()
        self._blocks.append((times, states))

    def _end_block(self):
        if self.states:
            times = _arrays.from_numpy(self.times, _arrays.real_part(self._y0))
            states = _arrays.result_namespace(self._y0).stack(self.states)
            self._blocks.append((times, states))
            self.times, self.states = [], []

    def take(self, t_old, y_old, t, y, polynomial):
        """Keep the step; True if a terminal event ended the run inside it, at ``self.end``."""
        h, coefficients, stop = t - t_old, None, False
        if self._dense_output or self._events:
            coefficients = polynomial()
        if self._events:
            t, y, stop = self._find_events(t_old, y_old, t, y, h, coefficients)
        self.end = t
        if self._dense_output:
            self._pieces.append((t_old, h, y_old, coefficients))
        if self._t_eval is None:
            self.append(t, y)
        else:
            self._evaluate(t_old, y_old, t, h, coefficients, polynomial)
        self._report(t, y, h)
        return stop

    def _evaluate(self, t_old, y_old, t, h, coefficients, polynomial):
        """The times of `t_eval` up to `t`."""
        forward = 1.0 if h > 0 else -1.0
        stop = bisect.bisect_right(self._t_eval, forward * t, key=lambda s: forward * s)
        times = self._t_eval[self._next : stop]
        if times:
            coefficients = polynomial() if coefficients is None else coefficients
            states = evaluate(coefficients, y_old, [(s - t_old) / h for s in times])
            for i, s in enumerate(times):
                self.append(s, states[i, :])
            self._next = stop

    def _find_events(self, t_old, y_old, t, y, h, coefficients):
        """Roots of the step; the end of the run instead of (t, y) where an event is terminal."""

        def state(theta):
            return y if theta == 1.0 else evaluate(coefficients, y_old, [theta])[0, :]

        def value_at(i, theta):
            at = t if theta == 1.0 else t_old + theta * h
            return event_roots.value(self._events[i], at, state(theta), self._args)

        first = self._values
        self._values = [value_at(i, 1.0) for i in range(len(self._events))]
        stop_at = None
        for root in event_roots.roots_of_step(self._events, value_at, first, self._values):
            if stop_at is not None and root.theta > stop_at:
                break
            at = t if root.theta == 1.0 else t_old + root.theta * h
            kept = self._roots[root.event]
            kept.append((at, state(root.theta)))
            if len(kept) >= self._events[root.event].limit:
                stop_at, end = root.theta, kept[-1]
        return (t, y, False) if stop_at is None else (*end, True)

    def _report(self, t, y, h):
        if self._callback is not None:
            self._callback(OdeStep(self._index, t, y, h))
        if self._bar is not None:
            self._bar.update(abs(h))
        self._index += 1

    def solution(self):
        """Times, states (n, times), ``sol``, ``t_events`` and ``y_events``."""
        xp, like = _arrays.result_namespace(self._y0), self._y0
        real = _arrays.real_part(like)
        self._end_block()
        blocks = self._blocks or [(_arrays.from_numpy([], real), _none(xp, like))]
        t, y = (xp.concat(parts, axis=0) for parts in zip(*blocks, strict=True))
        y = xp.matrix_transpose(y)
        sol = DenseSolution(self._pieces, self.end) if self._pieces else None
        if not self._events:
            return t, y, sol, None, None
        t_events = [_arrays.from_numpy([t for t, _ in kept], real) for kept in self._roots]
        y_events = [
            xp.stack([y for _, y in kept]) if kept else _none(xp, like) for kept in self._roots
        ]
        return t, y, sol, t_events, y_events


def _none(xp, like):
    return xp.zeros((0, like.shape[0]), dtype=like.dtype, device=_arrays.device(like))
