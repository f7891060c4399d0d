"""LU factorisation of many small matrices at once, one in each vector lane, for CPU kernels.

The storage is that of `_vectors`: entry (i, j) of a group of matrices is vector
``first + i·n + j``. Each maker returns a function for use in compiled code, and its plain twin
where numba is disabled.
"""

import fractions
import math

import numpy as np

from mathcore._vectors import VECTOR_BYTES, Emitter

HEADROOM = 33  # bits below overflow: pivots grow by 2^(n − 1) at most
_COLUMNS = (4, 2, 1)  # updated together: multipliers and row masks are read once for four


def _is_plain():
    import numba

    return numba.config.DISABLE_JIT


def fused_multiply_add():
    """``fma(x, y, z)``: x·y + z in one rounding, for float64 scalars."""
    if _is_plain():
        return _plain_fma
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def fma(context, x, y, z):
        def generate(context, builder, signature, arguments):
            return builder.fma(*arguments)

        return types.float64(types.float64, types.float64, types.float64), generate

    return fma


def lane_load():
    """``load(entries, start, size, w, place)``: one square of entries, a matrix into each lane.

    Vector ``place + r`` of `w` becomes entries ``start + r + l·size`` for the lanes l; as many
    vectors r as there are lanes.
    """
    if _is_plain():
        return _plain_load
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def load(context, entries, start, size, w, place):
        def generate(context, builder, signature, arguments):
            _emit_transpose(Emitter(context, builder, signature, arguments, w.dtype))
            return context.get_dummy_value()

        return types.void(entries, types.intp, types.intp, w, types.intp), generate

    return load


def lane_scale():
    """``scale(w, size, factors, place)``: w ← f·w by lane, its first `size` vectors.

    f is a power of two, left in vector `place` of `factors`: 1 but where the largest of them is so
    large that pivots could overflow, or all are so small that digits could be lost.
    """
    if _is_plain():
        return _plain_scale
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def scale(context, w, size, factors, place):
        def generate(context, builder, signature, arguments):
            _emit_scale(Emitter(context, builder, signature, arguments, w.dtype))
            return context.get_dummy_value()

        return types.void(w, types.intp, factors, types.intp), generate

    return scale


def lane_lu():
    """``lu(w, n, pivots, place, stride)``: Gaussian elimination with partial pivoting by lane.

    Pivot k, negated where its row was exchanged with another, is vector ``place + k·stride`` of
    `pivots`. `w` is overwritten. A column of zeros gives a pivot of zero and is left as it is.
    """
    if _is_plain():
        return _plain_lu
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def lu(context, w, n, pivots, place, stride):
        def generate(context, builder, signature, arguments):
            emit = Emitter(context, builder, signature, arguments, w.dtype)
            with emit.loop(arguments[1]) as k:
                _Step(emit, k).emit()
            return context.get_dummy_value()

        return types.void(w, types.intp, pivots, types.intp, types.intp), generate

    return lu


def _emit_transpose(emit):
    builder, ir, lanes = emit.builder, emit._ir, emit.lanes
    start, size, place = (emit.arguments[k] for k in (1, 2, 4))
    entries, half = emit.entries(0), lanes // 2
    rows = []
    for l in range(lanes):
        row = builder.gep(entries, [builder.add(start, emit.times(size, l))])
        pointer = builder.bitcast(row, emit._vector.as_pointer())
        rows.append(builder.load(pointer, align=emit._align))
    chosen = ir.VectorType(ir.IntType(32), lanes)
    masks = [
        ir.Constant(chosen, [x for i in part for x in (i, lanes + i)])
        for part in (range(half), range(half, lanes))
    ]
    for _ in range(lanes.bit_length() - 1):  # each round rotates the bits of (row, lane) by one
        rows = [
            builder.shuffle_vector(rows[i], rows[i + half], mask)
            for i in range(half)
            for mask in masks
        ]
    for r, row in enumerate(rows):
        emit.store(row, emit.vectors(3), emit.plus(place, r))


