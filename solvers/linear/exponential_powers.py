"""e^{tA} x at many times from one exponential: its powers 1, 2, 4, … and a short Taylor series."""

import math

import numpy as np

from mathcore import _arrays, expm
from mathcore.matrices.scaling import norm1

_NORM = 0.25  # of h A; then a series of few terms is enough between two powers
_MOST_POWERS = 200


class ExponentialPowers:
    """The powers e^{hA}, e^{2hA}, e^{4hA}, … up to a longest time, ‖hA‖₁ ≤ 1/4.

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
        xp = _arrays.result_namespace(x)
        steps = np.rint(t / self.h).astype(np.int64)
        rest = _arrays.from_numpy(t - steps * self.h, _arrays.real_part(x))[:, None]
        x = xp.broadcast_to(x, (t.size, x.shape[-1]))
        bits = (steps[:, None] >> np.arange(len(self.levels))) & 1 == 1
        masks = xp.asarray(bits, device=_arrays.device(x))
        for j, level in enumerate(self.levels):
            x = xp.where(masks[:, j : j + 1], x @ level.T, x)
        if not np.any(t - steps * self.h):
            return x
        total = x
        for k in range(self.degree, 0, -1):  # Horner's rule
            total = x + rest / k * (total @ self.a.T)
        return total
