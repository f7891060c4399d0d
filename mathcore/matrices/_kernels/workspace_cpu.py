"""What surrounds products of small matrices: filling a workspace, sums, norms, scaling, emptying.

The layouts are those of ``products_cpu``: `w` (buffers, entries) holds in each buffer either groups
of matrices, one in each vector lane, or one matrix with rows padded to whole vectors. An argument
`lanes`, True or None, says which; it is written out where a kernel begins, so that each kernel is
compiled with one layout.
"""

import numpy as np

from mathcore._compile import part
from mathcore._vectors import COMPILED, VECTOR_BYTES, aligned_zeros, vector_function

# --- sums -----------------------------------------------------------------------------------------


def combination(*patterns):
    """``combine(w, outs, ins, c, start)``: sums of the buffers `ins`, all in one pass.

    A pattern for each of the `outs` says what each of the `ins` is multiplied by: "c" by the next
    coefficient from c[start] on, "1" by one, "0" that it is absent. An output may be an input.
    """
    if not COMPILED:
        return _plain_combination(patterns)
    from numba.core import types
    from numba.extending import intrinsic

    def emit_sums(emit):
        from numba.core import cgutils

        outs, ins = (cgutils.unpack_tuple(emit.builder, emit.arguments[k]) for k in (1, 2))
        c, start = emit.entries(3), emit.arguments[4]
        factors = [
            emit.splat(emit.load(c, emit.plus(start, k)))
            for k in range("".join(patterns).count("c"))
        ]
        sources, targets = [emit.vectors(0, k) for k in ins], [emit.vectors(0, k) for k in outs]
        with emit.loop(emit.count(0, 1)) as p:
            xs = [emit.load(x, p) for x in sources]
            unused = iter(factors)
            for pattern, target in zip(patterns, targets, strict=True):
                emit.store(_emit_sum(emit, pattern, xs, unused), target, p)

    @intrinsic
    def combine(context, w, outs, ins, c, start):
        kinds = (types.UniTuple(types.intp, len(x)) for x in (outs, ins))
        return vector_function(emit_sums, w, *kinds, c, types.intp)

    return combine


def _emit_sum(emit, pattern, xs, factors):
    ones = [x for kind, x in zip(pattern, xs, strict=True) if kind == "1"]
    total = ones[0] if ones else emit.zero
    for x in ones[1:]:
        total = emit.builder.fadd(total, x)
    for kind, x in zip(pattern, xs, strict=True):
        if kind == "c":
            total = emit.fused(next(factors), x, total)
    return total


def _plain_combination(patterns):
    def combine(w, outs, ins, c, start):
        factors = iter(c[start:])
        values = [
            sum((next(factors) if kind == "c" else 1) * w[x] for kind, x in terms if kind != "0")
            for terms in (list(zip(pattern, ins, strict=True)) for pattern in patterns)
        ]
        for out, value in zip(outs, values, strict=True):
            w[out] = value

    return combine


@part()
def add_identity(w, k, value, n, lanes):
    """w[k] += value · I."""
    if lanes is None:
        stride = w.shape[1] // n
        for i in range(n):
            w[k, i * stride + i] += value
    else:
        _add_to_diagonal(w, k, value, n)


# --- one number a lane ----------------------------------------------------------------------------


@part()
def largest(x):
    """The largest of the numbers, NaN if one is."""
    top = x[0]
    for l in range(1, x.size):
        if top == top and not x[l] <= top:
            top = x[l]
    return top


@part()
def least_and_most(counts):
    """The least and the largest of whole numbers."""
    least = most = counts[0]
    for l in range(1, counts.size):
        if counts[l] < least:
            least = counts[l]
        if counts[l] > most:
            most = counts[l]
    return least, most


def _lane_functions():
    """``norms(w, k, n, out)``, ``scale(w, k, factors)``, ``keep(w, x, y, counts, i)`` by lane.

    `norms`: out = 1-norms of the matrices in w[k]. `scale`: w[k] ← factor · w[k]. `keep`: w[y] ←
    w[x] where count ≤ i. `out`, `factors`, `counts` (integers): one entry a lane of each group.
    Also ``add_to_diagonal(w, k, value, n)``.
    """
    if not COMPILED:
        return _plain_norms, _plain_scale, _plain_keep, _plain_add_to_diagonal
    from numba.core import types
    from numba.extending import intrinsic

    @intrinsic
    def norms(context, w, k, n, out):
        return vector_function(_emit_norms, w, types.intp, types.intp, out)

    @intrinsic
    def scale(context, w, k, factors):
        return vector_function(_emit_scale, w, types.intp, factors)

    @intrinsic
    def keep(context, w, x, y, counts, i):
        return vector_function(_emit_keep, w, types.intp, types.intp, counts, types.int64)

    @intrinsic
    def add_to_diagonal(context, w, k, value, n):
        return vector_function(_emit_add_to_diagonal, w, types.intp, w.dtype, types.intp)

    return norms, scale, keep, add_to_diagonal


