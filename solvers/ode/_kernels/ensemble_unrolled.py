"""The steps of `ensemble_steps` and `ensemble_march` with a right-hand side in them, unrolled.

Their texts are run in Python on a workspace that emits instructions instead of computing: loops
unroll, coefficients become constants of the code, a weight of 0 costs nothing, what is stored and
loaded again stays in a register, and a right-hand side that takes vectors is part of the function.
Where it is made of ``+ - * /`` and whole powers, its Jacobian is too, exact. Accuracy: rounding.
"""

import numba
from numba.core import types
from numba.core.cgutils import ir
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from mathcore._compile import SAFE_FASTMATH, callback
from solvers.ode._kernels import ensemble_march, ensemble_steps
from solvers.ode._kernels.dual_numbers import jacobian
from solvers.ode._kernels.ensemble_vectors import LANES, TRACED_FUNCTIONS, VECTOR, Traced

_POINTER = types.CPointer(types.float64)
_OPTIONS = {"error_model": "numpy", "nogil": True}
_Function = type(lambda: None)


def step_function(user, address, layout, method, table, at, *, switch, whole):
    """One step of every lane, to be called as ``step(v, numbers) -> bool``.

    ``v`` is the workspace with the rows `at`; ``numbers`` holds t₁, rtol, `max_steps` and the n
    atol. If `whole`, it is `_attempt` and `_take` and tells whether a member ended; else `_attempt`
    with all stages written to the workspace. `user` is a `mathcore._captured_values.UserFunction`,
    `address` that of its lane function, which is called where it does not take vectors. Returns
    what must be kept alive, and the address.
    """
    scalar = numba.njit(fastmath=set(SAFE_FASTMATH), **_OPTIONS)(user.in_module(__name__))

    def compiled(make_rate, key):
        emit = _step_emitter(make_rate, layout, method, table, at, switch, whole)

        def step(v, numbers):
            return emit(scalar, v, numbers)

        return callback(step, types.boolean(_POINTER, _POINTER), key)

    settings = (layout, method, table.tolist(), at, switch, whole)
    try:
        step = compiled(_inlined_rate(layout, at), user.key and (user.key, settings))
    except NumbaError:
        step = compiled(_called_rate(address), None)  # code with an address in it is not kept
    return step, step.address


def _step_emitter(make_rate, layout, method, table, at, switch, whole):
    """The `@intrinsic` ``emit(scalar, v, numbers)``."""

    @intrinsic
    def emit(typing, scalar, v, numbers):
        rate_in = make_rate(typing, scalar)

        def generate(context, builder, signature, arguments):
            v = _Workspace(builder, arguments[1], at.n)
            problem = _Problem(builder, arguments[2], at.n, switch)
            text, ended = _traced_text(), ir.IntType(1)(0)
            function = scalar.dispatcher.py_func
            exact = method.implicit and _has_written_jacobian(function, layout, v, at)
            if exact:
                text["_differences"] = lambda *_: None
            functions = _Functions(rate_in(context, v), exact)
            text["_attempt"](functions, method, table, problem, v, at)
            if whole:
                ended = text["_take"](method, problem, v, at)
            v.flush(_dropped(at, whole))
            return ended

        return types.boolean(scalar, v, numbers), generate

    return emit


def _dropped(at, whole):
    """Rows that nobody reads after a step."""
    rows = {ensemble_steps.STAGE_T, *range(at.z, at.z + at.n)}
    return rows | ({*range(at.w, at.args)} - {*range(at.f, at.f + at.n)} if whole else set())


class _Workspace:
    """The rows of `v` while the code is written: a row is loaded when first read."""

    def __init__(self, builder, pointer, n):
        self.builder, self._pointer, self.n = builder, pointer, n
        self._rows, self._changed = {}, set()

    def place(self, row):
        return self.builder.gep(self._pointer, [ir.IntType(64)(row * LANES)])

    def load(self, row):
        if row not in self._rows:
            self._rows[row] = Traced.load(self.builder, self.place(row))
        return self._rows[row]

    def store(self, row, value):
        self._rows[row] = Traced.of(self.builder, value)
        self._changed.add(row)

    def forget(self, rows):
        """The rows as they are in memory, where a call has changed them."""
        for row in rows:
            self._rows.pop(row, None)
            self._changed.discard(row)

    def flush(self, dropped=()):
        """Write the changed rows, but for those that nobody reads again."""
        for row in sorted(self._changed - set(dropped)):
            self._rows[row].store(self.place(row))
        self._changed.clear()


