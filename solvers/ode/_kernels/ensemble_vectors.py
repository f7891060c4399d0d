"""A value that is `LANES` float64 at once: what numba's loops over lanes would have to become.

LLVM unrolls short loops over lanes before it could turn them into vectors, and gives up where
many arrays might overlap. Here a `load` is a vector, and ``+ - * /``, comparisons and functions
below take vectors and numbers. With NUMBA_DISABLE_JIT=1 it is a NumPy array of shape (LANES,).
"""

import numpy as np
from numba.core import types
from numba.core.cgutils import ir
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.core.utils import BINOPS_TO_OPERATORS as _BINARY
from numba.core.utils import UNARY_BUITINS_TO_OPERATORS as _UNARY
from numba.extending import intrinsic, lower_builtin, models, register_model

from mathcore._vectors import COMPILED

LANES = 16  # two AVX-512 registers: the latency of one hides behind the other

_REAL = ir.VectorType(ir.DoubleType(), LANES)
_INTEGER = ir.VectorType(ir.IntType(64), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)
_FLAGS = ("contract", "nsz")


class Vector(types.Type):
    """`LANES` float64."""

    def __init__(self):
        super().__init__(name=f"float64x{LANES}")


class Mask(types.Type):
    """`LANES` truth values."""

    def __init__(self):
        super().__init__(name=f"boolx{LANES}")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _REAL)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _BITS)


_VECTOR, _MASK, _NUMBER = Vector(), Mask(), types.float64


# --- operators ----------------------------------------------------------------------------------


def _all(kind, value):
    return ir.Constant(kind, [value] * LANES)


def _widened(builder, kind, value):
    """The vector of a number; a vector or a mask itself."""
    if isinstance(kind, Vector | Mask):
        return value
    undefined = ir.Constant(_REAL, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, _all(ir.VectorType(ir.IntType(32), LANES), 0))


def _operation(symbol, result, emit, *kinds):
    """``emit(builder, *vectors)`` as the meaning of `symbol` for these kinds of arguments."""

    def generate(context, builder, sig, arguments):
        pairs = zip(sig.args, arguments, strict=True)
        return emit(builder, *(_widened(builder, kind, x) for kind, x in pairs))

    for kind in kinds:
        lower_builtin(symbol, *kind)(generate)
    cases = [signature(result, *kind) for kind in kinds]
    infer_global(symbol)(type("Cases", (ConcreteTemplate,), {"key": symbol, "cases": cases}))


def _arithmetic(name):
    return lambda builder, x, y: getattr(builder, name)(x, y, flags=_FLAGS)


def _comparison(name):
    return lambda builder, x, y: builder.fcmp_ordered(name, x, y)


def _absolute(builder, x):
    cleared = builder.and_(builder.bitcast(x, _INTEGER), _all(_INTEGER, 2**63 - 1))
    return builder.bitcast(cleared, _REAL)


_PAIRS = ((_VECTOR, _VECTOR), (_VECTOR, _NUMBER), (_NUMBER, _VECTOR))
_operation(_BINARY["+"], _VECTOR, _arithmetic("fadd"), *_PAIRS)
_operation(_BINARY["-"], _VECTOR, _arithmetic("fsub"), *_PAIRS)
_operation(_BINARY["*"], _VECTOR, _arithmetic("fmul"), *_PAIRS)
_operation(_BINARY["/"], _VECTOR, _arithmetic("fdiv"), *_PAIRS)
_operation(_BINARY["<"], _MASK, _comparison("<"), *_PAIRS)
_operation(_BINARY["<="], _MASK, _comparison("<="), *_PAIRS)
_operation(_BINARY[">"], _MASK, _comparison(">"), *_PAIRS)
_operation(_BINARY[">="], _MASK, _comparison(">="), *_PAIRS)
_operation(_BINARY["=="], _MASK, _comparison("=="), *_PAIRS)
_operation(_BINARY["&"], _MASK, lambda builder, x, y: builder.and_(x, y), (_MASK, _MASK))
_operation(_BINARY["|"], _MASK, lambda builder, x, y: builder.or_(x, y), (_MASK, _MASK))
_operation(_UNARY["~"], _MASK, lambda builder, x: builder.not_(x), (_MASK,))
_operation(_UNARY["-"], _VECTOR, lambda builder, x: builder.fneg(x), (_VECTOR,))
_operation(abs, _VECTOR, _absolute, (_VECTOR,))