def _emit_norms(emit):
    builder, n = emit.builder, emit.arguments[2]
    x, out = emit.vectors(0, emit.arguments[1]), emit.vectors(3)
    with emit.loop(emit.count(3)) as g:
        start, top = builder.mul(g, builder.mul(n, n)), emit.accumulator()
        with emit.loop(n) as j:
            total = emit.accumulator()
            with emit.loop(n) as i:
                size = emit.absolute(emit.load(x, builder.add(start, emit.at(j, i, n))))
                builder.store(builder.fadd(size, builder.load(total)), total)
            one, most = builder.load(total), builder.load(top)
            larger = builder.fcmp_unordered(">", one, most)
            builder.store(builder.select(larger, one, most), top)
        emit.store(builder.load(top), out, g)


def _emit_scale(emit):
    builder = emit.builder
    x, factors = emit.vectors(0, emit.arguments[1]), emit.vectors(2)
    groups = emit.count(2)
    size = builder.sdiv(emit.count(0, 1), groups)
    with emit.loop(groups) as g:
        factor, start = emit.load(factors, g), builder.mul(g, size)
        with emit.loop(size) as p:
            at = builder.add(start, p)
            emit.store(builder.fmul(factor, emit.load(x, at)), x, at)


def _emit_keep(emit):
    builder, (x, y) = emit.builder, (emit.vectors(0, k) for k in emit.arguments[1:3])
    counts, groups = emit.vectors(3, integers=True), emit.count(3)
    size = builder.sdiv(emit.count(0, 1), groups)
    with emit.loop(groups) as g:
        limit = emit.splat(emit.arguments[4])
        pending = builder.icmp_signed(">", emit.load(counts, g), limit)
        start = builder.mul(g, size)
        with emit.loop(size) as p:
            at = builder.add(start, p)
            emit.store(builder.select(pending, emit.load(y, at), emit.load(x, at)), y, at)


def _emit_add_to_diagonal(emit):
    builder, (k, value, n) = emit.builder, emit.arguments[1:]
    x, added, size = emit.vectors(0, k), emit.splat(value), builder.mul(n, n)
    with emit.loop(builder.sdiv(emit.count(0, 1), size)) as g, emit.loop(n) as i:
        at = builder.add(builder.mul(g, size), emit.at(i, i, n))
        emit.store(builder.fadd(emit.load(x, at), added), x, at)


def _plain_norms(w, k, n, out):
    lanes = VECTOR_BYTES // w.itemsize
    out[:] = np.abs(w[k]).reshape(-1, n, n, lanes).sum(axis=1).max(axis=1).reshape(-1)


def _by_group(x, by_lane):
    """Entries of each group, (groups, entries, lanes), and one number for each of its lanes."""
    lanes = VECTOR_BYTES // x.itemsize
    numbers = by_lane.reshape(-1, 1, lanes)
    return x.reshape(len(numbers), -1, lanes), numbers


def _plain_scale(w, k, factors):
    entries, by_lane = _by_group(w[k], factors)
    entries *= by_lane


def _plain_keep(w, x, y, counts, i):
    source, by_lane = _by_group(w[x], counts)
    target, _ = _by_group(w[y], counts)
    target[:] = np.where(by_lane <= i, source, target)


