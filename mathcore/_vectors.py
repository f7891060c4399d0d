"""Explicit vector code for CPU kernels: what numba's own loops do not turn into vectors.

Numba's loops keep no sums in registers, since an output might overlap an input. An `@intrinsic`
that emits its instructions through an `Emitter` does, and reads and writes `VECTOR_BYTES` at once.
"""

import contextlib

import numba
import numpy as np

VECTOR_BYTES = 64  # one AVX-512 register; narrower machines split it
COMPILED = not numba.config.DISABLE_JIT
_CONTRACT = ("contract",)  # a·b + c in one rounding


def _aligned_zeros():
    """``zeros(rows, columns, like)`` that begin with a cache line; `like` is an array or a dtype.

    numba's own memory may begin in the middle of a line: every vector then crosses two, 1.65 times
    the time of a product of 16 × 16 matrices. Its ``np.zeros`` takes .1 s to compile, this nothing.
    """
    if not COMPILED:
        return _plain_zeros
    from numba.core import cgutils, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import populate_array

    @intrinsic
    def zeros(context, rows, columns, like):
        kind = types.Array(like.dtype, 2, "C")

        def generate(context, builder, signature, arguments):
            rows, columns, _ = arguments
            itemsize = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
            stride = builder.mul(columns, itemsize)
            size = builder.mul(rows, stride)
            memory = context.nrt.meminfo_alloc_aligned(builder, size, VECTOR_BYTES)
            data = context.nrt.meminfo_data(builder, memory)
            cgutils.memset(builder, data, size, 0)
            array = context.make_array(kind)(context, builder)
            shape, strides = (
                cgutils.pack_array(builder, x) for x in ((rows, columns), (stride, itemsize))
            )
            element = context.get_data_type(kind.dtype).as_pointer()
            populate_array(array, builder.bitcast(data, element), shape, strides, itemsize, memory)
            return array._getvalue()

        return kind(types.intp, types.intp, like), generate

    return zeros


def _reinterpretations():
    """``bits_of(x)``: the bits of a float64 as an int64, and ``number_of(bits)``.

    What ``.view`` of a scalar does, without a function of its own to be emitted.
    """
    if not COMPILED:
        return _plain_bits_of, _plain_number_of
    from numba.core import types
    from numba.extending import intrinsic

    def cast_to(kind):
        def generate(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], context.get_value_type(kind))

        return generate

    @intrinsic
    def bits_of(context, x):
        return types.int64(types.float64), cast_to(types.int64)

    @intrinsic
    def number_of(context, bits):
        return types.float64(types.int64), cast_to(types.float64)

    return bits_of, number_of


def _plain_bits_of(x):
    return np.float64(x).view(np.int64)


def _plain_number_of(bits):
    return np.int64(bits).view(np.float64)


def _plain_zeros(rows, columns, like):
    return np.zeros((rows, columns), like if isinstance(like, type) else like.dtype)


aligned_zeros = _aligned_zeros()
bits_of, number_of = _reinterpretations()


def vector_function(emit_body, *kinds):
    """What an `@intrinsic` returns: the argument types, and `emit_body(emit)` to generate it.

    The first of the `kinds` is an array; its elements are those of the vectors.
    """
    from numba.core import types

    def generate(context, builder, signature, arguments):
        emit_body(Emitter(context, builder, signature, arguments, kinds[0].dtype))
        return context.get_dummy_value()

    return types.void(*kinds), generate


