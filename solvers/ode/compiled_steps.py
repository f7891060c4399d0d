"""Runs whose right-hand side numba has compiled: a block of explicit steps in one call."""

import functools
import sys

import numpy as np

from mathcore import _arrays
from mathcore._captured_values import UserFunction
from solvers.ode import tableaux
from solvers.ode.explicit_steps import stiffness_weights
from solvers.ode.results import EVENT
from solvers.ode.step_control import RELATIVE_SMALLEST_STEP, SMALLEST_STEP

ROOM_ENDED, STIFF = 10, 11  # what `advance` says beside the statuses of a run
_FIRST_BLOCK, _LARGEST_BLOCK = 256, 8192
_KEPT_NUMBERS = 2**21  # in the polynomials of a block


def is_compiled(fun):
    """Whether `fun` is a function of numba's."""
    if "numba" not in sys.modules:
        return False
    from numba.core.dispatcher import Dispatcher

    return isinstance(fun, Dispatcher)


def runs_compiled(fun, y0):
    """Whether the compiled loop takes the problem: float64 or complex128, NumPy."""
    return (
        is_compiled(fun)
        and _arrays.is_numpy(y0)
        and y0.dtype.itemsize == 8 * (2 if y0.dtype.kind == "c" else 1)
    )


@functools.cache
def _arrays_of(name):
    """The tableau as `advance` takes it; by name, since to hash its numbers takes a while."""
    tableau = getattr(tableaux, name.upper())
    rows = (*tableau.a, tableau.b, *tableau.extra_a)
    count, width = len(tableau.b), len(tableau.dense)
    return (
        np.asarray((*tableau.c, 1.0, *tableau.extra_c)),
        padded_rows(rows, width),
        padded_rows([stiffness_weights(tableau)], count),
        padded_rows(tableau.errors, count + 1),
        np.ascontiguousarray(np.asarray(tableau.dense).T),
        count,
    )


def padded_rows(rows, width, dtype=np.float64):
    """Rows of different lengths as a matrix, zeros behind."""
    out = np.zeros((len(rows), width), dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def advance_compiled(p, tableau, control, run, record, switch):
    """`solvers.ode.marching.advance` by the compiled loop; its counts, and whether it looks stiff.

    Steps of the block after the one where an event ends the run are forgotten.
    """
    from solvers.ode._kernels import explicit_loop_cpu as loop

    n, wanted = p.y0.shape[0], record.wants_polynomials
    advance = _advance_with(UserFunction(p.user))
    state = np.array([run.t, run.h, run.error, run.after_rejection, 0.0])
    y, f, atol = run.y.copy(), run.f.copy(), np.full(n, p.atol, np.float64)
    controls = (*control, tableau.stability, p.max_step, RELATIVE_SMALLEST_STEP, SMALLEST_STEP)
    settings = _arrays_of(tableau.name), (p.rtol, atol, n), np.array(controls)
    work = np.empty((len(tableau.dense), n), y.dtype), np.empty_like(y)
    block, nfev, ended = _FIRST_BLOCK, 0, ROOM_ENDED
    while run.status is None and ended == ROOM_ENDED:
        kept = _room(block, tableau, n, y.dtype, wanted)
        left = int(min(p.max_steps - run.accepted - run.rejected, 2**62))
        ended, accepted, rejected = advance(
            p.args, p.t1, switch, *settings, state, y, f, work, (*kept, left)
        )
        nfev += len(tableau.b) * (accepted + rejected + (ended == STIFF))
        nfev += len(tableau.extra_c) * accepted * wanted
        run.rejected += rejected
        run.status = None if ended in (ROOM_ENDED, STIFF) else ended
        _keep(record, run, kept, accepted)
        block = min(2 * block, _LARGEST_BLOCK)
    run.y, run.f, run.h, run.error = y, f, float(state[1]), float(state[2])
    looks_stiff = loop.stiffness(settings[0], work) > 0.8 * tableau.stability
    return {"nfev": nfev, "njev": 0, "nlu": 0}, bool(looks_stiff)


@functools.lru_cache(maxsize=128)
def _advance_with(user):
    """The loop with the user's function in it."""
    import numba

    from solvers.ode._kernels import explicit_loop_cpu as loop

    fun = numba.njit(**user.options)(user.in_module(loop.__name__))
    return loop.advance_with(fun, user.key)


def _room(block, tableau, n, dtype, wanted):
    """Times, states and, where they are wanted, polynomials of a block of steps."""
    if not wanted:
        return np.empty(block), np.empty((block, n), dtype), np.empty((0, 1, 1), dtype)
    degree = len(tableau.dense[0])
    block = max(1, min(block, _KEPT_NUMBERS // max(1, degree * n)))
    return np.empty(block), np.empty((block, n), dtype), np.empty((block, degree, n), dtype)


def _keep(record, run, kept, accepted):
    """Tell the record of the steps of a block, until an event ends the run."""
    times, states, polynomials = kept
    if record.plain:
        record.extend(times[:accepted], states[:accepted])
        run.t = float(times[accepted - 1]) if accepted else run.t
        run.accepted += accepted
        return
    for i, t in enumerate(times[:accepted].tolist()):
        stop = record.take(run.t, run.y, t, states[i], functools.partial(_row, polynomials, i))
        run.t, run.y, run.accepted = t, states[i], run.accepted + 1
        if stop:
            run.status = EVENT
            return


def _row(polynomials, i):
    return polynomials[i]
