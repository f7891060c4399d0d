"""Step sizes that find their acceptance rate: dual averaging, each chain on its own."""

import math

from mathcore import _arrays

TARGET = 0.574  # Roberts & Rosenthal, J. R. Stat. Soc. B 60 (1998) 255–268
# γ, t₀ and κ of Hoffman & Gelman, "The No-U-Turn Sampler", JMLR 15 (2014) 1593–1623, § 3.2.
GAIN, DELAY, DECAY = 0.05, 10.0, 0.75


def start(like, step_size):
    """Columns log h, its average, the mean excess of the target: ``(chains, 3)``."""
    xp = _arrays.result_namespace(like)
    zero = xp.zeros((like.shape[0], 1), dtype=like.dtype, device=_arrays.device(like))
    log_h = zero + math.log(step_size)
    return xp.concat([log_h, log_h, zero], axis=1)


def step_size_of(adaptation, *, burning):
    """h ``(chains, 1)``: the one tried now, or after the burn-in the average."""
    xp = _arrays.result_namespace(adaptation)
    column = 0 if burning else 1
    return xp.exp(adaptation[:, column : column + 1])


def adapt(adaptation, log_ratio, i, first_guess):
    """One round of dual averaging (Hoffman & Gelman 2014, eq. (6)) after step `i`, from 0."""
    xp = _arrays.result_namespace(adaptation)
    probability = xp.exp(xp.where(log_ratio < 0, log_ratio, xp.zeros_like(log_ratio)))
    probability = xp.where(xp.isnan(log_ratio), xp.zeros_like(log_ratio), probability)
    m = i + 1.0
    share = 1 / (m + DELAY)
    excess = (1 - share) * adaptation[:, 2] + share * (TARGET - probability)
    log_h = math.log(10 * first_guess) - math.sqrt(m) / GAIN * excess
    weight = m**-DECAY
    average = weight * log_h + (1 - weight) * adaptation[:, 1]
    return xp.stack([log_h, average, excess], axis=1)
