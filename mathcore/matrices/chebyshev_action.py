"""e^{tA} b for Hermitian and skew-Hermitian A by Chebyshev expansion: one recurrence, many times.

With the spectrum in [c − r, c + r] and z = |t| r (Tal-Ezer & Kosloff, J. Chem. Phys. 81, 1984;
Druskin & Knizhnerman, USSR Comput. Math. 29, 1989)

    e^{t(c + r y)} = e^{tc} Σ_k (2 − δ_k0) I_k(tr) T_k(y),
    e^{it(c + r y)} = e^{itc} Σ_k (2 − δ_k0) J_k(tr) i^k T_k(y),

which need about √(2·36·z), and z + 20, terms in double precision, where a Taylor series needs 5 z.
"""

import math
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.matrices.time_marching import Step, column_norms

# Most by which e^{t(c + r)}‖x‖ may exceed ‖e^{tA} x‖ in one expansion: relative to the result its
# rounding errors grow by this factor.
_MOST_CANCELLATION = 1e3
_MOST_COEFFICIENTS = 4_000_000
_LARGEST_GROWTH = 1.5  # ‖T_k(y) x‖ ≤ ‖x‖ where the interval holds the spectrum


class Interval(NamedTuple):
    """Where the spectrum of A (of −iA for ``skew``) lies."""

    low: float
    high: float
    skew: bool


# --- degree and coefficients ----------------------------------------------------------------------


def degree(z, tolerance, *, skew):
    """Smallest K with Σ_{k > K} of the coefficients below `tolerance`.

    From e^{−z} I_k(z) ≤ exp(√(k² + z²) − z − k asinh(k/z)) (Chernoff) and, for k > z,
    |J_k(z)| ≤ exp(√(k² − z²) − k acosh(k/z)) (Kapteyn), summed as geometric series.
    """
    if z == 0:
        return 0
    low, high = (math.ceil(z) if skew else 0), 1 + math.ceil(z)
    while _log_tail(high, z, skew) > math.log(tolerance):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        above = _log_tail(middle, z, skew) > math.log(tolerance)
        low, high = (middle, high) if above else (low, middle)
    return high


def _log_tail(degree, z, skew):
    k = degree + 1
    if skew:
        bend = math.acosh(max(k / z, 1.0))
        log_term = math.sqrt(max(k * k - z * z, 0.0)) - k * bend
    else:
        bend = math.asinh(k / z)
        # √(k² + z²) − z without the cancellation at z ≫ k
        log_term = k * (k / (math.hypot(k, z) + z) - bend)
    return log_term + math.log(2.0) - math.log(max(-math.expm1(-bend), 1e-300))


def coefficients(z, degree, *, skew):
    """(2 − δ_k0) e^{−z} I_k(z), or J_k(z) for `skew`, for k = 0 … degree; z (T,) → (T, degree + 1).

    The discrete cosine transform of the function at the Chebyshev points; absolute error of a few
    eps, with no recurrence in k to lose digits in.
    """
    points = 2 ** max(3, math.ceil(math.log2(degree + 2)))
    angles = np.pi * np.arange(points + 1) / points
    z = np.asarray(z, dtype=np.float64)[:, None]
    if skew:
        phase = z * np.cos(angles)
        even, odd = (np.fft.irfft(f(phase))[:, : degree + 1] for f in (np.cos, np.sin))
        k = np.arange(degree + 1) % 4
        c = np.where(k % 2 == 0, even, odd) * np.where(k < 2, 1.0, -1.0)
    else:
        c = np.fft.irfft(np.exp(-2.0 * z * np.sin(angles / 2) ** 2))[:, : degree + 1]
    return np.concatenate([c[:, :1], 2.0 * c[:, 1:]], axis=1)


# --- one step -------------------------------------------------------------------------------------


def chebyshev_stepper(operator, interval, *, direction, rtol, hasty=False):
    """Return ``step(x, gaps)`` for e^{direction·gap·A} x at ascending gaps > 0; see `Step`.

    The step returns None where a growing T_k(A) x shows that `interval` misses the spectrum, and,
    where `hasty`, instead of shortening a step that cancels too much.
    """
    low, high, skew = interval
    centre, radius = (low + high) / 2, (high - low) / 2
    # the top of the spectrum of direction·A, which a Hermitian result decays or grows with
    top = 0.0 if skew else (high if direction > 0 else -low)
    accepted = [math.inf]

    def step(x, gaps):
        tolerance = max(rtol / _MOST_CANCELLATION, _arrays.eps(x) / 8)
        horizon = min(gaps[-1], 4 * accepted[0], _overflow_horizon(x, top))
        num_products = 0
        while True:
            asked = _as_many_as_fit(gaps, horizon, radius)
            degrees = [degree(h * radius, tolerance, skew=skew) for h in asked]
            factors = _factors(asked, radius, centre, top, direction, skew, degrees[-1])
            values, grown = _expand(operator, x, factors, degrees, interval)
            num_products += degrees[-1]
            if not np.all(grown <= _LARGEST_GROWTH):
                return None
            lost = [
                0.0 if skew else _log_cancellation(x, v, h * top)
                for v, h in zip(values, asked, strict=True)
            ]
            good = sum(loss <= math.log(_MOST_CANCELLATION) for loss in lost)
            if good:
                break
            if hasty:
                return None
            safe = _safe_horizon(operator, x, top, direction)
            horizon = min(max(safe, asked[0] / 4), asked[0] / 2)
            num_products += 1
        accepted[0] = asked[good - 1] if good < len(gaps) else accepted[0]
        reached = good if asked[0] >= gaps[0] else 0
        h, eps = asked[good - 1], _arrays.eps(x)
        error = math.exp(lost[good - 1]) * (tolerance + eps * (2 + degrees[good - 1]))
        error += eps / 2 * h * (radius + abs(centre))  # of the shift and of the exponent
        return Step(values[:reached], h, values[good - 1], error, num_products)

    return step


