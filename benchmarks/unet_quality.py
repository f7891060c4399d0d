"""``python -m benchmarks.unet_quality``: samplers on a small U-Net, with and without skip-tuning.

Distance of samples to digits the network has not seen, against evaluations of the network, at ρ = 1
and at the ρ found by ``tune_skips``. ρ is found on one part of the held-out digits and on its own
noise; what is reported is measured on the other part, on other noise. A row takes about a minute of
one core; ``--results`` keeps rows in a file, so that they can be measured in turn and drawn at the
end (``--methods`` without a name measures none).
"""

import argparse
import functools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import digits_unet
from mathcore import bures_wasserstein, sliced_wasserstein, wasserstein
from solvers import fit_mean_value, sample_diffusion, sigmas_karras, skip_tuning, tune_skips

# method -> evaluations in each step but the last, and its settings; first orders that are Euler's,
# and "sde_dpmpp_1", which at η = 1 is "ancestral", are left out
METHODS = {
    "euler": (1, {}),
    "heun": (2, {}),
    "dpm_2": (2, {}),
    "dpm_3": (3, {}),
    "dpmpp_2s": (2, {}),
    "dpmpp_2m": (1, {}),
    "dpmpp_3m": (1, {}),
    **{f"unipc_{p}": (1, {}) for p in (1, 2, 3)},
    **{f"deis_{p}": (1, {}) for p in (2, 3)},
    **{f"lms_{p}": (1, {}) for p in (2, 3, 4)},
    **{f"ipndm_{p}": (1, {}) for p in (2, 3, 4)},
    "mean_value": (2, {}),
    "ancestral": (1, {"eta": 1.0}),
    "sde_dpmpp_2m": (1, {"eta": 1.0}),
    "edm": (2, {"churn": 2.0}),
}
DRAWN = "dpmpp_2m"
EVALUATIONS = (5, 10, 20)
SAMPLES = 300
SEEDS = (0, 1, 2)
TUNING_SEED, VALIDATION_SEED, FITTING_SEED = 100, 101, 102
PUBLISHED_RHO = 0.78


class Quality(NamedTuple):
    """Distances of samples to digits.

    The Fréchet distance is W₂² of the Gaussians of same mean and covariance, in pixels. The exact
    W₂ of two clouds of 300 points is mostly the distance between neighbours, and prefers samples
    that are too alike; the sliced one, of 200 projections to a line, hardly does.
    """

    frechet: float
    sliced: float
    exact: float


def levels_for(method, evaluations):
    """As many levels as the evaluations allow, the one of the last step, to σ = 0, included."""
    steps = (evaluations - 1) // METHODS[method][0]
    return sigmas_karras(steps + 1, digits_unet.SIGMA_MIN, digits_unet.SIGMA_MAX)


def noise(seed, samples, sigma):
    """Where a sample starts."""
    draws = np.random.default_rng(seed).standard_normal((samples, 1, 8, 8), dtype=np.float32)
    return torch.from_numpy(draws * np.float32(sigma))


@functools.cache
def fitted_steps(evaluations):
    """The step table of "mean_value", for the untuned network."""
    sigmas = levels_for("mean_value", evaluations)
    start = noise(FITTING_SEED, 100, sigmas[0])
    return fit_mean_value(digits_unet.trained(), start, sigmas, teacher_steps=4)


def generate(denoiser, method, evaluations, seed, samples=SAMPLES):
    """Samples ``(samples, 64)`` and the evaluations spent, at most as many as allowed."""
    sigmas, settings = levels_for(method, evaluations), dict(METHODS[method][1])
    if method == "mean_value":
        settings["step_table"] = fitted_steps(evaluations)
    start = noise(seed, samples, sigmas[0])
    with torch.no_grad():
        result = sample_diffusion(denoiser, start, sigmas, method=method, rng=seed, **settings)
    return result.x.numpy().reshape(samples, 64).astype(np.float64), result.nfe


def gaussian_distance(x, digits):
    """W₂² of the Gaussians of same mean and covariance."""
    y = digits.reshape(len(digits), 64).astype(np.float64)
    return float(bures_wasserstein(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))) ** 2


def quality(x, digits):
    """All distances of samples ``(n, 64)`` to digits."""
    y = digits.reshape(len(digits), 64).astype(np.float64)
    return Quality(
        gaussian_distance(x, digits),
        float(sliced_wasserstein(x, y, num_projections=200, rng=0).value),
        float(wasserstein(x, y).value),
    )


def tuned(denoiser, method, evaluations, digits):
    """ρ_bottom by the Fréchet distance to some digits; it has to hold for other noise as well."""

    def objective(seed):
        return lambda model: gaussian_distance(
            generate(model, method, evaluations, seed)[0], digits
        )

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


def row(denoiser, method, evaluations, digits):
    """One row of the table as plain numbers: what was found, and what it is worth."""
    search = tuned(denoiser, method, evaluations, digits.tuning)
    plain, nfe = measured(denoiser, method, evaluations, 1.0, digits.test)
    published, _ = measured(denoiser, method, evaluations, PUBLISHED_RHO, digits.test)
    best = plain
    if search.improved:
        best, _ = measured(denoiser, method, evaluations, search.rho_bottom, digits.test)
    return {
        "nfe": nfe,
        "rho": search.rho_bottom,
        "curve": [search.rhos.tolist(), search.values.tolist()],
        "value": search.value,
        "plain": plain.tolist(),
        "tuned": best.tolist(),
        "published": published.tolist(),
    }


