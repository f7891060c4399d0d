"""Noise levels for a diffusion sampler, computed in float64 on the host.

σ is the noise level of Karras et al. 2022 (EDM): x = x₀ + σ·noise.
"""

import math

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


def sigmas_polyexponential(n, sigma_min, sigma_max, *, rho=1.0):
    """Noise levels whose logarithm is a power of the position: ln σ = A + B (1 − i/(n − 1))^ρ.

    Parameters
    ----------
    n : int
        How many levels, at least 2.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`.
    rho : float, optional
        ρ > 0; 1 is `sigmas_logsnr`, more is denser near `sigma_min`.

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
    k-diffusion's ``get_sigmas_polyexponential`` without the appended 0.

    Examples
    --------
    >>> from solvers import sigmas_polyexponential
    >>> sigmas_polyexponential(3, 0.01, 100.0, rho=2.0).round(9).tolist()
    [100.0, 0.1, 0.01]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    rho = check_number(rho, "rho", above=0.0)
    ramp = np.linspace(1.0, 0.0, n) ** rho
    levels = np.exp(np.log(sigma_min) + ramp * (np.log(sigma_max) - np.log(sigma_min)))
    return _pinned(levels, sigma_min, sigma_max)


def sigmas_vp(n, sigma_min, sigma_max, *, beta_d=19.9, beta_min=0.1):
    """Noise levels equidistant in the time of the variance-preserving process.

    Parameters
    ----------
    n : int
        How many levels, at least 2.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`.
    beta_d, beta_min : float, optional
        The linear schedule β(t) = β_min + β_d t; both above 0.

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
    σ(t) = √(exp(β_d t²/2 + β_min t) − 1). k-diffusion's ``get_sigmas_vp`` goes from t = 1 to its
    ``eps_s``; here the ends are given as levels, which at t = 1 is σ = 152.

    References
    ----------
    .. [1] Y. Song et al., "Score-based generative modeling through stochastic differential
       equations", ICLR 2021, eq. (32).

    Examples
    --------
    >>> from solvers import sigmas_vp
    >>> sigmas_vp(3, 0.01, 80.0).round(4).tolist()
    [80.0, 2.8627, 0.01]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    beta_d = check_number(beta_d, "beta_d", above=0.0)
    beta_min = check_number(beta_min, "beta_min", above=0.0)
    ends = [vp_time(sigma, beta_d, beta_min) for sigma in (sigma_max, sigma_min)]
    t = np.linspace(*ends, n)
    return _pinned(vp_sigma(t, beta_d, beta_min), sigma_min, sigma_max)


def sigmas_quadratic(n, sigma_min, sigma_max, *, beta_d=19.9, beta_min=0.1):
    """Noise levels equidistant in √t, t the time of the variance-preserving process.

    Parameters
    ----------
    n : int
        How many levels, at least 2.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`.
    beta_d, beta_min : float, optional
        As in `sigmas_vp`.

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
    t = linspace(√T, √ε)², the "quad" steps of DDIM, which DEIS takes too.

    References
    ----------
    .. [1] J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021, appendix
       D.2.

    Examples
    --------
    >>> from solvers import sigmas_quadratic
    >>> sigmas_quadratic(3, 0.01, 80.0).round(4).tolist()
    [80.0, 0.9448, 0.01]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    beta_d = check_number(beta_d, "beta_d", above=0.0)
    beta_min = check_number(beta_min, "beta_min", above=0.0)
    ends = [math.sqrt(vp_time(sigma, beta_d, beta_min)) for sigma in (sigma_max, sigma_min)]
    t = np.linspace(*ends, n) ** 2
    return _pinned(vp_sigma(t, beta_d, beta_min), sigma_min, sigma_max)


def vp_time(sigma, beta_d=19.9, beta_min=0.1):
    """t(σ) of the VP process, the inverse of `vp_sigma`; free of cancellation at σ → 0."""
    log_scale = 2 * beta_d * np.log1p(np.square(sigma))
    return 2 * np.log1p(np.square(sigma)) / (np.sqrt(beta_min**2 + log_scale) + beta_min)


def vp_sigma(t, beta_d=19.9, beta_min=0.1):
    """σ(t) = √(exp(β_d t²/2 + β_min t) − 1)."""
    return np.sqrt(np.expm1(beta_d * t**2 / 2 + beta_min * t))


def sigmas_iddpm(n, sigma_min, sigma_max, *, steps=1000, c1=0.001, c2=0.008):
    """Noise levels of iDDPM's cosine schedule: equidistant timesteps of a network trained on it.

    Parameters
    ----------
    n : int
        How many levels, 2 ≤ n ≤ `steps`.
    sigma_min, sigma_max : float
        Smallest and largest level, 0 < `sigma_min` < `sigma_max`; the timesteps run between those
        nearest to them in log σ.
    steps : int, optional
        Timesteps M of the training schedule.
    c1, c2 : float, optional
        Bound of ᾱ_{t−1}/ᾱ_t from below, and the offset of the cosine.

    Returns
    -------
    ndarray (n,)
        float64, strictly decreasing, from exactly `sigma_max` to exactly `sigma_min`.

    Raises
    ------
    ValueError
        A number is out of range, or the schedule has fewer than n levels between the ends.
    TypeError
        `n` or `steps` is no integer, or another argument no real number.

    Notes
    -----
    u_{j−1} = √((u_j² + 1)/max(ᾱ_{j−1}/ᾱ_j, c1) − 1), u_M = 0, ᾱ_j = sin²(π j/(2M (c2 + 1))).

    References
    ----------
    .. [1] A. Nichol, P. Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021;
       in the notation of T. Karras et al., NeurIPS 2022, table 1.

    Examples
    --------
    >>> from solvers import sigmas_iddpm
    >>> sigmas_iddpm(3, 0.01, 80.0).round(4).tolist()
    [80.0, 1.003, 0.01]
    """
    n, sigma_min, sigma_max = _checked(n, sigma_min, sigma_max)
    steps = check_count(steps, "steps", at_least=2)
    c1, c2 = check_number(c1, "c1", above=0.0), check_number(c2, "c2", above=0.0)
    u = _iddpm_levels(steps, c1, c2)
    first, last = (int(np.argmin(np.abs(np.log(u / end)))) for end in (sigma_max, sigma_min))
    if last - first < n - 1:
        raise ValueError(
            f"`n` must be <= {last - first + 1}, the timesteps between {sigma_min} and "
            f"{sigma_max}; got {n}"
        )
    chosen = np.floor(np.linspace(first, last, n) + 0.5).astype(int)
    return _pinned(u[chosen], sigma_min, sigma_max)


def _iddpm_levels(steps, c1, c2):
    """u_0 > … > u_{M−1} > 0."""
    alpha = np.sin(0.5 * np.pi * np.arange(steps + 1) / (steps * (c2 + 1.0))) ** 2
    u = np.zeros(steps + 1)
    for j in range(steps, 0, -1):
        u[j - 1] = math.sqrt((u[j] ** 2 + 1) / max(alpha[j - 1] / alpha[j], c1) - 1)
    return u[:-1]


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
