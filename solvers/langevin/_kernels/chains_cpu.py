"""The steps of `solvers.langevin.steps` for a compiled target, each chain from end to end.

Letters as in `solvers.langevin.integrators`. The noise of an aligned stretch of LANES steps is
drawn together; which steps a call covers does not matter. What the inner loops touch are arrays in
local names: a reference counted there costs more than a step.
"""

import math

import numpy as np

from mathcore._compile import SAFE_FASTMATH, kernel
from mathcore._kernels.normals_cpu import (
    LANES,
    fill_log_uniforms,
    fill_normals,
    room,
)
from solvers.langevin._kernels.targets_cpu import call_target

ULA, MALA, LEIMKUHLER_MATTHEWS, BAOAB, ABOBA, OBABO, ANNEALED = range(7)
DIFFUSION, ACCEPTANCE, MOMENTUM, SECOND = range(4)
# A sum over coordinates in several lanes: what the compiler may reassociate, the same in every run.
_SUM_FASTMATH = SAFE_FASTMATH | {"reassoc"}


@kernel()
def _times(rows, upper, v, out):
    """out = Lv from the rows of Lᵀ (`upper`), or Lᵀv from those of L."""
    n = v.shape[0]
    if rows.shape[0] == 1:
        for i in range(n):
            out[i] = rows[0, i] * v[i]
    else:
        out[:] = 0
        for j in range(n):
            start, stop, value = (j, n, v[j]) if upper else (0, j + 1, v[j])
            for i in range(start, stop):
                out[i] += rows[j, i] * value


@kernel()
def _move(lower, upper, s, h, c, xi, force, move, x):
    """x + L(hLᵀs + cξ), over x."""
    _times(lower, False, s, force)
    for j in range(x.shape[0]):
        force[j] = h * force[j] + c * xi[j]
    _times(upper, True, force, move)
    for j in range(x.shape[0]):
        x[j] += move[j]


@kernel()
def _first_kept(at, i):
    """The first step from `i` on that is kept, and its row in the draws."""
    number = max(i - at.burn_in, 0) // at.thin
    return at.burn_in + (number + 1) * at.thin - 1, number - at.kept_before


@kernel()
def _copy(x, row):
    for j in range(x.shape[0]):
        row[j] = x[j]


@kernel()
def _overdamped(at, target, rows, start, stop, x, work, draws):
    """ULA, annealed, Leimkuhler–Matthews: there `rows` is one step ahead."""
    n, lower, upper, sigmas = x.shape[0], at.lower, at.upper, at.sigmas
    s, xi, before, force, move = work[0], work[1], work[2], work[3], work[4]
    method, thin, h, sigma = at.method, at.thin, at.h, 0.0
    ahead = 1 if method == LEIMKUHLER_MATTHEWS else 0
    c = math.sqrt(2 * h * at.temperature)
    plain, scale = lower.shape[0] == 1 and not ahead, lower[0]  # in one loop: it halves a step
    kept, row = _first_kept(at, start)
    for i in range(start, stop):
        k = (i + ahead) % LANES
        if method == ANNEALED:
            sigma = sigmas[i]
            h = at.h * (sigma / sigmas[-1]) ** 2 / 2
            c = math.sqrt(2 * h * at.temperature)
        call_target(target, x, sigma, s)
        if plain:
            for j in range(n):
                x[j] += scale[j] * (h * (scale[j] * s[j]) + c * rows[k, j])
        else:
            for j in range(n):
                xi[j] = (before[j] + rows[k, j]) / 2 if ahead else rows[k, j]
                before[j] = rows[k, j]
            _move(lower, upper, s, h, c, xi, force, move, x)
        if i == kept:
            _copy(x, draws[row])
            kept, row = kept + thin, row + 1


