"""An ensemble of NumPy arrays through the compiled steps: many members side by side in lanes."""

import functools

import numpy as np

from mathcore._captured_values import UserFunction
from solvers.ode.lane_records import Events, Functions, Members, Method, Problem, make_rows
from solvers.ode.marching import CONTROLS, TABLEAUX
from solvers.ode.masked_steps import RUNNING, STIFF

_PROGRESS_PARTS = 20
_MOST_UNROLLED = 8  # components; beyond, loops are as fast and sooner compiled
_MEMBER_NS = 10_000  # of a run of one member, about: a hundred steps of a small system


def compiled_run(fun, y0, args, layout, events, progress):
    """The kernel's way, or None where numba cannot compile `fun`."""
    from numba.core.errors import NumbaError

    n, user = y0.shape[1], UserFunction(fun)
    try:
        rate, found = _lane_function(user, n, layout, n)[1], _lane_events(events, n, layout)
    except NumbaError:
        return None

    def run(problem, stages, batch):
        members = _members(batch, args)
        shared = _shared(problem, n)
        for name, switch in stages:
            wanted = (members.status == RUNNING) | (members.status == STIFF)
            members = members._replace(numbers=np.flatnonzero(wanted))
            if not members.numbers.size:
                break
            arguments = (name, shared._replace(switch=switch), members)
            _march(user, layout, rate, found, *arguments, progress)
        return batch._replace(
            t=members.t,
            y=members.y.astype(y0.dtype),
            status=members.status,
            accepted=members.accepted,
            rejected=members.rejected,
            nfev=members.nfev,
            record=members.record.astype(y0.dtype),
        )

    return run


def _members(batch, args):
    """Where the members stand, in arrays that the kernel writes to."""
    count = len(batch.y)
    return Members(
        np.arange(count),
        *(np.array(x, float) for x in (batch.t, batch.y, args)),
        np.full(count, RUNNING),
        np.array(batch.accepted),
        *(np.zeros(count, np.int64) for _ in range(3)),
        np.array(batch.record, float),
    )


def _shared(problem, n):
    atol = np.array(np.broadcast_to(problem.atol, (n,)), float)
    return Problem(
        problem.t1,
        np.array(problem.t_eval, float),
        problem.rtol,
        atol,
        float(problem.max_steps),
        False,
        np.array([problem.t1, problem.rtol, problem.max_steps, *atol], float),
    )


def _march(user, layout, rate, events, name, problem, members, progress):
    from mathcore._compile import launch, num_threads
    from solvers.ode._kernels.ensemble_march import march
    from solvers.ode._kernels.ensemble_steps import NUMBERS
    from solvers.ode._kernels.ensemble_vectors import LANES

    method, table = _kernel_method(name)
    count = 0 if events is None else len(events.directions)
    at = make_rows(members.y.shape[1], members.args.shape[1], count, method, NUMBERS)
    t_eval = problem.t_eval if problem.t_eval.size else None
    whole = events is None and t_eval is None
    step = _step(user, rate, layout, name, at, problem.switch, whole)
    options = (
        None if whole and step else True,
        None if step else True,
        events,
        t_eval,
    )
    for numbers in _parts(members.numbers, name, progress):
        shares = max(1, min(-(-len(numbers) // LANES), num_threads()))
        some = members._replace(numbers=numbers)
        arguments = (problem, some, shares, (method, table, at), Functions(rate), step, options)
        with np.errstate(all="ignore"):  # only what is not compiled could warn
            launch(march, shares, _MEMBER_NS * len(numbers), *arguments)


def _parts(numbers, name, progress):
    if not progress:
        return (numbers,)
    from tqdm import tqdm

    return tqdm(np.array_split(numbers, min(len(numbers), _PROGRESS_PARTS)), desc=name)


def _lane_events(events, n, layout):
    """`Events` of the kernel, or None."""
    if not events:
        return None
    addresses = [_lane_function(UserFunction(event), n, layout, 1)[1] for event in events]
    addresses = np.array(addresses, np.int64) if _is_compiled() else tuple(addresses)
    return Events(addresses, np.array([float(getattr(x, "direction", 0.0)) for x in events]))


def _is_compiled():
    from mathcore._vectors import COMPILED

    return COMPILED


def _step(user, rate, layout, name, at, switch, whole):
    """Address of the step with the user's function in it, 0 where there is none."""
    if not _is_compiled() or at.n > _MOST_UNROLLED:
        return 0
    return _step_function(user, rate, layout, name, at, switch, whole)[1]


@functools.lru_cache(maxsize=128)
def _step_function(user, address, layout, name, at, switch, whole):
    from solvers.ode._kernels.ensemble_unrolled import step_function

    method, table = _kernel_method(name)
    return step_function(user, address, layout, method, table, at, switch=switch, whole=whole)


@functools.lru_cache(maxsize=128)
def _lane_function(user, n, layout, outputs):
    """Kept, with what must stay alive while its address is called."""
    from solvers.ode._kernels.ensemble_lanes import lane_function

    return lane_function(user, n, layout, outputs)


@functools.cache
def _kernel_method(name):
    """A tableau as the kernel's `Method` and the rows of one table."""
    tableau, control = TABLEAUX[name], CONTROLS[name]
    implicit = hasattr(tableau, "gamma")
    extra_a, extra_c = ((), ()) if implicit else (tableau.extra_a, tableau.extra_c)
    parts = {
        "a": tableau.a if implicit else (*tableau.a, (), *extra_a),
        "coupling": tableau.coupling if implicit else (),
        "b": (tableau.b,),
        "errors": (tableau.error,) if implicit else tableau.errors,
        "c": (tableau.c if implicit else (*tableau.c, 1.0, *extra_c),),
        "d": (tableau.d if implicit else (),),
        "dense": tableau.dense,
    }
    rows = [row for part in parts.values() for row in part]
    table = np.zeros((len(rows), max(len(row) for row in rows)))
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    starts = np.cumsum([0, *(len(part) for part in parts.values())]).tolist()
    method = Method(
        implicit=implicit,
        pair=len(parts["errors"]) == 2,
        gamma=tableau.gamma if implicit else 0.0,
        stages=len(tableau.b),
        extras=len(extra_a),
        **dict(zip(parts, starts, strict=False)),
        degree=len(tableau.dense[0]),
        alpha=control.alpha,
        beta=control.beta,
        order=float(tableau.error_order + 1),
        stability=float(getattr(tableau, "stability", 0.0)),
    )
    return method, table
