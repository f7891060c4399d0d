"""`mathcore._random` on whole vectors: Philox and Box–Muller for `LANES` counters at once.

Unused lanes are computed and dropped: each draw then comes from the same instructions, whatever is
drawn beside it. Words of 32 bits lie in unsigned integers of 64; only the low half of a factor
counts, so that words are cut where they are used.
"""

import math

import numpy as np

from mathcore._compile import kernel, launch, part
from mathcore._vectors import aligned_zeros

LANES = 64
_PAIR_NANOSECONDS = 10.0

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _32, _11 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(11)
_SQRT_HALF = np.int64(0x3FE6A09E00000000)  # bits of a number just below √½
_52 = np.int64(52)
_LN2 = math.log(2.0)
_HALF_PI = math.pi / 2


@part()
def uniform_pairs(seed, counters, u, v):
    """Two uniform draws in (0, 1] for each column of counters."""
    blocks, steps, members, high_steps = counters[0], counters[1], counters[2], counters[3]
    low_key, high_key = seed & _LOW, seed >> _32
    for k in range(LANES):
        c0, c1, c2, c3 = blocks[k], steps[k], members[k], high_steps[k]
        k0, k1 = low_key, high_key
        for _ in range(10):
            product_0, product_1 = _MULTIPLIER_0 * (c0 & _LOW), _MULTIPLIER_1 * (c2 & _LOW)
            c0, c1, c2, c3 = (
                product_1 >> _32 ^ c1 & _LOW ^ k0,
                product_1,
                product_0 >> _32 ^ c3 & _LOW ^ k1,
                product_0,
            )
            k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
        u[k] = np.float64(np.int64((c0 << _32 | c1 & _LOW) >> _11)) * 2.0**-53 + 2.0**-53
        v[k] = np.float64(np.int64((c2 << _32 | c3 & _LOW) >> _11)) * 2.0**-53 + 2.0**-53


@part()
def logarithms(u, scratch, out):
    """log u = k log 2 + log m, √½ ≤ m < √2, by fdlibm's series in s = (m − 1)/(m + 1)."""
    m, exponent = scratch[0], scratch[1]
    for k in range(LANES):
        bits = np.float64(u[k]).view(np.int64)
        e = (bits - _SQRT_HALF) >> _52
        m[k] = np.int64(bits - (e << _52)).view(np.float64)
        exponent[k] = np.float64(e)
    for k in range(LANES):
        s = (m[k] - 1.0) / (m[k] + 1.0)
        z = s * s
        p = 1.531383769920937332e-01 + z * 1.479819860511658591e-01
        p = 2.222219843214978396e-01 + z * (1.818357216161805012e-01 + z * p)
        p = 3.999999999940941908e-01 + z * (2.857142874366239149e-01 + z * p)
        p = 6.666666666666735130e-01 + z * p
        out[k] = exponent[k] * _LN2 + (2.0 * s + s * (z * p))


@part()
def polar(log_u, v, cosines, sines):
    """√(−2 log u) (cos 2πv, sin 2πv); fdlibm's series on [−π/4, π/4]."""
    for k in range(LANES):
        quarter = math.floor(4.0 * v[k] + 0.5)
        x = (4.0 * v[k] - quarter) * _HALF_PI
        z = x * x
        s = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
        s = -1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * s)
        s = -1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * s)
        s = x + x * (z * s)
        c = 2.08757232129817482790e-09 - z * 1.13596475577881948265e-11
        c = 2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * c)
        c = 4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * c)
        c = 1.0 - 0.5 * z + z * z * c
        radius = math.sqrt(-2.0 * log_u[k])
        swapped = (quarter == 1.0) | (quarter == 3.0)
        cosine, sine = (s, c) if swapped else (c, s)
        cosines[k] = -radius * cosine if (quarter == 1.0) | (quarter == 2.0) else radius * cosine
        sines[k] = -radius * sine if (quarter == 2.0) | (quarter == 3.0) else radius * sine


@part()
def room():
    """Counters and scratch rows for one call."""
    counters = aligned_zeros(4, LANES, np.uint64)
    return counters, aligned_zeros(4, LANES, np.float64), aligned_zeros(2, LANES, np.float64)


