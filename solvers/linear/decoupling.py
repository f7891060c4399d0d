"""Solutions of w_{i+1} = C_i w_i that keep their independence where some grow and others decay.

Carried forward from any start, all columns turn into the direction of fastest growth and the matrix
becomes singular in floating point. With C_i Q_i = Q_{i+1} R_i, R_i upper triangular and its rows
ordered by growth, w = Q y turns the recurrence into y_{i+1} = R_i y_i. Column j of Y has no rows
below j; those above j grow faster, and are computed backwards.

After Ascher, Mattheij & Russell, "Numerical Solution of Boundary Value Problems for Ordinary
Differential Equations", SIAM (1995), section 4.4.
"""

import numpy as np

from mathcore import _arrays


def separated(steps, seed):
    """W_0 … W_p (m, m) with W_{i+1} = C_i W_i for `steps` C (p, m, m), W_0 = `seed` where p = 0.

    The columns of W_0 are, up to a triangular factor with unit diagonal, orthonormal combinations
    of those of `seed` (m, m).
    """
    if steps.shape[0] == 0:
        return [seed]
    xp, first = _arrays.result_namespace(seed), [steps[0, ...] @ seed]
    steps = [*first, *(steps[i, ...] for i in range(1, steps.shape[0]))]
    bases, triangles = _factors(steps, _ordered(steps))
    size = xp.ones_like(xp.linalg.diagonal(triangles[0]))
    for r in triangles:
        size = size * xp.linalg.diagonal(r)
    identity = xp.eye(size.shape[0], dtype=seed.dtype, device=_arrays.device(seed))
    y, weights = size * identity, []
    for q, r in zip(bases[:0:-1], triangles[::-1], strict=True):
        weights.append(q @ y)
        y = xp.linalg.solve(r, y)
    return [seed @ (bases[0] @ y), *weights[::-1]]


def _factors(steps, q):
    """Q_0 … Q_p and R_0 … R_{p−1} with C_i Q_i = Q_{i+1} R_i from Q_0 = `q`."""
    xp, bases, triangles = _arrays.result_namespace(q), [q], []
    for c in steps:
        q, r = xp.linalg.qr(c @ bases[-1])
        bases.append(q)
        triangles.append(r)
    return bases, triangles


def _ordered(steps):
    """Q_0 of about the right singular vectors of the whole product, from largest to smallest.

    One round of simultaneous iteration: little is left to do where it matters.
    """
    steps = [_arrays.detach(c) for c in steps]
    m = steps[0].shape[-1]
    angles = np.outer(np.arange(m) + 0.5, np.arange(m) + 1.0)  # no direction singled out
    generic = np.linalg.qr(np.cos(angles))[0]
    bases, _ = _factors(steps, _arrays.from_numpy(generic, steps[0]))
    bases, _ = _factors([_arrays.adjoint(c) for c in steps[::-1]], bases[-1])
    return bases[-1]
