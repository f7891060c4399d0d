"""The steps of `solvers.langevin.steps` for a compiled target, a few chains from end to end.

Letters as in `solvers.langevin.integrators`. The noise of an aligned stretch of LANES steps is
drawn together; which steps a call covers does not matter. A step waits for the one before it, so
that GROUP chains take turns: the processor works on one while another waits. What the inner loops
touch are elements of arrays in local names: a reference counted there, as for the view of a row,
costs more than a step.
"""

import math

import numpy as np

from mathcore._compile import SAFE_FASTMATH, kernel, part
from mathcore._kernels.normals_cpu import LANES, fill_log_uniforms, fill_normals, room
from solvers.langevin._kernels.targets_cpu import call_target

GROUP = 4
ULA, MALA, LEIMKUHLER_MATTHEWS, BAOAB, ABOBA, OBABO, ANNEALED = range(7)
# Streams; a Python number would be a type of its own, and compile the generator again.
DIFFUSION, ACCEPTANCE, MOMENTUM, SECOND = (np.uint64(k) for k in range(4))
# A sum over coordinates in several lanes: what the compiler may reassociate, the same in every run.
_SUM_FASTMATH = SAFE_FASTMATH | {"reassoc"}


@part()
def _gather(lower, v, out):
    """out = Lᵀv from the rows of L."""
    n = v.shape[0]
    if lower.shape[0] == 1:
        for i in range(n):
            out[i] = lower[0, i] * v[i]
    else:
        out[:] = 0
        for j in range(n):
            for i in range(j + 1):
                out[i] += lower[j, i] * v[j]


@part()
def _spread(upper, v, out):
    """out = Lv from the rows of Lᵀ."""
    n = v.shape[0]
    if upper.shape[0] == 1:
        for i in range(n):
            out[i] = upper[0, i] * v[i]
    else:
        out[:] = 0
        for j in range(n):
            for i in range(j, n):
                out[i] += upper[j, i] * v[j]


@part()
def _move(lower, upper, s, h, c, xi, spare, x):
    """x + L(hLᵀs + cξ), over x."""
    force, move = spare[0], spare[1]
    _gather(lower, s, force)
    for j in range(x.shape[0]):
        force[j] = h * force[j] + c * xi[j]
    _spread(upper, force, move)
    for j in range(x.shape[0]):
        x[j] += move[j]


@part()
def _first_kept(at, i):
    """The first step from `i` on that is kept, and its row in the draws."""
    number = max(i - at.burn_in, 0) // at.thin
    return at.burn_in + (number + 1) * at.thin - 1, number - at.kept_before


@part()
def _average(before, rows, k):
    """before = (before + ξ)/2 and, over ξ, what `before` is in the next step."""
    for j in range(before.shape[0]):
        xi = rows[k, j]
        rows[k, j], before[j] = (before[j] + xi) / 2, xi


@part()
def _overdamped(at, target, rows, start, stop, x, slopes, before, spare, draws):
    """ULA, annealed, Leimkuhler–Matthews: there `rows` is one step ahead."""
    (count, n), lower, upper, sigmas = x.shape, at.lower, at.upper, at.sigmas
    method, thin, h, sigma = at.method, at.thin, at.h, 0.0
    ahead = 1 if method == LEIMKUHLER_MATTHEWS else 0
    c = math.sqrt(2 * h * at.temperature)
    plain, scale = lower.shape[0] == 1, lower[0]  # in one loop: it halves a step
    kept, row = _first_kept(at, start)
    for i in range(start, stop):
        k = (i + ahead) % LANES
        if method == ANNEALED:
            sigma = sigmas[i]
            h = at.h * (sigma / sigmas[-1]) ** 2 / 2
            c = math.sqrt(2 * h * at.temperature)
        for m in range(count):
            call_target(target, x, sigma, slopes, m)
            if ahead:
                _average(before[m], rows[m], k)
            if plain:
                for j in range(n):
                    x[m, j] += scale[j] * (h * (scale[j] * slopes[m, j]) + c * rows[m, k, j])
            else:
                _move(lower, upper, slopes[m], h, c, rows[m, k], spare, x[m])
        if i == kept:
            for m in range(count):
                for j in range(n):
                    draws[m, row, j] = x[m, j]
            kept, row = kept + thin, row + 1


@part()
def _adapt(at, adaptation, log_ratio, i):
    """`solvers.langevin.step_sizes.adapt`."""
    m = i + 1.0
    probability = math.exp(min(log_ratio, 0.0)) if log_ratio == log_ratio else 0.0
    share = 1 / (m + at.delay)
    adaptation[2] = (1 - share) * adaptation[2] + share * (at.target - probability)
    adaptation[0] = math.log(10 * at.h) - math.sqrt(m) / at.gain * adaptation[2]
    weight = m**-at.decay
    adaptation[1] = (1 - weight) * adaptation[1] + weight * adaptation[0]