@kernel()
def _adapt(at, adaptation, log_ratio, i):
    """`solvers.langevin.step_sizes.adapt`."""
    m = i + 1.0
    probability = math.exp(min(log_ratio, 0.0)) if log_ratio == log_ratio else 0.0
    share = 1 / (m + at.delay)
    adaptation[2] = (1 - share) * adaptation[2] + share * (at.target - probability)
    adaptation[0] = math.log(10 * at.h) - math.sqrt(m) / at.gain * adaptation[2]
    weight = m**-at.decay
    adaptation[1] = weight * adaptation[0] + (1 - weight) * adaptation[1]


@kernel(fastmath=_SUM_FASTMATH)
def _bracket(lower, s, s_y, h, c, xi, total, g):
    """⟨cξ + hg/2, g⟩ with g = Lᵀ(s + s_y)."""
    bracket = 0.0
    if lower.shape[0] == 1:
        for j in range(xi.shape[0]):
            sum_j = lower[0, j] * (s[j] + s_y[j])
            bracket += (c * xi[j] + h / 2 * sum_j) * sum_j
        return bracket
    for j in range(xi.shape[0]):
        total[j] = s[j] + s_y[j]
    _times(lower, False, total, g)
    for j in range(xi.shape[0]):
        bracket += (c * xi[j] + h / 2 * g[j]) * g[j]
    return bracket


@kernel()
def _adjusted(at, target, rows, log_u, start, stop, x, work, levels, adaptation, draws, ends):
    """MALA; counts the proposals taken after the burn-in, and tells whether the last was."""
    n, lower, upper, level = x.shape[0], at.lower, at.upper, levels[0]
    s, xi, s_y, force, move, y = work[0], work[1], work[2], work[3], work[4], work[5]
    adapts, burn_in, thin, temperature, h = at.adapts, at.burn_in, at.thin, at.temperature, at.h
    taken, accepted, plain, scale = 0, False, lower.shape[0] == 1, lower[0]
    kept, row = _first_kept(at, start)
    for i in range(start, stop):
        if adapts:
            h = math.exp(adaptation[0 if i < burn_in else 1])
        c = math.sqrt(2 * h * temperature)
        for j in range(n):
            xi[j] = rows[i % LANES, j]
            y[j] = x[j] + scale[j] * (h * (scale[j] * s[j]) + c * xi[j])
        if not plain:
            _copy(x, y)
            _move(lower, upper, s, h, c, xi, force, move, y)
        level_y = call_target(target, y, 0.0, s_y)
        bracket = _bracket(lower, s, s_y, h, c, xi, force, move)
        log_ratio = (level_y - level - bracket / 2) / temperature
        accepted = log_u[i % LANES] < log_ratio
        if accepted:
            level = level_y
            for j in range(n):
                x[j], s[j] = y[j], s_y[j]
        if adapts and i < burn_in:
            _adapt(at, adaptation, log_ratio, i)
        taken += accepted and i >= burn_in
        if i == kept:
            _copy(x, draws[row])
            kept, row = kept + thin, row + 1
    levels[0], ends[1] = level, accepted
    ends[0] += taken


@kernel()
def _forget(p, rows, k, decay, c):
    """O: the exact friction and noise of one (part of a) step."""
    for j in range(p.shape[0]):
        p[j] = decay * p[j] + c * rows[k, j]


@kernel()
def _kick(lower, s, time, force, p):
    """B: p + hLᵀs, over p."""
    _times(lower, False, s, force)
    for j in range(p.shape[0]):
        p[j] += time * force[j]


@kernel()
def _drift(upper, p, time, move, x):
    """A: x + hLp, over x."""
    _times(upper, True, p, move)
    for j in range(p.shape[0]):
        x[j] += time * move[j]


