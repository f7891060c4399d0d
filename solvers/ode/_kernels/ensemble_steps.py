"""One step of `LANES` members at once, each with its own time and size.

Everything a member has is a column of one workspace `v` (rows, LANES): the numbers named first,
then the vectors whose first rows `at` holds. One array, since numba counts references to each
argument that is one. `method` and `at` are the records of `solvers.ode.lane_records`.
"""

import numpy as np

from mathcore._compile import part
from solvers.ode._kernels.ensemble_lanes import call_lanes
from solvers.ode._kernels.ensemble_vectors import (
    exponent,
    load,
    mantissa,
    square_root,
    store,
    two_to,
    where,
    zeros,
)

T, H, STAGE_T, THETA, ERROR, PREVIOUS, STIFFNESS = range(7)
MEMBER, STATUS, ACCEPTED, REJECTED, EVALUATIONS, SAVED = range(7, 13)
STIFF_STEPS, REPEATED, TAKEN, END, SLOPE, LOW, HIGH, START, G = range(13, 22)
NUMBERS = 22

_ROOT_EPS = float(np.sqrt(np.finfo(np.float64).eps))
_ROUNDING = 6755399441055744.0  # 1.5·2⁵²: adding it rounds to an integer
_LOG2_SERIES = np.array([2 / np.log(2) / (2 * k + 1) for k in range(8)])  # of (x − 1)/(x + 1)
_EXP2_SERIES = np.cumprod([1.0] + [np.log(2) / k for k in range(1, 12)])


@part(inlined=True)
def _weighted_sum(v, first, n, table, weights, count):
    """Σ_{j<count} weights_j k_j in one component; a weight of 0 leaves its stage unread."""
    total = zeros()
    for j in range(count):
        if table[weights, j] != 0.0:
            total = total + table[weights, j] * load(v, first + j * n)
    return total


# --- explicit -----------------------------------------------------------------------------------


@part()
def explicit_step(f, method, table, v, at):
    """Stages and y₁ of an explicit method."""
    for i in range(1, method.stages):
        _explicit_stage(f, method, table, v, at, i)
    _move(table, method.b, method.stages, v, at, at.w)
    _call(f, v, at, 1.0, at.w, at.f_new)


@part(inlined=True)
def _explicit_stage(f, method, table, v, at, i):
    _move(table, method.a + i, i, v, at, at.z)
    _call(f, v, at, table[method.c, i], at.z, at.k + i * at.n)


@part(inlined=True)
def _move(table, weights, count, v, at, out):
    """out = y + h Σ_j weights_j k_j."""
    h = load(v, H)
    for i in range(at.n):
        total = _weighted_sum(v, at.k + i, at.n, table, weights, count)
        store(v, out + i, load(v, at.y + i) + h * total)


@part(inlined=True)
def _call(f, v, at, c, y, out):
    """out = f(t + c h, y)."""
    store(v, STAGE_T, load(v, T) + c * load(v, H))
    call_lanes(f, v, STAGE_T, y, at.args, out)


@part()
def extra_stages(f, method, table, v, at):
    """The further stages that dense output needs."""
    for i in range(method.stages + 1, method.stages + 1 + method.extras):
        _explicit_stage(f, method, table, v, at, i)


@part()
def estimate_stiffness(method, v, at):
    """STIFFNESS = |h| ‖k_last − k_before‖ / ‖y₁ − z‖, an estimate of |hλ|."""
    bent = moved = 0.0 * load(v, H)
    for i in range(at.n):
        bend = load(v, at.f_new + i) - load(v, at.f_new - at.n + i)
        move = load(v, at.w + i) - load(v, at.z + i)
        bent, moved = bent + bend * bend, moved + move * move
    ratio = abs(load(v, H)) * square_root(bent / moved)
    store(v, STIFFNESS, where(moved > 0.0, ratio, 0.0))


# --- Rosenbrock ---------------------------------------------------------------------------------


@part()
def rosenbrock_step(f, method, table, v, at):
    """Stages and y₁ of a Rosenbrock method in the form of `RosenbrockTableau`."""
    _differences(f, v, at)
    _factor(method.gamma, v, at)
    for i in range(method.stages):
        _rosenbrock_stage(f, method, table, v, at, i)
        _solve(v, at, at.k + i * at.n)
    for i in range(at.n):
        total = _weighted_sum(v, at.k + i, at.n, table, method.b, method.stages)
        store(v, at.w + i, load(v, at.y + i) + total)
    _call(f, v, at, 1.0, at.w, at.f_new)


@part()
def _rosenbrock_stage(f, method, table, v, at, i):
    """Row i of k: what (I/(hγ) − J) u_i is equal to."""
    n, here, rate = at.n, at.k + i * at.n, at.f
    if i > 0:
        rate = here
        for row in range(n):
            total = _weighted_sum(v, at.k + row, n, table, method.a + i, i)
            store(v, at.z + row, load(v, at.y + row) + total)
        _call(f, v, at, table[method.c, i], at.z, here)
    h = load(v, H)
    for row in range(n):
        coupled = _weighted_sum(v, at.k + row, n, table, method.coupling + i, i) / h
        slope = (table[method.d, i] * h) * load(v, at.jacobian + n * n + row)
        store(v, here + row, load(v, rate + row) + coupled + slope)