def _traced_text():
    """The functions of the two files, in Python, on vectors in the making."""
    text = {**vars(ensemble_steps), **vars(ensemble_march)}
    for name, value in list(text.items()):
        if hasattr(value, "py_func"):
            text[name] = _Function(value.py_func.__code__, text, name)
    text |= TRACED_FUNCTIONS
    text["load"], text["store"] = _Workspace.load, _Workspace.store
    text["call_lanes"] = lambda rate, v, *rows: rate(v, *rows)
    return text


class _Functions:
    """As the texts take them."""

    def __init__(self, rate, exact):
        self.rate, self.exact = rate, exact


class _Problem:
    """The numbers of the problem, in every lane."""

    def __init__(self, builder, pointer, n, switch):
        def number(i):
            place = builder.gep(pointer, [ir.IntType(64)(i)])
            return Traced.of(builder, builder.load(place))

        self.t1, self.rtol, self.max_steps = number(0), number(1), number(2)
        self.atol = [number(3 + i) for i in range(n)]
        self.switch = switch


# --- derivatives --------------------------------------------------------------------------------


def _has_written_jacobian(function, layout, v, at):
    """Whether the rows of the exact Jacobian could be written, in place of `_differences`."""
    arguments, row = [], at.args
    for size in layout:
        values = tuple(v.load(row + i) for i in range(size or 1))
        arguments.append(values if size else values[0])
        row += size or 1
    y = [v.load(at.y + i) for i in range(at.n)]
    found = jacobian(function, v.load(ensemble_steps.T), y, arguments)
    if found is None:
        return False
    for i, slopes in enumerate(found):
        for j in range(at.n + 1):
            v.store(at.jacobian + j * at.n + i, slopes.get(j, 0.0))
    return True


# --- the right-hand side ------------------------------------------------------------------------


def _inlined_rate(layout, at):
    """On vectors; typing it raises `NumbaError` where it does not take them."""
    vector = VECTOR
    state = types.UniTuple(vector, at.n)
    kinds = [vector if size is None else types.UniTuple(vector, size) for size in layout]

    def make(typing, scalar):
        signature = scalar.get_call_type(typing, (vector, state, *kinds), {})

        def rate_in(context, v):
            builder, function = v.builder, context.get_function(scalar, signature)

            def rate(v, t, y, args, out):
                arguments, row = [], args
                for size, kind in zip(layout, kinds, strict=True):
                    values = [v.load(row + i).value for i in range(size or 1)]
                    row += size or 1
                    whole = context.make_tuple(builder, kind, values) if size else values[0]
                    arguments.append(whole)
                values = [v.load(y + i).value for i in range(at.n)]
                whole = context.make_tuple(builder, state, values)
                found = function(builder, [v.load(t).value, whole, *arguments])
                for i, value in enumerate(_parts(context, builder, signature.return_type, found)):
                    v.store(out + i, value)

            return rate

        return rate_in

    return make


def _parts(context, builder, kind, found):
    """What a right-hand side returned, as vectors and numbers."""
    kinds, values = [kind], [found]
    if isinstance(kind, types.BaseTuple):
        kinds = list(kind)
        values = [builder.extract_value(found, i) for i in range(len(kinds))]
    for one, value in zip(kinds, values, strict=True):
        wanted = one if one is VECTOR else types.float64
        yield context.cast(builder, value, one, wanted)


def _called_rate(address):
    """By the lane function, through the workspace."""

    def make(typing, scalar):
        def rate_in(context, v):
            def rate(v, *rows):
                v.flush()
                places = [v.place(row) for row in rows]
                kind = ir.FunctionType(ir.VoidType(), [place.type for place in places])
                target = v.builder.inttoptr(ir.IntType(64)(address), kind.as_pointer())
                v.builder.call(target, places)
                v.forget(range(rows[-1], rows[-1] + v.n))

            return rate

        return rate_in

    return make