@part()
def fill_normals(seed, member, first, stream, space, rows):
    """rows[k, i] = normal draw i of step first + k; an even number, `first` a multiple of LANES."""
    counters, scratch, pair = space
    _follow_steps(counters, member, first)
    for block in range(rows.shape[1] // 2):
        counters[0] = np.uint64(block) | np.uint64(stream) << np.uint64(24)
        uniform_pairs(seed, counters, scratch[0], scratch[1])
        logarithms(scratch[0], scratch[2:], scratch[0])
        polar(scratch[0], scratch[1], pair[0], pair[1])
        for k in range(LANES):
            rows[k, 2 * block], rows[k, 2 * block + 1] = pair[0, k], pair[1, k]


@part()
def fill_log_uniforms(seed, member, first, stream, space, row):
    """row[k] = logarithm of the first uniform draw of step first + k."""
    counters, scratch, _ = space
    _follow_steps(counters, member, first)
    counters[0] = np.uint64(stream) << np.uint64(24)
    uniform_pairs(seed, counters, scratch[0], scratch[1])
    logarithms(scratch[0], scratch[2:], row)


@part()
def _follow_steps(counters, member, first):
    for k in range(LANES):
        counters[1, k] = (np.uint64(first) & _LOW) + np.uint64(k)
    counters[2] = np.uint64(member)
    counters[3] = np.uint64(first) >> _32


@part()
def _set_counters(counters, at, blocks, members, first, stream):
    """Counters of the pairs at, at + 1, …, blocks running fastest, then members, then steps."""
    b, j = at % blocks, (at // blocks) % members.shape[0]
    step = first + at // (blocks * members.shape[0])
    for k in range(LANES):
        counters[0, k] = np.uint64(b) | stream << np.uint64(24)
        counters[1, k] = np.uint64(step) & _LOW
        counters[2, k] = members[j]
        counters[3, k] = np.uint64(step) >> _32
        b += 1
        if b == blocks:
            b = 0
            j += 1
            if j == members.shape[0]:
                j = 0
                step += 1


@part()
def _draw_group(group, seed, members, first, stream, logarithm, out):
    """LANES pairs of the flat array `out` (count · members, size)."""
    size = out.shape[1]
    blocks = (size + 1) // 2
    counters, scratch, pair = room()
    at = group * LANES
    _set_counters(counters, at, blocks, members, first, stream)
    uniform_pairs(seed, counters, scratch[0], scratch[1])
    logarithms(scratch[0], scratch[2:], scratch[0])
    if logarithm:
        for k in range(LANES):
            pair[0, k] = scratch[0, k]
    else:
        polar(scratch[0], scratch[1], pair[0], pair[1])
    row, column = at // blocks, 2 * (at % blocks)
    for k in range(min(LANES, out.shape[0] * blocks - at)):
        out[row, column] = pair[0, k]
        if column + 1 < size:
            out[row, column + 1] = pair[1, k]
        column += 2
        if column >= size:
            row, column = row + 1, 0


@kernel()
def draw_groups(low, high, seed, members, first, stream, logarithm, out):
    """`draw` of the groups low … high − 1, LANES pairs each, of the flat array `out`."""
    for group in range(low, high):
        _draw_group(group, seed, members, first, stream, logarithm, out)


def draw(seed, members, first, stream, out, *, logarithm=False):
    """out[k, j, i] = normal draw i of member j in step first + k.

    Parameters
    ----------
    seed, first, stream : int
    members : array of uint64 (m,)
    out : array (count, m, size)
        float64, C order; written to.
    logarithm : bool
        Instead the logarithm of the member's first uniform draw; `size` is 1.
    """
    flat = out.reshape(-1, out.shape[2])
    pairs = flat.shape[0] * ((out.shape[2] + 1) // 2)
    key = (np.uint64(seed), members, first, np.uint64(stream), logarithm)
    launch(draw_groups, -(-pairs // LANES), _PAIR_NANOSECONDS * pairs, *key, flat)