@part()
def _differences(f, v, at):
    """The Jacobian and ∂f/∂t by forward differences, each component moved by √eps of its size."""
    n, t = at.n, load(v, T)
    for j in range(n + 1):
        out, moved = at.jacobian + j * n, t
        for i in range(n):
            store(v, at.z + i, load(v, at.y + i))
        if j < n:
            y = load(v, at.y + j)
            size = where(abs(y) > 1e-5, abs(y), 1e-5)
            store(v, at.z + j, y + _ROOT_EPS * size)
            delta = load(v, at.z + j) - y
        else:
            moved = t + _ROOT_EPS * (abs(t) + 1e-5)
            delta = moved - t
        store(v, STAGE_T, moved)
        call_lanes(f, v, STAGE_T, at.z, at.args, out)
        for i in range(n):
            store(v, out + i, (load(v, out + i) - load(v, at.f + i)) / delta)


@part()
def _factor(gamma, v, at):
    """LU of I/(hγ) − J in every lane: rows are exchanged where that enlarges the pivot."""
    n, lu, shift = at.n, at.factors, 1.0 / (gamma * load(v, H))
    for i in range(n):
        for j in range(n):
            store(v, lu + i * n + j, -load(v, at.jacobian + j * n + i))
        store(v, lu + i * n + i, load(v, lu + i * n + i) + shift)
    for k in range(n):
        pivot = lu + k * n + k
        for r in range(k + 1, n):
            larger = abs(load(v, lu + r * n + k)) > abs(load(v, pivot))
            store(v, at.exchanged + k * n + r, where(larger, 1.0, 0.0))
            for j in range(k, n):
                _exchange(larger, v, lu + k * n + j, lu + r * n + j)
        store(v, pivot, 1.0 / load(v, pivot))
        for r in range(k + 1, n):
            multiplier = load(v, lu + r * n + k) * load(v, pivot)
            store(v, lu + r * n + k, multiplier)
            for j in range(k + 1, n):
                entry = lu + r * n + j
                store(v, entry, load(v, entry) - multiplier * load(v, lu + k * n + j))


@part()
def _exchange(wanted, v, p, q):
    a, b = load(v, p), load(v, q)
    store(v, p, where(wanted, b, a))
    store(v, q, where(wanted, a, b))


@part()
def _solve(v, at, b):
    """b = (LU)⁻¹ b."""
    n, lu = at.n, at.factors
    for i in range(n):
        for r in range(i + 1, n):
            _exchange(load(v, at.exchanged + i * n + r) > 0.0, v, b + i, b + r)
        top = load(v, b + i)
        for r in range(i + 1, n):
            store(v, b + r, load(v, b + r) - load(v, lu + r * n + i) * top)
    for i in range(n - 1, -1, -1):
        total = load(v, b + i)
        for j in range(i + 1, n):
            total = total - load(v, lu + i * n + j) * load(v, b + j)
        store(v, b + i, total * load(v, lu + i * n + i))


# --- either -------------------------------------------------------------------------------------


@part()
def estimate_error(method, table, v, at, rtol, atol):
    """ERROR: squared, relative to the tolerance; NaN where y₁ or f there is not finite."""
    n, last = at.n, method.stages + 1
    scale = load(v, H)
    if method.implicit:
        last, scale = method.stages, 0.0 * scale + 1.0
    total = third = spoiled = 0.0 * scale
    for i in range(n):
        before, w = abs(load(v, at.y + i)), load(v, at.w + i)
        largest = where(before > abs(w), before, abs(w))
        factor = scale / (atol[i] + rtol * largest)
        error = factor * _weighted_sum(v, at.k + i, n, table, method.errors, last)
        total = total + error * error
        if method.pair:
            error = factor * _weighted_sum(v, at.k + i, n, table, method.errors + 1, last)
            third = third + error * error
        spoiled = spoiled + 0.0 * w + 0.0 * load(v, at.f_new + i)
    total = total * (1.0 / n)
    if method.pair:  # eq. (II.10.17) of Hairer, Nørsett, Wanner I
        both = total + (0.01 / n) * third
        total = where(both == 0.0, 0.0, total * (total / both))
    store(v, ERROR, spoiled + total)


@part()
def interpolate(method, table, v, at, out):
    """out = y(t + θh) for the θ of each lane."""
    theta = load(v, THETA)
    stages = at.args - at.weights
    for j in range(stages):
        total = 0.0 * theta
        for p in range(method.degree - 1, -1, -1):
            total = (total + table[method.dense + j, p]) * theta
        store(v, at.weights + j, total)
    for i in range(at.n):
        total = 0.0 * theta
        for j in range(stages):
            total = total + load(v, at.weights + j) * load(v, at.k + j * at.n + i)
        if not method.implicit:
            total = load(v, H) * total
        store(v, out + i, load(v, at.y + i) + total)


@part()
def log2(x):
    """To about 1e-13, each x positive and normal."""
    m, whole = mantissa(x), exponent(x)
    large = m > 1.4142135623730951
    m, whole = where(large, 0.5 * m, m), where(large, whole + 1.0, whole)
    s = (m - 1.0) / (m + 1.0)
    return s * _series(s * s, _LOG2_SERIES) + whole


@part()
def exp2(z):
    """To about 1e-13 of it, each |z| < 1000."""
    n = (z + _ROUNDING) - _ROUNDING
    return two_to(n) * _series(z - n, _EXP2_SERIES)


@part()
def _series(x, coefficients):
    """Σ c_k x^k, an even number of them: the even powers beside the odd ones."""
    square, even, odd = x * x, zeros(), zeros()
    for k in range(len(coefficients) - 2, -1, -2):
        even = even * square + coefficients[k]
        odd = odd * square + coefficients[k + 1]
    return odd * x + even
