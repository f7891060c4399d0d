"""Noise levels for a diffusion sampler, computed in float64 on the host.

σ is the noise level of Karras et al. 2022 (EDM): x = x₀ + σ·noise.
"""

import numpy as np

from mathcore._checks import check_count, check_number


def sigmas_karras(n, sigma_min, sigma_max, *, rho=7.0):
    """Noise levels of Karras et al.: equidistant in σ^{1/ρ}.

    Parameters
    ----------
    n : int
        How many levels, at least 2.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`.
    rho : float, optional
        ρ > 0; the larger, the denser the levels near `sigma_min`.

    Returns
    -------
    ndarray (n,)
        float64, strictly decreasing, from exactly `sigma_max` to exactly `sigma_min`.

    Raises
    ------
    ValueError
        A number is out of range, or `n` levels cannot be told apart in float64.
    TypeError
        `n` is no integer, or another argument no real number.

    Notes
    -----
    Unlike k-diffusion's ``get_sigmas_karras``, no 0 is appended: ``sample_diffusion`` goes to σ = 0
    itself when ``final="denoise"``. Levels are float64 whatever the dtype of the sample, so they do
    not collapse when `n` is large.

    References
    ----------
    .. [1] T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of
       diffusion-based generative models", NeurIPS 2022, eq. (5).

    Examples
    --------
    >>> from solvers import sigmas_karras
    >>> sigmas_karras(4, 0.002, 80.0).round(4).tolist()
    [80.0, 9.7232, 0.47, 0.002]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    rho = check_number(rho, "rho", above=0.0)
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return _pinned((top + np.linspace(0.0, 1.0, n) * (bottom - top)) ** rho, sigma_min, sigma_max)


def sigmas_logsnr(n, sigma_min, sigma_max):
    """Noise levels equidistant in log σ, that is in the logarithm of the signal-to-noise ratio.

    Parameters
    ----------
    n : int
        How many levels, at least 2.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`.

    Returns
    -------
    ndarray (n,)
        float64, strictly decreasing, from exactly `sigma_max` to exactly `sigma_min`.

    Raises
    ------
    ValueError
        A number is out of range, or `n` levels cannot be told apart in float64.
    TypeError
        `n` is no integer, or another argument no real number.

    Notes
    -----
    The grid of Lu et al., "DPM-Solver", NeurIPS 2022; k-diffusion's
    ``get_sigmas_exponential`` without the appended 0.

    Examples
    --------
    >>> from solvers import sigmas_logsnr
    >>> sigmas_logsnr(4, 0.1, 100.0).round(9).tolist()
    [100.0, 10.0, 1.0, 0.1]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    return _pinned(np.geomspace(sigma_max, sigma_min, n), sigma_min, sigma_max)


def _checked(n, sigma_min, sigma_max):
    n = check_count(n, "n", at_least=2)
    sigma_min = check_number(sigma_min, "sigma_min", above=0.0)
    return n, sigma_min, check_number(sigma_max, "sigma_max", above=sigma_min)


def _pinned(sigmas, sigma_min, sigma_max):
    sigmas[0], sigmas[-1] = sigma_max, sigma_min
    if not np.all(np.diff(sigmas) < 0):
        raise ValueError(
            f"`n` must leave neighbouring levels distinct in float64; got {len(sigmas)} levels "
            f"between {sigma_min} and {sigma_max}"
        )
    return sigmas
