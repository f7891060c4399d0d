"""The explicit steps on NumPy vectors: all stages in one buffer, each sum one product with it."""

import math

import numpy as np

from solvers.ode.explicit_steps import Stepper, Trial, no_counts, stiffness_weights

_FEW = 12  # components


def numpy_stepper(tableau, fun, y0, rtol, atol):
    """`explicit_stepper` for NumPy; `fun` may return any sequence of n numbers."""
    rows, count = (*tableau.a, *tableau.extra_a), len(tableau.b)
    buffer = np.empty((1 + len(tableau.dense), y0.shape[0]), y0.dtype)  # y, k_1, k_2, …
    k, slopes = buffer[1 : 2 + count], buffer[1 : 1 + count]
    fixed = _matrix([(0.0, *row) for row in (*rows, tableau.b)], len(buffer), y0.dtype)
    scaled = np.empty_like(fixed)  # rows 1, h a_i1, h a_i2, …; last h b
    ones, b = scaled[:, 0], scaled[-1, 1 : 1 + count]
    each = [
        (c, scaled[i, : 1 + len(row)].dot, buffer[: 1 + len(row)], buffer[1 + len(row)])
        for i, (c, row) in enumerate(zip((*tableau.c, *tableau.extra_c), rows, strict=True))
    ]
    stages, extra = each[1:count], each[count:]
    distance = np.asarray(stiffness_weights(tableau), y0.dtype)
    errors = _matrix(tableau.errors, count + 1, y0.dtype)
    dense = np.asarray(tableau.dense, y0.dtype).T.copy()
    norm, counts = _norm(y0, rtol, atol), no_counts()

    def attempt(t, y, f, h):
        counts["nfev"] += count
        np.multiply(fixed, h, out=scaled)
        ones.fill(1.0)
        buffer[0], buffer[1] = y, f
        for c, total, known, stage in stages:
            stage[:] = fun(t + c * h, total(known))
        y_new = y + b.dot(slopes)  # y last: one rounding of its size
        k[count] = fun(t + h, y_new)
        f_new = k[count].copy()
        return Trial(y_new, f_new, abs(h) * norm(y, y_new, errors.dot(k), f_new), k)

    def polynomial(t, y, h, trial):
        counts["nfev"] += len(extra)
        for c, total, known, stage in extra:
            stage[:] = fun(t + c * h, total(known))
        return h * dense.dot(buffer[1:])

    def stiffness(h, trial):
        moved = np.linalg.norm(distance.dot(slopes))
        return float(np.linalg.norm(k[count] - k[count - 1]) / moved) if moved > 0 else 0.0

    return Stepper(attempt, polynomial, stiffness, counts)


def _matrix(rows, width, dtype):
    out = np.zeros((len(rows), width), dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def _norm(y0, rtol, atol):
    """`combined_error` of `scaled_errors` for errors over h, NaN where something is not finite."""
    n = max(y0.shape[0], 1)
    if n > _FEW or y0.dtype.kind == "c" or np.ndim(atol):
        squares = _squares_of_vectors(y0, rtol, atol)
    else:
        squares = _squares_of_numbers(rtol, atol)

    def norm(y, y_new, errors, f_new):
        first, third = squares(y, y_new, errors, f_new)
        if len(errors) == 1 or first == 0.0:
            return math.sqrt(first / n)
        return first / math.sqrt((first + 0.01 * third) * n)

    return norm


def _squares_of_vectors(y0, rtol, atol):
    zeros = np.zeros_like(y0)

    def squares(y, y_new, errors, f_new):
        e = np.abs(errors) / (atol + rtol * np.maximum(np.abs(y), np.abs(y_new)))
        not_finite = float(zeros.dot(y_new + f_new).real)
        return float(e[0].dot(e[0])) + not_finite, float(e[-1].dot(e[-1]))

    return squares


def _squares_of_numbers(rtol, atol):
    """The same in Python's numbers, sooner done than NumPy's calls for a few of them."""

    def squares(y, y_new, errors, f_new):
        rows = errors.tolist()
        first = third = 0.0
        for a, b, f, e, g in zip(
            y.tolist(), y_new.tolist(), f_new.tolist(), rows[0], rows[-1], strict=True
        ):
            p, q = abs(a), abs(b)
            scale = atol + rtol * (p if p > q else q)
            p, q = e / scale, g / scale
            first += p * p + 0.0 * (b + f)
            third += q * q
        return first, third

    return squares