@part()
def _propose(lower, upper, s, h, c, xi, spare, x, y):
    for j in range(x.shape[0]):
        y[j] = x[j]
    _move(lower, upper, s, h, c, xi, spare, y)


@part(fastmath=_SUM_FASTMATH)
def _bracket(lower, s, s_y, h, c, xi, spare):
    """⟨cξ + hg/2, g⟩ with g = Lᵀ(s + s_y)."""
    total, g, bracket = spare[0], spare[1], 0.0
    for j in range(s.shape[0]):
        total[j] = s[j] + s_y[j]
    _gather(lower, total, g)
    for j in range(s.shape[0]):
        bracket += (c * xi[j] + h / 2 * g[j]) * g[j]
    return bracket


@part(fastmath=_SUM_FASTMATH)
def _adjusted(at, target, rows, log_u, start, stop, states, spare, adaptation, draws, ends):
    """MALA; counts the proposals taken after the burn-in, and tells whether the last was.

    Rows 2m and 2m + 1 of `places` and `slopes` are state and proposal of chain m, or the other way
    round (`now`): where a proposal is taken nothing is copied and no branch is guessed.
    """
    places, slopes, levels, now = states
    count, n, lower, upper = now.shape[0], places.shape[1], at.lower, at.upper
    adapts, burn_in, thin, h, temperature = at.adapts, at.burn_in, at.thin, at.h, at.temperature
    plain, scale, beta = lower.shape[0] == 1, lower[0], 1 / temperature
    kept, row = _first_kept(at, start)
    c, bracket = math.sqrt(2 * h * temperature), 0.0
    for i in range(start, stop):
        k = i % LANES
        for m in range(count):
            a = now[m]
            b = 4 * m + 1 - a
            if adapts:
                h = math.exp(adaptation[m, 0 if i < burn_in else 1])
                c = math.sqrt(2 * h * temperature)
            if plain:
                for j in range(n):
                    force = h * (scale[j] * slopes[a, j]) + c * rows[m, k, j]
                    places[b, j] = places[a, j] + scale[j] * force
            else:
                _propose(lower, upper, slopes[a], h, c, rows[m, k], spare, places[a], places[b])
            level = call_target(target, places, 0.0, slopes, b)
            if plain:
                bracket = 0.0
                for j in range(n):
                    g = scale[j] * (slopes[a, j] + slopes[b, j])
                    bracket += (c * rows[m, k, j] + h / 2 * g) * g
            else:
                bracket = _bracket(lower, slopes[a], slopes[b], h, c, rows[m, k], spare)
            log_ratio = (level - levels[m] - bracket / 2) * beta
            accepted = log_u[m, k] < log_ratio
            levels[m], now[m] = (level, b) if accepted else (levels[m], a)
            if adapts and i < burn_in:
                _adapt(at, adaptation[m], log_ratio, i)
            ends[m, 0] += accepted and i >= burn_in
            ends[m, 1] = accepted
        if i == kept:
            for m in range(count):
                for j in range(n):
                    draws[m, row, j] = places[now[m], j]
            kept, row = kept + thin, row + 1


@part()
def _forget(p, rows, k, decay, c):
    """O: the exact friction and noise of one (part of a) step."""
    for j in range(p.shape[0]):
        p[j] = decay * p[j] + c * rows[k, j]


@part()
def _kick(lower, s, time, force, p):
    """B: p + hLᵀs, over p."""
    _gather(lower, s, force)
    for j in range(p.shape[0]):
        p[j] += time * force[j]


@part()
def _drift(upper, p, time, move, x):
    """A: x + hLp, over x."""
    _spread(upper, p, move)
    for j in range(p.shape[0]):
        x[j] += time * move[j]


@part()
def _underdamped(at, target, rows, more, start, stop, x, p, s, force, draws):
    """BAOAB, ABOBA, OBABO."""
    lower, upper, thin, method, h = at.lower, at.upper, at.thin, at.method, at.h
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
        call_target(target, x, 0.0, s, 0)
        _kick(lower, s, h / 2, force, p)
        if method == ABOBA:
            _forget(p, rows, k, decay, c)
            _kick(lower, s, h / 2, force, p)
            _drift(upper, p, h / 2, force, x)
        if method == OBABO:
            _forget(p, more, k, decay, c)
        if i == kept:
            for j in range(x.shape[0]):
                draws[row, j] = x[j]
            kept, row = kept + thin, row + 1


@part()
def _noise_before(at, members, space, rows, before):
    """Of the step that the call begins with, where `rows` is one step ahead."""
    k = at.first % LANES
    for m in range(before.shape[0]):
        fill_normals(at.seed, members[m], at.first - k, DIFFUSION, space, rows[m])
        for j in range(before.shape[1]):
            before[m, j] = rows[m, k, j]


