"""``python -m benchmarks.diffusion_errors``: errors on Gaussian mixtures, beside the peers'.

A mixture has an exact denoiser, and a thousand steps of a third-order method give the exact sample.
Every sampler starts from the same 64 × d noise and stops at the last of its noise levels, at 5, 10
and 20 evaluations. A peer keeps its own levels; beside it stands our recommended sampler between
the same two ends. diffusers gets the exact σ, whatever timestep it rounds to.
"""

import functools
import inspect
import itertools
import math
import warnings
from typing import NamedTuple

import numpy as np

from benchmarks.runner import peer
from solvers import (
    fit_gits,
    gaussian_mixture_denoiser,
    sample_diffusion,
    sigmas_karras,
    sigmas_logsnr,
)

EVALUATIONS = (5, 10, 20)
START, END = 80.0, 0.002
OURS = ("ipndm_3", "ipndm_4", "dpmpp_2m", "unipc_2", "unipc_3", "deis_3")
GRIDS = {"Karras": sigmas_karras, "log-SNR": sigmas_logsnr, "fit_gits": None}
RECOMMENDED = ("ipndm_3", "fit_gits")
# k-diffusion's function -> evaluations of a step; with η = 0 where it takes one
K_DIFFUSION = {
    "euler": 1,
    "heun": 2,
    "dpm_2": 2,
    "dpmpp_2s_ancestral": 2,
    "lms": 1,
    "dpmpp_2m": 1,
    "dpmpp_3m_sde": 1,
}
_TO_SIGMA_MIN = {"final_sigmas_type": "sigma_min"}
DIFFUSERS = {
    "DPM-Solver++ 2M": ("DPMSolverMultistepScheduler", {"solver_order": 2, **_TO_SIGMA_MIN}),
    "DPM-Solver++ 3M": ("DPMSolverMultistepScheduler", {"solver_order": 3, **_TO_SIGMA_MIN}),
    "UniPC-2": ("UniPCMultistepScheduler", {"solver_order": 2, **_TO_SIGMA_MIN}),
    "UniPC-3": ("UniPCMultistepScheduler", {"solver_order": 3, **_TO_SIGMA_MIN}),
    "DEIS-3": ("DEISMultistepScheduler", {"solver_order": 3}),
}


class Problem(NamedTuple):
    """A mixture ``(weights, means, covariances)``, the noise of the test and that of `fit_gits`."""

    mixture: tuple
    z: np.ndarray
    training: np.ndarray


class Run(NamedTuple):
    """A sample of a peer, which went from one noise level to another."""

    sampler: str
    levels: str
    x: np.ndarray
    start: float
    end: float


def mixture_a():
    """Five Gaussians on a circle."""
    angles = 2 * np.pi * np.arange(5) / 5
    c, s = np.cos(angles), np.sin(angles)
    rotations = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    covariances = rotations @ np.diag([0.15**2, 0.05**2]) @ rotations.mT
    weights = np.array([0.35, 0.25, 0.2, 0.15, 0.05])
    return weights, 0.8 * np.stack([c, s], -1), (covariances + covariances.mT) / 2


def random_mixture(seed, count, dim):
    """Gaussians of widths .02 to .25 in random directions, their means some .8 apart."""
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.ones(count)), 0.8 * rng.standard_normal((count, dim))
    q, _ = np.linalg.qr(rng.standard_normal((count, dim, dim)))
    covariances = q @ (rng.uniform(0.02, 0.25, (count, dim))[:, :, None] ** 2 * q.mT)
    return weights, means, (covariances + covariances.mT) / 2


MIXTURES = {
    "A": mixture_a,
    "4 in 2-d": lambda: random_mixture(1, 4, 2),
    "8 in 3-d": lambda: random_mixture(2, 8, 3),
    "10 in 8-d": lambda: random_mixture(3, 10, 8),
    "20 in 16-d": lambda: random_mixture(4, 20, 16),
}


@functools.cache
def problem(name):
    """The problem of that name."""
    mixture = MIXTURES[name]()
    dim = mixture[1].shape[1]
    draws = [
        np.random.default_rng(seed).standard_normal((n, dim)) for seed, n in ((0, 64), (100, 256))
    ]
    return Problem(mixture, *draws)


@functools.cache
def exact(name, start, end):
    """Where the noise goes."""
    mixture, z, _ = problem(name)
    fine = sigmas_logsnr(1001, end, start)
    denoiser = gaussian_mixture_denoiser(*mixture)
    return sample_diffusion(denoiser, start * z, fine, method="dpm_3", final="stop").x


def errors(name, x, start, end):
    """Root mean square over all numbers; median over the samples of the same within each."""
    squares = np.mean((x - exact(name, start, end)) ** 2, axis=1)
    return math.sqrt(np.mean(squares)), math.sqrt(np.median(squares))


