"""x' = A x + b along Krylov spaces, for one constant A known by its products.

One space gives the solution at every time it reaches: e^{tH} e₁ of the small matrix H costs next
to nothing there. The corrected scheme and the error estimate after Saad, SIAM J. Numer. Anal. 29
(1992) 209–228; polynomial forcing by an augmented operator after Al-Mohy & Higham, SIAM J. Sci.
Comput. 33 (2011) 488–511, theorem 2.1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore.matrices.arnoldi import extend_basis
from solvers.linear.exponential_powers import ExponentialPowers

_CHECKPOINTS = (14, 26, 40, 56, 76, 100)
_HOPELESS = math.log(1e-2)
_MOST_SEGMENTS = 10_000


class Segment(NamedTuple):
    """The solution from one state up to the time its Krylov space reaches.

    ``powers`` of the augmented projected matrix, up to whose `level` the space reaches, their times
    in the `unit`; ``basis`` (m + 1, n); ``size`` of the state; ``error`` at the end relative to the
    solution there.
    """

    powers: Any
    basis: Any
    size: float
    unit: float
    level: int
    error: float
    products: int

    @property
    def reach(self):
        """Time from start to end, with the sign of the direction."""
        return self.powers.h * 2**self.level * self.unit

    @property
    def end(self):
        """The state where the segment ends."""
        rows = self.basis.shape[0]
        return self.size * (self.powers.levels[self.level][:rows, 0] @ self.basis)

    def at(self, elapsed):
        """x (m, n) at times since the start of the segment."""
        start = np.zeros(self.powers.a.shape[0], dtype=self.basis.dtype)
        start[0] = self.size
        rows = self.basis.shape[0]
        return self.powers.at(elapsed / self.unit, start)[:, :rows] @ self.basis


def segment_from(apply, x, longest, rtol, counted):
    """The `Segment` from state x (n,) that reaches `longest`, or as far as a space can.

    ``rtol`` is the error allowed over `longest`, relative to the first `counted` components; a
    shorter reach has its share of it. A power of two, the unit of time, makes tA of order one in
    the space where A alone may be of any size.
    """
    size = float(np.linalg.norm(x))
    if size == 0 or not np.isfinite(size):
        stays = ExponentialPowers(np.zeros((1, 1), dtype=x.dtype), 1.0)
        return Segment(stays, x[None, :], 1.0, longest, 0, 0.0, 0)
    unit = math.ldexp(math.copysign(1.0, longest), math.frexp(longest)[1])

    def apply_in_unit(v):
        return unit * apply(v)

    longest = longest / unit
    most = min(_CHECKPOINTS[-1], x.size)
    basis = np.empty((most + 1, x.size), dtype=x.dtype)
    basis[0] = x / size
    h = np.zeros((most + 1, most), dtype=x.dtype)
    count = 0
    for goal in (*(c for c in _CHECKPOINTS if c < most), most):
        count, invariant = extend_basis(apply_in_unit, basis, h, count, goal)
        rows = count if invariant else count + 1
        if not invariant and goal < most and _too_small(h, count, longest):
            continue
        powers, error, level = _reach(h[:rows, :count], longest, rtol, basis[:rows, :counted])
        if invariant or level == powers.count:
            break
    return Segment(powers, basis[:rows], size, unit, level, error, count)


def _too_small(h, count, longest):
    """Whether the first term left out, T^m / m! Π h_{j+1,j}, shows that the end is out of reach."""
    beside = np.abs(np.diagonal(h, -1)[:count])
    size = np.sum(np.log(beside)) + count * math.log(abs(longest)) - math.lgamma(count + 1)
    return size > _HOPELESS


def _reach(projected, longest, rtol, basis):
    """Powers of the augmented matrix, and the largest of their times within the tolerance.

    [[H, 0, 0], [h e_mᵀ, 0, 0], [0, 1, 0]]: its exponential holds, in the first column, e^{τH} e₁,
    the correction along the next basis vector, and the size of the first term left out.
    """
    rows, m = projected.shape
    if rows == m:
        powers = ExponentialPowers(projected, longest)
        return powers, 0.0, powers.count
    a = np.zeros((m + 2, m + 2), dtype=projected.dtype)
    a[:rows, :m] = projected
    a[m + 1, m] = 1.0
    powers = ExponentialPowers(a, longest)
    beyond = np.linalg.norm(projected[:, -1])
    best, found = 0, np.inf
    for level, power in enumerate(powers.levels):
        error = beyond * abs(power[m + 1, 0])
        size = np.linalg.norm(power[:rows, 0] @ basis)
        if not error <= rtol * size * 2.0 ** (level - powers.count):
            break
        best, found = level, error / size if size > 0 else 0.0
    return powers, float(found), best


class KrylovPath:
    """States at the ends of the segments between `t0` and `t1`, found one after the other."""

    def __init__(self, apply, x0, span, rtol, counted):
        self.apply, self.rtol, self.span, self.counted = apply, rtol, span, counted
        self.nodes, self.states = [span[0]], [x0]
        self.error, self.products = 0.0, 0
        self._last = (0, None)

    def solve(self):
        """March to the end; returns whether it was reached."""
        t1 = self.span[1]
        while self.nodes[-1] != t1:
            k = len(self.states) - 1
            segment = self._segment(k)
            self.products += segment.products
            if not np.isfinite(segment.error) or k >= _MOST_SEGMENTS:
                return False
            self.error += segment.error
            left = t1 - self.nodes[-1]
            whole = segment.reach == left
            self.states.append(segment.end)
            self.nodes.append(t1 if whole else self.nodes[-1] + segment.reach)
        return True

    def _segment(self, k):
        if self._last[0] != k or self._last[1] is None:
            left = self.span[1] - self.nodes[k]
            share = self.rtol * abs(left / (self.span[1] - self.span[0]))
            self._last = (k, segment_from(self.apply, self.states[k], left, share, self.counted))
        return self._last[1]

    def at(self, t):
        """x (m, n) at host times (m,), from the space of the segment they lie in."""
        sign = 1.0 if self.span[1] > self.span[0] else -1.0
        nodes = np.asarray(self.nodes)
        index = np.searchsorted(sign * nodes[1:-1], sign * t, side="right")
        start = self.states[0]

        def inside(k, t):
            return self._segment(k).at(t - nodes[k])

        return from_pieces(inside, index, t, np.empty((t.size, start.size), dtype=start.dtype))


def from_pieces(at, index, t, out):
    """Rows ``at(k, t)`` of `out` (m, n) for the times (m,) that lie in piece k, their `index`."""
    pieces = np.unique(index)
    if pieces.size == 1:
        return at(int(pieces[0]), t)
    for k in pieces:
        inside = index == k
        out[inside] = at(int(k), t[inside])
    return out
