"""The methods of `sample_langevin`: how each starts, and how it takes all chains one step on."""

import math
from typing import Any, NamedTuple

from mathcore import _arrays, _random
from mathcore._checks import check_real, check_shape
from solvers.langevin import integrators, step_sizes

# Independent streams of noise within one step; the kernels use the same.
DIFFUSION, ACCEPTANCE, MOMENTUM, SECOND = range(4)
_BLOCK, _BLOCK_DRAWS = 64, 2**18  # steps, and about how many draws, whose noise is made together


class Dynamics(NamedTuple):
    """What the steps share: the target and its context, the noise, the numbers."""

    score: Any
    log_density: Any
    context: Any
    noise: Any
    h: float
    friction: float
    temperature: float
    factor: Any
    burn_in: int
    sigmas: Any

    def score_at(self, x, i):
        """∇log π as step `i` sees it: its noise level, its batch."""
        return evaluate(self.score, x, x.shape, "score", self.context(i))

    def log_density_at(self, x):
        return evaluate(self.log_density, x, x.shape[:1], "log_density")

    def overdamped(self, h=None):
        return {
            "h": self.h if h is None else h,
            "temperature": self.temperature,
            "factor": self.factor,
        }

    def underdamped(self):
        return {**self.overdamped(), "friction": self.friction}


class Chains(NamedTuple):
    """State of all chains; what a method does not have is None."""

    x: Any
    momentum: Any = None
    adaptation: Any = None
    score: Any = None
    log_density: Any = None
    accepted: Any = None


