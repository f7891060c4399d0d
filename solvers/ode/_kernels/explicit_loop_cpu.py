"""Explicit steps until the interval or the room for them ends, the right-hand side compiled in.

The definition is `solvers.ode.marching` with `solvers.ode.explicit_steps`. Accuracy: rounding.
"""

import math

import numpy as np
from numba import literal_unroll, types
from numba.extending import overload

from mathcore._compile import kernel, kernel_with, part

FINISHED, UNDERFLOW, EXHAUSTED, NOT_FINITE = 0, -1, -2, -3  # solvers.ode.results
ROOM_ENDED, STIFF = 10, 11

_STIFF_STEPS, _LOOK_EVERY = 15, 8
_SAFETY, _SMALLEST_FACTOR, _LARGEST_FACTOR, _SMALLEST_ERROR = 0.9, 0.2, 10.0, 1e-10


def store(out, row, n, value):
    """``out[row, :n] = value``, an array, a list or a tuple, also one of mixed types."""
    for i in range(n):
        out[row, i] = value[i]


@overload(store)
def _store(out, row, n, value):
    if isinstance(value, types.BaseTuple) and not isinstance(value, types.UniTuple):

        def unrolled(out, row, n, value):
            i = 0
            for x in literal_unroll(value):  # takes no enumerate
                out[row, i] = x
                i += 1  # noqa: SIM113

        return unrolled

    def plain(out, row, n, value):
        for i in range(n):
            out[row, i] = value[i]

    return plain


@part()
def _sum(weights, row, count, k, i):
    """Component i of Σ_j weights[row, j] k_j, j < count."""
    total = weights[row, 0] * k[0, i]
    for j in range(1, count):
        total += weights[row, j] * k[j, i]
    return total


@part()
def _error(y, y_new, h, errors, k, tolerance):
    """The error of the step relative to the tolerance; NaN where something is not finite."""
    (rtol, atol, n), count = tolerance, errors.shape[1]
    finite = first = third = 0.0
    for i in range(n):
        scale = 1 / (atol[i] + rtol * max(abs(y[i]), abs(y_new[i])))
        finite += 0.0 * (abs(y_new[i]) + abs(k[count - 1, i]))
        first += (abs(_sum(errors, 0, count, k, i)) * scale) ** 2
        if errors.shape[0] > 1:
            third += (abs(_sum(errors, 1, count, k, i)) * scale) ** 2
    if errors.shape[0] == 1 or first == 0.0:
        return abs(h) * math.sqrt(first / n) + finite
    return abs(h) * first / math.sqrt((first + 0.01 * third) * n) + finite


@part()
def _stiffness(tableau, work):
    """An estimate of |hλ| from the stages of the last step."""
    weights, count, k = tableau[2], tableau[5], work[0]
    moved = turned = 0.0
    for i in range(k.shape[1]):
        moved += abs(_sum(weights, 0, count, k, i)) ** 2
        turned += abs(k[count, i] - k[count - 1, i]) ** 2
    return math.sqrt(turned / moved) if moved > 0 else 0.0


@kernel()
def stiffness(tableau, work):
    """`_stiffness`, for Python."""
    return _stiffness(tableau, work)


@part()
def _polynomial(polynomials, step, dense, h, k):
    """The coefficients of θ, θ², … in y(t + θh) − y."""
    for p in range(dense.shape[0]):
        for i in range(polynomials.shape[2]):
            polynomials[step, p, i] = h * _sum(dense, p, dense.shape[1], k, i)


@part()
def _resize(h, error, run, control):
    """The next size after an accepted step; `run` is (t, h, error, rejected before, stiff)."""
    now = math.log(max(error, _SMALLEST_ERROR))
    before = math.log(max(run[2], _SMALLEST_ERROR))
    factor = _SAFETY * math.exp(control[1] * before - control[0] * now)
    factor = min(_LARGEST_FACTOR, max(_SMALLEST_FACTOR, factor))
    run[1] = h * (min(1.0, factor) if run[3] else factor)
    run[2], run[3] = error, 0.0


