"""What a step of a diffusion sampler is: a few stages, each a linear combination.

Written in the noise level σ of Karras et al. (EDM), x = x₀ + σ·noise, and the data prediction
D(x, σ) = E[x₀ | x]. The probability-flow ODE is dx/dσ = ε(x, σ) = (x − D)/σ. A step goes from a to
b; h = ln(a/b) is its length in λ = −ln σ.
"""

import itertools
import math
from typing import NamedTuple


class Stage(NamedTuple):
    """Evaluate D at (point, `sigma`); the next point is a linear combination.

    It is ``decay·x + Σ_j weights[j]·D_j + Σ_j slopes[j]·ε_j + noise·ξ``: x is the state at the
    start of the step, D_j the j-th latest evaluation, those of earlier stages and steps included,
    ε_j = (its point − D_j)/(its sigma), and ξ the standard normal draw of the step. The last point
    of a step is the new state. A stage with neither `weights` nor `slopes` evaluates nothing.
    """

    sigma: float
    decay: float
    weights: tuple
    slopes: tuple = ()
    noise: float = 0.0


class Step(NamedTuple):
    """The step number `index` of `count`, from noise level `a` to `b`; `previous` may be None."""

    a: float
    b: float
    index: int
    count: int
    previous: "Step | None"

    @property
    def h(self):
        """ln(a/b): infinite for a step to σ = 0."""
        return log_ratio(self.a, self.b) if self.b > 0.0 else math.inf

    def starts(self, count):
        """Noise levels a of this step and of those before it, the latest first, at most `count`."""
        levels, step = [], self
        while step is not None and len(levels) < count:
            levels.append(step.a)
            step = step.previous
        return levels


def steps(levels):
    """The steps between neighbouring noise levels."""
    previous, count = None, len(levels) - 1
    for index, (a, b) in enumerate(itertools.pairwise(levels)):
        previous = Step(a, b, index, count, previous)
        yield previous


def log_ratio(a, b):
    """ln(a/b), exact for neighbouring levels too: their difference has no rounding."""
    return math.log1p((a - b) / b)


def phi(n, z):
    """φ_n(z) = Σ_k z^k/(k + n)!, a Python float; φ_0 = exp."""
    if abs(z) < 1.0:  # the recurrence below would cancel
        return math.fsum(z**k / math.factorial(k + n) for k in range(18))
    value = math.exp(z)
    for k in range(n):
        value = (value - 1.0 / math.factorial(k)) / z
    return value


def padded(weights, length):
    """`weights` with zeros behind, as a tuple of that length."""
    return (*map(float, weights), *[0.0] * (length - len(weights)))


def to_zero(step, *, weights=1, slopes=0):
    """The step to σ = 0: x becomes D. Its tuples have the lengths of the method's other steps."""
    return (Stage(step.a, 0.0, padded([1.0], weights), padded([], slopes)),)
