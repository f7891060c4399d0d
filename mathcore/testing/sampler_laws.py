"""Laws of denoisers, diffusion samplers and Langevin samplers, against closed forms.

Statistical laws draw from a finite list of settings with fixed seeds, so a verdict never changes
between runs; their bounds are standard errors, computed.
"""

import math

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

# --- denoisers: make(weights, means, covariances) -> denoiser(x, sigma) --------------------------


def _mixture(dtype):
    return strategies.gaussian_mixtures(3, 2, dtype)


def _points(dtype):
    return strategies.point_clouds(4, 2, dtype, bound=4.0)


def _center(dtype):
    return strategies.point_clouds(1, 2, dtype)


def _level(dtype):
    return st.floats(-3.0, 2.0).map(lambda exponent: 10.0**exponent)


def _host(*arrays):
    return [_arrays.to_numpy(x).astype(np.float64) for x in arrays]


def _log_density_terms(x, mixture, sigma):
    """log w_k N(x; μ_k, Σ_k + σ²I), ``(k, batch)``; x may be complex."""
    weights, means, covariances = _host(*mixture)
    covariances = covariances + sigma**2 * np.eye(means.shape[1])
    offset = x - means[:, None, :]
    distance = np.sum(offset * np.linalg.solve(covariances, offset.mT).mT, axis=-1)
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    return (log_weights - np.linalg.slogdet(covariances)[1] / 2)[:, None] - distance / 2


def _log_density(x, mixture, sigma):
    terms = _log_density_terms(x, mixture, sigma)
    highest = np.max(terms.real, axis=0)
    return highest + np.log(np.sum(np.exp(terms - highest), axis=0))


def _gradient(function, x):
    """Gradient by complex step: exact to rounding (Squire & Trapp, SIAM Rev. 40 (1998))."""
    tiny = 1e-30
    steps = 1j * tiny * np.eye(x.shape[1])
    return np.stack([function(x + step).imag / tiny for step in steps], axis=-1)


def _denoiser_tolerance(x, mixture, sigma):
    """Rounding of Σ r_k m_k: eps·S in the posterior means and S·r_k·eps·κ_k·q_k in the weights.

    S bounds the points, κ_k = ‖Σ_k‖/λ_min(Σ_k + σ²I) conditions Σ_k and q_k is ‖x − μ_k‖²/λ_min.
    """
    points, _, means, covariances = _host(x, *mixture)
    terms = _log_density_terms(points, mixture, sigma)
    r = np.exp(terms - np.logaddexp.reduce(terms, axis=0))
    eigenvalues = np.linalg.eigvalsh(covariances)
    least = eigenvalues[:, 0] + sigma**2
    kappa = (1.0 + eigenvalues[:, -1] / least)[:, None]
    q = np.sum((points - means[:, None, :]) ** 2, axis=-1) / least[:, None]
    size = np.abs(points).max() + 2 * np.abs(means).max() + np.sqrt(eigenvalues.max())
    growth = np.max(np.sum(r * kappa * (1.0 + q), axis=0))
    return 20 * points.shape[1] * _arrays.eps(x) * size * growth


@law(mixture=_mixture, x=_points, sigma=_level)
def satisfies_tweedie(make_denoiser, xp, mixture, x, sigma):
    """D = x + σ² ∇ log p_σ(x), the gradient taken of the exact log density."""
    points = _arrays.to_numpy(x).astype(np.float64)
    score = _gradient(lambda y: _log_density(y, mixture, sigma), points)
    check_close(
        xp,
        make_denoiser(*mixture)(x, sigma),
        points + sigma**2 * score,
        tolerance=_denoiser_tolerance(x, mixture, sigma),
        what="D = x + sigma^2 grad log p",
    )


