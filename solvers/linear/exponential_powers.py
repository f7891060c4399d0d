"""e^{tA} x at many times from one exponential: its powers 1, 2, 4, … and short Taylor series."""

import math

import numpy as np

from mathcore import _arrays, expm
from mathcore.matrices.scaling import norm1

_NORM = 3.0  # of h A: as many products go into powers as into the series between them
_MOST_POWERS = 200


class ExponentialPowers:
    """The powers e^{hA}, e^{2hA}, e^{4hA}, … up to a longest time, ‖hA‖₁ ≤ 3.

    ``a``: one matrix (n, n) of known values; ``longest``: a time of either sign.
    """

    def __init__(self, a, longest):
        norm = float(_arrays.concrete(norm1(_arrays.result_namespace(a), _arrays.detach(a))))
        size = norm * abs(longest) / _NORM
        self.a = a
        count = math.ceil(math.log2(size)) if 1 < size < math.inf else 0
        self.count = min(count, _MOST_POWERS)
        self.h = longest / 2**self.count
        # What is left of a time is at most h / 2: ‖A h / 2‖ᵏ / k! below rounding
        least = _arrays.eps(a) / 4
        self.degree = next(k for k in range(40) if (_NORM / 2) ** k / math.factorial(k) < least) - 1
        self.levels = [expm(self.h * a)]
        for _ in range(self.count):
            self.levels.append(self.levels[-1] @ self.levels[-1])

    def at(self, t, x):
        """e^{tA} x (m, n) for host times (m,) within the longest."""
        steps = np.rint(t / self.h).astype(np.int64)
        near, which = np.unique(steps, return_inverse=True)
        states = self._after(near, x)
        rest = t / self.h - steps
        if not np.any(rest):
            return _rows(states, which)
        return self._beside(states, which, rest)

    def _after(self, steps, x):
        """e^{khA} x for whole numbers k of steps."""
        xp = _arrays.result_namespace(x)
        x = xp.broadcast_to(x, (steps.size, x.shape[-1]))
        bits = (steps[:, None] >> np.arange(len(self.levels))) & 1 == 1
        masks = xp.asarray(bits, device=_arrays.device(x))
        for j, level in enumerate(self.levels):
            x = xp.where(masks[:, j : j + 1], x @ level.T, x)
        return x

    def _beside(self, states, which, rest):
        """e^{rhA} times the row `which` of the states: one Taylor series for each of the rows."""
        xp, (count, n) = _arrays.result_namespace(states), states.shape
        width, slot = _slots(which, count)
        powers = np.ones((count * width, self.degree + 1))  # r^k / k!
        powers[slot, 1:] = rest[:, None] / np.arange(1, self.degree + 1)
        np.multiply.accumulate(powers, axis=1, out=powers)
        powers = np.reshape(powers, (count, width, -1))
        terms, ha = [states], self.h * self.a.T
        for _ in range(self.degree):
            terms.append(terms[-1] @ ha)
        weights = _arrays.from_numpy(powers, _arrays.real_part(states))
        weights = weights if weights.dtype == states.dtype else xp.astype(weights, states.dtype)
        values = weights @ xp.stack(terms, axis=1)
        return _rows(xp.reshape(values, (count * width, n)), slot)


def _slots(which, count):
    """A place for each item in a table of as many rows and the width of the fullest one."""
    filled = np.bincount(which, minlength=count)
    order = np.argsort(which, kind="stable")
    place = np.empty_like(which)
    place[order] = np.arange(which.size) - (np.cumsum(filled) - filled)[which[order]]
    width = int(filled.max(initial=0))
    return width, which * width + place


def _rows(x, index):
    xp = _arrays.result_namespace(x)
    return xp.take(x, xp.asarray(index, device=_arrays.device(x)), axis=0)