class Emitter:
    """Vector operations as LLVM instructions at the builder's place."""

    def __init__(self, context, builder, signature, arguments, dtype):
        from llvmlite import ir

        self.builder, self.arguments, self._ir = builder, arguments, ir
        self._arrays = {
            k: context.make_array(kind)(context, builder, arguments[k])
            for k, kind in enumerate(signature.args)
            if hasattr(kind, "ndim")
        }
        self._element, self._align = context.get_value_type(dtype), dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        self._vector = ir.VectorType(self._element, self.lanes)
        self.zero = ir.Constant(self._vector, None)

    # --- arguments

    def vectors(self, k, number=None, *, integers=False):
        """Pointer to the vectors of array argument `k`, or of its row `number`."""
        kind = self._ir.VectorType(self._ir.IntType(64), self.lanes) if integers else self._vector
        return self.builder.bitcast(self.entries(k, number), kind.as_pointer())

    def entries(self, k, number=None):
        """Pointer to the elements of array argument `k`, or of its row `number`."""
        start = self._arrays[k].data
        if number is None:
            return start
        return self.builder.gep(start, [self.builder.mul(number, self.length(k, 1))])

    def length(self, k, axis=0):
        """Length of one axis of array argument `k`."""
        return self.builder.extract_value(self._arrays[k].shape, axis)

    def count(self, k, axis=0):
        """Vectors along one axis of array argument `k`."""
        return self.ratio(self.length(k, axis), self.lanes)

    # --- integers

    def plus(self, x, number):
        return self.builder.add(x, self._ir.Constant(x.type, number))

    def times(self, x, number):
        return self.builder.mul(x, self._ir.Constant(x.type, number))

    def at(self, start, i, stride):
        """start + i · stride."""
        return self.builder.add(start, self.builder.mul(i, stride))

    def ratio(self, x, number):
        return self.builder.sdiv(x, self._ir.Constant(x.type, number))

    def whole(self, n):
        """Vectors that hold n elements."""
        return self.ratio(self.plus(n, self.lanes - 1), self.lanes)

    # --- vectors

    def load(self, pointer, index):
        return self.builder.load(self.builder.gep(pointer, [index]), align=self._align)

    def store(self, value, pointer, index):
        self.builder.store(value, self.builder.gep(pointer, [index]), align=self._align)

    def prefetch(self, pointer, index):
        """Ask for a vector that is to be read later, into the second cache."""
        place, number = self._ir.IntType(8).as_pointer(), self._ir.IntType(32)
        kind = self._ir.FunctionType(self._ir.VoidType(), [place, number, number, number])
        ask = self.builder.module.declare_intrinsic("llvm.prefetch", [place], kind)
        at = self.builder.bitcast(self.builder.gep(pointer, [index]), place)
        self.builder.call(ask, [at, number(0), number(2), number(1)])  # to read, moderately, data

    def fused(self, x, y, total):
        product = self.builder.fmul(x, y, flags=_CONTRACT)
        return self.builder.fadd(product, total, flags=_CONTRACT)

    def absolute(self, x):
        bits = self._align * 8
        integers = self._ir.VectorType(self._ir.IntType(bits), self.lanes)
        mask = self._ir.Constant(integers, [2 ** (bits - 1) - 1] * self.lanes)
        cleared = self.builder.and_(self.builder.bitcast(x, integers), mask)
        return self.builder.bitcast(cleared, self._vector)

    def splat(self, scalar):
        vector, index = self._ir.VectorType(scalar.type, self.lanes), self._ir.IntType(32)
        undefined = self._ir.Constant(vector, self._ir.Undefined)
        lone = self.builder.insert_element(undefined, scalar, self._ir.Constant(index, 0))
        first = self._ir.Constant(self._ir.VectorType(index, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(lone, undefined, first)

    def shuffle(self, x, y, order):
        """Elements of x followed by those of y, in this order."""
        mask = self._ir.Constant(self._ir.VectorType(self._ir.IntType(32), len(order)), list(order))
        return self.builder.shuffle_vector(x, y, mask)

    def load_part(self, pointer, width):
        """`width` elements, perhaps fewer than a vector holds."""
        kind = self._ir.VectorType(self._element, width).as_pointer()
        return self.builder.load(self.builder.bitcast(pointer, kind), align=self._align)

    def store_part(self, value, pointer):
        kind = value.type.as_pointer()
        self.builder.store(value, self.builder.bitcast(pointer, kind), align=self._align)

    def join(self, parts):
        """One vector of the parts' elements, in order."""
        while len(parts) > 1:
            size = parts[0].type.count
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.shuffle(x, y, range(2 * size)) for x, y in pairs]
        return parts[0]

    # --- control

    def accumulator(self):
        from numba.core import cgutils

        place = cgutils.alloca_once(self.builder, self._vector)
        self.builder.store(self.zero, place)
        return place

    @contextlib.contextmanager
    def loop(self, count):
        from numba.core import cgutils

        with cgutils.for_range(self.builder, count, intp=count.type) as loop:
            yield loop.index
