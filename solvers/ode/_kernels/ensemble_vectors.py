"""A value that is `LANES` float64 at once: what numba's loops over lanes would have to become.

LLVM unrolls short loops over lanes before it could turn them into vectors, and gives up where
many arrays might overlap. Here a `load` is a vector, and ``+ - * /``, comparisons and functions
below take vectors and numbers. With NUMBA_DISABLE_JIT=1 it is a NumPy array of shape (LANES,).
"""

import math

import numpy as np
from numba.core import types
from numba.core.cgutils import ir
from numba.core.typing.templates import (
    AbstractTemplate,
    ConcreteTemplate,
    infer_global,
    signature,
)
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


VECTOR, _MASK, _NUMBER = Vector(), Mask(), types.float64


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
    template = type("Cases", (ConcreteTemplate,), {"key": symbol, "cases": cases})
    infer_global(symbol, types.Function(template))  # no decorator: NumPy 2.0's have no module


def _arithmetic(name):
    return lambda builder, x, y: getattr(builder, name)(x, y, flags=_FLAGS)


def _comparison(name):
    return lambda builder, x, y: builder.fcmp_ordered(name, x, y)


def _absolute(builder, x):
    cleared = builder.and_(builder.bitcast(x, _INTEGER), _all(_INTEGER, 2**63 - 1))
    return builder.bitcast(cleared, _REAL)


_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "truediv"}
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq"}
_EMITTED = {  # name of the operator's method: what it emits
    **{name: _arithmetic("f" + name[-3:]) for name in _ARITHMETIC.values()},
    **{name: _comparison(symbol) for symbol, name in _COMPARISONS.items()},
    "and": lambda builder, x, y: builder.and_(x, y),
    "or": lambda builder, x, y: builder.or_(x, y),
    "invert": lambda builder, x: builder.not_(x),
    "neg": lambda builder, x: builder.fneg(x),
    "abs": _absolute,
}
_PAIRS = ((VECTOR, VECTOR), (VECTOR, _NUMBER), (_NUMBER, VECTOR))
for _symbol, _name in _ARITHMETIC.items():
    _operation(_BINARY[_symbol], VECTOR, _EMITTED[_name], *_PAIRS)
for _symbol, _name in _COMPARISONS.items():
    _operation(_BINARY[_symbol], _MASK, _EMITTED[_name], *_PAIRS)
_operation(_BINARY["&"], _MASK, _EMITTED["and"], (_MASK, _MASK))
_operation(_BINARY["|"], _MASK, _EMITTED["or"], (_MASK, _MASK))
_operation(_UNARY["~"], _MASK, _EMITTED["invert"], (_MASK,))
_operation(_UNARY["-"], VECTOR, _EMITTED["neg"], (VECTOR,))
_operation(abs, VECTOR, _absolute, (VECTOR,))


def _whole_power(builder, x, exponent):
    """x^exponent by repeated squares, exponent >= 1."""
    if exponent == 1:
        return x
    root = _whole_power(builder, x, exponent // 2)
    square = builder.fmul(root, root, flags=_FLAGS)
    return builder.fmul(square, x, flags=_FLAGS) if exponent % 2 else square


@infer_global(_BINARY["**"])
class _Powers(AbstractTemplate):
    def generic(self, kinds, _):
        x, exponent = kinds
        literal = x is VECTOR and isinstance(exponent, types.IntegerLiteral)
        if literal and exponent.literal_value != 0:
            return signature(VECTOR, x, exponent)
        return None


@lower_builtin(_BINARY["**"], VECTOR, types.IntegerLiteral)
def _lower_power(context, builder, sig, arguments):
    exponent = sig.args[1].literal_value
    found = _whole_power(builder, arguments[0], abs(exponent))
    return found if exponent > 0 else builder.fdiv(_all(_REAL, 1.0), found, flags=_FLAGS)


# --- functions ----------------------------------------------------------------------------------


def _place(context, builder, kind, array, row):
    start = builder.mul(row, ir.Constant(row.type, LANES))
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), _REAL.as_pointer())


def _kind(argument):
    return VECTOR if isinstance(argument, Vector) else _NUMBER


