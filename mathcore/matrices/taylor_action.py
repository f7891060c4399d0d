"""e^{tA} b by truncated Taylor series in substeps; needs products alone, and differentiates.

Al-Mohy & Higham, "Computing the action of the matrix exponential, with an application to
exponential integrators", SIAM J. Sci. Comput. 33 (2011): shift, θ_m and early termination.
"""

import cmath
import math

import numpy as np

from mathcore import _arrays
from mathcore.matrices.linear_operators import random_vector
from mathcore.matrices.time_marching import Step

# Largest ‖hA‖ whose degree-m series has a backward error below 2⁻²⁴, 2⁻⁵³ (their table 3.1).
_THETA = {
    32: {5: 0.13, 10: 1.0, 15: 2.2, 20: 3.6, 25: 4.9, 30: 6.3, 35: 7.7, 40: 9.1, 45: 11.0},
    64: {5: 2.4e-3, 10: 0.14, 15: 0.64, 20: 1.4, 25: 2.4, 30: 3.5, 35: 4.7, 40: 6.0, 45: 7.2,
         50: 8.5, 55: 9.9},
}  # fmt: skip
_NORM_PRODUCTS = 4
_NORM_MARGIN = 1.3
_MOST_CANCELLATION = 1e5
_TINY = 1e-300


def cheapest_degree(norm, bits):
    """Degree m and number of substeps s with norm / s ≤ θ_m and the fewest products m·s."""
    return min(
        ((m, max(1, math.ceil(norm / theta))) for m, theta in _THETA[bits].items()),
        key=math.prod,
    )


def estimated_norm(apply, like):
    """A guess at ‖A‖ from a few power steps, and its number of products.

    Too low a guess costs a repeated substep, no accuracy.
    """
    v, largest = random_vector(like, 2), 0.0
    xp = _arrays.result_namespace(v)
    for _ in range(_NORM_PRODUCTS):
        size = float(xp.linalg.vector_norm(v))
        if not (0 < size < math.inf):
            break
        v = _arrays.detach(apply(v / size))
        largest = max(largest, float(xp.linalg.vector_norm(v)))
    return _NORM_MARGIN * largest if math.isfinite(largest) else 0.0


def taylor_stepper(operator, norm, shift, *, direction, rtol):
    """Return ``step(x, gaps)`` for e^{direction·h·A} x, h at most gaps[0]; see `Step`.

    `norm` is ‖A − shift·I‖, or a guess at it: a series that does not settle, or cancels too much,
    is begun again with half the step.
    """
    smallest = [math.inf]

    def step(x, gaps):
        bits = 32 if _arrays.eps(x) > 1e-10 else 64
        degree, substeps = cheapest_degree(gaps[0] * norm, bits)
        h = min(gaps[0] / substeps, smallest[0])
        num_products = 0
        while True:
            value, error, used = _series(operator, x, direction * h, norm, shift, degree, rtol)
            num_products += used
            if error < math.inf or h < 1e-9 * gaps[0] / substeps:
                break
            degree, h = max(_THETA[bits]), h / 2
            smallest[0] = h
        h, values = (gaps[0], [value]) if h >= gaps[0] * (1 - 1e-15) else (h, [])
        return Step(values, h, value, error, num_products)

    return step


def _series(operator, x, h, norm, shift, degree, rtol):
    """Σ_k (h(A − μ))^k x / k! times e^{hμ}, a bound of its relative error, the products made."""
    total = term = x
    before = _sizes(x)
    eps = _arrays.eps(x)
    rounding = eps * before
    for k in range(1, degree + 1):
        product = operator.apply(term)
        term = (h / k) * (product - shift * term if shift else product)
        total = total + term
        now = _sizes(term)
        rounding = rounding + eps * (now + abs(h) * norm / k * before)
        size = np.maximum(_sizes(total), _TINY)  # keeps NaN
        last, before = before + now, now
        if np.all(last <= rtol * size):  # eq. (3.15)
            break
    with np.errstate(invalid="ignore"):
        unsettled = last > 1e3 * max(rtol, eps) * size
        cancelled = rounding > _MOST_CANCELLATION * eps * size
        error = float(np.nanmax((last + rounding) / size, initial=0.0))
    if np.any((unsettled | cancelled) & np.isfinite(rounding)):
        error = math.inf
    return (total * _exp(h * shift) if shift else total), error, k


def _exp(x):
    try:
        return cmath.exp(x) if isinstance(x, complex) else math.exp(x)
    except OverflowError:
        return math.inf


def _sizes(x):
    """Largest magnitude in each column, on the host."""
    x = _arrays.detach(x)
    xp = _arrays.result_namespace(x)
    return np.atleast_1d(_arrays.to_numpy(xp.max(xp.abs(x), axis=0))).astype(np.float64)
