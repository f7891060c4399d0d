"""Networks of other parametrizations as denoisers ``(x, sigma) -> x0``.

Throughout x = x₀ + σ·noise. A variance-preserving network sees αx with α = 1/√(1 + σ²), a flow
network x/(1 + σ) at the time t = σ/(1 + σ).
"""

import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_callable, check_choice, check_number
from solvers.diffusion.wrapped_denoisers import evaluations_per_call


def denoiser_from_eps(model, *, scaling="vp", time=None, vector=False):
    """Denoiser of a network that predicts the noise: D = x − σ ε.

    Parameters
    ----------
    model : callable
        ``model(x, time) -> eps``.
    scaling : str, optional
        What the network sees: "vp" αx, α = 1/√(1 + σ²) (DDPM, Stable Diffusion), or "ve" x itself.
    time : callable, optional
        ``time(sigma) -> float``: what the network takes beside x; sigma itself if None. See
        `timestep_of` for networks trained on integer timesteps.
    vector : bool, optional
        Hand the time over as a vector ``(batch,)`` like x, as torch networks take it, and not as a
        number.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``; `sample_diffusion` counts an evaluation as the model does, if that
        has an attribute ``evaluations_per_call``.

    Raises
    ------
    TypeError
        `model` or `time` is not callable.
    ValueError
        `scaling` is unknown.

    Examples
    --------
    Data N(0, 1), whose noise prediction is σ x/(1 + σ²):

    >>> import numpy as np
    >>> from solvers import denoiser_from_eps
    >>> eps = lambda x, sigma: sigma * x / (1 + sigma**2)
    >>> denoiser = denoiser_from_eps(eps, scaling="ve")
    >>> denoiser(np.array([[2.0]]), 1.0).tolist()
    [[1.0]]
    """
    check_choice(scaling, ("vp", "ve"), "scaling")
    call = _network(model, time, lambda sigma: sigma, vector)

    def denoiser(x, sigma):
        alpha = 1.0 / _hypot(1.0, sigma) if scaling == "vp" else 1.0
        return x - sigma * call(alpha * x, sigma)

    return _counted(denoiser, model)


def denoiser_from_v(model, *, time=None, vector=False):
    """Denoiser of a network that predicts v = α ε − σ_t x₀ from αx: D = α²x − σα v.

    Parameters
    ----------
    model : callable
        ``model(x, time) -> v`` for the variance-preserving state αx, α = 1/√(1 + σ²), σ_t = σα.
    time, vector
        As in `denoiser_from_eps`.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``.

    Raises
    ------
    TypeError
        `model` or `time` is not callable.

    References
    ----------
    .. [1] T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models",
       ICLR 2022, appendix D.

    Examples
    --------
    Data N(0, 1), for which v = 0:

    >>> import numpy as np
    >>> from solvers import denoiser_from_v
    >>> denoiser_from_v(lambda x, sigma: 0 * x)(np.array([[3.0]]), 1.0).round(12).tolist()
    [[1.5]]
    """
    call = _network(model, time, lambda sigma: sigma, vector)

    def denoiser(x, sigma):
        alpha = 1.0 / _hypot(1.0, sigma)
        return alpha**2 * x - sigma * alpha * call(alpha * x, sigma)

    return _counted(denoiser, model)


def denoiser_from_flow(model, *, time=None, vector=False):
    """Denoiser of a flow-matching network: v = noise − x₀ at x_t = (1 − t) x₀ + t·noise.

    Parameters
    ----------
    model : callable
        ``model(x_t, t) -> v``; t = σ/(1 + σ) runs from 0, data, to 1, noise.
    time : callable, optional
        ``time(sigma) -> float``: what the network takes; t itself if None.
    vector : bool, optional
        As in `denoiser_from_eps`.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``, D = x_t − t v.

    Raises
    ------
    TypeError
        `model` or `time` is not callable.

    Notes
    -----
    The convention of rectified flow and Stable Diffusion 3. A network whose time runs from noise to
    data, as in Lipman et al., is ``lambda x, t: -model(x, 1 - t)``.

    Examples
    --------
    Data that are the number 2, whose flow is (x_t − 2)/t:

    >>> import numpy as np
    >>> from solvers import denoiser_from_flow
    >>> denoiser = denoiser_from_flow(lambda x, t: (x - 2) / t)
    >>> denoiser(np.array([[5.0]]), 3.0).tolist()
    [[2.0]]
    """
    call = _network(model, time, lambda sigma: sigma / (1.0 + sigma), vector)

    def denoiser(x, sigma):
        state, t = x / (1.0 + sigma), sigma / (1.0 + sigma)
        return state - t * call(state, sigma)

    return _counted(denoiser, model)


