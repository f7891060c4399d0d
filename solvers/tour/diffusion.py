"""Step 4: diffusion on real digits, where the denoiser is known exactly."""

from typing import NamedTuple

import numpy as np

from mathcore.transport.entropic import sinkhorn_divergence
from solvers.diffusion.denoisers import empirical_denoiser
from solvers.diffusion.samplers import sample_diffusion
from solvers.diffusion.sigma_grids import sigmas_karras
from solvers.tour.data import training_and_held_out
from solvers.tour.figures import BLUE, GREEN, INK, ORANGE, figure, save, show_digits
from solvers.tour.rows import Row

TITLE = "4  Diffusion: from noise to handwritten digits, with the exact denoiser"
REMARK = (
    "The best denoiser of 1,200 training digits is a closed form. Followed to the end it gives\n"
    "back its training digits; one smoothed by a Gaussian of width 0.25 draws from the blurred\n"
    "data: copies with that much noise on each pixel. S is the Sinkhorn divergence to the 597\n"
    "held-out digits. The error is root mean square against the converged ODE."
)

SIGMA_MAX, SIGMA_MIN = 20.0, 0.02
BANDWIDTH = 0.25
EVALUATIONS = (5, 10, 20)
METHODS = ("euler", "heun", "dpmpp_2m")


class Setting(NamedTuple):
    """What every run of the step shares."""

    training: np.ndarray
    held_out: np.ndarray
    epsilon: float


def step(out, quick):
    """Errors and divergences of each method; memorisation and its cure; two figures."""
    training, held_out = training_and_held_out()
    samples = 64 if quick else 256
    noise = SIGMA_MAX * np.random.default_rng(1).standard_normal((samples, 64))
    typical = 2 * training.var(axis=0).sum()  # mean squared distance of two digits
    setting = Setting(training, held_out, 0.05 * typical)
    exact, smoothed = (
        empirical_denoiser(training),
        empirical_denoiser(training, bandwidth=BANDWIDTH),
    )
    converged = _converged(exact, noise, quick)

    floor = _divergence(setting, training[:samples])
    start = _divergence(setting, noise / SIGMA_MAX)
    yield Row("S of pure noise", f"{start:.3f}")
    yield Row(f"S of {samples} training digits", f"{floor:.3f}", "the floor: real against real")
    errors = {}
    for method in METHODS:
        for evaluations in EVALUATIONS:
            result = _sample(exact, noise, method, evaluations)
            error = _error(result.x, converged)
            errors.setdefault(method, []).append((result.nfe, error))
            divergence = _divergence(setting, result.x)
            yield Row(
                f"{method}, {result.nfe} evaluations: error",
                f"{error:.3f}",
                f"S = {divergence:.3f}",
                divergence < 2 * floor,
            )
    ends = {"exact": converged, "smoothed": _converged(smoothed, noise, quick)}
    yield from _memorisation(setting, ends, floor)
    _draw(out, errors, exact, smoothed, noise)


def _sample(denoiser, noise, method, evaluations, **options):
    """Run `method` for at most that many evaluations, the last being the step to σ = 0."""
    per_step = 2 if method == "heun" else 1
    levels = (evaluations - 1) // per_step + 1
    sigmas = sigmas_karras(levels, SIGMA_MIN, SIGMA_MAX)
    return sample_diffusion(denoiser, noise, sigmas, method=method, **options)


def _converged(denoiser, noise, quick):
    return _sample(denoiser, noise, "dpmpp_2m", 200 if quick else 500, progress=True).x


def _error(x, converged):
    """Root mean square over samples and pixels."""
    return float(np.sqrt(np.mean((x - converged) ** 2)))


def _divergence(setting, x):
    return float(sinkhorn_divergence(x, setting.held_out, epsilon=setting.epsilon, tol=1e-4))


def _memorisation(setting, ends, floor):
    for name, x in ends.items():
        nearest = _distance_to_nearest(x, setting.training)
        memorised = bool(np.median(nearest) < 1e-6)
        yield Row(
            f"{name} denoiser, converged: S",
            f"{_divergence(setting, x):.3f}",
            f"floor {floor:.3f}",
        )
        yield Row(
            f"{name}: distance to nearest training digit",
            f"{np.median(nearest):.2g} (median)",
            "0: training digits come back" if name == "exact" else "noisy, no copies",
            memorised == (name == "exact"),
        )
    real = _distance_to_nearest(setting.held_out, setting.training)
    yield Row("held-out digits: the same distance", f"{np.median(real):.2g} (median)")


def _distance_to_nearest(x, data):
    squared = (x**2).sum(1)[:, None] - 2 * x @ data.T + (data**2).sum(1)
    nearest = np.argmin(squared, axis=1)
    return np.linalg.norm(x - data[nearest], axis=1)


def _draw(out, errors, exact, smoothed, noise):
    drawing, axes = figure(ncols=2, width=11.0, height=4.0, width_ratios=[1, 1.6])
    for colour, (method, points) in zip((ORANGE, GREEN, BLUE), errors.items(), strict=True):
        axes[0].semilogx(*zip(*points, strict=True), "o-", color=colour, label=method)
    title = "Error against the converged ODE"
    axes[0].set(title=title, xlabel="denoiser evaluations", ylim=(0, None))
    axes[0].set_xticks(EVALUATIONS, [str(n) for n in EVALUATIONS])
    axes[0].minorticks_off()
    axes[0].legend()
    result = _sample(exact, noise[:9], "dpmpp_2m", 20, return_trajectory=True)
    _draw_through_time(axes[1], result)
    save(drawing, out, "4_diffusion.png")

    drawing, axes = figure(ncols=2, width=11.0, height=2.9)
    for one, denoiser, name in (
        (axes[0], exact, "exact denoiser: training digits come back"),
        (axes[1], smoothed, f"smoothed by {BANDWIDTH}: copies with noise"),
    ):
        show_digits(one, _sample(denoiser, noise[:60], "dpmpp_2m", 40).x, columns=12)
        one.set_title(name)
    save(drawing, out, "4_digits.png")


def _draw_through_time(axes, result):
    """Rows: samples; columns: noise levels, each state scaled back to the range of the pixels."""
    picked = np.linspace(0, len(result.sigmas) - 1, 12).round().astype(int)
    scales = np.sqrt(1 + result.sigmas[picked] ** 2)
    states = result.trajectory[picked] / scales[:, None, None]
    show_digits(axes, states.transpose(1, 0, 2).reshape(-1, 64), columns=len(picked))
    axes.set_title("Nine samples on their way from noise (left) to digits, 20 evaluations")
    for k, sigma in enumerate(result.sigmas[picked]):
        axes.text(9 * k + 3.5, 83, f"{sigma:.2g}", color=INK, ha="center", va="top", fontsize=8)
    axes.text(-1, 83, "σ", color=INK, ha="right", va="top", fontsize=8)
