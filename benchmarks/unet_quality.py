"""``python -m benchmarks.unet_quality``: what skip-tuning does to a small trained U-Net.

Distance of samples to digits the network has not seen, against evaluations of the network, at ρ = 1
and at the ρ found by ``tune_skips``. ρ is found on one part of the held-out digits and on its own
noise; what is reported is measured on the other part, on other noise.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import digits_unet
from mathcore import bures_wasserstein, sliced_wasserstein, wasserstein
from solvers import sample_diffusion, sigmas_karras, skip_tuning, tune_skips

METHODS = ("euler", "heun", "dpmpp_2m", "ipndm_3")
EVALUATIONS = (5, 10, 20)
SAMPLES = 300
SEEDS = (0, 1, 2)
TUNING_SEED, VALIDATION_SEED = 100, 101


class Quality(NamedTuple):
    """Distances of samples to digits.

    The Fréchet distance is W₂² of the Gaussians of same mean and covariance, in pixels. The exact
    W₂ of two clouds of 300 points is mostly the distance between neighbours, and prefers samples
    that are too alike; the sliced one, of 200 projections to a line, hardly does.
    """

    frechet: float
    sliced: float
    exact: float


def generate(denoiser, method, evaluations, seed, samples=SAMPLES):
    """Samples ``(samples, 64)`` and the evaluations spent, at most as many as allowed."""
    per_step = 2 if method == "heun" else 1
    sigmas = sigmas_karras(
        (evaluations - 1) // per_step + 1, digits_unet.SIGMA_MIN, digits_unet.SIGMA_MAX
    )
    noise = np.random.default_rng(seed).standard_normal((samples, 1, 8, 8), dtype=np.float32)
    start = torch.from_numpy(noise * np.float32(sigmas[0]))
    with torch.no_grad():
        result = sample_diffusion(denoiser, start, sigmas, method=method)
    return result.x.numpy().reshape(samples, 64).astype(np.float64), result.nfe


def quality(x, digits):
    """All distances of samples ``(n, 64)`` to digits."""
    y = digits.reshape(len(digits), 64).astype(np.float64)
    gaussians = (x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    return Quality(
        float(bures_wasserstein(*gaussians)) ** 2,
        float(sliced_wasserstein(x, y, num_projections=200, rng=0).value),
        float(wasserstein(x, y).value),
    )


def tuned(denoiser, method, evaluations, digits):
    """ρ_bottom by the Fréchet distance to some digits; it has to hold for other noise as well."""

    def objective(seed):
        return lambda model: quality(generate(model, method, evaluations, seed)[0], digits).frechet

    return tune_skips(
        denoiser,
        objective(TUNING_SEED),
        bounds=(0.5, 2.0),
        num_evaluations=9,
        validation=objective(VALIDATION_SEED),
    )


def measured(denoiser, method, evaluations, rho, digits):
    """Qualities ``(seeds, 3)`` at one ρ, and the evaluations spent."""
    rows = []
    with skip_tuning(denoiser, rho, n_skips=digits_unet.N_SKIPS):
        for seed in SEEDS:
            x, nfe = generate(denoiser, method, evaluations, seed)
            rows.append(quality(x, digits))
    return np.array(rows), nfe


def _cell(values):
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def main():
    """Print the table, one row for each method and number of evaluations; draw two figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unet_quality")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--out", type=Path, help="folder of the figures; none are drawn without")
    parser.add_argument("--weights", type=Path, default=digits_unet.WEIGHTS)
    options = parser.parse_args()
    denoiser, digits = digits_unet.trained(options.weights), digits_unet.load()
    floor = quality(digits.training[:SAMPLES].reshape(-1, 64).astype(float), digits.test)
    print(f"as many training digits: {', '.join(f'{value:.3f}' for value in floor)}")
    print("| | | | Fréchet | | | sliced W₂ | | exact W₂ | |")
    print("| method | NFE | ρ | ρ = 1 | tuned | ρ = .78 | ρ = 1 | tuned | ρ = 1 | tuned |")
    found = {}
    for method in options.methods:
        for evaluations in EVALUATIONS:
            search = tuned(denoiser, method, evaluations, digits.tuning)
            found[method, evaluations] = search
            (plain, nfe), (best, _), (published, _) = (
                measured(denoiser, method, evaluations, rho, digits.test)
                for rho in (1.0, search.rho_bottom, 0.78)
            )
            row = [method, str(nfe), f"{search.rho_bottom:.2f}"]
            row += [_cell(values[:, 0]) for values in (plain, best, published)]
            row += [_cell(values[:, i]) for i in (1, 2) for values in (plain, best)]
            print(f"| {' | '.join(row)} |", flush=True)
    if options.out:
        draw(denoiser, found, options.methods[-1], options.out)


def draw(denoiser, found, method, out):
    """The curves of one method, and digits at the fewest evaluations at ρ = 1 and at its ρ."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for evaluations in EVALUATIONS:
        search = found[method, evaluations]
        axes.plot(search.rhos, search.values, ".-", label=f"{evaluations} evaluations")
        axes.plot(search.rho_bottom, search.value, "k*")
    axes.axvline(1.0, color="grey", lw=0.8)
    axes.set(xlabel="ρ at the bottom", ylabel="Fréchet distance to held-out digits", title=method)
    axes.legend()
    figure.savefig(out / "skip_tuning_curves.png", dpi=110)
    figure, panels = plt.subplots(2, 1, figsize=(6.4, 2.9), layout="constrained")
    for axes, rho in zip(panels, (1.0, found[method, EVALUATIONS[0]].rho_bottom), strict=True):
        with skip_tuning(denoiser, rho, n_skips=digits_unet.N_SKIPS):
            x, nfe = generate(denoiser, method, EVALUATIONS[0], 0, 32)
        x = np.pad(x.reshape(2, 16, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)
        axes.imshow(x.transpose(0, 2, 1, 3).reshape(20, 160), cmap="gray_r", vmin=-1, vmax=1)
        axes.set_title(f"{method}, {nfe} evaluations, ρ = {rho:.2f}", fontsize=9)
        axes.set_axis_off()
    figure.savefig(out / "skip_tuning_digits.png", dpi=110)


if __name__ == "__main__":
    main()
