"""Determinants of batches of small matrices: the twin of the library's ``det`` and ``slogdet``.

Matrices go through Gaussian elimination with partial pivoting together, one in each vector lane. A
determinant is carried as mantissa · 2^exponent, so that no intermediate product over- or
underflows; its logarithm is taken once. 2 × 2 determinants are a·d − b·c after Kahan, with an error
of a few units in the last place however much cancels.
"""

import numpy as np

from mathcore._compile import kernel, part
from mathcore._vectors import VECTOR_BYTES, aligned_zeros, bits_of, number_of
from mathcore._vectors_lu import fused_multiply_add, lane_load, lane_lu, lane_scale

MOST_LANES = 32
_FRACTION_AND_SIGN, _ONE = np.int64(~(0x7FF << 52)), np.int64(1023 << 52)
_TINY = 2.0**-1022
_FAR_BELOW = -10_000  # every exponent of a product
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # ln 2, its high 32 bits
_C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = (2 / (2 * k + 1) for k in range(1, 11))

_fma = fused_multiply_add()
_lane_load, _lane_scale, _lane_lu = lane_load(), lane_scale(), lane_lu()


# --- numbers as mantissa · 2^exponent -------------------------------------------------------------


@part()
def _exponent(x):
    """e of x = ±m·2^e, 1 ≤ m < 2, for normal x; −1023 for zero, 1024 for infinity and NaN."""
    return ((bits_of(x) >> 52) & 0x7FF) - 1023


@part()
def _power_of_two(e):
    """2^e for −1022 ≤ e ≤ 1023."""
    return number_of((e + 1023) << 52)


@part()
def _split(x):
    """(±m, e) with x = ±m·2^e; (x, 0) for zero, infinity and NaN."""
    tiny = abs(x) < _TINY
    x = x * 2.0**54 if tiny else x
    e = _exponent(x)
    special = (e == -1023) | (e == 1024)
    mantissa = x if special else number_of((bits_of(x) & _FRACTION_AND_SIGN) | _ONE)
    return mantissa, (0 if special else e) - (54 if tiny else 0)


@part()
def _multiply(mantissas, exponents, factors):
    """Each number times its factor, |factor| < 2^1022."""
    for l in range(mantissas.size):
        x = np.float64(factors[l])
        small = abs(x) < 1
        m, e = _split(mantissas[l] * (x * 2.0**54 if small else x))
        mantissas[l] = m
        exponents[l] += e - 54 if small else e


# --- 2 × 2 ---------------------------------------------------------------------------------------


@part()
def _two_by_two(entries, first, mantissas, exponents):
    """a·d − b·c with the rounding error of b·c put back (W. Kahan)."""
    entries = entries[4 * first : 4 * (first + mantissas.size)]
    if not _products_are_normal(entries):
        _two_by_two_of_any_size(entries, mantissas, exponents)
        return
    for l in range(mantissas.size):
        a_l, b_l = np.float64(entries[4 * l]), np.float64(entries[4 * l + 1])
        c_l, d_l = np.float64(entries[4 * l + 2]), np.float64(entries[4 * l + 3])
        product = b_l * c_l
        error = _fma(-b_l, c_l, product)
        mantissas[l], exponents[l] = _split(_fma(a_l, d_l, -product) + error)


@part()
def _products_are_normal(entries):
    count = 0
    for p in range(entries.size):
        x = abs(np.float64(entries[p]))
        count += (x == 0) | ((x >= 2.0**-400) & (x <= 2.0**400))
    return count == entries.size


@part()
def _two_by_two_of_any_size(entries, mantissas, exponents):
    """The same from mantissas, both products brought to the exponent of the larger."""
    for l in range(mantissas.size):
        (m_a, e_a), (m_b, e_b) = _split(entries[4 * l]), _split(entries[4 * l + 1])
        (m_c, e_c), (m_d, e_d) = _split(entries[4 * l + 2]), _split(entries[4 * l + 3])
        e_ad = _FAR_BELOW if m_a * m_d == 0 else e_a + e_d
        e_bc = _FAR_BELOW if m_b * m_c == 0 else e_b + e_c
        e = e_ad if e_ad > e_bc else e_bc
        m_a *= _power_of_two(e_ad - e if e_ad - e > -300 else -300)
        m_b *= _power_of_two(e_bc - e if e_bc - e > -300 else -300)
        product = m_b * m_c
        error = _fma(-m_b, m_c, product)
        m, shift = _split(_fma(m_a, m_d, -product) + error)
        mantissas[l], exponents[l] = m, e + shift


# --- n × n ---------------------------------------------------------------------------------------


