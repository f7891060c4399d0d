"""Explicit vector code for CPU kernels: what numba's own loops do not turn into vectors.

A flat array here holds whole vectors of `VECTOR_BYTES`. With one matrix in each lane, entry (i, j)
of eight float64 (sixteen float32) matrices is vector ``first + i·n + j``; such groups of n² vectors
follow each other. Each maker returns a function for use in compiled code, and its plain twin where
numba is disabled. Numba's loops keep no sums in registers, since the output might overlap the
inputs; these do, and a sum may be written over one of its terms.
"""

import numba
import numpy as np

VECTOR_BYTES = 64  # one AVX-512 register; narrower machines split it
_CONTRACT = ("contract",)  # a·b + c in one rounding


def lane_tile(rows, columns):
    """``tile(a, b, c, i, j, n, first)``: c[i + r, j + s] = Σ_k a[i + r, k] b[k, j + s] by lane.

    For r < rows, s < columns, in the group that starts at vector `first`.
    """
    return _tile(rows, columns, padded_rows=False)


def row_tile(rows, vectors):
    """``tile(a, b, c, i, j, n, 0)`` for single matrices whose rows are padded to whole vectors.

    Rows i … i + rows − 1 and the `vectors` vectors from j on of c = a·b.
    """
    return _tile(rows, vectors, padded_rows=True)


def _tile(rows, columns, *, padded_rows):
    if numba.config.DISABLE_JIT:
        return _plain_row_tile(rows, columns) if padded_rows else _plain_lane_tile(rows, columns)
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def tile(context, a, b, c, i, j, n, first):
        def generate(context, builder, signature, arguments):
            emit = _Emitter(context, builder, signature, arguments, a.dtype)
            _emit_tile(emit, rows, columns, padded_rows)
            return context.get_dummy_value()

        return types.void(a, b, c, *(types.intp,) * 4), generate

    return tile


def _emit_tile(emit, rows, columns, padded_rows):
    builder, (i, j, n, first) = emit.builder, emit.arguments[3:]
    (a, b, c), entries = (emit.vectors(k) for k in range(3)), emit.entries(0)
    width = emit.whole(n) if padded_rows else n  # vectors in a row
    of_row = [builder.add(first, builder.mul(emit.plus(i, r), width)) for r in range(rows)]
    sums = [[emit.accumulator() for _ in range(columns)] for _ in range(rows)]
    with emit.loop(n) as k:
        if padded_rows:
            at = [builder.add(emit.times(row, emit.lanes), k) for row in of_row]
            left = [emit.splat(emit.load(entries, x)) for x in at]
        else:
            left = [emit.load(a, builder.add(row, k)) for row in of_row]
        top = builder.add(first, builder.add(builder.mul(k, width), j))
        right = [emit.load(b, emit.plus(top, s)) for s in range(columns)]
        for x, row in zip(left, sums, strict=True):
            for y, total in zip(right, row, strict=True):
                builder.store(emit.fused(x, y, builder.load(total)), total)
    for start, row in zip(of_row, sums, strict=True):
        for s, total in enumerate(row):
            emit.store(builder.load(total), c, emit.plus(builder.add(start, j), s))


def vector_sums():
    """``sum2(out, c, x, d, y)``, ``sum3``, ``sum4``: out = c·x + d·y + … on whole arrays."""
    if numba.config.DISABLE_JIT:
        return (_plain_sum,) * 3
    from numba.extending import intrinsic

    @intrinsic
    def sum2(context, out, c, x, d, y):
        return _vector_sum(out, x, y)

    @intrinsic
    def sum3(context, out, c, x, d, y, e, z):
        return _vector_sum(out, x, y, z)

    @intrinsic
    def sum4(context, out, c, x, d, y, e, z, f, w):
        return _vector_sum(out, x, y, z, w)

    return sum2, sum3, sum4


def _vector_sum(out, *arrays):
    from numba.core import types

    def generate(context, builder, signature, arguments):
        emit = _Emitter(context, builder, signature, arguments, out.dtype)
        factors = [emit.splat(arguments[k]) for k in range(1, len(arguments), 2)]
        terms = [emit.vectors(k) for k in range(2, len(arguments), 2)]
        target = emit.vectors(0)
        with emit.loop(emit.count(0)) as p:
            total = emit.zero
            for factor, x in zip(factors, terms, strict=True):
                total = emit.fused(factor, emit.load(x, p), total)
            emit.store(total, target, p)
        return context.get_dummy_value()

    kinds = [kind for array in arrays for kind in (out.dtype, array)]
    return types.void(out, *kinds), generate


def lane_functions():
    """``norms(x, n, out)``, ``scale(x, factors)``, ``keep(x, y, counts, i)``, all by lane.

    `norms`: out = the 1-norm of each matrix. `scale`: x ← factor·x. `keep`: y ← x where count ≤ i.
    `out`, `factors` and `counts` (integers) have one entry a lane of each group.
    """
    if numba.config.DISABLE_JIT:
        return _plain_norms, _plain_scale, _plain_keep
    from numba.core import types
    from numba.extending import intrinsic

    def by_lane(emit_body, kinds, dtype):
        def generate(context, builder, signature, arguments):
            emit_body(_Emitter(context, builder, signature, arguments, dtype))
            return context.get_dummy_value()

        return types.void(*kinds), generate

    @intrinsic
    def norms(context, x, n, out):
        return by_lane(_emit_norms, (x, types.intp, out), x.dtype)

    @intrinsic
    def scale(context, x, factors):
        return by_lane(_emit_scale, (x, factors), x.dtype)

    @intrinsic
    def keep(context, x, y, counts, i):
        return by_lane(_emit_keep, (x, y, counts, types.int64), x.dtype)

    return norms, scale, keep


