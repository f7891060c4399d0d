"""Step 5: three Langevin samplers on a two-dimensional mixture of Gaussians."""

import math

import numpy as np

from solvers.langevin.diagnostics import effective_sample_size, rhat
from solvers.langevin.sampling import sample_langevin
from solvers.tour.figures import BLUE, GREEN, ORANGE, figure, save
from solvers.tour.rows import Row

TITLE = "5  Langevin sampling of a mixture of three Gaussians in the plane"
REMARK = (
    "E x₁ and E x₁² are known exactly. “ula” keeps every step and is biased by its step size;\n"
    "“mala” rejects some and is exact; “baoab” carries a momentum, its bias is of second order.\n"
    "The ± is the Monte Carlo standard error."
)

WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-1.2, 0.0], [1.0, 0.9], [1.1, -1.0]])
VARIANCE = 0.45
STEP_SIZES = {"ula": 0.3, "mala": 0.6, "baoab": 0.5}


def log_density(x):
    """Log density of the mixture, up to a constant, ``(chains, 2) -> (chains,)``."""
    return np.log(_joint(x).sum(axis=-1))


def score(x):
    """Gradient of `log_density`, ``(chains, 2) -> (chains, 2)``."""
    joint = _joint(x)
    responsibilities = joint / joint.sum(axis=-1, keepdims=True)
    return (responsibilities @ MEANS - x) / VARIANCE


def _joint(x):
    squared = ((x[:, None, :] - MEANS) ** 2).sum(axis=-1)
    return WEIGHTS * np.exp(-squared / (2 * VARIANCE))


def step(out, quick):
    """Moments with their errors, R̂, acceptance; the draws in the figure."""
    exact = (WEIGHTS @ MEANS[:, 0], WEIGHTS @ (MEANS[:, 0] ** 2) + VARIANCE)
    yield Row("exact E x₁, E x₁²", f"{exact[0]:.4f}, {exact[1]:.4f}")
    drawn = {}
    for method, step_size in STEP_SIZES.items():
        result = sample_langevin(
            score,
            np.random.default_rng(0).normal(size=(64, 2)),
            method=method,
            log_density=log_density,
            step_size=step_size,
            num_steps=2200 if quick else 5200,
            burn_in=200,
            progress=True,
        )
        drawn[method] = result.draws
        yield from _rows(method, step_size, result, exact)
    _draw(out, drawn)


def _rows(method, step_size, result, exact):
    x1 = result.draws[:, :, :1]
    mixing = float(rhat(result.draws).max())
    for name, values, truth in (("E x₁", x1, exact[0]), ("E x₁²", x1**2, exact[1])):
        error = values.std() / math.sqrt(float(effective_sample_size(values)[0]))
        off = abs(values.mean() - truth) / error
        yield Row(
            f"{method}, h = {step_size}: {name}",
            f"{values.mean():.4f} ± {error:.4f}",
            f"{off:.1f} standard errors from exact",
            off <= 4 if method == "mala" else None,
        )
    accepted = f"accepted {result.acceptance_rate.mean():.0%}" if method == "mala" else ""
    yield Row(f"{method}: R̂, the larger of two", f"{mixing:.4f}", accepted, mixing < 1.01)


def _draw(out, drawn):
    drawing, axes = figure(ncols=3, width=11.0, height=3.9, sharex=True, sharey=True)
    grid = np.linspace(-3.6, 3.6, 120)
    mesh = np.stack(np.meshgrid(grid, grid), axis=-1)
    density = np.exp(log_density(mesh.reshape(-1, 2))).reshape(120, 120)
    for one, colour, (method, draws) in zip(
        axes, (ORANGE, BLUE, GREEN), drawn.items(), strict=True
    ):
        points = draws.reshape(-1, 2)
        points = points[:: max(1, len(points) // 3000)]
        one.plot(*points.T, ".", color=colour, markersize=1.5, alpha=0.5)
        one.contour(grid, grid, density, levels=6, colors="black", linewidths=0.6)
        one.set(title=f"{method}, h = {STEP_SIZES[method]}", aspect="equal")
    save(drawing, out, "5_langevin.png")
