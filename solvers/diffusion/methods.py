"""Sampling methods as data: each turns one step of the noise levels into its stages.

Written in the noise level σ of Karras et al. (EDM) and the data prediction D(x, σ) = E[x₀ | x],
where the probability-flow ODE is dx/dσ = (x − D)/σ. A step goes from a to b < a; h = ln(a/b).
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice


class Stage(NamedTuple):
    """Evaluate D at (point, `sigma`); the next point is `decay`·x + Σ_j `weights`[j]·D_{−j}.

    x is the state at the start of the step and D_{−j} the j-th latest evaluation, those of earlier
    stages and steps included. The last point of a step is the new state.
    """

    sigma: float
    decay: float
    weights: tuple


class Step(NamedTuple):
    """The step from noise level `a` to `b`, with h = ln(a/b) and that of the step before.

    `h` is infinite for a step to σ = 0; `h_previous` is None in the first step.
    """

    a: float
    b: float
    h: float
    h_previous: float | None


def _euler(step):
    a, b = step.a, step.b
    return (Stage(a, b / a, ((a - b) / a,)),)


def _heun(step):
    """Karras et al. 2022, Algorithm 1: the mean of the slopes at a and at the Euler point."""
    a, b = step.a, step.b
    if b == 0.0:
        return _euler(step)
    slope_a, slope_b = (a - b) * (2 * b - a) / (2 * a * b), (a - b) / (2 * b)
    return (*_euler(step), Stage(b, b / a, (slope_b, slope_a)))


def _dpmpp_2m(step):
    """Lu et al., "DPM-Solver++", arXiv 2211.01095, Algorithm 2: D extrapolated to mid-step."""
    a, b = step.a, step.b
    if step.h_previous is None or b == 0.0:
        weight, slope = (a - b) / a, 0.0
    else:
        weight, slope = (a - b) / a, step.h / (2 * step.h_previous)
    return (Stage(a, b / a, (weight * (1 + slope), -weight * slope)),)


class _Method(NamedTuple):
    stages: object  # Step -> tuple of Stage
    order: int


_METHODS = {
    "euler": _Method(_euler, 1),
    "ddim": _Method(_euler, 1),
    "heun": _Method(_heun, 2),
    "dpmpp_2m": _Method(_dpmpp_2m, 2),
}


def order_of(method):
    """Order of convergence of a method of `sample_diffusion` in the step h = ln(σ_i/σ_{i+1}).

    Parameters
    ----------
    method : str
        "euler" (= "ddim"), "heun" or "dpmpp_2m".

    Returns
    -------
    int

    Raises
    ------
    ValueError
        `method` is none of these words.

    Examples
    --------
    >>> from solvers import order_of
    >>> order_of("ddim"), order_of("dpmpp_2m")
    (1, 2)
    """
    check_choice(method, tuple(_METHODS), "method")
    return _METHODS[method].order


def coefficients(method, sigmas):
    """Step table of a method: what `sample_diffusion` does, for writing the loop oneself.

    Parameters
    ----------
    method : str
        "euler" (= "ddim"), "heun" or "dpmpp_2m".
    sigmas : array (n + 1,)
        Strictly decreasing noise levels; the last may be 0.

    Returns
    -------
    tuple of n steps
        Each a tuple of ``Stage(sigma, decay, weights)`` of Python floats: evaluate D at the current
        point and ``sigma``; the next point is ``decay * x + sum_j weights[j] * D_j`` with x the
        state at the start of the step and D_j the j-th latest evaluation. The last point is the
        new state.

    Raises
    ------
    ValueError
        `method` is none of these words; `sigmas` is not a strictly decreasing vector of at least
        two finite numbers ≥ 0.

    Notes
    -----
    The weights of a stage and its ``decay`` sum to one, so a constant shift of the data shifts the
    sample. A multistep method has equally many weights in each step (zeros in the first), so that
    the table of a one-evaluation method stacks into arrays for ``jax.lax.scan``.

    Examples
    --------
    >>> from solvers import coefficients
    >>> for (stage,) in coefficients("ddim", [4.0, 1.0, 0.0]):
    ...     print(stage)
    Stage(sigma=4.0, decay=0.25, weights=(0.75,))
    Stage(sigma=1.0, decay=0.0, weights=(1.0,))
    """
    check_choice(method, tuple(_METHODS), "method")
    levels = checked_sigmas(sigmas, at_least=2)
    return tuple(_METHODS[method].stages(step) for step in _steps(levels.tolist()))


def checked_sigmas(sigmas, *, at_least):
    """`sigmas` as a float64 NumPy vector, or a ValueError that names what is wrong with it."""
    levels = _arrays.to_numpy(sigmas) if _arrays.is_array(sigmas) else np.asarray(sigmas)
    if levels.dtype.kind not in "iuf":
        raise TypeError(f"`sigmas` must be real numbers; got dtype {levels.dtype}")
    levels = levels.astype(np.float64)
    if levels.ndim != 1 or len(levels) < at_least:
        raise ValueError(
            f"`sigmas` must be a vector of at least {at_least} levels; got shape {levels.shape}"
        )
    if not np.all(np.isfinite(levels)) or np.any(levels < 0):
        raise ValueError(f"`sigmas` must be finite and >= 0; got {levels.tolist()}")
    if levels[0] == 0.0:
        raise ValueError("`sigmas` must start above 0; got 0.0")
    rising = np.flatnonzero(np.diff(levels) >= 0)
    if rising.size:
        i = int(rising[0])
        raise ValueError(
            f"`sigmas` must decrease strictly; got {levels[i]} then {levels[i + 1]} at position {i}"
        )
    return levels


def _steps(levels):
    h_previous = None
    for a, b in itertools.pairwise(levels):
        h = math.log1p((a - b) / b) if b > 0.0 else math.inf  # exact for neighbouring levels too
        yield Step(a, b, h, h_previous)
        h_previous = h