@intrinsic
def load(context, x, row):
    """``load(x, row)``: vector number `row` of a contiguous array."""

    def generate(context, builder, sig, arguments):
        return builder.load(_place(context, builder, sig.args[0], *arguments), align=8)

    return VECTOR(x, types.intp), generate


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

    return VECTOR(_MASK, _kind(x), _kind(y)), generate


@intrinsic
def any_lane(context, mask):
    """Whether the mask is true in some lane."""
    return types.boolean(_MASK), lambda context, builder, sig, values: _some(builder, *values)


def _some(builder, mask):
    packed = builder.bitcast(mask, ir.IntType(LANES))
    return builder.icmp_unsigned("!=", packed, packed.type(0))


@intrinsic
def zeros(context):
    """A vector of zeros."""
    return VECTOR(), lambda context, builder, sig, values: _all(_REAL, 0.0)


def _function(emit):
    """A function of one vector."""

    @intrinsic
    def call(context, x):
        return VECTOR(VECTOR), lambda context, builder, sig, values: emit(builder, *values)

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
for _symbol in (math.sqrt, np.sqrt):
    _operation(_symbol, VECTOR, _square_root, (VECTOR,))
mantissa = _function(_mantissa)  # in [1, 2), of a positive normal number
exponent = _function(_exponent)
two_to = _function(_two_to)  # of an integer in range


# --- vectors of code that is being generated ----------------------------------------------------


class Traced:
    """A vector, or a mask, in the making: operators emit their instructions."""

    __array_ufunc__ = None  # NumPy's numbers leave their operators to this class
    __hash__ = None

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    @classmethod
    def of(cls, builder, value):
        """Of a vector in the making, an instruction with a vector or number, or a number."""
        if isinstance(value, cls):
            return value
        if isinstance(value, ir.Value):
            kind = VECTOR if value.type == _REAL else _NUMBER
            return cls(builder, _widened(builder, kind, value))
        return cls(builder, _all(_REAL, float(value)))

    def __bool__(self):
        raise TypeError("lanes are neither true nor false together")

    @classmethod
    def load(cls, builder, place):
        return cls(builder, builder.load(builder.bitcast(place, _REAL.as_pointer()), align=8))

    def store(self, place):
        place = self.builder.bitcast(place, _REAL.as_pointer())
        self.builder.store(self.value, place, align=8)


def _method(emit, swapped=False):
    """``emit(builder, *vectors)`` as a method."""

    def call(self, *others):
        values = [Traced.of(self.builder, x).value for x in (self, *others)]
        return Traced(self.builder, emit(self.builder, *values[:: -1 if swapped else 1]))

    return call


for _name, _emit in _EMITTED.items():
    setattr(Traced, f"__{_name}__", _method(_emit))
for _name in _ARITHMETIC.values():
    setattr(Traced, f"__r{_name}__", _method(_EMITTED[_name], swapped=True))
TRACED_FUNCTIONS = {
    "square_root": _method(_square_root),
    "mantissa": _method(_mantissa),
    "exponent": _method(_exponent),
    "two_to": _method(_two_to),
    "where": _method(lambda builder, mask, x, y: builder.select(mask, x, y)),
    "any_lane": lambda mask: _some(mask.builder, mask.value),
    "zeros": lambda: 0.0,
}


# --- plain twins, for NUMBA_DISABLE_JIT=1 ---------------------------------------------------------


def _plain_load(x, row):
    return x.reshape(-1)[row * LANES : (row + 1) * LANES].copy()


def _plain_store(x, row, value):
    x.reshape(-1)[row * LANES : (row + 1) * LANES] = value


if not COMPILED:
    load, store, where, square_root = _plain_load, _plain_store, np.where, np.sqrt
    mantissa, exponent = lambda x: 2 * np.frexp(x)[0], lambda x: np.frexp(x)[1] - 1.0
    zeros = lambda: np.zeros(LANES)  # noqa: E731
    two_to, any_lane = lambda n: np.ldexp(1.0, n.astype(np.int64)), lambda mask: bool(mask.any())
