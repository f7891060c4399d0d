"""Overhead of a diffusion sampler: 20 steps around a model that is free.

``python -m benchmarks.diffusion`` prints errors instead: mixture A at 5, 10 and 20 evaluations.
"""

import functools
import itertools
import math

import numpy as np

from benchmarks.runner import Case, peer
from solvers import (
    fit_gits,
    gaussian_mixture_denoiser,
    sample_diffusion,
    sigmas_karras,
    sigmas_logsnr,
)

SHAPES = [(16, 3, 64, 64), (4, 3, 32, 32), (1, 3, 8, 8)]
STEPS = 20
SIGMAS = sigmas_karras(STEPS, 0.002, 80.0)
# our method, the diffusers scheduler that does the same, and its settings
METHODS = {
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"solver_order": 2}),
    "unipc_2": ("UniPCMultistepScheduler", {"solver_order": 2}),
    "unipc_3": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "deis_3": None,
    "ipndm_3": None,
    "lms_4": None,
}


def cases(quick):
    """One state in torch and one in NumPy for each shape, float32."""
    for shape in SHAPES[-1:] if quick else SHAPES:
        noise = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
        if torch := peer("torch"):
            x, denoised = torch.from_numpy(80 * noise[0]), torch.from_numpy(noise[1])
            for method, scheduler in METHODS.items():
                peers = _diffusers(torch, x, denoised, scheduler)
                yield _case("torch", method, shape, x, denoised, peers)
        yield _case("NumPy", "dpmpp_2m", shape, 80 * noise[0], noise[1], {})


def _case(library, method, shape, x, denoised, peers):
    def model(x, sigma):
        return denoised

    candidates = {"mathcore": lambda: sample_diffusion(model, x, SIGMAS, method=method).x}
    if method == "dpmpp_2m":
        candidates[f"plain {library} loop"] = lambda: _plain_loop(model, x)
    candidates.update(peers)
    name = f"{method}, {STEPS} steps, {library} {shape}"
    return Case(name, candidates, lambda outputs: _agree(outputs, denoised))


def _plain_loop(model, x):
    """k-diffusion's sample_dpmpp_2m without its bookkeeping."""
    old, h_last = None, None
    for a, b in itertools.pairwise([*SIGMAS.tolist(), 0.0]):
        denoised = model(x, a)
        if b == 0.0:
            return denoised
        h = math.log(a / b)
        d = denoised
        if old is not None:
            r = h_last / h
            d = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * old
        x = b / a * x - math.expm1(-h) * d
        old, h_last = denoised, h
    return x


def _diffusers(torch, x, denoised, scheduler):
    diffusers = peer("diffusers")
    if diffusers is None or scheduler is None:
        return {}
    name, settings = scheduler
    stepper = getattr(diffusers, name)(
        prediction_type="sample", use_karras_sigmas=True, final_sigmas_type="zero", **settings
    )

    def run():
        stepper.set_timesteps(STEPS)
        state = x
        with torch.no_grad():
            for t in stepper.timesteps:
                state = stepper.step(denoised, t, state).prev_sample
        return state

    return {"diffusers": run}


def _agree(outputs, denoised):
    """A model that always answers c has the sample c."""
    for name, x in outputs.items():
        error = float(abs(x - denoised).max())
        assert error <= 1e-5, f"{name} differs from the model's answer by {error:.3g}"


# --- errors -------------------------------------------------------------------------------------


def mixture_a():
    """Five Gaussians on a circle."""
    angles = 2 * np.pi * np.arange(5) / 5
    c, s = np.cos(angles), np.sin(angles)
    rotations = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    covariances = rotations @ np.diag([0.15**2, 0.05**2]) @ rotations.mT
    weights = np.array([0.35, 0.25, 0.2, 0.15, 0.05])
    return weights, 0.8 * np.stack([c, s], -1), (covariances + covariances.mT) / 2


def diffusers_sample(name, x, steps, **settings):
    """The scheduler on its own Karras levels, from 157 to 0.01, the exact σ given to the denoiser.

    Returns the sample and the levels, for the reference to begin and end where it did.
    """
    import diffusers
    import torch

    denoiser = gaussian_mixture_denoiser(*map(torch.from_numpy, mixture_a()))
    scheduler = getattr(diffusers, name)(
        prediction_type="epsilon",
        use_karras_sigmas=True,
        **settings,
    )
    scheduler.set_timesteps(steps + 1)
    sigmas = [float(sigma) for sigma in scheduler.sigmas[: steps + 1]]
    state = torch.from_numpy(x) * sigmas[0] / math.hypot(1.0, sigmas[0])
    for t, sigma in zip(scheduler.timesteps[:steps], sigmas, strict=False):
        y = state * math.hypot(1.0, sigma)
        eps = (y - denoiser(y, sigma)) / sigma
        state = scheduler.step(eps, t, state).prev_sample
    return state.numpy() * math.hypot(1.0, sigmas[-1]), sigmas


@functools.cache
def _exact(start, end):
    """1,000 steps of a third-order method from the noise 64 × 2."""
    denoiser, z = gaussian_mixture_denoiser(*mixture_a()), _noise()
    fine = sigmas_logsnr(1001, end, start)
    return sample_diffusion(denoiser, start * z, fine, method="dpm_3", final="stop").x


def _noise():
    return np.random.default_rng(0).standard_normal((64, 2))


def _error(sample, sigmas):
    exact = _exact(float(sigmas[0]), float(sigmas[-1]))
    return float(np.sqrt(np.mean((sample - exact) ** 2)))


def main():
    """Print a Markdown table of errors at 5, 10 and 20 evaluations."""
    denoiser = gaussian_mixture_denoiser(*mixture_a())
    z = _noise()
    training = 80 * np.random.default_rng(100).standard_normal((256, 2))
    teacher = sigmas_karras(61, 0.002, 80.0)
    print("| sampler | levels | 5 | 10 | 20 |\n|---|---|---|---|---|")
    grids = {
        "Karras": sigmas_karras,
        "log-SNR": sigmas_logsnr,
        "fit_gits": None,
    }
    for method, grid in itertools.product(("ipndm_3", "dpmpp_2m", "unipc_3", "deis_3"), grids):
        row = []
        for nfe in (5, 10, 20):
            if grids[grid] is None:
                sigmas = fit_gits(denoiser, training, teacher, nfe + 1, method=method)
            else:
                sigmas = grids[grid](nfe + 1, 0.002, 80.0)
            result = sample_diffusion(denoiser, 80 * z, sigmas, method=method, final="stop")
            row.append(_error(result.x, sigmas))
        print(f"| {method} | {grid} | {' | '.join(f'{error:.4f}' for error in row)} |")
    if peer("diffusers") is None or peer("torch") is None:
        return
    end = {"final_sigmas_type": "sigma_min"}
    schedulers = [(name, {**settings, **end}) for name, settings in filter(None, METHODS.values())]
    for name, settings in [*schedulers, ("DEISMultistepScheduler", {"solver_order": 3})]:
        row = []
        for nfe in (5, 10, 20):
            sample, sigmas = diffusers_sample(name, z, nfe, **settings)
            row.append(_error(sample, sigmas))
        order = settings["solver_order"]
        errors = " | ".join(f"{error:.4f}" for error in row)
        print(f"| diffusers {name}, order {order} | its Karras | {errors} |")


if __name__ == "__main__":
    main()
