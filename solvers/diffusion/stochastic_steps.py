"""Methods that add noise: the SDE of DPM-Solver++, DDIM with η (DDPM at η = 1), EDM's churn."""

import math
from typing import NamedTuple

from solvers.diffusion.single_steps import heun, heun_from
from solvers.diffusion.steps import Stage, padded, phi, to_zero


class Churn(NamedTuple):
    """Parameters of Karras et al. 2022, Algorithm 2: how much noise is added, and where."""

    s_churn: float
    s_min: float = 0.0
    s_max: float = math.inf
    s_noise: float = 1.0


def ancestral(step, eta):
    """Song, Meng & Ermon, ICLR 2021, eq. (12) and (16): Euler to σ_down, then σ_up of noise."""
    a, b = step.a, step.b
    up = min(b, eta * b * math.sqrt((a - b) * (a + b)) / a)
    down = math.sqrt((b - up) * (b + up))
    return (Stage(a, down / a, ((a - down) / a,), noise=up),)


def sde_dpmpp_1(step, eta):
    """Lu et al., "DPM-Solver++", arXiv 2211.01095, eq. (17) with the noise scaled by η."""
    if step.b == 0.0:
        return to_zero(step)
    decay, noise = _decay_and_noise(step, eta)
    return (Stage(step.a, decay, (-math.expm1(-(1 + eta) * step.h),), noise=noise),)


def sde_dpmpp_2m(step, eta, variant):
    """The same with D extrapolated from the step before, "midpoint" or "heun"."""
    if step.b == 0.0:
        return to_zero(step, weights=2)
    decay, noise = _decay_and_noise(step, eta)
    z = (1 + eta) * step.h
    weight, slope = -math.expm1(-z), 0.0
    if step.previous is not None:
        slope = weight / 2 if variant == "midpoint" else z * phi(2, -z)  # 1 − (1 − e^{−z})/z
        slope *= step.h / step.previous.h
    return (Stage(step.a, decay, padded([weight + slope, -slope], 2), noise=noise),)


def _decay_and_noise(step, eta):
    decay = step.b / step.a * math.exp(-eta * step.h)
    return decay, step.b * math.sqrt(-math.expm1(-2 * eta * step.h))


def edm(step, churn):
    """Karras et al. 2022, Algorithm 2: noise up to â = (1 + γ)a, then Heun from there."""
    a, b = step.a, step.b
    active = churn is not None and churn.s_min <= a <= churn.s_max
    gamma = min(churn.s_churn / step.count, math.sqrt(2) - 1) if active else 0.0
    if gamma == 0.0:
        return heun(step)
    raised = (1 + gamma) * a
    added = a * math.sqrt(gamma * (2 + gamma)) * churn.s_noise
    stages = to_zero(step._replace(a=raised)) if b == 0.0 else heun_from(raised, b)
    return (
        Stage(raised, 1.0, (), (), added),
        *(stage._replace(noise=stage.decay * added) for stage in stages),
    )