@kernel()
def _underdamped(at, target, rows, more, start, stop, x, p, work, draws):
    """BAOAB, ABOBA, OBABO."""
    lower, upper, thin, method, h = at.lower, at.upper, at.thin, at.method, at.h
    s, force = work[0], work[3]
    time = h / 2 if method == OBABO else h
    decay = math.exp(-at.friction * time)
    c = math.sqrt(-at.temperature * math.expm1(-2 * at.friction * time))
    kept, row = _first_kept(at, start)
    for i in range(start, stop):
        k = i % LANES
        if method == OBABO:
            _forget(p, rows, k, decay, c)
        if method != ABOBA:
            _kick(lower, s, h / 2, force, p)
        if method != OBABO:
            _drift(upper, p, h / 2, force, x)
        if method == BAOAB:
            _forget(p, rows, k, decay, c)
            _drift(upper, p, h / 2, force, x)
        if method == OBABO:
            _drift(upper, p, h, force, x)
        call_target(target, x, 0.0, s)
        _kick(lower, s, h / 2, force, p)
        if method == ABOBA:
            _forget(p, rows, k, decay, c)
            _kick(lower, s, h / 2, force, p)
            _drift(upper, p, h / 2, force, x)
        if method == OBABO:
            _forget(p, more, k, decay, c)
        if i == kept:
            _copy(x, draws[row])
            kept, row = kept + thin, row + 1


@kernel()
def _begin(at, target, member, x, work, levels, space, rows):
    """Score, log density or noise that the step before would have left."""
    if at.method == LEIMKUHLER_MATTHEWS:
        k = at.first % LANES
        fill_normals(at.seed, member, at.first - k, DIFFUSION, space, rows)
        for j in range(x.shape[0]):
            work[2, j] = rows[k, j]
    elif at.method != ANNEALED:
        levels[0] = call_target(target, x, 0.0, work[0])


@kernel()
def _diverged(at, target, x, s):
    sigma = at.sigmas[at.last - 1] if at.method == ANNEALED else 0.0
    level = call_target(target, x, sigma, s)
    return not (np.isfinite(level) and np.all(np.isfinite(x)) and np.all(np.isfinite(s)))


@kernel()
def _advance_chain(at, target, member, x, p, adaptation, draws, ends):
    n, method, seed = x.shape[0], at.method, at.seed
    space, work, levels, log_u = room(), np.empty((6, n), x.dtype), np.zeros(1), np.empty(LANES)
    rows, more = np.empty((LANES, n + n % 2)), np.empty((LANES, n + n % 2))
    _begin(at, target, member, x, work, levels, space, rows)
    ahead = 1 if method == LEIMKUHLER_MATTHEWS else 0
    start, ends[0] = at.first, 0
    while start < at.last:
        drawn = start + ahead - (start + ahead) % LANES
        stop = min(at.last, drawn + LANES - ahead)
        fill_normals(seed, member, drawn, DIFFUSION, space, rows)
        if method == MALA:
            fill_log_uniforms(seed, member, drawn, ACCEPTANCE, space, log_u)
            _adjusted(
                at, target, rows, log_u, start, stop, x, work, levels, adaptation, draws, ends
            )
        elif method in (BAOAB, ABOBA, OBABO):
            if method == OBABO:
                fill_normals(seed, member, drawn, SECOND, space, more)
            _underdamped(at, target, rows, more, start, stop, x, p, work, draws)
        else:
            _overdamped(at, target, rows, start, stop, x, work, draws)
        start = stop
    ends[2] = _diverged(at, target, x, work[0])


@kernel()
def advance(at, target, members, x, p, adaptation, draws, ends):
    """Steps at.first … at.last − 1 of all chains, over `x`, `p` and `adaptation`.

    Parameters
    ----------
    at : solvers.langevin.compiled_chains.Settings
    target : what `target_function` says to call
    members : array of uint64 (chains,)
    x, p : array (chains, dim)
    adaptation : array (chains, 3)
    draws : array (chains, kept, dim)
        Written to.
    ends : array of int64 (chains, 3)
        Written to: proposals taken after the burn-in, whether the last was taken, diverged or not.
    """
    for c in range(members.shape[0]):
        _advance_chain(at, target, members[c], x[c], p[c], adaptation[c], draws[c], ends[c])
