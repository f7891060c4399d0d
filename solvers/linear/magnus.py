"""Steps of Magnus and commutator-free methods for x' = A(t) x, many at a time.

The solution after a step of length h is e^Ω x with Ω a series of commutators of A at the nodes of
the step. Orders 4 and 6 after Blanes, Casas, Oteo & Ros, "The Magnus expansion and some of its
applications", Phys. Rep. 470 (2009) 151–238, section 5; the commutator-free one after Blanes &
Moan, Appl. Numer. Math. 56 (2006) 1519–1537.
"""

import math

import numpy as np

from mathcore import _arrays, expm
from mathcore.matrices.scaling import norm1

METHODS = ("magnus4", "magnus6", "cf4")
ORDER = {"magnus4": 4, "magnus6": 6, "cf4": 4}
GAUSS_2 = 0.5 + math.sqrt(3) / 6 * np.array([-1.0, 1.0])
GAUSS_3 = 0.5 + math.sqrt(15) / 10 * np.array([-1.0, 0.0, 1.0])
_DAMPING = 0.25  # DOP853 has 0.1; measured: the estimate is then 1 to 10 times the error
_ROUNDING = 8.0  # units of eps ‖Ω‖ that the difference of two Ω may be without meaning anything


def commutator(x, y):
    """[x, y] = x y − y x."""
    return x @ y - y @ x


def omega_4(h, a1, a2):
    """Ω of order 4 from A at the two Gauss nodes; h (m, 1, …) broadcasts against A."""
    return h / 2 * (a1 + a2) - math.sqrt(3) / 12 * h**2 * commutator(a1, a2)


def omega_6(h, a1, a2, a3):
    """Ω of order 6 from A at the three Gauss nodes."""
    alpha1 = h * a2
    alpha2 = math.sqrt(15) / 3 * h * (a3 - a1)
    alpha3 = 10 / 3 * h * (a3 - 2 * a2 + a1)
    c1 = commutator(alpha1, alpha2)
    c2 = -commutator(alpha1, 2 * alpha3 + c1) / 60
    return alpha1 + alpha3 / 12 + commutator(-20 * alpha1 - alpha3 + c1, alpha2 + c2) / 240


def commutator_free_4(h, a1, a2):
    """The two exponents of the commutator-free method of order 4, first the one applied first."""
    a, b = 0.25 + math.sqrt(3) / 6, 0.25 - math.sqrt(3) / 6
    return h * (a * a1 + b * a2), h * (b * a1 + a * a2)


def at_nodes(at, start, stop, nodes):
    """Lengths h (m, 1, …) of the steps and A at their nodes, each (m, ..., n, n)."""
    times = start + (stop - start) * nodes[:, None]
    values = at(times.ravel())
    m, xp = start.shape[0], _arrays.result_namespace(values)
    parts = [values[k * m : (k + 1) * m, ...] for k in range(len(nodes))]
    h = xp.reshape(_real(stop - start, values), (m,) + (1,) * (values.ndim - 1))
    return h, parts


def _real(x, like):
    return _arrays.from_numpy(x, _arrays.real_part(like))


def propagators(at, method, start, stop):
    """Φ(stop, start) by one step each (m, ..., n, n), of host times (m,)."""
    if method == "magnus6":
        h, values = at_nodes(at, start, stop, GAUSS_3)
        return expm(omega_6(h, *values))
    h, values = at_nodes(at, start, stop, GAUSS_2)
    if method == "magnus4":
        return expm(omega_4(h, *values))
    first, second = commutator_free_4(h, *values)
    return expm(second) @ expm(first)


def local_errors(at, method, start, stop):
    """Estimated error of each step, and what rounding makes of a zero one, relative, (m, 2).

    ‖Ω₆ − Ω₄‖ is the error of order 4. For order 6 it is multiplied by its ratio to ‖Ω₄ − Ω₂‖,
    as in DOP853: E₄² / √(E₄² + (E₂ / 4)²) has the order h⁷ of that error.
    """

    def on_host(t):
        return _arrays.to_numpy(at(t))

    h, values = at_nodes(on_host, start, stop, GAUSS_3)
    _, nearer = at_nodes(on_host, start, stop, GAUSS_2)
    with np.errstate(all="ignore"):  # what overflows is divided
        high, fourth = omega_6(h, *values), omega_4(h, *nearer)
        e4, e2 = _largest(high - fourth), _largest(fourth - h * values[1])
        noise = _ROUNDING * _arrays.eps(high) * _largest(high)
        if method != "magnus6":
            return np.stack([e4, noise], axis=-1)
        damped = e4 * (e4 / np.hypot(e4, _DAMPING * e2))
        return np.stack([np.where(e4 == 0, 0.0, damped), noise], axis=-1)


def _largest(x):
    """Largest 1-norm in the batch of each step, (m,)."""
    norms = norm1(np, x).astype(np.float64)
    return norms.reshape(norms.shape[0], -1).max(axis=1, initial=0.0)
