"""Denoisers around others: guidance, dynamic thresholding, and what a call of one costs."""

from mathcore import _arrays
from mathcore._checks import check_callable, check_number


def evaluations_per_call(denoiser):
    """Evaluations of the model in one call; 1 unless the denoiser says otherwise."""
    return getattr(denoiser, "evaluations_per_call", 1)


def guided(denoiser_cond, denoiser_uncond, weight):
    """Classifier-free guidance: D = D_u + w (D_c − D_u).

    Parameters
    ----------
    denoiser_cond, denoiser_uncond : callable
        ``(x, sigma) -> x0`` with and without the condition.
    weight : float
        w: 1 is the conditional denoiser, 0 the unconditional one; neither calls the other. In the
        convention of Ho and Salimans, w = 1 + their w.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``; its attribute ``evaluations_per_call`` is the sum of both, 2 as a
        rule, and `sample_diffusion` counts with it.

    Raises
    ------
    TypeError
        A denoiser is not callable, or `weight` is no number.
    ValueError
        `weight` is not finite.

    References
    ----------
    .. [1] J. Ho, T. Salimans, "Classifier-free diffusion guidance", arXiv 2207.12598, eq. (6).

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import guided, sample_diffusion
    >>> denoiser = guided(lambda x, sigma: 0 * x + 1, lambda x, sigma: 0 * x, 3.0)
    >>> result = sample_diffusion(denoiser, np.ones((1, 1)), [2.0, 1.0])
    >>> result.x.tolist(), result.nfe
    ([[3.0]], 4)
    """
    check_callable(denoiser_cond, "denoiser_cond")
    check_callable(denoiser_uncond, "denoiser_uncond")
    weight = check_number(weight, "weight")
    if weight in (0.0, 1.0):
        return denoiser_cond if weight == 1.0 else denoiser_uncond

    def denoiser(x, sigma):
        unconditional = denoiser_uncond(x, sigma)
        return unconditional + weight * (denoiser_cond(x, sigma) - unconditional)

    denoiser.evaluations_per_call = sum(map(evaluations_per_call, (denoiser_cond, denoiser_uncond)))
    return denoiser


def dynamic_threshold(denoiser, quantile):
    """D clipped in each sample to ± s and divided by s = max(1, the quantile of its |D|).

    Saharia et al., "Imagen", NeurIPS 2022, section 2.3; the quantile interpolates linearly.
    """
    quantile = check_number(quantile, "threshold", above=0.0, at_most=1.0)

    def clipped(x, sigma):
        denoised = denoiser(x, sigma)
        xp = _arrays.result_namespace(denoised)
        flat = xp.reshape(denoised, (denoised.shape[0], -1)) if denoised.size else denoised
        if flat.size == 0:
            return denoised
        at = quantile * (flat.shape[1] - 1)
        lower = int(at)
        upper = min(lower + 1, flat.shape[1] - 1)
        ordered = xp.sort(xp.abs(flat), axis=1)
        low, high = ordered[:, lower], ordered[:, upper]
        s = low + (at - lower) * (high - low)
        s = xp.maximum(s, xp.ones_like(s))[:, None]
        return xp.reshape(xp.maximum(xp.minimum(flat, s), -s) / s, denoised.shape)

    return clipped