def _overflow_horizon(x, top):
    largest = math.log(float(_arrays.result_namespace(x).finfo(x.dtype).max)) / 2
    return largest / abs(top) if top > 0 else math.inf


def _as_many_as_fit(gaps, horizon, radius):
    asked = [h for h in gaps if h <= horizon] or [horizon]
    most = max(1, _MOST_COEFFICIENTS // (20 + math.ceil(radius * asked[-1])))
    return asked[:most]


def _factors(times, radius, centre, top, direction, skew, degree):
    """Coefficients of T_k, the leading exponential and the sign of the direction included."""
    h = np.asarray(times)
    c = coefficients(h * radius, degree, skew=skew)
    if direction < 0:
        c = c * np.where(np.arange(degree + 1) % 2, -1.0, 1.0)
    if skew:
        return c * np.exp(1j * direction * centre * h)[:, None] if centre else c
    with np.errstate(over="ignore", under="ignore"):
        return c * np.exp(h * top)[:, None]


def _expand(operator, x, factors, degrees, interval):
    """Σ_k factors[i, k] T_k x for every i, and ‖T_K x‖ / ‖x‖ by column."""
    low, high, skew = interval
    if degrees[-1] == 0:
        return [_number(row[0], x) * x for row in factors], np.zeros(1)
    scale, shift, sign = 2 / (high - low), (low + high) / 2, -1.0
    if skew:
        shift, sign = (1j * shift if shift else 0.0), 1.0
    first = scale * (operator.apply(x) - shift * x) if shift else scale * operator.apply(x)
    if _takes_kernel(operator.matrix, x):
        values, last = _kernel_sums(operator.matrix, x, first, factors, degrees, scale, shift, sign)
    else:
        values, last = _sums(operator.apply, x, first, factors, degrees, scale, shift, sign)
    size = column_norms(x)
    grown = np.maximum(*(column_norms(v) for v in last)) / np.where(size > 0, size, 1.0)
    return values, np.where(np.isfinite(size), grown, 0.0)


def _sums(apply, x, first, factors, degrees, scale, shift, sign):
    """The definition: three-term recurrence and one sum for each time."""
    before, now = x, first
    values = [_number(row[0], x) * x + _number(row[1], x) * first for row in factors]
    for k in range(2, degrees[-1] + 1):
        product = apply(now) - shift * now if shift else apply(now)
        before, now = now, 2 * scale * product + sign * before
        values = [
            value if k > last else value + _number(row[k], x) * now
            for value, row, last in zip(values, factors, degrees, strict=True)
        ]
    return values, (before, now)


def _number(factor, x):
    return factor.item() if _arrays.is_complex(x) else float(factor.real)


def _takes_kernel(matrix, x):
    return (
        matrix is not None
        and hasattr(matrix, "indptr")
        and matrix.dtype == x.dtype
        and x.dtype.char in "fdFD"
    )


def _kernel_sums(matrix, x, first, factors, degrees, scale, shift, sign):
    from mathcore.matrices._kernels.chebyshev_cpu import chebyshev_sums

    before, now = (np.array(v, order="C").reshape(-1) for v in (x, first))
    factors = factors.astype(x.dtype)
    out = factors[:, :1] * before + factors[:, 1:2] * now
    scalars = (x.dtype.type(value) for value in (scale, shift, sign))
    last = chebyshev_sums(
        matrix.indptr,
        matrix.indices,
        matrix.data,
        *scalars,
        factors,
        np.asarray(degrees),
        math.prod(x.shape[1:]),
        before,
        now,
        out,
    )
    return list(out.reshape(-1, *x.shape)), [v.reshape(x.shape) for v in last]


# --- cancellation -----------------------------------------------------------------------


def _log_cancellation(x, value, growth):
    """The largest over the columns of log(e^growth ‖x‖ / ‖value‖); NaN and underflow count as 0."""
    before, after = column_norms(x), column_norms(value)
    tiny = float(_arrays.result_namespace(x).finfo(x.dtype).smallest_normal)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = growth + np.log(before)
        loss = np.where(bound > math.log(tiny), bound - np.log(after), 0.0)
    return float(np.nanmax(np.where(np.isfinite(before), loss, 0.0), initial=0.0))


def _safe_horizon(operator, x, top, direction):
    """A step that cannot cancel more than allowed: log‖e^{tA}x‖ is convex, its slope xᴴAx/xᴴx."""
    x = _arrays.detach(x)
    xp = _arrays.result_namespace(x)
    ones = xp.sum(_arrays.real_part(_arrays.conj(x) * operator.apply(x)), axis=0)
    slopes = (
        direction * np.atleast_1d(_arrays.to_numpy(ones)) / np.maximum(column_norms(x) ** 2, 1e-300)
    )
    slope = float(np.nanmin(np.where(column_norms(x) > 0, slopes, top), initial=top))
    return math.log(_MOST_CANCELLATION) / max(2 * (top - slope), 1e-300)
