"""Deterministic diffusion samplers: from noise to data along the probability-flow ODE."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_callable, check_choice, check_finite, check_real
from solvers.diffusion.methods import checked_sigmas, coefficients


class DiffusionResult(NamedTuple):
    """Sample of a diffusion model and how it was reached.

    Attributes
    ----------
    x : array (batch, ...)
        The sample, at noise level ``sigmas[-1]``.
    nfe : int
        Evaluations of the denoiser.
    sigmas : ndarray (n + 1,)
        The noise levels visited, float64; the last is 0 after ``final="denoise"``.
    trajectory : array (n + 1, batch, ...) or None
        The states at these levels, the first being the initial noise.
    status : int
        0: every value was seen to be finite; 1: traced (``jax.jit``), nothing could be looked at.
    """

    x: Any
    nfe: int
    sigmas: Any
    trajectory: Any
    status: int


class DiffusionStep(NamedTuple):
    """What the callback of `sample_diffusion` sees after each step.

    Attributes
    ----------
    index : int
        Number of the step, from 0.
    sigma : float
        The noise level reached.
    x : array (batch, ...)
        The state there.
    denoised : array (batch, ...)
        The latest output of the denoiser.
    """

    index: int
    sigma: float
    x: Any
    denoised: Any


def sample_diffusion(
    denoiser,
    x,
    sigmas,
    *,
    method="dpmpp_2m",
    final="denoise",
    callback=None,
    progress=False,
    return_trajectory=False,
):
    """Follow the probability-flow ODE of a diffusion model from noise to data.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``: the expected clean data, shaped like `x`, given
        x = x₀ + sigma·noise; `sigma` is a Python float.
    x : array (batch, ...)
        The state at ``sigmas[0]``, as a rule ``sigmas[0] * standard normal``. Any shape.
    sigmas : array (n + 1,)
        Strictly decreasing noise levels; the last may be 0. See `sigmas_karras`.
    method : str, optional
        "euler" (= "ddim"; order 1, one evaluation a step), "heun" (order 2, two evaluations, one in
        a step to σ = 0), "dpmpp_2m" (order 2, one evaluation, uses the step before).
    final : str, optional
        "denoise": one more step, to σ = 0, where x becomes the denoiser's output. "stop": end at
        ``sigmas[-1]``; n + 1 levels then cost n evaluations of "euler" and "dpmpp_2m" and 2n of
        "heun". The two agree if ``sigmas[-1]`` is 0 already.
    callback : callable, optional
        Called with a ``DiffusionStep(index, sigma, x, denoised)`` after each step.
    progress : bool, optional
        Show a progress bar.
    return_trajectory : bool, optional
        Keep the states at all levels.

    Returns
    -------
    DiffusionResult
        ``x``, ``nfe``, ``sigmas``, ``trajectory``, ``status``.

    Raises
    ------
    ValueError
        `sigmas` not strictly decreasing, negative, NaN; NaN in `x`; unknown `method` or `final`;
        the denoiser changes the shape.
    TypeError
        `x` is not a real array, or the denoiser returns another library's.
    FloatingPointError
        The denoiser returned NaN or infinity; the message names the step. NumPy arrays are checked
        at each step, those of other libraries at the end, so that a device is waited for once.

    Notes
    -----
    All coefficients are float64 on the host, whatever the dtype of `x`; the state keeps the dtype
    of `x`, or float32 where that is a half. Every operation on the state is elementwise, so a
    sample does not depend on its batch beyond what the denoiser itself does with it. Gradients
    flow through in torch and JAX.

    Unlike diffusers' schedulers, noise levels are never rounded to integer timesteps, and no level
    is repeated. Unlike k-diffusion's ``sample_*``, `sigmas` needs no trailing 0, `sigma` reaches
    the denoiser as a number and not as a vector, and a NaN is an error.

    References
    ----------
    .. [1] T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of
       diffusion-based generative models", NeurIPS 2022.
    .. [2] J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021.
    .. [3] C. Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic
       models", arXiv 2211.01095.

    Examples
    --------
    Data that are one point, which every method reaches exactly:

    >>> import numpy as np
    >>> from solvers import sample_diffusion, sigmas_karras
    >>> noise = 80.0 * np.random.default_rng(0).standard_normal((2, 3))
    >>> sigmas = sigmas_karras(6, 0.002, 80.0)
    >>> result = sample_diffusion(lambda x, sigma: 0 * x + 0.5, noise, sigmas)
    >>> result.x.tolist(), result.nfe
    ([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], 6)
    """
    check_callable(denoiser, "denoiser")
    check_choice(final, ("denoise", "stop"), "final")
    xp, x = _arrays.asarrays(x=x)
    check_real(x, "x")
    check_finite(x, "x")
    levels = checked_sigmas(sigmas, at_least=1 if final == "denoise" else 2).tolist()
    if final == "denoise" and levels[-1] > 0.0:
        levels.append(0.0)
    table = coefficients(method, levels)
    memory = max(len(stage.weights) for stages in table for stage in stages)
    dtype, x = x.dtype, _working_precision(xp, x)
    states, history, totals = [x], [], []
    for i, stages in enumerate(_shown(table, progress)):
        point = x
        for stage in stages:
            denoised = _evaluate(xp, denoiser, point, stage.sigma, dtype)
            totals.append((i, _checked_sum(xp, denoised, i)))
            history = [denoised, *history[: memory - 1]]
            point = _advance(stage, x, history)
        x = point
        if return_trajectory:
            states.append(x)
        if callback is not None:
            callback(DiffusionStep(i, levels[i + 1], x, denoised))
    status = _status(xp, x, totals)
    trajectory = xp.astype(xp.stack(states), dtype, copy=False) if return_trajectory else None
    x = xp.astype(x, dtype, copy=False)
    return DiffusionResult(x, len(totals), np.asarray(levels), trajectory, status)


def _working_precision(xp, x):
    half = xp.finfo(x.dtype).bits < 32
    return xp.astype(x, xp.float32) if half else x


def _shown(table, progress):
    if not progress:
        return table
    from tqdm import tqdm

    return tqdm(table, desc="sample_diffusion")


def _evaluate(xp, denoiser, point, sigma, dtype):
    x = point if point.dtype == dtype else xp.astype(point, dtype)
    denoised = denoiser(x, sigma)
    if type(denoised) is not type(x) and not _is_of(xp, denoised):
        raise TypeError(
            f"`denoiser` must return an array of the library of `x` ({_arrays.library(x)}); "
            f"got {type(denoised).__name__}"
        )
    if denoised.shape != x.shape:
        raise ValueError(
            f"`denoiser` must keep the shape {tuple(x.shape)}; got {tuple(denoised.shape)}"
        )
    return denoised if denoised.dtype == point.dtype else xp.astype(denoised, point.dtype)


def _is_of(xp, x):
    return _arrays.is_array(x) and _arrays.result_namespace(x) is xp


def _advance(stage, x, history):
    with np.errstate(over="ignore", invalid="ignore"):  # `_status` tells
        point = stage.decay * x
        for weight, denoised in zip(stage.weights, history, strict=False):  # short at the start
            if weight != 0.0:
                point = point + weight * denoised
    return point


def _sum(xp, x):
    """One cheap pass; finite only if every value is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return xp.sum(_arrays.detach(x))


def _checked_sum(xp, denoised, step):
    total = _sum(xp, denoised)
    on_host = _arrays.is_numpy(denoised)
    if on_host and not np.isfinite(total) and not np.all(np.isfinite(denoised)):
        raise _not_finite(step)
    return total


def _status(xp, x, totals):
    # A value that is not finite stays so in every later state, since 0·NaN = 0·inf = NaN: the last
    # state clears all evaluations at once.
    total = _arrays.concrete(_sum(xp, x))
    if total is None:
        return 1
    if not math.isfinite(total) and not xp.all(xp.isfinite(x)):
        suspects = (i for i, total in totals if not math.isfinite(_arrays.concrete(total)))
        raise _not_finite(next(suspects, totals[-1][0]))
    return 0


def _not_finite(step):
    return FloatingPointError(f"`denoiser` returned NaN or infinity in step {step}")