def _emit_scale(emit):
    builder, ir = emit.builder, emit._ir
    size, place = emit.arguments[1], emit.arguments[3]
    w, largest = emit.vectors(0), emit.accumulator()
    with emit.loop(size) as p:
        x, top = emit.absolute(emit.load(w, p)), builder.load(largest)
        builder.store(builder.select(builder.fcmp_ordered(">", x, top), x, top), largest)
    bits = emit._align * 8
    digits, bias = (52, 1023) if bits == 64 else (23, 127)
    integers = ir.VectorType(ir.IntType(bits), emit.lanes)

    def constant(value):
        return ir.Constant(integers, [value] * emit.lanes)

    exponent = builder.lshr(builder.bitcast(builder.load(largest), integers), constant(digits))
    top = constant(2 * bias - HEADROOM)
    large = builder.icmp_signed(">", exponent, top)
    down = builder.add(constant(bias), builder.sub(top, exponent))
    small = builder.icmp_signed("<", exponent, constant(bias // 2))
    field = builder.select(small, constant(bias + bias // 2), constant(bias))
    field = builder.select(large, down, field)
    factor = builder.bitcast(builder.shl(field, constant(digits)), emit._vector)
    emit.store(factor, emit.vectors(2), place)
    with emit.loop(size) as p:
        emit.store(builder.fmul(factor, emit.load(w, p)), w, p)


class _Step:
    """Step k of the elimination: the pivot row is chosen, exchanged and subtracted by lane."""

    def __init__(self, emit, k):
        self._emit, self._builder, self._k = emit, emit.builder, k
        self._n, self._place, self._stride = (emit.arguments[a] for a in (1, 3, 4))
        self._w, self._pivots = emit.vectors(0), emit.vectors(2)
        self._below = self._builder.sub(self._n, emit.plus(k, 1))
        ir = emit._ir
        self._integer = ir.IntType(emit._align * 8)
        self._integers = ir.VectorType(self._integer, emit.lanes)
        self._minus_zero = ir.Constant(emit._vector, [-0.0] * emit.lanes)
        self._ones = ir.Constant(emit._vector, [1.0] * emit.lanes)

    def emit(self):
        emit, builder, k = self._emit, self._builder, self._k
        diagonal = self._load(k, k)
        pivot, self._row = self._largest(diagonal)
        exchanged = builder.icmp_signed("!=", self._row, self._splat(k))
        signed = builder.select(exchanged, builder.fsub(self._minus_zero, pivot), pivot)
        at = builder.add(self._place, builder.mul(k, self._stride))
        emit.store(signed, self._pivots, at)
        nonzero = builder.fcmp_unordered("!=", pivot, emit.zero)
        self._multipliers(diagonal, builder.select(nonzero, pivot, self._ones))
        done = emit.plus(k, 1)
        for columns in _COLUMNS:
            blocks = builder.sdiv(builder.sub(self._n, done), emit._ir.Constant(k.type, columns))
            with emit.loop(blocks) as block:
                self._update(builder.add(done, emit.times(block, columns)), columns)
            done = builder.add(done, emit.times(blocks, columns))

    def _at(self, i, j):
        return self._builder.add(self._builder.mul(i, self._n), j)

    def _load(self, i, j):
        return self._emit.load(self._w, self._at(i, j))

    def _splat(self, i):
        narrow = i.type.width > self._integer.width
        return self._emit.splat(self._builder.trunc(i, self._integer) if narrow else i)

    def _rows_below(self):
        """Yield (i, lanes whose pivot row is i) for i > k, in the loop that is emitted."""
        import contextlib

        @contextlib.contextmanager
        def rows():
            with self._emit.loop(self._below) as t:
                i = self._builder.add(self._emit.plus(self._k, 1), t)
                yield i, self._builder.icmp_signed("==", self._row, self._splat(i))

        return rows()

    def _largest(self, diagonal):
        """The pivot of each lane and its row."""
        from numba.core import cgutils

        builder, emit = self._builder, self._emit
        pivot = cgutils.alloca_once(builder, emit._vector)
        row = cgutils.alloca_once(builder, self._integers)
        builder.store(diagonal, pivot)
        builder.store(self._splat(self._k), row)
        with emit.loop(self._below) as t:
            i = builder.add(emit.plus(self._k, 1), t)
            x, top = self._load(i, self._k), builder.load(pivot)
            larger = builder.fcmp_ordered(">", emit.absolute(x), emit.absolute(top))
            builder.store(builder.select(larger, x, top), pivot)
            builder.store(builder.select(larger, self._splat(i), builder.load(row)), row)
        return builder.load(pivot), builder.load(row)

    def _multipliers(self, diagonal, pivot):
        """Column k below the diagonal ← −l_ik."""
        builder = self._builder
        with self._rows_below() as (i, chosen):
            x = builder.select(chosen, diagonal, self._load(i, self._k))
            quotient = builder.fdiv(builder.fsub(self._minus_zero, x), pivot)
            self._emit.store(quotient, self._w, self._at(i, self._k))

    def _update(self, j, columns):
        """Columns j … j + columns − 1: exchange rows, then a_ij ← a_ij − l_ik a_kj."""
        from numba.core import cgutils

        builder, emit = self._builder, self._emit
        top = [self._load(self._k, emit.plus(j, c)) for c in range(columns)]
        places = [cgutils.alloca_once(builder, emit._vector) for _ in top]
        for x, place in zip(top, places, strict=True):
            builder.store(x, place)
        with self._rows_below() as (i, chosen):
            for c, place in enumerate(places):
                x = self._load(i, emit.plus(j, c))
                builder.store(builder.select(chosen, x, builder.load(place)), place)
        pivot_row = [builder.load(place) for place in places]
        with self._rows_below() as (i, chosen):
            multiplier = self._load(i, self._k)
            for c, (x, p) in enumerate(zip(top, pivot_row, strict=True)):
                at = self._at(i, emit.plus(j, c))
                y = builder.select(chosen, x, emit.load(self._w, at))
                emit.store(emit.fused(multiplier, p, y), self._w, at)


# --- plain twins, for NUMBA_DISABLE_JIT=1 ---------------------------------------------------------


def _plain_fma(x, y, z):
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        return x * y + z
    x, y, z = (fractions.Fraction(float(value)) for value in (x, y, z))
    return float(x * y + z)


def _plain_load(entries, start, size, w, place):
    lanes = VECTOR_BYTES // w.itemsize
    for r in range(lanes):
        row = w[(place + r) * lanes : (place + r + 1) * lanes]
        row[:] = entries[start + r : start + r + (lanes - 1) * size + 1 : size]


def _plain_scale(w, size, factors, place):
    lanes, limits = VECTOR_BYTES // w.itemsize, np.finfo(w.dtype)
    x = w.reshape(-1, lanes)[:size]
    bias = limits.maxexp - 1
    exponent = np.frexp(np.nanmax(np.abs(x), axis=0, initial=0))[1] - 1
    exponent = np.where(np.max(np.abs(x), axis=0) > 0, exponent, -bias)
    up = np.where(exponent < bias // 2 - bias, bias // 2, 0)
    factor = np.ldexp(
        w.dtype.type(1), np.where(exponent > bias - HEADROOM, bias - HEADROOM - exponent, up)
    )
    factors.reshape(-1, lanes)[place] = factor
    x *= factor


def _plain_lu(w, n, pivots, place, stride):
    lanes = VECTOR_BYTES // w.itemsize
    a, out = w.reshape(-1, lanes)[: n * n].reshape(n, n, lanes), pivots.reshape(-1, lanes)
    for k in range(n):
        for l in range(lanes):
            b = a[k:, k:, l]
            r = int(np.argmax(np.abs(b[:, 0])))
            b[[0, r]] = b[[r, 0]]
            pivot = b[0, 0]
            out[place + k * stride, l] = pivot if r == 0 else -pivot
            b[1:, 1:] -= np.outer(b[1:, 0] / (pivot if pivot != 0 else 1), b[0, 1:])