@part()
def _load(entries, size, first, stop, w):
    """One of the matrices first … stop − 1, `size` entries each, into each lane; then zeros."""
    lanes = VECTOR_BYTES // w.itemsize
    if stop - first < lanes or size < lanes:
        w[:] = 0
        for l in range(lanes):
            for p in range(size if first + l < stop else 0):
                w[p * lanes + l] = entries[(first + l) * size + p]
        return
    for p in range(0, size, lanes):
        place = min(p, size - lanes)  # the last square overlaps the one before
        _lane_load(entries, first * size + place, size, w, place)


@part()
def _in_range(pivots, first, lanes):
    """Whether no sum of these lanes can have overflowed, and no digit of importance is lost."""
    count, most = 0, 2.0**80 if pivots.itemsize == 4 else 2.0**900
    for k in range(pivots.shape[0]):
        row = pivots[k]
        for l in range(first, first + lanes):
            count += (abs(row[l]) < most) & (abs(row[l]) > 1 / most)
    return count == pivots.shape[0] * lanes


@part()
def _by_elimination(entries, n, first, mantissas, exponents):
    lanes, stop = VECTOR_BYTES // entries.itemsize, first + mantissas.size
    groups = -(-mantissas.size // lanes)
    w = aligned_zeros(1, n * n * lanes, entries)[0]
    work = aligned_zeros(n + 1, groups * lanes, entries)
    pivots, factors = work[:n], work[n]
    factors[:] = 1
    for g in range(groups):
        _load(entries, n * n, first + g * lanes, stop, w)
        _lane_lu(w, n, pivots, g, groups)
        if not _in_range(pivots, g * lanes, lanes):  # once more, scaled
            _load(entries, n * n, first + g * lanes, stop, w)
            _lane_scale(w, n * n, factors, g)
            _lane_lu(w, n, pivots, g, groups)
    for l in range(mantissas.size):
        mantissas[l] = 1
        exponents[l] = -n * _exponent(factors[l])
    for k in range(n):
        _multiply(mantissas, exponents, pivots[k])


@part()
def _determinants(entries, n, first, mantissas, exponents):
    if n == 2:
        _two_by_two(entries, first, mantissas, exponents)
    else:
        _by_elimination(entries, n, first, mantissas, exponents)


# --- the whole ------------------------------------------------------------------------------------


@part()
def _logarithm(m, e):
    """ln(m·2^e), m in [1, 2): 2 artanh((m − 1)/(m + 1)) by its series, for m in [√½, √2)."""
    above = m > 1.4142135623730951
    m = m / 2 if above else m
    e = np.float64(e + 1 if above else e)
    s = (m - 1) / (m + 1)
    z = s * s
    odd = _C9 + z * _C10
    odd = _C5 + z * (_C6 + z * (_C7 + z * (_C8 + z * odd)))
    odd = z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * odd))))
    return e * _LN2_HIGH + (2 * s + (s * odd + e * _LN2_LOW))


@part()
def _slogdet(entries, n, first, mantissas, exponents, sign, logabsdet):
    _determinants(entries, n, first, mantissas, exponents)
    for l in range(sign.size):
        x, size = mantissas[l], abs(mantissas[l])
        logarithm = _logarithm(size, exponents[l])
        logarithm = size if not size < np.inf else logarithm
        logabsdet[l] = -np.inf if x == 0 else logarithm
        unit = 1.0 if x > 0 else -1.0
        sign[l] = unit if size > 0 else x


@part()
def _det(entries, n, first, mantissas, exponents, out):
    _determinants(entries, n, first, mantissas, exponents)
    for l in range(out.size):
        e = exponents[l]
        e = 1500 if e > 1500 else (-1500 if e < -1500 else e)
        half = e // 2
        out[l] = mantissas[l] * _power_of_two(half) * _power_of_two(e - half)


@kernel()
def slogdet_shares(low, high, entries, n, share, sign, logabsdet):
    """Of matrices of order n ≤ `MOST_LANES` one after the other, `share` of them a share."""
    mantissas = aligned_zeros(1, share, np.float64)[0]
    exponents = aligned_zeros(1, share, np.int64)[0]
    for first in range(low * share, high * share, share):
        own = sign[first : first + share]
        m, e = mantissas[: own.size], exponents[: own.size]
        _slogdet(entries, n, first, m, e, own, logabsdet[first : first + share])


@kernel()
def det_shares(low, high, entries, n, share, out):
    """Determinants, as `slogdet_shares`."""
    mantissas = aligned_zeros(1, share, np.float64)[0]
    exponents = aligned_zeros(1, share, np.int64)[0]
    for first in range(low * share, high * share, share):
        own = out[first : first + share]
        _det(entries, n, first, mantissas[: own.size], exponents[: own.size], own)