@functools.cache
def ours(name, method, grid, evaluations, start=START, end=END):
    """Errors of one of our samplers."""
    mixture, z, training = problem(name)
    denoiser = gaussian_mixture_denoiser(*mixture)
    if GRIDS[grid] is None:
        teacher = sigmas_karras(61, end, start)
        sigmas = fit_gits(denoiser, start * training, teacher, evaluations + 1, method=method)
    else:
        sigmas = GRIDS[grid](evaluations + 1, end, start)
    x = sample_diffusion(denoiser, start * z, sigmas, method=method, final="stop").x
    return errors(name, x, start, end)


def k_diffusion_runs(name, evaluations):
    """Every sampler of k-diffusion on its two grids, without the 0 that it appends to them."""
    import torch

    sampling = peer("k_diffusion.sampling")
    mixture, z, _ = problem(name)
    denoiser = gaussian_mixture_denoiser(*map(torch.from_numpy, mixture))

    def model(x, sigmas):
        return denoiser(x, float(sigmas[0]))

    grids = {"Karras": sampling.get_sigmas_karras, "exponential": sampling.get_sigmas_exponential}
    for (sampler, cost), grid in itertools.product(K_DIFFUSION.items(), grids):
        sigmas = grids[grid](evaluations // cost + 1, END, START)[:-1].double()
        sample = getattr(sampling, f"sample_{sampler}")
        quiet = {"eta": 0.0, "noise_sampler": lambda a, b: 0.0, "disable": True}
        options = {key: quiet[key] for key in inspect.signature(sample).parameters if key in quiet}
        start, end = float(sigmas[0]), float(sigmas[-1])
        x = sample(model, torch.from_numpy(start * z), sigmas, **options)
        yield Run(f"k-diffusion {sampler}", grid, x.numpy(), start, end)


def diffusers_runs(name, evaluations):
    """Schedulers of diffusers with its Karras and its exponential levels."""
    import diffusers
    import torch

    mixture, z, _ = problem(name)
    denoiser = gaussian_mixture_denoiser(*map(torch.from_numpy, mixture))
    grids = {"Karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas"}
    for sampler, grid in itertools.product(DIFFUSERS, grids):
        kind, settings = DIFFUSERS[sampler]
        scheduler = getattr(diffusers, kind)(
            prediction_type="epsilon", **{grids[grid]: True}, **settings
        )
        scheduler.set_timesteps(evaluations + 1)
        sigmas = [float(sigma) for sigma in scheduler.sigmas[: evaluations + 1]]
        state = torch.from_numpy(z) * sigmas[0] / math.hypot(1.0, sigmas[0])
        for t, sigma in zip(scheduler.timesteps[:evaluations], sigmas, strict=False):
            y = state * math.hypot(1.0, sigma)
            eps = (y - denoiser(y, sigma)) / sigma
            state = scheduler.step(eps, t, state).prev_sample
        x = state.numpy() * math.hypot(1.0, sigmas[-1])
        yield Run(f"diffusers {sampler}", grid, x, sigmas[0], sigmas[-1])


def peer_runs(name, evaluations):
    """Those of the peers that are installed."""
    if peer("torch") and peer("k_diffusion.sampling"):
        yield from k_diffusion_runs(name, evaluations)
    if peer("torch") and peer("diffusers"):
        yield from diffusers_runs(name, evaluations)


def show_all(name):
    """One mixture: every sampler."""
    print(
        f"| mixture {name} | levels | {' | '.join(map(str, EVALUATIONS))} |\n|---|---|---|---|---|"
    )
    for method, grid in itertools.product(OURS, GRIDS):
        cells = [f"{ours(name, method, grid, n)[0]:.4f}" for n in EVALUATIONS]
        print(f"| {method} | {grid} | {' | '.join(cells)} |")
    for runs in zip(*(peer_runs(name, n) for n in EVALUATIONS), strict=True):
        cells = []
        for run, n in zip(runs, EVALUATIONS, strict=True):
            theirs = errors(name, run.x, run.start, run.end)[0]
            same_ends = ours(name, *RECOMMENDED, n, run.start, run.end)[0]
            cells.append(f"{theirs:.4f} ({same_ends:.4f})")
        print(f"| {runs[0].sampler} | {runs[0].levels} | {' | '.join(cells)} |")


def show_best(name):
    """One mixture: the best peer at each number of evaluations, by root mean square and median."""
    for n, which in itertools.product(EVALUATIONS, (0, 1)):
        runs = [(errors(name, run.x, run.start, run.end)[which], run) for run in peer_runs(name, n)]
        if not runs:
            return
        theirs, run = min(
            ((value, run) for value, run in runs if value == value), key=lambda r: r[0]
        )
        recommended = ours(name, *RECOMMENDED, n, run.start, run.end)[which]
        kind = ("RMS", "median")[which]
        print(
            f"| {name} | {n} | {kind} | {recommended:.4f} | {theirs:.4f} "
            f"| {run.sampler}, {run.levels} |"
        )


def main():
    """Print Markdown tables: mixture A in full, of the others the best peer."""
    warnings.filterwarnings("ignore", module="diffusers")
    show_all("A")
    print("\n| mixture | evaluations | error | ours | best peer | |\n|---|---|---|---|---|---|")
    for name in MIXTURES:
        show_best(name)


if __name__ == "__main__":
    main()
