"""The diagonal and first superdiagonal of φ_k of an upper triangular matrix, to full accuracy.

They are φ_k(λ_i) and a_{i,i+1} φ_k[λ_i, λ_{i+1}]. For k ≥ 1 with moderate arguments

    φ_k(z) = ∫₀¹ e^{(1−s)z} s^{k−1} / (k − 1)! ds,

and the same with (1 − s) exp[(1−s)x, (1−s)y] for the divided difference; the integrands of real
arguments are positive, and Gauss–Legendre quadrature sums them without cancellation. With large
arguments the recurrence φ_k(z) = z φ_{k+1}(z) + 1/k! cancels nothing either.
"""

import decimal
import functools
import math

import numpy as np

from mathcore.matrices.triangular_diagonals import exponential_difference, with_diagonals

_LARGE = 8.0  # |z| beyond which the recurrence is used, or p if that is larger
_NODES = 16  # exact to 2⁻⁵³ for |z| ≤ 8


def with_exact_diagonals(xp, functions, a):
    """`functions` (..., p + 1, n, n), φ_0 … φ_p of upper triangular `a`, with these two renewed."""
    p, z = functions.shape[-3] - 1, xp.linalg.diagonal(a)
    above = _differences(xp, z[..., :-1], z[..., 1:], p)
    above = above * xp.linalg.diagonal(a, offset=1)[..., None, :]
    renewed = (_values(xp, z, p), above)
    # what overflows on the way is left as it is
    usable = (
        xp.where(xp.isfinite(new), new, xp.linalg.diagonal(functions, offset=k))
        for k, new in enumerate(renewed)
    )
    return with_diagonals(xp, functions, *usable)


def _values(xp, z, p):
    """φ_0(z) … φ_p(z), (..., p + 1, n)."""
    near = xp.abs(z) <= max(_LARGE, p)
    rests, table = _quadrature(p)
    inner = _summed(table, [xp.exp(r * xp.where(near, z, 0.0)) for r in rests])
    outer, far = [xp.exp(z)], xp.where(near, 1.0, z)
    for k in range(p):
        outer.append((outer[-1] - 1 / math.factorial(k)) / far)
    return xp.stack([outer[0], *(xp.where(near, *pair) for pair in _pairs(inner, outer))], axis=-2)


def _differences(xp, x, y, p):
    """φ_0[x, y] … φ_p[x, y], (..., p + 1, n): φ_{k+1}[x, y] = (φ_k[x, y] − φ_{k+1}(x)) / y."""
    x_is_small = xp.abs(x) <= xp.abs(y)
    small, large = xp.where(x_is_small, x, y), xp.where(x_is_small, y, x)
    near = xp.abs(large) <= max(_LARGE, p)
    rests, table = _quadrature(p)
    u, v = xp.where(near, small, 0.0), xp.where(near, large, 0.0)
    terms = [r * exponential_difference(xp, r * u, r * v) for r in rests]
    inner = _summed(table, terms)
    values, outer = _values(xp, small, p), [exponential_difference(xp, x, y)]
    far = xp.where(near, 1.0, large)
    for k in range(p):
        outer.append((outer[-1] - values[..., k + 1, :]) / far)
    return xp.stack([outer[0], *(xp.where(near, *pair) for pair in _pairs(inner, outer))], axis=-2)


def _pairs(inner, outer):
    return zip(inner, outer[1:], strict=True)


def _summed(table, terms):
    return [sum(w * term for w, term in zip(row, terms, strict=True)) for row in table]


@functools.cache
def _quadrature(p):
    """1 − s_j for the nodes s_j on [0, 1], and the weights times s_j^{k−1} / (k − 1)!, k = 1 … p.

    In 40 digits: the moments of ``leggauss`` are off by up to 10 eps.
    """
    degree = _NODES + p
    with decimal.localcontext(prec=40):
        nodes, weights = [], []
        for start in np.polynomial.legendre.leggauss(degree)[0].tolist():
            x = decimal.Decimal(start)
            for _ in range(2):  # Newton: 16, 32, 40 digits
                value, slope = _legendre(degree, x)
                x -= value / slope
            slope = _legendre(degree, x)[1]
            nodes.append((1 + x) / 2)
            weights.append(1 / ((1 - x * x) * slope * slope))
        table = [
            [
                float(w * s ** (k - 1) / math.factorial(k - 1))
                for s, w in zip(nodes, weights, strict=True)
            ]
            for k in range(1, p + 1)
        ]
        return [float(1 - s) for s in nodes], table


def _legendre(degree, x):
    """P_n(x) and P_n'(x)."""
    before, now = 1, x
    for k in range(1, degree):
        before, now = now, ((2 * k + 1) * x * now - k * before) / (k + 1)
    return now, degree * (before - x * now) / (1 - x * x)
