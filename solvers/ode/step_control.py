"""How large the next step may be."""

import math
from typing import NamedTuple

import numpy as np

from mathcore import _arrays

_SAFETY = 0.9
SMALLEST_FACTOR, _LARGEST_FACTOR = 0.2, 10.0
_SMALLEST_ERROR = 1e-10
RELATIVE_SMALLEST_STEP = 10 * 2.0**-52
SMALLEST_STEP = 1e-300  # at t = 0
STIFF_STEPS = 15  # Hairer, Wanner, Solving ODEs II (1996), section IV.2


class Control(NamedTuple):
    """Exponents of h_new = 0.9 h err^{−alpha} err_previous^{beta}.

    A PI controller if beta > 0: K. Gustafsson, ACM Trans. Math. Softw. 17 (1991) 533–554.
    """

    alpha: float
    beta: float


def growth(control, error, previous):
    """The factor of the step size after a step with this error and one with the previous."""
    error, previous = max(error, _SMALLEST_ERROR), max(previous, _SMALLEST_ERROR)
    factor = _SAFETY * error**-control.alpha * previous**control.beta
    return min(_LARGEST_FACTOR, max(SMALLEST_FACTOR, factor))


def growth_after(control, error, previous, taken, repeated):
    """The factor in arrays, after steps that were `taken` or not; at most 1 where `repeated`."""
    xp = _arrays.result_namespace(error)
    floor = xp.where(error > _SMALLEST_ERROR, error, _SMALLEST_ERROR)
    previous = xp.where(previous > _SMALLEST_ERROR, previous, _SMALLEST_ERROR)
    factor = _SAFETY * xp.where(
        taken,
        floor**-control.alpha * previous**control.beta,
        floor ** -(control.alpha + control.beta),
    )
    largest = xp.where(taken & ~repeated, _LARGEST_FACTOR + 0 * previous, 1.0)
    factor = xp.where(factor > largest, largest, factor)
    grows = (factor > SMALLEST_FACTOR) & (error < math.inf)
    return xp.where(grows, factor, SMALLEST_FACTOR)


def scaled_errors(y, y_new, errors, rtol, atol):
    """‖e / (atol + rtol max(|y|, |y_new|))‖, root mean square, for each error e."""
    xp = _arrays.result_namespace(y)
    scale = atol + rtol * xp.maximum(xp.abs(y), xp.abs(y_new))
    return [root_mean_square(e / scale) for e in errors]


def root_mean_square(x):
    """√(Σ|xᵢ|² / n) over the last axis, 0 for n = 0."""
    xp = _arrays.result_namespace(x)
    if x.shape[-1] == 0:
        return xp.sum(xp.abs(x), axis=-1)
    if _arrays.is_numpy(x) and x.ndim == 1:
        return math.sqrt(float(np.vdot(x, x).real) / x.shape[0])
    return xp.sqrt(xp.mean(xp.abs(x) ** 2, axis=-1))


def nan_unless_finite(*vectors):
    """0, or NaN where an entry is NaN or infinite: what is added to an error rejects the step."""
    xp = _arrays.result_namespace(vectors[0])
    if _arrays.is_numpy(vectors[0]):
        return 0.0 if all(np.isfinite(x).all() for x in vectors) else math.nan
    return sum(xp.sum(_arrays.real_part(x) * 0) for x in vectors)


def combined_error(errors):
    """One number from the estimates of a step: E₅² / √(E₅² + 0.01 E₃²) for a pair.

    Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I (1993), eq. (II.10.17).
    """
    if len(errors) == 1:
        return errors[0]
    fifth, third = errors
    xp = _arrays.result_namespace(fifth)
    denominator = xp.sqrt(fifth**2 + 0.01 * third**2)
    return fifth**2 / xp.where(denominator > 0, denominator, 1.0 + 0 * denominator)


class _Numbers:
    """The functions of an array namespace that `first_step_size` needs, on Python numbers."""

    minimum, maximum = min, max

    @staticmethod
    def where(condition, x, y):
        return x if condition else y


def first_step_size(fun, t, y, f, *, direction, order, rtol, atol, longest, traced=False):
    """A first guess of |h|: Hairer, Nørsett, Wanner I (1993), section II.4.

    A float, or an array where the numbers are `traced` or there is one for each member: `y` and `f`
    (..., n), the others (...).
    """
    xp = _arrays.result_namespace(y) if traced else _Numbers
    scale = atol + rtol * abs(y)

    def size_of(x):
        size = root_mean_square(x / scale)
        return size if traced else float(size)

    size, slope = size_of(y), size_of(f)
    usual = (size >= 1e-5) & (slope >= 1e-5)
    guess = xp.where(usual, 0.01 * size / xp.where(usual, slope, 1.0 + 0 * slope), 1e-6 + 0 * size)
    guess = xp.minimum(guess, longest + 0 * guess)
    move = direction * guess
    trial = y + (move[..., None] if traced else move) * f
    bend = size_of(fun(t + move, trial) - f) / guess
    steepest = xp.maximum(slope, bend)
    flat = steepest <= 1e-15
    by_order = (0.01 / xp.where(flat, 1.0 + 0 * steepest, steepest)) ** (1.0 / order)
    refined = xp.where(flat, xp.maximum(1e-6 + 0 * guess, 1e-3 * guess), by_order)
    return xp.minimum(xp.minimum(100 * guess, refined), longest + 0 * refined)


def smallest_step(t):
    """The size below which t + h cannot be told from t."""
    return max(RELATIVE_SMALLEST_STEP * abs(t), SMALLEST_STEP)
