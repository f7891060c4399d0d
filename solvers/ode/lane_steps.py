"""An ensemble of NumPy arrays through the compiled steps: many members side by side in lanes."""

import functools

import numpy as np

from solvers.ode.lane_records import Functions, Members, Method, Problem, make_rows
from solvers.ode.marching import CONTROLS, TABLEAUX
from solvers.ode.masked_steps import RUNNING, STIFF

_PROGRESS_PARTS = 20
_MOST_UNROLLED = 8  # components; beyond, loops are as fast and sooner compiled


def compiled_run(fun, y0, args, layout, events, progress):
    """The kernel's way, or None where numba cannot compile `fun`."""
    n = y0.shape[1]
    functions = _lane_functions(fun, n, layout, events)
    if functions is None:
        return None

    def run(problem, stages, batch):
        batch = batch._replace(status=np.full(len(y0), RUNNING))
        members = Members(
            np.arange(len(y0)),
            *(np.array(x, float) for x in (batch.t, batch.y, args)),
            *(np.array(x) for x in (batch.status, batch.accepted)),
            *(np.zeros(len(y0), np.int64) for _ in range(3)),
            np.array(batch.record, float),
        )
        atol = np.array(np.broadcast_to(problem.atol, (n,)), float)
        shared = Problem(
            problem.t1,
            np.array(problem.t_eval, float),
            problem.rtol,
            atol,
            float(problem.max_steps),
            False,
            np.array([problem.t1, problem.rtol, problem.max_steps, *atol], float),
        )
        for name, switch in stages:
            wanted = (members.status == RUNNING) | (members.status == STIFF)
            members = members._replace(numbers=np.flatnonzero(wanted))
            _march(fun, layout, functions, name, shared._replace(switch=switch), members, progress)
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


def _march(fun, layout, functions, name, problem, members, progress):
    from solvers.ode._kernels.ensemble_march import march
    from solvers.ode._kernels.ensemble_steps import NUMBERS

    method, table = _kernel_method(name)
    events = len(functions.directions)
    at = make_rows(members.y.shape[1], members.args.shape[1], events, method, NUMBERS)
    whole = events == 0 and problem.t_eval.size == 0
    step = _step(fun, functions, layout, name, at, problem.switch, whole)
    functions = functions._replace(step=step, whole=whole and step != 0)
    for numbers in _parts(members.numbers, name, progress):
        shares = _share_count(len(numbers))
        part = members._replace(numbers=numbers)
        with np.errstate(all="ignore"):  # only what is not compiled could warn
            march(functions, method, table, at, problem, part, shares)


def _share_count(members):
    """More shares than threads, so that a thread done early takes another; each fills its lanes."""
    import numba

    from solvers.ode._kernels.ensemble_vectors import LANES

    threads = numba.get_num_threads()
    return max(1, min(-(-members // LANES), 1 if threads == 1 else 4 * threads))


def _parts(numbers, name, progress):
    if len(numbers) == 0:
        return ()
    if not progress:
        return (numbers,)
    from tqdm import tqdm

    return tqdm(np.array_split(numbers, min(len(numbers), _PROGRESS_PARTS)), desc=name)


def _lane_functions(fun, n, layout, events):
    """`Functions` of the kernel; None where numba cannot compile them."""
    from numba.core.errors import NumbaError

    try:
        rate = _lane_function(fun, n, layout, n)
        ends = [_lane_function(event, n, layout, 1) for event in events]
    except NumbaError:
        return None
    addresses = [end for _, end in ends]
    addresses = np.array(addresses, np.int64) if isinstance(rate[1], int) else tuple(addresses)
    directions = np.array([float(getattr(event, "direction", 0.0)) for event in events])
    return Functions(rate[1], addresses, directions)


def _step(fun, functions, layout, name, at, switch, whole):
    """Address of the step with `fun` in it, 0 where there is none."""
    from mathcore._vectors import COMPILED

    if not COMPILED or at.n > _MOST_UNROLLED:
        return 0
    return _step_function(fun, functions.rate, layout, name, at, switch, whole)[1]


@functools.lru_cache(maxsize=128)
def _step_function(fun, address, layout, name, at, switch, whole):
    from solvers.ode._kernels.ensemble_unrolled import step_function

    method, table = _kernel_method(name)
    return step_function(fun, address, layout, method, table, at, switch=switch, whole=whole)


@functools.lru_cache(maxsize=128)
def _lane_function(function, n, layout, outputs):
    """Kept, with what must stay alive while its address is called."""
    from solvers.ode._kernels.ensemble_lanes import lane_function

    return lane_function(function, n, layout, outputs)


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
