"""Explicit vector code for the inner loop of the soft minimum: four rows of scores at a time.

``score_rj = h_j − shift_r − |x_r − y_j|²`` for ``left, right = x (4, d), y_t (d, width)``, or
``h_j − shift_r − scale·c_rj`` for ``c (4, width), scale (1,)``. Numba's own loops store each row
before they add it up; these keep sums, differences and polynomials in registers, and read a column
once for four rows.
"""

import numpy as np
from numba.core import cgutils, types

from mathcore._vectors import COMPILED, VECTOR_BYTES, vector_function

ROWS = 4

# 2**x without a branch: x = n + f, |f| ≤ 1/2, by adding 1.5·2**p; minimax polynomial in f, whose
# exponent bits n is added to. Between the bounds no exponent overflows; a NaN passes both.
_EXP2 = {
    32: (
        (-126.0, 127.0, 12582912.0, 23),
        (
            0.0013276472631950876,
            0.0096755413431213274,
            0.055507132718556442,
            0.2402211972371072,
            0.69314696706503521,
            1.0000000716547141,
        ),
    ),
    64: (
        (-1022.0, 1023.0, 6755399441055744.0, 52),
        (
            4.4352827069572772e-10,
            7.0741056135081428e-9,
            1.0178198021671931e-7,
            1.3215433089676399e-6,
            1.5252733489988526e-5,
            0.00015403530462514432,
            0.0013333558146789922,
            0.0096181291075883352,
            0.055504108664819922,
            0.24022650695910156,
            0.69314718055994533,
            1.0,
        ),
    ),
}


def _row_functions():
    """``weigh(h, shift, left, right, e, out, start, stop)`` and ``largest``.

    For the vectors start … stop − 1 of the columns: `weigh` stores e_rj = 2^score_rj and adds its
    sums by lane to out (4, lanes); `largest` raises `out` to the largest scores by lane and leaves
    `e` alone. h (width,), shift (4,), e (4, width).
    """
    if not COMPILED:
        return _plain_weigh, _plain_largest
    from numba.extending import intrinsic

    def generated(kinds, emit_body):
        scores = _point_scores if kinds[3].ndim == 2 else _cost_scores
        return vector_function(lambda emit: _emit_rows(emit, scores, emit_body), *kinds)

    @intrinsic
    def weigh(context, h, shift, left, right, e, out, start, stop):
        kinds = (h, shift, left, right, e, out, types.intp, types.intp)
        return generated(kinds, _store_and_add)

    @intrinsic
    def largest(context, h, shift, left, right, e, out, start, stop):
        return generated((h, shift, left, right, e, out, types.intp, types.intp), _raise)

    return weigh, largest


def _emit_rows(emit, scores, body):
    builder, (start, stop) = emit.builder, emit.arguments[6:]
    integer = start.type
    entries = [emit.entries(k) for k in range(6)]
    width = emit.times(emit.count(0), emit.lanes)
    places = []
    for r in range(ROWS):
        places.append(cgutils.alloca_once(builder, emit._vector))
        builder.store(emit.load(emit.vectors(5), integer(r)), places[r])
    shifts = [emit.splat(emit.load(entries[1], integer(r))) for r in range(ROWS)]
    with cgutils.for_range(builder, stop, start=start, intp=integer) as loop:
        h = emit.load(emit.vectors(0), loop.index)
        column = emit.times(loop.index, emit.lanes)
        rows = [builder.fsub(h, shift) for shift in shifts]
        for r, score in enumerate(scores(emit, entries, rows, width, column)):
            at = builder.add(builder.mul(width, integer(r)), column)
            body(emit, score, _vector_at(emit, entries[4], at), places[r])
    for r in range(ROWS):
        emit.store(builder.load(places[r]), emit.vectors(5), integer(r))


def _vector_at(emit, pointer, index):
    """Pointer to the vector that starts at an entry."""
    return emit.builder.bitcast(emit.builder.gep(pointer, [index]), emit._vector.as_pointer())


