"""A cost and potentials as the CPU kernels read them: padded, transposed, in base two.

Scores are ``h_j − |x̃_i − ỹ_j|²`` with points times √(log₂e/ε), ``h_j − (log₂e/ε) c_ij`` for a
matrix, h = (log₂e/ε) g + log₂ b; leading axes are one axis of members.
"""

import math
from typing import Any, NamedTuple

import numpy as np

_LOG2_E = math.log2(math.e)
_ROWS = 4
_VECTOR_BYTES = 64


class Problem(NamedTuple):
    """Costs without ε: x (k, n, d) and y_t (k, d, width), or c (k, n, width) and None."""

    left: Any
    right: Any
    rows: int
    columns: int


def of_views(views):
    """`Problem` of the contiguous arrays of a cost: [x, y], or [c]."""
    if len(views) == 1:
        c = members_of(views[0], 2)
        wide = padded(c, (row_count(c.shape[1]), width_of(c.shape[2], c.dtype)))
        return Problem(wide, None, c.shape[1], c.shape[2])
    x, y = (members_of(v, 2) for v in views)
    centre = np.mean(y, axis=1, keepdims=True)
    x, y_t = x - centre, np.swapaxes(y - centre, 1, 2)
    n, m, d = x.shape[1], y.shape[1], x.shape[2]
    return Problem(
        padded(x, (row_count(n), d)),
        padded(y_t, (d, width_of(m, y.dtype))),
        n,
        m,
    )


def members_of(v, axes):
    """Leading axes made one; the last `axes` stay."""
    return v.reshape(math.prod(v.shape[:-axes]), *v.shape[-axes:])


def row_count(n):
    """Rows come in fours."""
    return -(-n // _ROWS) * _ROWS


def width_of(m, dtype):
    """Columns come in whole vectors."""
    lanes = _VECTOR_BYTES // dtype.itemsize
    return -(-m // lanes) * lanes


def padded(v, shape):
    """`v` with its last axes grown to `shape` by zeros; as a kernel is compiled for."""
    if v.shape[1:] == tuple(shape):
        return np.require(v, requirements=("C", "W"))
    out = np.zeros((v.shape[0], *shape), v.dtype)
    out[(slice(None), *(slice(size) for size in v.shape[1:]))] = v
    return out


def bits_of(epsilon, members, dtype):
    """log₂e/ε of every member."""
    return each_member(np.asarray(_LOG2_E / np.asarray(epsilon), dtype), members)


def each_member(v, members):
    """One value or (members,), as a new array (members,)."""
    return np.broadcast_to(v.reshape(-1), (members,)).copy()


def scaled(problem, bits):
    """left, right for the kernels: points times √(log₂e/ε), or the matrix and log₂e/ε."""
    if problem.right is None:
        return problem.left, bits[:, None]
    root = np.sqrt(bits)[:, None, None]
    return problem.left * root, problem.right * root


def log_weights(g, b, bits, width):
    """h (k, width); −inf where a point is left out."""
    return of_logs(g, logs_of(b), bits, width)


def logs_of(b):
    """log₂ b, −inf where b is zero and NaN where it is negative."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log2(b)


def of_logs(g, logs, bits, width):
    """`log_weights` from log₂ b."""
    h = np.full((g.shape[0], width), -np.inf, g.dtype)
    with np.errstate(invalid="ignore"):
        h[:, : g.shape[1]] = np.where(logs > -np.inf, bits[:, None] * g + logs, logs)
    return h


def log_sums(views, g, b, epsilon, guess=None):
    """−ε log Σ_j b_j exp((g_j − C_ij)/ε), (..., n)."""
    from mathcore._compile import launch
    from mathcore.transport._kernels.soft_minimum_cpu import log_sum

    problem = of_views(views)
    k, width = sizes(problem)
    bits = bits_of(epsilon, k, g.dtype)
    h = log_weights(members_of(g, 1), members_of(b, 1), bits, width)
    start = np.full((k, row_count(problem.rows)), np.nan, g.dtype)
    if guess is not None:
        start[:, : problem.rows] = -bits[:, None] * members_of(guess, 1)
    out = np.empty_like(start)
    shares, nanoseconds = out.size // _ROWS, out.size * width
    launch(log_sum, shares, nanoseconds, *scaled(problem, bits), h, start, out)
    return (out[:, : problem.rows] / -bits[:, None]).reshape(views[0].shape[:-1])


def sizes(problem):
    """Members and padded columns."""
    wide = problem.left if problem.right is None else problem.right
    return wide.shape[0], wide.shape[2]


def plan_sums(views, f, g, b, v, epsilon):
    """Σ_j b_j exp((f_i + g_j − C_ij)/ε) v_jr, (..., n, r)."""
    from mathcore._compile import launch
    from mathcore.transport._kernels.soft_minimum_cpu import sum_products

    problem = of_views(views)
    k, width = sizes(problem)
    bits = bits_of(epsilon, k, g.dtype)
    h = log_weights(members_of(g, 1), members_of(b, 1), bits, width)
    shift = padded(-bits[:, None] * members_of(f, 1), (row_count(problem.rows),))
    v_t = np.swapaxes(members_of(v, 2), 1, 2)
    v_t = padded(v_t, (v_t.shape[1], width))
    out = np.empty((k, shift.shape[1], v_t.shape[1]), v.dtype)
    shares, nanoseconds = shift.size // _ROWS, shift.size * width * (1 + v_t.shape[1] // 4)
    launch(sum_products, shares, nanoseconds, *scaled(problem, bits), h, shift, v_t, out)
    return out[:, : problem.rows].reshape(*views[0].shape[:-1], v.shape[-1])