class Noise:
    """Noise of chains, a function of (seed, chain, step); some steps' worth is made at a time."""

    def __init__(self, seed, chains, like, stop):
        self._seed, self._chains, self._like, self._stop = seed, chains, like, stop
        draws = max(1, like.shape[0] * like.shape[1])
        self._block = max(1, min(_BLOCK, _BLOCK_DRAWS // draws))
        self._held = {}

    def normals(self, i, stream=DIFFUSION):
        """Standard normal draws of step `i`, shaped like x."""
        size = self._like.shape[1]
        return self._row(i, stream, _random.normals_of_steps, size)

    def log_uniforms(self, i):
        """Logarithms of uniform draws of step `i`, ``(chains,)``."""
        return self._row(i, ACCEPTANCE, _random.log_uniforms_of_steps)[:, 0]

    def _row(self, i, stream, draw, *size):
        first, block = self._held.get(stream, (0, ()))
        if not first <= i < first + len(block):
            count = max(1, min(self._block, self._stop - i))
            first, block = i, draw(self._seed, self._chains, i, count, *size, stream=stream)
            self._held[stream] = first, block
        return _arrays.from_numpy(block[i - first], like=self._like)


def evaluate(function, x, shape, name, context=()):
    """`function` at x, checked to be an array of x's library and the right shape."""
    xp, value = _arrays.result_namespace(x), function(x, *context)
    if not _arrays.is_array(value) or _arrays.result_namespace(value) is not xp:
        raise TypeError(
            f"`{name}` must return an array of the library it is given ({_arrays.library(x)}); "
            f"got {type(value).__name__}"
        )
    check_shape(value, tuple(shape), f"{name}(x)")
    if value.dtype == x.dtype:
        return value
    check_real(value, f"{name}(x)")
    return xp.astype(value, x.dtype)


# --- one step -----------------------------------------------------------------------------------


def ula(d, i, chains):
    """Unadjusted Langevin."""
    x = chains.x
    x = integrators.ula(x, d.score_at(x, i), d.noise.normals(i), **d.overdamped())
    return chains._replace(x=x)


def leimkuhler_matthews(d, i, chains):
    """ULA with the mean of this step's noise and the next one's."""
    x, xi = chains.x, (d.noise.normals(i) + d.noise.normals(i + 1)) / 2
    return chains._replace(x=integrators.ula(x, d.score_at(x, i), xi, **d.overdamped()))


def annealed(d, i, chains):
    """Song & Ermon 2019, Alg. 1: α = εσ²/σ_L², x + ½α∇ + √α ξ, so h = α/2."""
    x, h = chains.x, d.h * (d.sigmas[i] / d.sigmas[-1]) ** 2 / 2
    x = integrators.ula(x, d.score_at(x, i), d.noise.normals(i), **d.overdamped(h))
    return chains._replace(x=x)


def mala(d, i, chains):
    """ULA as a proposal, taken or refused."""
    x, score_x, log_x, adaptation = chains.x, chains.score, chains.log_density, chains.adaptation
    xp, xi, h = _arrays.result_namespace(x), d.noise.normals(i), d.h
    if adaptation is not None:
        h = step_sizes.step_size_of(adaptation, burning=i < d.burn_in)
    y = integrators.ula(x, score_x, xi, **d.overdamped(h))
    score_y, log_y = d.score_at(y, i), d.log_density_at(y)
    log_ratio = integrators.mala_log_ratio(score_x, log_x, score_y, log_y, xi, **d.overdamped(h))
    if adaptation is not None and i < d.burn_in:
        adaptation = step_sizes.adapt(adaptation, log_ratio, i, d.h)
    accepted = d.noise.log_uniforms(i) < log_ratio  # False where the ratio is NaN
    row = accepted[:, None]
    return Chains(
        x=xp.where(row, y, x),
        score=xp.where(row, score_y, score_x),
        log_density=xp.where(accepted, log_y, log_x),
        adaptation=adaptation,
        accepted=accepted,
    )


def baoab(d, i, chains):
    """Underdamped, B A O A B."""
    x, p, score = integrators.baoab(
        chains.x,
        chains.momentum,
        chains.score,
        lambda y: d.score_at(y, i),
        d.noise.normals(i),
        **d.underdamped(),
    )
    return Chains(x=x, momentum=p, score=score)


def aboba(d, i, chains):
    """Underdamped, A B O B A."""
    x, p = integrators.aboba(
        chains.x,
        chains.momentum,
        lambda y: d.score_at(y, i),
        d.noise.normals(i),
        **d.underdamped(),
    )
    return Chains(x=x, momentum=p)


def obabo(d, i, chains):
    """Underdamped, O B A B O."""
    x, p, score = integrators.obabo(
        chains.x,
        chains.momentum,
        chains.score,
        lambda y: d.score_at(y, i),
        d.noise.normals(i),
        d.noise.normals(i, SECOND),
        **d.underdamped(),
    )
    return Chains(x=x, momentum=p, score=score)


STEPS = {
    "ula": ula,
    "mala": mala,
    "leimkuhler-matthews": leimkuhler_matthews,
    "baoab": baoab,
    "aboba": aboba,
    "obabo": obabo,
    "annealed": annealed,
}
UNDERDAMPED = ("baoab", "aboba", "obabo")
_KEEP_SCORE = ("mala", "baoab", "obabo")  # from one step to the next


# --- before the first step and after the last -----------------------------------------------------


def first_momentum(seed, chains, like, temperature):
    """Momenta of step 0, normal with variance T."""
    noise = Noise(seed, chains, like, 1)
    return math.sqrt(temperature) * noise.normals(0, MOMENTUM)


def begin(d, method, state):
    """The chains of a `LangevinState`, with what the method's first step expects."""
    chains = Chains(state.x, state.momentum, state.adaptation)
    if method in _KEEP_SCORE:  # the score that the step before would have left
        chains = chains._replace(score=d.score_at(state.x, max(state.step - 1, 0)))
    if method == "mala":
        chains = chains._replace(log_density=d.log_density_at(state.x))
    return chains


def status_of(d, method, chains, last):
    """1 where the state, its score or its log density is not finite."""
    x = chains.x
    xp, score = _arrays.result_namespace(x), chains.score
    score = d.score_at(x, last) if score is None else score
    finite = xp.all(xp.isfinite(x) & xp.isfinite(score), axis=-1)
    if method == "mala":
        finite = finite & xp.isfinite(chains.log_density)
    return xp.astype(~finite, xp.int32)
