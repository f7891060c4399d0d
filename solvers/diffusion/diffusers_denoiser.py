"""A diffusers U-Net and its scheduler's training schedule as a denoiser."""

import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_callable, check_choice
from solvers.diffusion.adapters import denoiser_from_eps, denoiser_from_v, timestep_of
from solvers.diffusion.noise_level import at_noise_level

_PREDICTIONS = ("epsilon", "v_prediction", "sample")


def denoiser_from_diffusers(unet, scheduler, **inputs):
    """Denoiser of a diffusers U-Net: any sampler on any noise levels, none rounded to a timestep.

    Parameters
    ----------
    unet : callable
        ``unet(sample, timestep, **inputs)`` with its output in ``.sample``: UNet2DModel,
        UNet2DConditionModel and their like.
    scheduler : diffusers scheduler
        Only its training schedule is used: ``alphas_cumprod`` and ``config.prediction_type``,
        "epsilon", "v_prediction" or "sample".
    **inputs
        Handed on to `unet`, ``encoder_hidden_states=...`` for instance.

    Returns
    -------
    callable
        ``denoiser(x, sigma) -> x0``; x = x₀ + sigma·noise. One call is one evaluation of `unet`.
        ``denoiser.sigma_min`` and ``denoiser.sigma_max`` are the noise levels of the training, for
        the ends of a grid.

    Raises
    ------
    TypeError
        `unet` is not callable, or the scheduler has no ``alphas_cumprod`` (one for flow matching:
        see `denoiser_from_flow`).
    ValueError
        The scheduler predicts something else, or its ``alphas_cumprod`` do not decrease from below
        1; the output of `unet` does not fit x.

    Notes
    -----
    The U-Net sees αx, α = 1/√(1 + σ²), at the fractional timestep at which √((1 − ᾱ)/ᾱ) = σ,
    linear in ln σ between the integers and constant beyond the ends; diffusers' samplers round to
    integers. Levels with ᾱ = 0 (``rescale_betas_zero_snr``) are left out, as their σ is infinite.
    Where the U-Net also predicts variances, its first channels are taken. Nothing is clipped,
    unlike ``DDIMScheduler(clip_sample=True)``. For guidance make two denoisers, with and without
    the condition, and combine them by `guided`.

    Examples
    --------
    A network that predicts no noise, under the schedule of DDPM:

    >>> import torch
    >>> from types import SimpleNamespace
    >>> from solvers import denoiser_from_diffusers
    >>> alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), dim=0)
    >>> scheduler = SimpleNamespace(
    ...     alphas_cumprod=alphas, config=SimpleNamespace(prediction_type="epsilon")
    ... )
    >>> unet = lambda x, timestep: SimpleNamespace(sample=0 * x)
    >>> denoiser = denoiser_from_diffusers(unet, scheduler)
    >>> denoiser(torch.ones(1, 3, 8, 8), 2.0).mean().item()
    1.0
    >>> round(denoiser.sigma_min, 4), round(denoiser.sigma_max, 1)
    (0.01, 157.4)
    """
    check_callable(unet, "unet")
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None:
        raise TypeError(
            f"`scheduler` must have alphas_cumprod; got {type(scheduler).__name__} without"
        )
    prediction = scheduler.config.prediction_type
    check_choice(prediction, _PREDICTIONS, "scheduler.config.prediction_type")
    levels = np.asarray(_arrays.to_numpy(alphas), dtype=np.float64)
    levels = levels[levels > 0.0]
    time = timestep_of(levels)

    def model(x, t):
        timesteps = alphas.new_full((x.shape[0],), t, device=x.device)  # float32, whatever x is
        return _first_channels(unet(x, timesteps, **inputs).sample, x)

    plain = _denoiser_of(prediction, model, time)

    def denoiser(x, sigma):
        return at_noise_level(sigma, plain, x, sigma)

    denoiser.evaluations_per_call = 1
    sigmas = np.sqrt((1.0 - levels) / levels)
    denoiser.sigma_min, denoiser.sigma_max = float(sigmas[0]), float(sigmas[-1])
    return denoiser


def _denoiser_of(prediction, model, time):
    if prediction == "epsilon":
        return denoiser_from_eps(model, time=time)
    if prediction == "v_prediction":
        return denoiser_from_v(model, time=time)
    return lambda x, sigma: model(x / math.hypot(1.0, sigma), time(sigma))


def _first_channels(output, x):
    """Without the variances some networks predict in as many channels more."""
    if output.ndim > 1 and output.shape[1] == 2 * x.shape[1]:
        output = output[:, : x.shape[1]]
    if output.shape != x.shape:
        raise ValueError(
            f"`unet` must return the shape of its sample {tuple(x.shape)}; "
            f"got {tuple(output.shape)}"
        )
    return output
