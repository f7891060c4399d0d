"""Denoisers known in closed form: ground truth for a sampler without a neural network.

The denoiser of a density p₀ is D(x, σ) = E[x₀ | x = x₀ + σξ] with x₀ ~ p₀ and ξ standard normal. By
Tweedie's formula D = x + σ² ∇ log p_σ(x), p_σ the density of x.
"""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_finite, check_number, check_real, check_shape

_MOST_PAIRS = 2**23  # distances held at a time: 64 MiB in float64


def empirical_denoiser(data, *, bandwidth=0.0):
    """Exact denoiser of a data set, each point blurred by a Gaussian of width `bandwidth`.

    Parameters
    ----------
    data : array (n, ...)
        The points; n ≥ 1.
    bandwidth : float, optional
        Standard deviation w ≥ 0 of the blur. With 0 the denoiser is that of the points themselves
        and its samples are copies of them; a positive width gives new points between them.

    Returns
    -------
    callable
        ``denoiser(x, sigma)`` for x ``(batch, ...)`` of the library of `data` and a scalar sigma ≥
        0; the result has the shape and dtype of x. At σ = 0 = w it is the nearest point.

    Raises
    ------
    ValueError
        `data` is empty, or holds NaN or infinity; `bandwidth` < 0; x has other trailing axes.
    TypeError
        `data` is not real, or x belongs to another library.

    Notes
    -----
    p₀ = (1/n) Σ N(y_i, w²I), therefore

        D(x, σ) = (w²x + σ²ȳ) / (w² + σ²),  ȳ = Σ r_i y_i,  r_i ∝ exp(−‖x − y_i‖² / 2(w² + σ²)).

    Two matrix products; at most 2²³ pairs of x and y are held at a time. ‖x‖² cancels from r_i and
    the data are centred first, so the rounding of the distances is relative to the size of the data
    and not of x ~ 80.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import empirical_denoiser
    >>> denoiser = empirical_denoiser(np.array([[0.0], [1.0]]))
    >>> denoiser(np.array([[0.5], [0.9]]), 1e-3).tolist()
    [[0.5], [1.0]]
    """
    xp, data = _arrays.asarrays(data=data)
    check_real(data, "data")
    check_finite(data, "data")
    if data.ndim < 1 or data.shape[0] == 0:
        raise ValueError(f"`data` must hold at least one point; got shape {tuple(data.shape)}")
    bandwidth = check_number(bandwidth, "bandwidth", at_least=0.0)
    shape = tuple(data.shape[1:])
    points = xp.reshape(data, (data.shape[0], -1)) if shape else data[:, None]
    center = xp.mean(points, axis=0)
    points = points - center
    rows = max(1, _MOST_PAIRS // points.shape[0])

    def denoiser(x, sigma):
        space, x = _arrays.asarrays(x=x)
        _check_point(space, x, xp, shape)
        y, c = (xp.astype(part, x.dtype, copy=False) for part in (points, center))
        noise = _squared(xp, sigma, x)
        flat = xp.reshape(x, (x.shape[0], y.shape[1])) - c
        count = flat.shape[0]
        means = [
            _weighted_mean(xp, flat[i : min(i + rows, count), :], y, noise + bandwidth**2)
            for i in range(0, max(count, 1), rows)
        ]
        mean = xp.concat(means) if len(means) > 1 else means[0]
        if bandwidth**2 > 0.0:
            mean = mean + (flat - mean) / (1.0 + noise / bandwidth**2)
        return xp.reshape(mean + c, x.shape)

    return denoiser


def _weighted_mean(xp, x, y, variance):
    """Σ r_i y_i with r_i ∝ exp(−‖x − y_i‖²/2v), also in the limit v → 0."""
    closeness = x @ y.T - xp.sum(y * y, axis=-1) / 2  # (‖x‖² − ‖x − y‖²)/2
    behind = closeness - xp.max(_arrays.detach(closeness), axis=-1, keepdims=True)
    floor = xp.full_like(variance, float(xp.finfo(x.dtype).smallest_normal))
    variance = xp.maximum(variance, floor)
    # exp(−750) = 0 in every dtype; without the floor the quotient overflows as v → 0
    r = xp.exp(xp.maximum(behind, -750.0 * variance) / variance)
    return (r @ y) / xp.sum(r, axis=-1, keepdims=True)


def gaussian_mixture_denoiser(weights, means, covariances):
    """Exact denoiser of a mixture of Gaussians.

    Parameters
    ----------
    weights : array (k,)
        Non-negative, not all zero; they are normalised.
    means : array (k, d)
        One row for each Gaussian.
    covariances : array (k, d, d)
        Symmetric positive semidefinite.

    Returns
    -------
    callable
        ``denoiser(x, sigma)`` for x ``(batch, d)`` of the same library and a scalar sigma ≥ 0; the
        result has the shape and dtype of x.

    Raises
    ------
    ValueError
        Shapes that do not fit; NaN or infinity, a negative weight, no positive weight, a covariance
        that is not symmetric positive semidefinite (values are looked at in NumPy arrays only).
    TypeError
        An argument is not real, or the libraries differ.

    Notes
    -----
    With Σ_k = Q Λ Qᵀ and z = Qᵀ(x − μ_k),

        D(x, σ) = Σ_k r_k [μ_k + Q Λ(Λ + σ²)⁻¹ z],  r_k ∝ w_k N(x; μ_k, Σ_k + σ²I),

    so every σ costs two products with Q and no factorisation.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import gaussian_mixture_denoiser
    >>> denoiser = gaussian_mixture_denoiser([1.0], [[0.0]], [[[1.0]]])
    >>> denoiser(np.array([[3.0]]), 1.0).tolist()  # x / (1 + σ²)
    [[1.5]]
    """
    xp, weights, means, covariances = _arrays.asarrays(
        weights=weights, means=means, covariances=covariances
    )
    _check_mixture(weights, means, covariances)
    eigenvalues, q = xp.linalg.eigh(covariances)
    eigenvalues = xp.maximum(eigenvalues, xp.zeros_like(eigenvalues))
    zero = weights == 0
    log_weights = xp.where(zero, -xp.inf, xp.log(xp.where(zero, 1.0, weights)))

    def denoiser(x, sigma):
        space, x = _arrays.asarrays(x=x)
        _check_point(space, x, xp, (means.shape[-1],))
        lam, basis, mu, log_w = (
            xp.astype(part, x.dtype, copy=False) for part in (eigenvalues, q, means, log_weights)
        )
        z = (x - mu[:, None, :]) @ basis  # (k, batch, d)
        # the floor keeps z²/v below overflow where a singular covariance meets σ = 0
        floor = float(xp.finfo(x.dtype).smallest_normal) / _arrays.eps(x)
        variance = xp.maximum(lam + _squared(xp, sigma, x), xp.full_like(lam, floor))[:, None, :]
        log_r = log_w[:, None] - xp.sum(z * z / variance + xp.log(variance), axis=-1) / 2
        r = xp.exp(log_r - xp.max(_arrays.detach(log_r), axis=0))
        r = r / xp.sum(r, axis=0)
        posterior_means = mu[:, None, :] + (z * (lam[:, None, :] / variance)) @ basis.mT
        return xp.sum(r[:, :, None] * posterior_means, axis=0)

    return denoiser


def _check_mixture(weights, means, covariances):
    for name, x in (("weights", weights), ("means", means), ("covariances", covariances)):
        check_real(x, name)
        check_finite(x, name)
    check_shape(means, (None, None), "means")
    k, d = means.shape
    check_shape(weights, (k,), "weights")
    check_shape(covariances, (k, d, d), "covariances")
    if not _arrays.is_numpy(weights):
        return
    if np.any(weights < 0) or not np.any(weights > 0):
        raise ValueError(f"`weights` must be >= 0 and not all 0; got {weights.tolist()}")
    size = np.max(np.abs(covariances), axis=(-2, -1))
    slack = 10 * d * _arrays.eps(covariances) * size
    skewness = np.max(np.abs(covariances - covariances.mT), axis=(-2, -1))
    if np.any(skewness > slack) or np.any(np.linalg.eigvalsh(covariances)[:, 0] < -slack):
        raise ValueError(
            "`covariances` must be symmetric positive semidefinite; got one that is not"
        )


def _check_point(space, x, xp, shape):
    if space is not xp:
        raise TypeError(f"`x` must be an array of the denoiser's library; got {_arrays.library(x)}")
    check_shape(x, (None, *shape), "x")


def _squared(xp, sigma, x):
    """σ² as a 0-d array of the dtype of `x`; `sigma` may be traced."""
    if not _arrays.is_array(sigma):
        check_number(sigma, "sigma", at_least=0.0)
        sigma = _arrays.from_numpy(np.asarray(float(sigma)), like=x)
    return xp.astype(sigma, x.dtype, copy=False) ** 2