@law(
    mixture=_mixture,
    x=_points,
    sigma=_level,
    shift=_center,
)
def shifts_with_the_data(make_denoiser, xp, mixture, x, sigma, shift):
    """Data moved by c: D(x + c) moves by c."""
    moved = mixture._replace(means=mixture.means + shift)
    check_close(
        xp,
        make_denoiser(*moved)(x + shift, sigma),
        make_denoiser(*mixture)(x, sigma) + shift,
        tolerance=2 * _denoiser_tolerance(x + shift, moved, sigma),
        what="D of shifted data",
    )


@law(mixture=_mixture, x=_points, sigma=_level, angle=lambda dtype: st.floats(-3.0, 3.0))
def turns_with_the_data(make_denoiser, xp, mixture, x, sigma, angle):
    """Data turned by Q: D(Qx) = Q D(x)."""
    c, s = math.cos(angle), math.sin(angle)
    q = xp.asarray([[c, -s], [s, c]], dtype=x.dtype)
    covariances = q @ mixture.covariances @ q.T
    covariances = (covariances + xp.matrix_transpose(covariances)) / 2
    turned = mixture._replace(means=mixture.means @ q.T, covariances=covariances)
    check_close(
        xp,
        make_denoiser(*turned)(x @ q.T, sigma),
        make_denoiser(*mixture)(x, sigma) @ q.T,
        tolerance=2 * _denoiser_tolerance(x, mixture, sigma),
        what="D of turned data",
    )


@law(mixture=_mixture, x=_points)
def forgets_under_large_noise(make_denoiser, xp, mixture, x):
    """As σ → ∞, D is the mean of the data, whatever x."""
    sigma = 1e4
    points, weights, means, covariances = _host(x, *mixture)
    spread = np.linalg.norm(covariances, 2, axis=(-2, -1)).max()
    distance = np.linalg.norm(points[:, None, :] - means, axis=-1).max()
    # log r_k − log w_k differ between components by at most this
    drift = (distance**2 + means.shape[1] * spread) / sigma**2
    size = distance + np.linalg.norm(means, axis=-1).max()
    check_close(
        xp,
        make_denoiser(*mixture)(x, sigma),
        np.broadcast_to(weights @ means / weights.sum(), points.shape),
        tolerance=size * (np.expm1(drift) + spread / sigma**2 + 20 * _arrays.eps(x)),
        what="D at large sigma",
    )


@law(mixture=_mixture, x=_points, sigma=_level)
def denoises_each_point_alone(make_denoiser, xp, mixture, x, sigma):
    """D of a batch is D of its members."""
    denoiser = make_denoiser(*mixture)
    alone = xp.concat([denoiser(x[i : i + 1, :], sigma) for i in range(x.shape[0])])
    tolerance = 2 * _denoiser_tolerance(x, mixture, sigma)
    check_close(xp, denoiser(x, sigma), alone, tolerance=tolerance, what="batch = members")


@law(mixture=_mixture, x=_points, y=_points, sigma=_level)
def is_monotone(make_denoiser, xp, mixture, x, y, sigma):
    """(D(x) − D(y))·(x − y) ≥ 0: D is the gradient of the convex ½‖x‖² + σ² log p_σ."""
    denoiser = make_denoiser(*mixture)
    slope = xp.sum((denoiser(x, sigma) - denoiser(y, sigma)) * (x - y), axis=-1)
    tolerance = sum(_denoiser_tolerance(z, mixture, sigma) for z in (x, y))
    distance = float(np.sum(np.abs(_arrays.to_numpy(x - y)), axis=-1).max())
    check_close(
        xp,
        xp.minimum(slope, xp.zeros_like(slope)),
        np.zeros(x.shape[0]),
        tolerance=tolerance * distance,
        what="(D(x) - D(y)).(x - y) >= 0",
    )


denoiser_laws = (
    satisfies_tweedie,
    shifts_with_the_data,
    turns_with_the_data,
    forgets_under_large_noise,
    denoises_each_point_alone,
    is_monotone,
)


# --- diffusion samplers: sample(denoiser, x, sigmas) -> x at sigmas[-1] --------------------------

