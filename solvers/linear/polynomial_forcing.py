"""A forcing b(t) as a polynomial on every step, for exponential integrators."""

import math

import numpy as np

from mathcore import _arrays
from solvers.linear.meshes import adaptive_mesh

_NODES = 8
_TAIL = 2  # an even or odd forcing has every second coefficient 0
_ROUNDING = 8.0
_POINTS = np.cos(np.pi * (2 * np.arange(_NODES) + 1) / (2 * _NODES))
_TO_CHEBYSHEV = np.linalg.inv(np.polynomial.chebyshev.chebvander(_POINTS, _NODES - 1))


def _to_taylor():
    """Values at the nodes to u_k = (k − 1)! times the coefficient of θ^{k−1}, θ in [0, 1]."""
    rows = []
    for values in np.eye(_NODES):
        series = np.polynomial.chebyshev.Chebyshev(_TO_CHEBYSHEV @ values, domain=[0.0, 1.0])
        rows.append(series.convert(kind=np.polynomial.Polynomial).coef)
    factorials = [float(math.factorial(k)) for k in range(_NODES)]
    return np.stack([np.pad(r, (0, _NODES - len(r))) for r in rows], axis=1) * np.reshape(
        factorials, (-1, 1)
    )


_TO_TAYLOR = _to_taylor()


def _values(b, start, stop):
    """The values of b at the nodes of each step, (nodes, m, ..., n)."""
    times = start + (stop - start) * (1 + _POINTS[:, None]) / 2
    values = b.at(times.ravel())
    shape = (_NODES, start.shape[0], *values.shape[1:])
    return _arrays.result_namespace(values).reshape(values, shape)


def _combined(matrix, values):
    xp = _arrays.result_namespace(values)
    flat = xp.reshape(values, (_NODES, -1))
    return xp.reshape(_arrays.from_numpy(matrix, values) @ flat, (-1, *values.shape[1:]))


def taylor_coefficients(b, start, stop):
    """u_1 … u_8, each (m, ..., n), with b(t0 + θh) ≈ Σ_k u_k θ^{k−1} / (k − 1)! on each step."""
    found = _combined(_TO_TAYLOR, _values(b, start, stop))
    return [found[k, ...] for k in range(_NODES)]


def forcing_mesh(b, span, size, rtol):
    """Steps on which the polynomials of b resolve it, relative to `size` over the whole span."""

    def errors(start, stop):
        values = _arrays.to_numpy(_values(b, start, stop))
        tails = np.abs(_combined(_TO_CHEBYSHEV, values)[-_TAIL:]).sum(axis=0)
        h = np.abs(stop - start) / size
        largest = np.abs(values).max(axis=0)
        m = start.shape[0]
        tail, scale = (x.reshape(m, -1).max(axis=1, initial=0.0) for x in (tails, largest))
        noise = _ROUNDING * _arrays.eps(values) * scale
        return np.stack([h * tail, h * noise], axis=-1)

    return adaptive_mesh(errors, span, rtol=rtol, order=_NODES - _TAIL, breaks=b.breaks)
