"""Diffusion samplers: from noise to data along the probability-flow ODE or its SDE."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, _random
from mathcore._checks import (
    check_callable,
    check_choice,
    check_finite,
    check_real,
)
from solvers.diffusion.methods import checked_plan, checked_sigmas
from solvers.diffusion.walking import checked_like, walk
from solvers.diffusion.wrapped_denoisers import dynamic_threshold, evaluations_per_call


class DiffusionResult(NamedTuple):
    """Sample of a diffusion model and how it was reached.

    Attributes
    ----------
    x : array (batch, ...)
        The sample, at noise level ``sigmas[-1]``.
    nfe : int
        Evaluations of the model: of the denoiser, times ``denoiser.evaluations_per_call`` where it
        has that attribute, as the one of `guided` does.
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


def sample_diffusion(
    denoiser,
    x,
    sigmas,
    *,
    method="ipndm_3",
    final="denoise",
    predict="x0",
    variant=None,
    step_table=None,
    eta=0.0,
    churn=None,
    rng=None,
    noise=None,
    samples=None,
    threshold=None,
    callback=None,
    progress=False,
    return_trajectory=False,
):
    """Follow a diffusion model from noise to data, along its ODE or, with noise added, its SDE.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``: the expected clean data, shaped like `x`, given
        x = x₀ + sigma·noise; `sigma` is a Python float. It must not write over x, nor over what it
        returned before, which multistep methods keep. See `denoiser_from_eps` and its kin.
    x : array (batch, ...)
        The state at ``sigmas[0]``, as a rule ``sigmas[0] * standard normal``. Any shape.
    sigmas : array (n + 1,)
        Strictly decreasing noise levels; the last may be 0. See `sigmas_karras`.
    method : str, optional
        One evaluation a step: "euler" (= "ddim"); "dpmpp_2m", "dpmpp_3m"; "unipc_1" to "unipc_3";
        "deis_1" to "deis_3"; "lms_1" to "lms_4"; "ipndm_1" to "ipndm_4"; with noise
        "ancestral", "sde_dpmpp_1", "sde_dpmpp_2m".
        Two: "heun", "dpm_2", "dpmpp_2s", "mean_value", "edm". Three: "dpm_3". One in a step to
        σ = 0. Orders: `order_of`.
    final : str, optional
        "denoise": one more step, to σ = 0, where x becomes the denoiser's output. "stop": end at
        ``sigmas[-1]``; n + 1 levels then cost n evaluations of a one-evaluation method. The two
        agree if ``sigmas[-1]`` is 0 already.
    predict : str, optional
        "x0" or "eps": what "unipc_p" interpolates. The other methods have one form each; those
        written in D refuse "eps".
    variant : str, optional
        "dpmpp_3m": "published" (the default, order 2) or "consistent" (order 3). "unipc_p": "bh2"
        (default) or "bh1". "sde_dpmpp_2m": "midpoint" (default) or "heun".
    step_table : array (n, 2), optional
        Rows (r, c) of `fit_mean_value` for "mean_value".
    eta : float, optional
        η ≥ 0, how much noise "ancestral" and "sde_dpmpp_p" add: 0 none (then they are "ddim" and
        "dpmpp_2m"), 1 what the reverse SDE (DDPM) has.
    churn : float or tuple, optional
        S_churn, or (S_churn, S_min, S_max, S_noise), of "edm"; None is "heun".
    rng : int, generator or key, optional
        Seed of the noise. None takes a fresh one.
    noise : callable, optional
        ``noise(step) -> array`` shaped like `x` in place of the built-in draws.
    samples : array of int (batch,), optional
        Numbers of the samples that key their noise; 0, 1, … if None. A batch is then the same as
        its members run alone under their numbers.
    threshold : float, optional
        Dynamic thresholding (Saharia et al., "Imagen", NeurIPS 2022): the quantile p in (0, 1] of
        |D| in each sample, where above 1, becomes the bound it is clipped to and divided by.
    callback : callable, optional
        Called with a ``DiffusionStep(index, sigma, x, denoised)`` after each step. If it returns
        an array, this replaces the state (inpainting).
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
        `sigmas` not strictly decreasing, negative, NaN; NaN in `x`; an unknown word; an argument
        the method does not take; the denoiser changes the shape.
    TypeError
        `x` is not a real array, or the denoiser returns another library's.
    FloatingPointError
        The denoiser returned NaN or infinity; the message names the step. Arrays on the host are
        checked at each step, others at the end, so that a device is waited for once.

    Notes
    -----
    The default is the most accurate method of one evaluation on the mixtures of
    ``benchmarks/diffusion_errors.py``, with the levels of `fit_gits` above all; other libraries
    take "dpmpp_2m".

    All coefficients are float64 on the host, whatever the dtype of `x`, and kept for the next call
    with the same levels; the state keeps the dtype of `x`, or float32 where that is a half. Every
    operation on the state is elementwise, so a sample does not depend on its batch beyond what the
    denoiser itself does with it. The noise is a function of (seed, sample, step), drawn on the host
    in float64 and so the same in every library. Gradients flow through in torch and JAX.

    Unlike diffusers' schedulers, noise levels are never rounded to integer timesteps, and no level
    is repeated. Unlike k-diffusion's ``sample_*``, `sigmas` needs no trailing 0, `sigma` reaches
    the denoiser as a number and not as a vector, a NaN is an error, and `eta` is 0 unless given.

    References
    ----------
    .. [1] T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of
       diffusion-based generative models", NeurIPS 2022.
    .. [2] J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021.
    .. [3] C. Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic
       models", arXiv 2211.01095.
    .. [4] W. Zhao et al., "UniPC", NeurIPS 2023. Q. Zhang, Y. Chen, "DEIS", ICLR 2023. L. Liu et
       al., "Pseudo numerical methods for diffusion models on manifolds", ICLR 2022.

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
    check_choice(final, ("denoise", "stop"), "final")
    xp, x = checked_state(denoiser, x)
    levels = checked_sigmas(sigmas, at_least=1 if final == "denoise" else 2).tolist()
    if final == "denoise" and levels[-1] > 0.0:
        levels.append(0.0)
    plan = checked_plan(method, tuple(levels), predict, variant, step_table, eta, churn)
    walked = walk(
        denoiser if threshold is None else dynamic_threshold(denoiser, threshold),
        x,
        levels,
        plan,
        draw=_draws(rng, noise, samples, x) if plan.noisy else None,
        callback=callback,
        progress=progress,
        keep=return_trajectory,
    )
    trajectory = None
    if return_trajectory:
        trajectory = xp.astype(xp.stack(walked.states), x.dtype, copy=False)
    nfe = walked.calls * evaluations_per_call(denoiser)
    return DiffusionResult(walked.x, nfe, np.asarray(levels), trajectory, walked.status)


def checked_state(denoiser, x):
    """The namespace and the array a walk starts from."""
    check_callable(denoiser, "denoiser")
    xp, x = _arrays.asarrays(x=x)
    check_real(x, "x")
    check_finite(x, "x")
    return xp, x


def _draws(rng, noise, samples, x):
    """(step, like) -> standard normal draws: those given, or keyed by (seed, sample, step)."""
    if noise is not None:
        check_callable(noise, "noise")

        def given(step, like):
            xp = _arrays.result_namespace(like)
            return xp.astype(checked_like(xp, noise(step), like, "noise"), like.dtype, copy=False)

        return given
    if x.ndim == 0:
        raise ValueError("`x` must have a batch axis where noise is added; got a scalar")
    seed, numbers = _arrays.seed_of(rng), _random.member_numbers(samples, x.shape[0], "samples")
    size = math.prod(x.shape[1:])

    def keyed(step, like):
        values = _random.normals(seed, numbers, step, size)
        return _arrays.from_numpy(values.reshape(tuple(like.shape)), like=like)

    return keyed
