"""Methods that use nothing of earlier steps: DDIM, Heun, DPM-Solver, the fitted mean value.

A step to σ = 0, where λ is infinite, is Euler's in each of them.
"""

import math

from solvers.diffusion.steps import Stage, phi, to_zero


def euler(step):
    """DDIM and DPM-Solver-1: Song, Meng & Ermon, ICLR 2021, eq. (12) with σ_t = 0."""
    a, b = step.a, step.b
    return (Stage(a, b / a, ((a - b) / a,)),)


def heun(step):
    """Karras et al. 2022, Algorithm 1: the mean of the slopes at a and at the Euler point."""
    return euler(step) if step.b == 0.0 else heun_from(step.a, step.b)


def heun_from(a, b):
    """Both stages, in terms of D."""
    slope_a, slope_b = (a - b) * (2 * b - a) / (2 * a * b), (a - b) / (2 * b)
    return (Stage(a, b / a, ((a - b) / a,)), Stage(b, b / a, (slope_b, slope_a)))


def dpm_2(step):
    """Lu et al., "DPM-Solver", arXiv 2206.00927, Algorithm 1: the slope at the middle of λ."""
    a, b = step.a, step.b
    if b == 0.0:
        return to_zero(step)
    m = math.sqrt(a * b)
    return (Stage(a, 1.0, (), (m - a,)), Stage(m, 1.0, (), (b - a,)))


def dpm_3(step):
    """Lu et al., "DPM-Solver", Algorithm 2 with r₁ = 1/3, r₂ = 2/3."""
    a, b, h = step.a, step.b, step.h
    if b == 0.0:
        return to_zero(step)
    r1, r2 = 1 / 3, 2 / 3
    s1, s2 = a * math.exp(-r1 * h), a * math.exp(-r2 * h)
    bend_2 = s2 * (r2 / r1) * r2 * h * phi(2, r2 * h)  # s₂ (r₂/r₁) [(e^{r₂h} − 1)/(r₂h) − 1]
    bend_b = b / r2 * h * phi(2, h)
    return (
        Stage(a, 1.0, (), (s1 - a,)),
        Stage(s1, 1.0, (), (-bend_2, s2 - a + bend_2)),
        Stage(s2, 1.0, (), (-bend_b, 0.0, b - a + bend_b)),
    )


def dpmpp_2s(step):
    """Lu et al., "DPM-Solver++", arXiv 2211.01095, Algorithm 1 with r = 1/2."""
    a, b = step.a, step.b
    if b == 0.0:
        return to_zero(step)
    s = math.sqrt(a * b)
    return (Stage(a, s / a, ((a - s) / a,)), Stage(s, b / a, ((a - b) / a, 0.0)))


def mean_value(step, step_table):
    """One slope at t = a^{1−r} b^r stands for the mean of all, times c; (r, c) are fitted."""
    a, b = step.a, step.b
    if b == 0.0:
        return to_zero(step)
    r, c = (float(value) for value in step_table[step.index])
    t = a * math.exp(-r * step.h)
    return (Stage(a, 1.0, (), (t - a,)), Stage(t, 1.0, (), (c * (b - a), 0.0)))