def _emit_norms(emit):
    builder, n = emit.builder, emit.arguments[1]
    x, out = emit.vectors(0), emit.vectors(2)
    with emit.loop(emit.count(2)) as g:
        start, top = builder.mul(g, builder.mul(n, n)), emit.accumulator()
        with emit.loop(n) as j:
            total = emit.accumulator()
            with emit.loop(n) as i:
                at = builder.add(start, builder.add(builder.mul(i, n), j))
                size = emit.absolute(emit.load(x, at))
                builder.store(builder.fadd(size, builder.load(total)), total)
            one, most = builder.load(total), builder.load(top)
            larger = builder.fcmp_unordered(">", one, most)
            builder.store(builder.select(larger, one, most), top)
        emit.store(builder.load(top), out, g)


def _emit_scale(emit):
    builder = emit.builder
    x, factors = emit.vectors(0), emit.vectors(1)
    groups = emit.count(1)
    size = builder.sdiv(emit.count(0), groups)
    with emit.loop(groups) as g:
        factor, start = emit.load(factors, g), builder.mul(g, size)
        with emit.loop(size) as p:
            at = builder.add(start, p)
            emit.store(builder.fmul(factor, emit.load(x, at)), x, at)


def _emit_keep(emit):
    builder = emit.builder
    x, y, counts = emit.vectors(0), emit.vectors(1), emit.vectors(2, integers=True)
    groups = emit.count(2)
    size = builder.sdiv(emit.count(0), groups)
    with emit.loop(groups) as g:
        limit = emit.splat(emit.arguments[3])
        pending = builder.icmp_signed(">", emit.load(counts, g), limit)
        start = builder.mul(g, size)
        with emit.loop(size) as p:
            at = builder.add(start, p)
            emit.store(builder.select(pending, emit.load(y, at), emit.load(x, at)), y, at)


class _Emitter:
    """The few vector operations above, as LLVM instructions at the builder's place."""

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

    def vectors(self, k, *, integers=False):
        kind = self._ir.VectorType(self._ir.IntType(64), self.lanes) if integers else self._vector
        return self.builder.bitcast(self._arrays[k].data, kind.as_pointer())

    def entries(self, k):
        return self.builder.bitcast(self._arrays[k].data, self._element.as_pointer())

    def count(self, k):
        """Vectors in argument `k`."""
        size = self._arrays[k].nitems
        return self.builder.sdiv(size, self._ir.Constant(size.type, self.lanes))

    def whole(self, n):
        return self.builder.sdiv(
            self.plus(n, self.lanes - 1), self._ir.Constant(n.type, self.lanes)
        )

    def plus(self, x, number):
        return self.builder.add(x, self._ir.Constant(x.type, number))

    def times(self, x, number):
        return self.builder.mul(x, self._ir.Constant(x.type, number))

    def load(self, pointer, index):
        return self.builder.load(self.builder.gep(pointer, [index]), align=self._align)

    def store(self, value, pointer, index):
        self.builder.store(value, self.builder.gep(pointer, [index]), align=self._align)

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

    def accumulator(self):
        from numba.core import cgutils

        place = cgutils.alloca_once(self.builder, self._vector)
        self.builder.store(self.zero, place)
        return place

    def loop(self, count):
        import contextlib

        from numba.core import cgutils

        @contextlib.contextmanager
        def indexed():
            with cgutils.for_range(self.builder, count, intp=count.type) as loop:
                yield loop.index

        return indexed()


# --- plain twins, for NUMBA_DISABLE_JIT=1 ---------------------------------------------------------


def _plain_lane_tile(rows, columns):
    def tile(a, b, c, i, j, n, first):
        lanes = VECTOR_BYTES // a.itemsize
        x, y, z = (
            m.reshape(-1, lanes)[first : first + n * n].reshape(n, n, lanes) for m in (a, b, c)
        )
        z[i : i + rows, j : j + columns] = np.einsum(
            "ikl,kjl->ijl", x[i : i + rows], y[:, j : j + columns]
        )

    return tile


def _plain_row_tile(rows, vectors):
    def tile(a, b, c, i, j, n, first):
        lanes = VECTOR_BYTES // a.itemsize
        x, y, z = (m.reshape(n, -1) for m in (a, b, c))
        columns = slice(j * lanes, (j + vectors) * lanes)
        z[i : i + rows, columns] = x[i : i + rows, :n] @ y[:, columns]

    return tile


def _plain_sum(out, *terms):
    out[:] = sum(c * x for c, x in zip(terms[::2], terms[1::2], strict=True))


def _plain_norms(x, n, out):
    lanes = VECTOR_BYTES // x.itemsize
    entries = np.abs(x).reshape(-1, n, n, lanes)
    out[:] = entries.sum(axis=1).max(axis=1).reshape(-1)


def _by_group(x, lanes, groups):
    return x.reshape(groups, -1, lanes)


def _plain_scale(x, factors):
    lanes = VECTOR_BYTES // x.itemsize
    groups = factors.size // lanes
    _by_group(x, lanes, groups)[:] *= factors.reshape(groups, 1, lanes)


def _plain_keep(x, y, counts, i):
    lanes = VECTOR_BYTES // x.itemsize
    groups = counts.size // lanes
    finished = counts.reshape(groups, 1, lanes) <= i
    target = _by_group(y, lanes, groups)
    target[:] = np.where(finished, _by_group(x, lanes, groups), target)