# --- functions ----------------------------------------------------------------------------------


def _place(context, builder, kind, array, row):
    start = builder.mul(row, ir.Constant(row.type, LANES))
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), _REAL.as_pointer())


def _kind(argument):
    return _VECTOR if isinstance(argument, Vector) else _NUMBER


@intrinsic
def load(context, x, row):
    """``load(x, row)``: vector number `row` of a contiguous array."""

    def generate(context, builder, sig, arguments):
        return builder.load(_place(context, builder, sig.args[0], *arguments), align=8)

    return _VECTOR(x, types.intp), generate


@intrinsic
def store(context, x, row, value):
    """``store(x, row, value)``: the other way."""

    def generate(context, builder, sig, arguments):
        *target, found = arguments
        wide = _widened(builder, sig.args[2], found)
        builder.store(wide, _place(context, builder, sig.args[0], *target), align=8)
        return context.get_dummy_value()

    return types.void(x, types.intp, _kind(value)), generate


@intrinsic
def where(context, condition, x, y):
    """``where(mask, x, y)``."""

    def generate(context, builder, sig, arguments):
        pairs = zip(sig.args[1:], arguments[1:], strict=True)
        return builder.select(arguments[0], *(_widened(builder, kind, v) for kind, v in pairs))

    return _VECTOR(_MASK, _kind(x), _kind(y)), generate


@intrinsic
def any_lane(context, mask):
    """Whether the mask is true in some lane."""

    def generate(context, builder, sig, arguments):
        packed = builder.bitcast(arguments[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", packed, packed.type(0))

    return types.boolean(_MASK), generate


def _function(emit):
    """A function of one vector."""

    @intrinsic
    def call(context, x):
        return _VECTOR(_VECTOR), lambda context, builder, sig, values: emit(builder, *values)

    return call


def _square_root(builder, x):
    name = f"llvm.sqrt.v{LANES}f64"
    declared = builder.module.globals.get(name)
    return builder.call(
        declared or ir.Function(builder.module, ir.FunctionType(_REAL, [_REAL]), name), [x]
    )


def _mantissa(builder, x):
    kept = builder.and_(builder.bitcast(x, _INTEGER), _all(_INTEGER, 2**52 - 1))
    return builder.bitcast(builder.or_(kept, _all(_INTEGER, 1023 << 52)), _REAL)


def _exponent(builder, x):
    whole = builder.lshr(builder.bitcast(x, _INTEGER), _all(_INTEGER, 52))
    shifted = builder.bitcast(builder.or_(whole, _all(_INTEGER, 0x433 << 52)), _REAL)
    return builder.fsub(shifted, _all(_REAL, 2.0**52 + 1023))


def _two_to(builder, n):
    shifted = builder.bitcast(builder.fadd(n, _all(_REAL, 2.0**52 + 1023)), _INTEGER)
    return builder.bitcast(builder.shl(shifted, _all(_INTEGER, 52)), _REAL)


square_root = _function(_square_root)
mantissa = _function(_mantissa)  # in [1, 2), of a positive normal number
exponent = _function(_exponent)
two_to = _function(_two_to)  # of an integer in range


# --- plain twins, for NUMBA_DISABLE_JIT=1 ---------------------------------------------------------


def _plain_load(x, row):
    return x.reshape(-1)[row * LANES : (row + 1) * LANES].copy()


def _plain_store(x, row, value):
    x.reshape(-1)[row * LANES : (row + 1) * LANES] = value


if not COMPILED:
    load, store, where, square_root = _plain_load, _plain_store, np.where, np.sqrt
    mantissa, exponent = lambda x: 2 * np.frexp(x)[0], lambda x: np.frexp(x)[1] - 1.0
    two_to, any_lane = lambda n: np.ldexp(1.0, n.astype(np.int64)), lambda mask: bool(mask.any())
