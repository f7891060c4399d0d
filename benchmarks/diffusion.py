"""Overhead of a diffusion sampler: 20 steps around a model that is free."""

import itertools
import math

import numpy as np

from benchmarks.runner import Case, peer
from solvers import sample_diffusion, sigmas_karras

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