def _plain_add_to_diagonal(w, k, value, n):
    entries = w[k].reshape(-1, n, n, VECTOR_BYTES // w.itemsize)
    entries[:, range(n), range(n)] += value


lane_norms, scale, keep, _add_to_diagonal = _lane_functions()


# --- in and out -----------------------------------------------------------------------------------


@part()
def buffer_entries(n, lanes, together, vector):
    """Entries of a buffer that holds `together` matrices in lanes, or one by its rows."""
    if lanes is None:
        return n * -(-n // vector) * vector
    return n * n * together


def _transposers(width):
    """``into(w, k, g, a, first)`` and ``out_of(w, k, g, a, first)``.

    Between group g of w[k] and the flat matrices a[first], a[first + 1], …, one a lane; `width`
    entries at a time, at most a vector. The last block may overlap the one before.
    """
    if not COMPILED:
        return _plain_into, _plain_out_of
    from numba.core import types
    from numba.extending import intrinsic

    def emit_into(emit):
        wide = min(width, emit.lanes)
        buffer = emit.vectors(0, emit.arguments[1])
        with emit.loop(_num_blocks(emit, wide)) as block:
            vector, members = _places(emit, block, wide)
            parts = [emit.load_part(x, wide) for x in members]
            columns = [emit.join(parts[m::wide]) for m in range(wide)]
            for p, x in enumerate(_transposed(emit, columns)):
                emit.store(x, buffer, emit.plus(vector, p))

    def emit_out_of(emit):
        wide = min(width, emit.lanes)
        buffer = emit.vectors(0, emit.arguments[1])
        with emit.loop(_num_blocks(emit, wide)) as block:
            vector, members = _places(emit, block, wide)
            rows = [emit.load(buffer, emit.plus(vector, p)) for p in range(wide)]
            for m, x in enumerate(_transposed(emit, rows)):
                for q, member in enumerate(members[m::wide]):
                    part = emit.shuffle(x, x, range(q * wide, (q + 1) * wide))
                    emit.store_part(part, member)

    @intrinsic
    def into(context, w, k, g, a, first):
        return vector_function(emit_into, w, types.intp, types.intp, a, types.intp)

    @intrinsic
    def out_of(context, w, k, g, a, first):
        return vector_function(emit_out_of, w, types.intp, types.intp, a, types.intp)

    return into, out_of


def _num_blocks(emit, width):
    return emit.ratio(emit.plus(emit.length(3, 1), width - 1), width)


def _places(emit, block, width):
    """Of a block of entries: its first vector in w, its place in the matrix of each lane."""
    builder, (g, _, first) = emit.builder, emit.arguments[2:]
    size, entries = emit.length(3, 1), emit.entries(3)
    last, p = emit.plus(size, -width), emit.times(block, width)
    p = builder.select(builder.icmp_signed("<", p, last), p, last)
    members = [emit.at(p, emit.plus(first, l), size) for l in range(emit.lanes)]
    return emit.at(p, g, size), [builder.gep(entries, [member]) for member in members]


def _transposed(emit, rows):
    """Each square section of the rows transposed, by exchanging blocks of 1, 2, 4, … columns."""
    rows, every, step = list(rows), range(emit.lanes), 1
    while step < len(rows):
        for m in range(len(rows)):
            if not m & step:
                x, y = rows[m], rows[m + step]
                upper = [emit.lanes + e - step if e & step else e for e in every]
                lower = [emit.lanes + e if e & step else e + step for e in every]
                rows[m], rows[m + step] = emit.shuffle(x, y, upper), emit.shuffle(x, y, lower)
        step *= 2
    return rows


def _lane_view(w, k, g, a):
    lanes, size = VECTOR_BYTES // w.itemsize, a.shape[1]
    return w[k].reshape(-1, size, lanes)[g].T


def _plain_into(w, k, g, a, first):
    entries = _lane_view(w, k, g, a)
    entries[:] = a[first : first + len(entries)]


def _plain_out_of(w, k, g, a, first):
    entries = _lane_view(w, k, g, a)
    a[first : first + len(entries)] = entries


_into_16, _out_of_16 = _transposers(16)
_into_8, _out_of_8 = _transposers(8)
_into_4, _out_of_4 = _transposers(4)


@part()
def load(w, k, a, first, stop, n, lanes):
    """w[k] ← the flat matrices a[first], …, as many as fit before `stop`; lanes beyond are 0."""
    if lanes is None:
        stride = w.shape[1] // n
        for i in range(n):
            for j in range(n):
                w[k, i * stride + j] = a[first, i * n + j]
    else:
        _load_lanes(w, k, a, first, stop, n * n)


@part()
def _load_lanes(w, k, a, first, stop, size):
    vector = VECTOR_BYTES // w.itemsize
    together = w.shape[1] // size
    if first + together > stop:
        rest = aligned_zeros(together, size, a)
        for m in range(stop - first):
            for p in range(size):
                rest[m, p] = a[first + m, p]
        a, first = rest, 0
    for g in range(together // vector):
        if size >= vector:
            _into_16(w, k, g, a, first + g * vector)
        elif size >= 8:
            _into_8(w, k, g, a, first + g * vector)
        else:
            _into_4(w, k, g, a, first + g * vector)


@part()
def store(w, k, out, first, stop, n, lanes):
    """The flat matrices out[first], … before `stop` ← w[k]."""
    if lanes is None:
        stride = w.shape[1] // n
        for i in range(n):
            for j in range(n):
                out[first, i * n + j] = w[k, i * stride + j]
    else:
        _store_lanes(w, k, out, first, stop, n * n)


@part()
def _store_lanes(w, k, out, first, stop, size):
    vector = VECTOR_BYTES // w.itemsize
    together = w.shape[1] // size
    partial = first + together > stop
    target, start = (aligned_zeros(together, size, out), 0) if partial else (out, first)
    for g in range(together // vector):
        if size >= vector:
            _out_of_16(w, k, g, target, start + g * vector)
        elif size >= 8:
            _out_of_8(w, k, g, target, start + g * vector)
        else:
            _out_of_4(w, k, g, target, start + g * vector)
    if partial:
        for m in range(stop - first):
            for p in range(size):
                out[first + m, p] = target[m, p]