_SIGMA_MAX, _SIGMA_MIN = 10.0, 0.1


def _sigmas(n):
    return np.geomspace(_SIGMA_MAX, _SIGMA_MIN, n + 1)


def _noise(dtype):
    return strategies.point_clouds(3, 2, dtype, bound=20.0)


def _spread(dtype):
    return st.sampled_from([0.25, 0.5, 1.0, 2.0])


def _gaussian_denoiser(center, spread):
    """Exact denoiser of N(center, spread²I)."""

    def denoiser(x, sigma):
        return center + spread**2 / (spread**2 + sigma**2) * (x - center)

    return denoiser


def _rounding(x, center, steps):
    """Each step adds a few roundings of numbers of the size of x and the data."""
    size = float(np.abs(_arrays.to_numpy(x)).max() + np.abs(_arrays.to_numpy(center)).max())
    return 10 * steps * _arrays.eps(x) * max(size, 1e-30)


def _euler_error(spread, steps):
    """Relative error of Euler (DDIM), whose factor is Π (s² + ab)/(s² + a²).

    The exact flow scales x − center by √((s² + b²)/(s² + a²)).
    """
    a, b = _sigmas(steps)[:-1], _sigmas(steps)[1:]
    euler = float(np.prod((spread**2 + a * b) / (spread**2 + a**2)))
    exact = math.sqrt((spread**2 + _SIGMA_MIN**2) / (spread**2 + _SIGMA_MAX**2))
    return abs(euler - exact)


@law(x=_noise, center=_center)
def reaches_a_point_mass(sample, xp, x, center):
    """Data that are one point c have straight trajectories, which any method follows exactly."""
    sigmas = _sigmas(4)
    check_close(
        xp,
        sample(lambda y, sigma: 0.0 * y + center, x, sigmas),
        center + (_SIGMA_MIN / _SIGMA_MAX) * (x - center),
        tolerance=_rounding(x, center, 4),
        what="point mass",
    )


@law(x=_noise, center=_center, spread=_spread, steps=lambda dtype: st.sampled_from([16, 64]))
def is_no_worse_than_euler(sample, xp, x, center, spread, steps):
    """On Gaussian data the error stays below Euler's, known in closed form, as the steps grow."""
    scale = float(np.abs(_arrays.to_numpy(x - center)).max())
    factor = math.sqrt((spread**2 + _SIGMA_MIN**2) / (spread**2 + _SIGMA_MAX**2))
    check_close(
        xp,
        sample(_gaussian_denoiser(center, spread), x, _sigmas(steps)),
        center + factor * (x - center),
        tolerance=_euler_error(spread, steps) * scale + _rounding(x, center, steps),
        what="error on Gaussian data against Euler's",
    )


@law(max_examples=10, x=_noise, center=_center, spread=_spread)
def follows_shifted_data(sample, xp, x, center, spread):
    """Data and noise moved by c: the sample moves by c."""
    sigmas, origin = _sigmas(6), xp.zeros_like(center)
    check_close(
        xp,
        sample(_gaussian_denoiser(center, spread), x + center, sigmas),
        sample(_gaussian_denoiser(origin, spread), x, sigmas) + center,
        tolerance=2 * _rounding(x + center, center, 6),
        what="sample of shifted data",
    )


@law(max_examples=10, x=_noise, center=_center, spread=_spread)
def samples_each_alone(sample, xp, x, center, spread):
    """The sample from a batch is the sample from its members."""
    sigmas, denoiser = _sigmas(6), _gaussian_denoiser(center, spread)
    alone = xp.concat([sample(denoiser, x[i : i + 1, :], sigmas) for i in range(x.shape[0])])
    tolerance = _rounding(x, center, 6)
    check_close(xp, sample(denoiser, x, sigmas), alone, tolerance=tolerance, what="batch = members")


sampler_laws = (
    reaches_a_point_mass,
    is_no_worse_than_euler,
    follows_shifted_data,
    samples_each_alone,
)