def _point_scores(emit, entries, rows, width, column):
    builder = emit.builder
    d = builder.sdiv(emit._arrays[2].nitems, width.type(ROWS))
    totals = [cgutils.alloca_once_value(builder, row) for row in rows]
    with emit.loop(d) as k:
        at = builder.add(builder.mul(width, k), column)
        y = builder.load(_vector_at(emit, entries[3], at), align=emit._align)
        for r, total in enumerate(totals):
            x = emit.splat(emit.load(entries[2], builder.add(builder.mul(d, d.type(r)), k)))
            away = builder.fsub(x, y)
            builder.store(emit.fused(builder.fneg(away), away, builder.load(total)), total)
    return [builder.load(total) for total in totals]


def _cost_scores(emit, entries, rows, width, column):
    builder = emit.builder
    scale = builder.fneg(emit.splat(emit.load(entries[3], column.type(0))))
    for r, row in enumerate(rows):
        at = builder.add(builder.mul(width, column.type(r)), column)
        c = builder.load(_vector_at(emit, entries[2], at), align=emit._align)
        yield emit.fused(scale, c, row)


def _store_and_add(emit, score, target, place):
    builder = emit.builder
    e = _exp2(emit, score)
    builder.store(e, target, align=emit._align)
    builder.store(builder.fadd(builder.load(place), e), place)


def _raise(emit, score, target, place):
    builder = emit.builder
    top = builder.load(place)
    builder.store(builder.select(builder.fcmp_ordered(">", score, top), score, top), place)


def _exp2(emit, x):
    builder, bits = emit.builder, 8 * emit._align
    (low, high, magic, shift), polynomial = _EXP2[bits]
    integers = emit._ir.VectorType(emit._ir.IntType(bits), emit.lanes)

    def splat(number, kind=emit._vector):
        return emit._ir.Constant(kind, [number] * emit.lanes)

    for bound, outside in ((low, "<"), (high, ">")):
        beyond = builder.fcmp_ordered(outside, x, splat(bound))
        x = builder.select(beyond, splat(bound), x)
    shifted = builder.fadd(x, splat(magic))
    exponent = builder.shl(builder.bitcast(shifted, integers), splat(shift, integers))
    f = builder.fsub(x, builder.fsub(shifted, splat(magic)))
    p = splat(polynomial[0])
    for coefficient in polynomial[1:]:
        p = emit.fused(p, f, splat(coefficient))
    return builder.bitcast(builder.add(builder.bitcast(p, integers), exponent), emit._vector)


# --- plain twins, for NUMBA_DISABLE_JIT=1 ---------------------------------------------------------


def _plain_scores(h, shift, left, right, columns):
    rows = h[None, columns] - shift[:, None]
    if right.ndim == 1:
        return rows - right[0] * left[:, columns]
    return rows - ((left[:, :, None] - right[None, :, columns]) ** 2).sum(axis=1)


def _plain_columns(h, start, stop):
    lanes = VECTOR_BYTES // h.itemsize
    return slice(start * lanes, stop * lanes), (ROWS, stop - start, lanes)


def _plain_weigh(h, shift, left, right, e, out, start, stop):
    columns, by_lane = _plain_columns(h, start, stop)
    info = np.finfo(h.dtype)
    scores = _plain_scores(h, shift, left, right, columns)
    e[:, columns] = np.exp2(np.clip(scores, info.minexp, info.maxexp - 1))
    out += e[:, columns].reshape(by_lane).sum(axis=1)


def _plain_largest(h, shift, left, right, e, out, start, stop):
    columns, by_lane = _plain_columns(h, start, stop)
    found = _plain_scores(h, shift, left, right, columns).reshape(by_lane)
    np.fmax(out, np.fmax.reduce(found, axis=1), out=out)


weigh, largest = _row_functions()
