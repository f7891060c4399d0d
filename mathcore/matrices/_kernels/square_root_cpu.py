"""Square roots of small matrices: the iteration of ``matrices/root_iterations.py`` in one pass.

Product form of the Denman–Beavers iteration, one matrix at a time, float32 to complex128. The
iteration is carried on where the definition sums a series, as an inverse of a small matrix costs no
more than two products; both end at rounding.
"""

import math

import numpy as np

from mathcore._compile import kernel, part

_MOST_STEPS = 24
_SCALE_ABOVE = 0.9


@part()
def _magnitude(x):
    return abs(x.real) + abs(x.imag)


@part()
def _copy(a, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            out[i, j] = a[i, j]


@part()
def _norm1(a, sums):
    """The 1-norm, |re| + |im| for the modulus; NaN where an entry is NaN."""
    sums[:] = 0
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            sums[j] += _magnitude(a[i, j])
    top = sums[0]
    for j in range(1, sums.size):
        if not sums[j] <= top:
            top = sums[j]
    return top


@part()
def _multiply(a, b, out):
    """out = a b, four rows of b at a time: half the loads and stores of one at a time."""
    n = a.shape[0]
    whole = n - n % 4
    for i in range(n):
        row = out[i]
        row[:] = 0
        for k in range(0, whole, 4):
            f0, f1, f2, f3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
            for j in range(n):
                row[j] += f0 * b0[j] + f1 * b1[j] + f2 * b2[j] + f3 * b3[j]
        for k in range(whole, n):
            factor, other = a[i, k], b[k]
            for j in range(n):
                row[j] += factor * other[j]


@part()
def _invert(a, exchanged, pivot_row):
    """a ← a⁻¹ by Gauss–Jordan elimination with partial pivoting; False at a zero pivot."""
    n = a.shape[0]
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if _magnitude(a[i, k]) > _magnitude(a[p, k]):
                p = i
        exchanged[k] = p
        if not _magnitude(a[p, k]) > 0:
            return False
        if p != k:
            for j in range(n):
                a[k, j], a[p, j] = a[p, j], a[k, j]
        _eliminate(a, k, pivot_row)
    for k in range(n - 1, -1, -1):
        p = exchanged[k]
        if p != k:
            for i in range(n):
                a[i, k], a[i, p] = a[i, p], a[i, k]
    return True


@part()
def _eliminate(a, k, pivot_row):
    """One step of Gauss–Jordan in place; row k counts as a row of zeros with factor −1."""
    n, scale = a.shape[0], 1 / a[k, k]
    for j in range(n):
        pivot_row[j] = a[k, j] * scale
        a[k, j] = 0
    pivot_row[k] = scale
    a[k, k] = -1
    for i in range(0, n - 1, 2):
        one, two = a[i], a[i + 1]
        f1, f2 = one[k], two[k]
        one[k] = two[k] = 0
        for j in range(n):
            one[j] -= f1 * pivot_row[j]
            two[j] -= f2 * pivot_row[j]
    if n % 2:
        last = a[n - 1]
        factor = last[k]
        last[k] = 0
        for j in range(n):
            last[j] -= factor * pivot_row[j]


@part()
def _distance(m, sums):
    """‖M − I‖₁."""
    for i in range(m.shape[0]):
        m[i, i] -= 1
    distance = _norm1(m, sums)
    for i in range(m.shape[0]):
        m[i, i] += 1
    return distance


@part()
def _step(x, m, inverse, work, exchanged, sums, scaled):
    """X ← X (I + M⁻¹) / 2, M ← (2 I + M + M⁻¹) / 4 with μ²M for M where `scaled`."""
    n = x.shape[0]
    _copy(m, inverse)
    if not _invert(inverse, exchanged, work[0]):
        return False
    mu2 = sums.dtype.type(1)
    if scaled:
        factor = math.sqrt(_norm1(inverse, sums) / _norm1(m, sums))
        if factor > 0 and math.isfinite(factor):
            mu2 = factor
    for i in range(n):
        for j in range(n):
            other = inverse[i, j] / mu2
            m[i, j] = (m[i, j] * mu2 + other) / 4
            inverse[i, j] = other
        m[i, i] += sums.dtype.type(0.5)
        inverse[i, i] += 1
    _multiply(x, inverse, work)
    half = math.sqrt(mu2) / 2
    for i in range(n):
        for j in range(n):
            x[i, j] = work[i, j] * half
    return True


@part()
def _finish(x, m, work, out):
    """out = X (I − E/2 + 3E²/8), E = M − I: what is left of X (I + E)^{-1/2}."""
    n = x.shape[0]
    for i in range(n):
        m[i, i] -= 1
    _multiply(m, m, work)
    for i in range(n):
        for j in range(n):
            work[i, j] = (work[i, j] * 3 - m[i, j] * 4) / 8
        work[i, i] += 1
    _multiply(x, work, out)


@part()
def _residual(root, a, work, sums):
    """‖X² − A‖₁ / ‖A‖₁."""
    _multiply(root, root, work)
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            work[i, j] -= a[i, j]
    return _norm1(work, sums) / _norm1(a, sums)


@part()
def _root(a, w, exchanged, sums, near, out):
    """out = A^{1/2}; its residual, infinite or NaN where the iteration failed."""
    x, m, inverse, work = w[0], w[1], w[2], w[3]
    _copy(a, x)
    _copy(a, m)
    for step in range(_MOST_STEPS + 1):
        distance = _distance(m, sums)
        if distance <= near:
            _finish(x, m, work, out)
            return _residual(out, a, work, sums)
        if step == _MOST_STEPS or not math.isfinite(distance):
            break
        if not _step(x, m, inverse, work, exchanged, sums, distance > _SCALE_ABOVE):
            break
    out[:] = np.nan
    return np.inf


@part()
def _scaled_root(a, w, exchanged, sums, near, out):
    """The same of 4^{-h} A with entries of modulus about one, scaled back."""
    n = a.shape[0]
    largest = 0.0
    for i in range(n):
        for j in range(n):
            size = _magnitude(a[i, j])
            if size > largest:
                largest = size
    h = float(math.floor(math.log2(largest) / 2)) if 0 < largest < np.inf else 0.0
    for i in range(n):
        for j in range(n):
            w[4, i, j] = a[i, j] * 2.0**-h * 2.0**-h
    residual = _root(w[4], w, exchanged, sums, near, out)
    for i in range(n):
        for j in range(n):
            out[i, j] *= 2.0**h
    return residual


@kernel()
def square_roots(low, high, a, near, out, residuals):
    """out = the principal roots of matrices a (batch, n, n), ‖X² − A‖ / ‖A‖ for each."""
    n = a.shape[1]
    w, exchanged = np.empty((5, n, n), a.dtype), np.empty(n, np.int64)
    sums = np.empty(n, residuals.dtype)
    for k in range(low, high):
        residuals[k] = _scaled_root(a[k], w, exchanged, sums, near, out[k])