def main():
    """Measure the rows that are missing, print the table, draw the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unet_quality")
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--results", type=Path, help="file the rows are kept in")
    parser.add_argument("--out", type=Path, help="folder of the figures; none are drawn without")
    parser.add_argument("--weights", type=Path, default=digits_unet.WEIGHTS)
    options = parser.parse_args()
    denoiser, digits = digits_unet.trained(options.weights), digits_unet.load()
    kept = options.results and options.results.exists()
    rows = json.loads(options.results.read_text()) if kept else {}
    for method in options.methods:
        for evaluations in EVALUATIONS:
            name = f"{method}, {evaluations}"
            if name not in rows:
                rows[name] = row(denoiser, method, evaluations, digits)
            if options.results:
                options.results.write_text(json.dumps(rows))
    floor = quality(digits.training[:SAMPLES].reshape(-1, 64).astype(float), digits.test)
    print(f"as many training digits: {', '.join(f'{value:.3f}' for value in floor)}")
    show(rows)
    if options.out:
        draw_search(rows, options.out)
        draw_methods(rows, floor.frechet, options.out)
        draw_digits(denoiser, rows, options.out)


def show(rows):
    """The table in Markdown."""
    print("| | | | Fréchet | | | sliced W₂ | | exact W₂ | |")
    print("| method | NFE | ρ | ρ = 1 | tuned | ρ = .78 | ρ = 1 | tuned | ρ = 1 | tuned |")
    for name, each in rows.items():
        plain, best, published = (np.array(each[k]) for k in ("plain", "tuned", "published"))
        cells = [name.split(",")[0], str(each["nfe"]), f"{each['rho']:.2f}"]
        cells += [_cell(values[:, 0]) for values in (plain, best, published)]
        cells += [_cell(values[:, i]) for i in (1, 2) for values in (plain, best)]
        print(f"| {' | '.join(cells)} |")


def _cell(values):
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def draw_search(rows, out):
    """The search of one method."""
    plt = _plots()
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for evaluations in EVALUATIONS:
        each = rows[f"{DRAWN}, {evaluations}"]
        axes.plot(*each["curve"], ".-", label=f"{evaluations} evaluations")
        axes.plot(each["rho"], each["value"], "k*")
    axes.axvline(1.0, color="grey", lw=0.8)
    axes.set(xlabel="ρ at the bottom", ylabel="Fréchet distance to held-out digits", title=DRAWN)
    axes.legend()
    figure.savefig(out / "skip_tuning_curves.png", dpi=110)


def draw_methods(rows, floor, out):
    """Every method with and without its ρ."""
    plt = _plots()
    methods = list(dict.fromkeys(name.split(",")[0] for name in rows))
    figure, axes = plt.subplots(figsize=(6.8, 7.0), layout="constrained")
    for color, shift, evaluations in zip(
        ("C0", "C1", "C2"), (-0.25, 0.0, 0.25), EVALUATIONS, strict=True
    ):
        for place, method in enumerate(methods):
            each = rows[f"{method}, {evaluations}"]
            plain, best = (np.mean(np.array(each[k])[:, 0]) for k in ("plain", "tuned"))
            axes.plot([plain, best], [place + shift] * 2, "-", color=color, lw=1)
            axes.plot(plain, place + shift, "o", color=color, ms=7, mfc="white")
            label = f"{evaluations} evaluations" if place == 0 else None
            axes.plot(best, place + shift, "o", color=color, ms=4, label=label)
    axes.axvline(floor, color="grey", lw=0.8)
    axes.set_yticks(range(len(methods)), methods)
    axes.set(xscale="log", xlim=(0.85, 12.0), ylim=(len(methods) - 0.4, -0.6))
    ticks = (1, 1.2, 1.5, 2, 3, 4, 6, 8, 12)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(lw=0.3)
    axes.set(
        xlabel="Fréchet distance to unseen digits; grey: that of digits; beyond 12 not shown",
        title="ρ = 1 (hollow) and tuned (filled)",
    )
    axes.legend(loc="upper right")
    figure.savefig(out / "diffusion_quality.png", dpi=110)


def draw_digits(denoiser, rows, out):
    """Digits of one method at the fewest evaluations, at ρ = 1 and at its ρ."""
    plt = _plots()
    figure, panels = plt.subplots(2, 1, figsize=(6.4, 2.9), layout="constrained")
    for axes, rho in zip(panels, (1.0, rows[f"{DRAWN}, {EVALUATIONS[0]}"]["rho"]), strict=True):
        with skip_tuning(denoiser, rho, n_skips=digits_unet.N_SKIPS):
            x, nfe = generate(denoiser, DRAWN, EVALUATIONS[0], 0, 32)
        x = np.pad(x.reshape(2, 16, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)
        axes.imshow(x.transpose(0, 2, 1, 3).reshape(20, 160), cmap="gray_r", vmin=-1, vmax=1)
        axes.set_title(f"{DRAWN}, {nfe} evaluations, ρ = {rho:.2f}", fontsize=9)
        axes.set_axis_off()
    figure.savefig(out / "skip_tuning_digits.png", dpi=110)


def _plots():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


if __name__ == "__main__":
    main()
