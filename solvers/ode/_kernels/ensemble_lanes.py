"""Right-hand sides on `LANES` members at a time, one member in each vector lane.

Only the right-hand side is compiled anew for a new problem: into a function of `LANES` members
whose address the steps call. Both are kept on disk. An array of lanes has shape
(components, LANES).
"""

import numba
import numpy as np

from mathcore._compile import SAFE_FASTMATH, callback
from mathcore._vectors import COMPILED
from solvers.ode._kernels.ensemble_vectors import LANES

# --- a function of scalars, on lanes ------------------------------------------------------------


def lane_function(user, n, layout, outputs):
    """``function(t, y, *args) -> tuple or number`` on lanes, as `call_lanes` takes it.

    `user` is a `mathcore._captured_values.UserFunction`. `layout` holds for each argument None
    where it is a number, or the length of its tuple. Returns what must be kept alive while it is
    called, and what to call.
    """
    if not COMPILED:
        plain = _plain_lane_function(user.function, n, layout, outputs)
        return plain, plain
    options = {"error_model": "numpy", "fastmath": set(SAFE_FASTMATH), "nogil": True}
    # Inlined, so that loops over lanes become vectors.
    scalar = numba.njit(forceinline=True, **options)(user.in_module(__name__))
    on_lanes, signature = _compiled_lane_function(scalar, n, layout, outputs)
    settings = (n, layout, outputs)
    compiled = callback(on_lanes, signature, user.key and (user.key, settings))
    return compiled, compiled.address


def _check_count(found, wanted):
    if found != wanted:
        raise ValueError(
            f"`fun` must return a tuple of {wanted} numbers, an event one; got {found}"
        )


def _compiled_lane_function(scalar, n, layout, outputs):
    from numba.core import types

    column, arguments, store = _column(n), _arguments(layout), _make_store(outputs)
    pointer = types.CPointer(types.float64)

    def on_lanes(t, y, args, out):
        for lane in range(LANES):
            values = scalar(t[lane], column(y, lane), *arguments(args, lane))
            store(out, lane, values)

    return on_lanes, types.void(pointer, pointer, pointer, pointer)


def _plain_lane_function(function, n, layout, outputs):
    def on_lanes(t, y, args, out):
        for lane in range(LANES):
            at, arguments = 0, []
            for size in layout:
                values = tuple(float(args[at + i, lane]) for i in range(size or 1))
                arguments.append(values[0] if size is None else values)
                at += size or 1
            with np.errstate(all="ignore"):
                state = tuple(y[i, lane] for i in range(n))
                values = function(t[0, lane], state, *arguments)
            values = values if isinstance(values, tuple) else (values,)
            _check_count(len(values), outputs)
            for i, value in enumerate(values):
                out[i, lane] = value

    return on_lanes


def _column(n):
    """``column(pointer, lane)``: the n components of one lane, as a tuple."""
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def column(context, pointer, lane):
        def generate(context, builder, signature, arguments):
            values = _loads(builder, arguments, range(n))
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.float64, n)(pointer, types.intp), generate

    return column


def _arguments(layout):
    """``arguments(pointer, lane)``: the tuple of further arguments of one lane."""
    from numba.core import types
    from numba.extending import intrinsic

    kinds = [types.float64 if k is None else types.UniTuple(types.float64, k) for k in layout]

    @intrinsic
    def arguments(context, pointer, lane):
        def generate(context, builder, signature, values):
            parts, at = [], 0
            for size, kind in zip(layout, kinds, strict=True):
                loaded = _loads(builder, values, range(at, at + (size or 1)))
                at += size or 1
                whole = loaded[0] if size is None else context.make_tuple(builder, kind, loaded)
                parts.append(whole)
            return context.make_tuple(builder, signature.return_type, parts)

        return types.Tuple(kinds)(pointer, types.intp), generate

    return arguments


def _loads(builder, arguments, rows):
    from numba.core.cgutils import ir

    pointer, lane = arguments
    places = [builder.add(lane, ir.Constant(lane.type, i * LANES)) for i in rows]
    return [builder.load(builder.gep(pointer, [place])) for place in places]


def _make_store(outputs):
    """``store(pointer, lane, values)``: a tuple of numbers, or one, into one lane."""
    from numba.core import types
    from numba.core.cgutils import ir
    from numba.extending import intrinsic

    @intrinsic
    def store(context, pointer, lane, values):
        whole = values if isinstance(values, types.BaseTuple) else types.Tuple([values])
        _check_count(len(whole), outputs)

        def generate(context, builder, signature, arguments):
            target, place, found = arguments
            for i, kind in enumerate(whole):
                value = found if whole is not values else builder.extract_value(found, i)
                value = context.cast(builder, value, kind, types.float64)
                row = builder.add(place, ir.Constant(place.type, i * LANES))
                builder.store(value, builder.gep(target, [row]))
            return context.get_dummy_value()

        return types.void(pointer, types.intp, values), generate

    return store


def _make_call():
    """``call_lanes(function, v, t, y, args, out)``: out = function(t, y, *args), every lane.

    `t`, `y`, `args` and `out` are the rows of `v` where these begin.
    """
    if not COMPILED:
        return lambda function, v, *rows: function(*(v[row:] for row in rows))
    from numba.core import types
    from numba.core.cgutils import ir
    from numba.extending import intrinsic

    @intrinsic
    def call_lanes(context, address, v, t, y, args, out):
        def generate(context, builder, signature, arguments):
            data = context.make_array(v)(context, builder, arguments[1]).data
            width = ir.Constant(arguments[2].type, LANES)
            places = [builder.gep(data, [builder.mul(row, width)]) for row in arguments[2:]]
            kind = ir.FunctionType(ir.VoidType(), [place.type for place in places])
            builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), places)
            return context.get_dummy_value()

        return types.void(types.intp, v, *(types.intp,) * 4), generate

    return call_lanes


call_lanes = _make_call()


def _make_call_step():
    """``call_step(function, v, numbers)``: ``function(v, numbers) -> bool``, both arrays."""
    from numba.core import types
    from numba.core.cgutils import ir
    from numba.extending import intrinsic

    @intrinsic
    def call_step(context, address, v, numbers):
        def generate(context, builder, signature, arguments):
            places = [
                context.make_array(kind)(context, builder, array).data
                for kind, array in zip(signature.args[1:], arguments[1:], strict=True)
            ]
            result = context.get_value_type(types.boolean)
            kind = ir.FunctionType(result, [place.type for place in places])
            return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), places)

        return types.boolean(types.intp, v, numbers), generate

    return call_step


call_step = _make_call_step()