@part()
def _run_overdamped(at, target, members, x, draws):
    count, n = x.shape
    slopes, before = np.empty((count, n), x.dtype), np.empty((count, n))
    rows, spare, space = np.empty((count, LANES, n + n % 2)), np.empty((2, n), x.dtype), room()
    ahead = 1 if at.method == LEIMKUHLER_MATTHEWS else 0
    if ahead:
        _noise_before(at, members, space, rows, before)
    start = at.first
    while start < at.last:
        drawn = start + ahead - (start + ahead) % LANES
        stop = min(at.last, drawn + LANES - ahead)
        for m in range(count):
            fill_normals(at.seed, members[m], drawn, DIFFUSION, space, rows[m])
        _overdamped(at, target, rows, start, stop, x, slopes, before, spare, draws)
        start = stop


@part()
def _run_adjusted(at, target, members, x, adaptation, draws, ends):
    count, n = x.shape
    places, slopes = np.empty((2 * count, n), x.dtype), np.empty((2 * count, n), x.dtype)
    levels, now, spare = np.empty(count), np.empty(count, np.int64), np.empty((2, n), x.dtype)
    rows, log_u, space = np.empty((count, LANES, n + n % 2)), np.empty((count, LANES)), room()
    for m in range(count):
        now[m], ends[m, 0] = 2 * m, 0
        for j in range(n):
            places[2 * m, j] = x[m, j]
        levels[m] = call_target(target, places, 0.0, slopes, 2 * m)
    start, states = at.first, (places, slopes, levels, now)
    while start < at.last:
        drawn = start - start % LANES
        stop = min(at.last, drawn + LANES)
        for m in range(count):
            fill_normals(at.seed, members[m], drawn, DIFFUSION, space, rows[m])
            fill_log_uniforms(at.seed, members[m], drawn, ACCEPTANCE, space, log_u[m])
        _adjusted(at, target, rows, log_u, start, stop, states, spare, adaptation, draws, ends)
        start = stop
    for m in range(count):
        for j in range(n):
            x[m, j] = places[now[m], j]


@part()
def _run_underdamped(at, target, member, x, p, draws):
    n = x.shape[0]
    s, force, space = np.empty(n, x.dtype), np.empty(n, x.dtype), room()
    rows, more = np.empty((LANES, n + n % 2)), np.empty((LANES, n + n % 2))
    call_target(target, x, 0.0, s, 0)
    start = at.first
    while start < at.last:
        drawn = start - start % LANES
        stop = min(at.last, drawn + LANES)
        fill_normals(at.seed, member, drawn, DIFFUSION, space, rows)
        if at.method == OBABO:
            fill_normals(at.seed, member, drawn, SECOND, space, more)
        _underdamped(at, target, rows, more, start, stop, x, p, s, force, draws)
        start = stop


@part()
def _is_finite(v):
    finite = True
    for j in range(v.shape[0]):
        finite = finite and math.isfinite(v[j])
    return finite


@part()
def _diverged(at, target, x):
    sigma, s = at.sigmas[at.last - 1] if at.method == ANNEALED else 0.0, np.empty_like(x)
    level = call_target(target, x, sigma, s, 0)
    return not (math.isfinite(level) and _is_finite(x) and _is_finite(s))


# --- the chains low … high − 1, from step at.first to at.last − 1 ---------------------------------


@kernel()
def advance_overdamped(low, high, at, target, members, x, draws, ends):
    """Over `x`, by ULA, its annealed form or Leimkuhler–Matthews.

    Parameters
    ----------
    low, high : int
    at : solvers.langevin.compiled_chains.Settings
    target : what `target_function` says to call
    members : array of uint64 (chains,)
    x : array (chains, dim)
    draws : array (chains, kept, dim)
        Written to.
    ends : array of int64 (chains, 3)
        Written to: proposals taken after the burn-in, whether the last was taken, diverged or not.
    """
    for c in range(low, high, GROUP):
        some = slice(c, min(c + GROUP, high))
        _run_overdamped(at, target, members[some], x[some], draws[some])
    for c in range(low, high):
        ends[c, 2] = _diverged(at, target, x[c])


@kernel()
def advance_adjusted(low, high, at, target, members, x, adaptation, draws, ends):
    """The same by MALA; over `adaptation` (chains, 3) too."""
    for c in range(low, high, GROUP):
        some = slice(c, min(c + GROUP, high))
        _run_adjusted(at, target, members[some], x[some], adaptation[some], draws[some], ends[some])
    for c in range(low, high):
        ends[c, 2] = _diverged(at, target, x[c])


@kernel()
def advance_underdamped(low, high, at, target, members, x, p, draws, ends):
    """The same by BAOAB, ABOBA or OBABO; over the momenta `p` (chains, dim) too."""
    for c in range(low, high):
        _run_underdamped(at, target, members[c], x[c], p[c], draws[c])
        ends[c, 2] = _diverged(at, target, x[c])