@part()
def _reject(h, error, run, control):
    """A smaller size after a rejected step; the status if it is too small."""
    finite = math.isfinite(error)
    factor = _SMALLEST_FACTOR
    if finite:
        factor = max(factor, _SAFETY * error ** -(control[0] + control[1]))
    run[1], run[3] = h * min(1.0, factor), 1.0
    if abs(run[1]) < max(control[4] * abs(run[0]), control[5]):
        return UNDERFLOW if finite else NOT_FINITE
    return ROOM_ENDED


@part()
def _found_stiff(tableau, work, run, control):
    """Fifteen steps near the border of stability."""
    stiff = _stiffness(tableau, work) > 0.9 * control[2]
    run[4] = run[4] + 1 if stiff else max(0.0, run[4] - 2)
    return run[4] >= _STIFF_STEPS


@part(inlined=True)
def _stages(fun, args, t, y, h, c, a, k, argument, first, last, n):
    """Stages `first` to `last` − 1; the argument of the last of them stays in `argument`."""
    for i in range(first, last):
        for j in range(n):
            argument[j] = y[j] + h * _sum(a, i, i, k, j)
        store(k, i, n, fun(t + c[i] * h, argument, *args))


def advance_with(fun, key):
    """`_advance` with the right-hand side in it, kept under `key` where there is one."""

    def advance(args, t_end, switch, tableau, tolerance, control, run, y, f, work, kept):
        return _advance(
            fun, args, t_end, switch, tableau, tolerance, control, run, y, f, work, kept
        )

    return kernel_with(advance, key)


@part(inlined=True)
def _advance(fun, args, t_end, switch, tableau, tolerance, control, run, y, f, work, kept):
    """Steps from `run` until the interval or the room in `kept` ends.

    ``tableau``: c; a, with b as a row behind; the weights of the distance of y₁ from the argument
    of the last stage; errors; dense; the number of stages. ``tolerance``: rtol, atol, n.
    ``control``: alpha, beta, stability, max_step, relative and least
    smallest step. ``run``: see `_resize`;
    updated, as are `y` and `f`. ``work``: the stages and a vector. ``kept``: times, states,
    polynomials, filled, and the steps that may be tried. Returns status, accepted, rejected.
    """
    c, a, errors, count = tableau[0], tableau[1], tableau[3], tableau[5]
    k, argument = work
    times, states, polynomials, attempts = kept
    accepted, rejected, n, y_new = 0, 0, tolerance[2], y.copy()
    first, after = np.int64(1), count + 1  # a literal 1 would compile `_stages` twice
    while accepted < len(times):
        if accepted + rejected >= attempts:
            return EXHAUSTED, accepted, rejected
        t, h = run[0], math.copysign(min(abs(run[1]), control[3]), run[1])
        last = abs(h) * (1 + 1e-10) >= abs(t_end - t)
        h = t_end - t if last else h
        for i in range(n):
            k[0, i] = f[i]
        _stages(fun, args, t, y, h, c, a, k, argument, first, after, n)
        for i in range(n):
            y_new[i] = argument[i]
        error = _error(y, y_new, h, errors, k, tolerance)
        if not error <= 1.0:
            rejected += 1
            status = _reject(h, error, run, control)
            if status != ROOM_ENDED:
                return status, accepted, rejected
            continue
        look = switch and (run[4] > 0.0 or accepted % _LOOK_EVERY == 0)  # until the first, seldom
        if look and _found_stiff(tableau, work, run, control):
            return STIFF, accepted, rejected
        if len(polynomials):
            _stages(fun, args, t, y, h, c, a, k, argument, after, len(k), n)
            _polynomial(polynomials, accepted, tableau[4], h, k)
        run[0] = t_end if last else t + h
        _resize(h, error, run, control)
        times[accepted] = run[0]
        for i in range(n):
            y[i], f[i] = y_new[i], k[count, i]
            states[accepted, i] = y_new[i]
        accepted += 1
        if last:
            return FINISHED, accepted, rejected
    return ROOM_ENDED, accepted, rejected
