"""x' = A x + b along Krylov spaces, for one constant A known by its products.

One space gives the solution at every time it reaches: e^{tH} e₁ of the small matrix H costs next
to nothing there. The corrected scheme and the error estimate after Saad, SIAM J. Numer. Anal. 29
(1992) 209–228; polynomial forcing by an augmented operator after Al-Mohy & Higham, SIAM J. Sci.
Comput. 33 (2011) 488–511, theorem 2.1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.linear.exponential_powers import ExponentialPowers

_CHECKPOINTS = (14, 26, 40, 56, 76, 100)
_REORTHOGONALIZE_BELOW = 0.5  # the share of a product that is new; below it digits are lost
_HOPELESS = math.log(1e-2)
_MOST_SEGMENTS = 10_000


class Segment(NamedTuple):
    """The solution from one state up to the time its Krylov space reaches.

    ``powers`` of the augmented projected matrix, up to whose `level` the space reaches; ``basis``
    (m + 1, n); ``size`` of the state; ``error`` at the end relative to the state.
    """

    powers: Any
    basis: Any
    size: float
    level: int
    error: float
    products: int

    @property
    def reach(self):
        """Time from start to end, with the sign of the direction."""
        return self.powers.h * 2**self.level

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
        return self.powers.at(elapsed, start)[:, :rows] @ self.basis


def segment_from(apply, x, longest, rtol):
    """The `Segment` from state x (n,) that reaches `longest`, or as far as a space can.

    ``rtol`` is the error allowed over `longest`; a shorter reach has its share of it.
    """
    size = float(np.linalg.norm(x))
    if size == 0 or not np.isfinite(size):
        stays = ExponentialPowers(np.zeros((1, 1), dtype=x.dtype), longest)
        return Segment(stays, x[None, :], 1.0, 0, 0.0, 0)
    most = min(_CHECKPOINTS[-1], x.size)
    basis = np.empty((most + 1, x.size), dtype=x.dtype)
    basis[0] = x / size
    h = np.zeros((most + 1, most), dtype=x.dtype)
    count = 0
    for goal in (*(c for c in _CHECKPOINTS if c < most), most):
        count, invariant = _extend(apply, basis, h, count, goal)
        rows = count if invariant else count + 1
        if not invariant and goal < most and _too_small(h, count, longest):
            continue
        powers, error, level = _reach(h[:rows, :count], longest, rtol)
        if invariant or level == powers.count:
            break
    return Segment(powers, basis[:rows], size, level, error, count)


def _too_small(h, count, longest):
    """Whether the first term left out, T^m / m! Π h_{j+1,j}, shows that the end is out of reach."""
    beside = np.abs(np.diagonal(h, -1)[:count])
    size = np.sum(np.log(beside)) + count * math.log(abs(longest)) - math.lgamma(count + 1)
    return size > _HOPELESS


def _norm(x):
    return math.sqrt(np.vdot(x, x).real)


def _extend(apply, basis, h, count, goal):
    """Arnoldi steps up to `goal` vectors; their number, and whether the space is invariant."""
    eps, is_complex = _arrays.eps(basis), _arrays.is_complex(basis)
    for j in range(count, goal):
        w = apply(basis[j])
        before = _norm(w)
        known = basis[: j + 1]
        for _ in range(2):
            inner = (known.conj() if is_complex else known) @ w
            w = w - inner @ known
            h[: j + 1, j] += inner
            after = _norm(w)
            if after > _REORTHOGONALIZE_BELOW * before:
                break
        if not after > 4 * eps * before or j + 1 == basis.shape[1]:
            return j + 1, True
        h[j + 1, j] = after
        basis[j + 1] = w / after
    return goal, False


def _reach(projected, longest, rtol):
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
        size = np.linalg.norm(power[:rows, 0])
        if not error <= rtol * size * 2.0 ** (level - powers.count):
            break
        best, found = level, error
    return powers, float(found), best


class KrylovPath:
    """States at the ends of the segments between `t0` and `t1`, found one after the other."""

    def __init__(self, apply, x0, span, rtol):
        self.apply, self.rtol, self.span = apply, rtol, span
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
            self._last = (k, segment_from(self.apply, self.states[k], left, share))
        return self._last[1]

    def at(self, t):
        """x (m, n) at host times (m,), from the space of the segment they lie in."""
        sign = 1.0 if self.span[1] > self.span[0] else -1.0
        nodes = np.asarray(self.nodes)
        index = np.searchsorted(sign * nodes[1:-1], sign * t, side="right")
        out = np.empty((t.size, self.states[0].size), dtype=self.states[0].dtype)
        for k in np.unique(index):
            inside = index == k
            out[inside] = self._segment(int(k)).at(t[inside] - nodes[k])
        return out