def denoiser_from_edm(network, *, sigma_data=0.5, vector=True):
    """Denoiser of a raw network under EDM's preconditioning.

    Parameters
    ----------
    network : callable
        ``network(x, c_noise)``.
    sigma_data : float, optional
        Standard deviation of the data.
    vector : bool, optional
        As in `denoiser_from_eps`; here true unless given.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``, c_skip x + c_out F(c_in x, ln(σ)/4).

    Raises
    ------
    TypeError
        `network` is not callable or `sigma_data` no number.
    ValueError
        `sigma_data` is not above 0.

    References
    ----------
    .. [1] T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of
       diffusion-based generative models", NeurIPS 2022, eq. (7) and table 1.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import denoiser_from_edm
    >>> denoiser = denoiser_from_edm(lambda x, c_noise: 0 * x, sigma_data=1.0)
    >>> denoiser(np.array([[3.0]]), 1.0).round(12).tolist()
    [[1.5]]
    """
    s = check_number(sigma_data, "sigma_data", above=0.0)
    call = _network(network, None, lambda sigma: _log(sigma) / 4, vector)

    def denoiser(x, sigma):
        total = _hypot(s, sigma)
        c_skip, c_out, c_in = (s / total) ** 2, sigma * s / total, 1.0 / total
        return c_skip * x + c_out * call(c_in * x, sigma)

    return _counted(denoiser, network)


def denoiser_from_sigma_vector(model):
    """Denoiser of a model that takes one σ for each sample, as k-diffusion's wrappers do.

    Parameters
    ----------
    model : callable
        ``model(x, sigmas) -> x0`` with ``sigmas`` an array ``(batch,)`` like x.

    Returns
    -------
    callable
        ``denoiser(x, sigma)``.

    Raises
    ------
    TypeError
        `model` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import denoiser_from_sigma_vector
    >>> denoiser = denoiser_from_sigma_vector(lambda x, s: x / (1 + s[:, None] ** 2))
    >>> denoiser(np.array([[2.0], [4.0]]), 1.0).tolist()
    [[1.0], [2.0]]
    """
    return _counted(_network(model, None, lambda sigma: sigma, True), model)


def timestep_of(alphas_cumprod):
    """The fractional timestep of a noise level, for a network trained on integer timesteps.

    Parameters
    ----------
    alphas_cumprod : array (n,)
        ᾱ_t of the training schedule, strictly decreasing within (0, 1).

    Returns
    -------
    callable
        ``time(sigma) -> float``: linear in ln σ between the timesteps 0 … n − 1, whose
        σ = √((1 − ᾱ)/ᾱ), and constant beyond them.

    Raises
    ------
    ValueError
        `alphas_cumprod` is no strictly decreasing vector within (0, 1).

    Examples
    --------
    >>> from solvers import timestep_of
    >>> time = timestep_of([0.9, 0.5, 0.1])  # σ = 1/3, 1, 3
    >>> [round(time(sigma), 12) for sigma in (1.0, 3.0, 100.0)]
    [1.0, 2.0, 2.0]
    """
    given = alphas_cumprod
    alphas = np.asarray(_arrays.to_numpy(given) if _arrays.is_array(given) else given, dtype=float)
    inside = alphas.ndim == 1 and alphas.size > 0 and np.all((alphas > 0) & (alphas < 1))
    if not inside or np.any(np.diff(alphas) >= 0):
        raise ValueError(
            f"`alphas_cumprod` must decrease strictly within (0, 1); got shape {alphas.shape}"
        )
    log_sigmas = (np.log1p(-alphas) - np.log(alphas)) / 2

    def time(sigma):
        return float(np.interp(math.log(sigma), log_sigmas, np.arange(alphas.size)))

    return time


def _network(model, time, default, vector):
    """``(x, sigma) -> model(x, time of sigma)``."""
    check_callable(model, "model")
    time = default if time is None else time
    check_callable(time, "time")

    def call(x, sigma):
        condition = time(sigma)
        if vector:
            xp = _arrays.result_namespace(x)
            ones = xp.ones((x.shape[0],), dtype=x.dtype, device=_arrays.device(x))
            condition = xp.astype(condition * ones, x.dtype, copy=False)
        return model(x, condition)

    return call


# σ is a number, or an array of no axes where a loop over levels is traced.


def _hypot(a, sigma):
    return (a * a + sigma * sigma) ** 0.5 if _arrays.is_array(sigma) else math.hypot(a, sigma)


def _log(sigma):
    if _arrays.is_array(sigma):
        return _arrays.result_namespace(sigma).log(sigma)
    return math.log(sigma)


def _counted(denoiser, model):
    denoiser.evaluations_per_call = evaluations_per_call(model)
    return denoiser
