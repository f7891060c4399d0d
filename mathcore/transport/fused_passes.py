"""Full Sinkhorn passes by the CPU kernels: rows and columns from one exponential an entry."""

import math

import numpy as np

from mathcore.transport import kernel_problems as problems

_LOG2_E = math.log2(math.e)
_MOST_CHUNKS = 16  # of rows, each with column sums of its own
_CHUNK_ROWS = 64
_TRUSTED = 1e-15  # a column sum this far from its weight is taken again from its maximum
_KEPT_BYTES = 2**27  # of exponentials: read faster than computed again
_KEPT_BITS = 20.0  # potentials may move this far before the exponentials are computed again


class FusedPass:
    """The two soft minima of a pass, for problems of one shape.

    Where the exponentials fit the cache and `keep` is true they are used again
    until a potential has moved by `_KEPT_BITS`: a pass is then two products with a matrix that is
    read once.

    Parameters
    ----------
    views : list of array
        x (k, n, d) and y (k, m, d), or c (k, n, m).
    a, b : array (k, n), (k, m)
    keep : bool
    """

    def __init__(self, views, a, b, *, keep):
        self._views, self._a, self._b = views, a, b
        self._problem = problems.of_views(views)
        k, self._width = problems.sizes(self._problem)
        rows = problems.row_count(self._problem.rows)
        self._row_weights = problems.padded(a, (rows,))
        keep = keep and k * rows * self._width * a.itemsize <= _KEPT_BYTES
        self._kept = np.empty((k, rows if keep else 0, self._width), a.dtype)
        self._bits = self._h = self._shifts = None
        self._logs, self._used = problems.logs_of(b), b > 0
        self._divisor = np.where(self._used, b, 1.0)

    def __call__(self, f, g, epsilon, active, damping):
        """(T(g), T(λ T(g)), column sums over b), λ = 1 − damping.

        `f` (k, n) is a value near T(g), NaN where none is known.
        """
        bits = problems.bits_of(epsilon, g.shape[0], g.dtype)
        active = problems.each_member(active, g.shape[0])
        damping = problems.each_member(np.asarray(damping, g.dtype), g.shape[0])
        h = problems.of_logs(g, self._logs, bits, self._width)
        out, sums = self._sums(f, h, bits, active, damping)
        rows = np.where(active[:, None], out[:, : f.shape[1]] / -bits[:, None], f)
        ratio = np.where(self._used & active[:, None], sums / self._divisor, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = (g - np.log2(ratio) / bits[:, None]).astype(g.dtype)
        lost = (ratio <= _TRUSTED) | (ratio >= 1 / _TRUSTED)
        for k in np.flatnonzero(lost.any(axis=1)):
            damped = (1 - damping[k]) * rows[k]
            columns[k, lost[k]] = self._columns(k, lost[k], damped, _LOG2_E / float(bits[k]))
        return rows, columns, ratio.astype(g.dtype)

    def _columns(self, k, chosen, f, epsilon):
        """T(f) in the chosen columns of one member."""
        if len(self._views) == 1:
            views = [np.ascontiguousarray(self._views[0][k][:, chosen].T)]
        else:
            x, y = self._views
            views = [y[k][chosen], x[k]]
        return problems.log_sums(views, f, self._a[k], epsilon)

    def _sums(self, f, h, bits, active, damping):
        """log₂ of the row sums, and the column sums of the plan."""
        from mathcore._compile import launch
        from mathcore.transport._kernels.absorbed_pass_cpu import absorbed_pass
        from mathcore.transport._kernels.soft_minimum_cpu import fused_pass

        rows = self._row_weights.shape[1]
        chunks = max(1, min(_MOST_CHUNKS, rows // _CHUNK_ROWS))
        sums = np.zeros((h.shape[0], chunks, self._width))
        out = np.empty_like(self._row_weights)
        shares = sums.shape[0] * chunks
        nanoseconds = rows * self._width * np.count_nonzero(active)
        moved = self._moved(h, bits, active)
        if moved is None:
            if self._bits is None or np.any(bits != self._bits):
                self._bits, self._scaled = bits, problems.scaled(self._problem, bits)
            self._h, self._shifts = np.where(active[:, None], h, np.nan), np.empty_like(out)
            guess = problems.padded(-bits[:, None] * f, (rows,))
            own = (self._row_weights, guess, active, damping, self._kept, self._shifts)
            launch(fused_pass, shares, nanoseconds, *self._scaled, h, *own, out, sums)
            moved = 1.0
        else:
            own = (self._kept, self._shifts, moved, self._row_weights, active, damping)
            launch(absorbed_pass, shares, nanoseconds // 4, *own, out, sums)
        return out, (moved * sums.sum(axis=1))[:, : self._problem.columns]

    def _moved(self, h, bits, active):
        """2^(h − h of the kept exponentials), or None where they cannot be used."""
        if self._kept.shape[1] == 0 or self._bits is None or np.any(bits != self._bits):
            return None
        with np.errstate(invalid="ignore"):
            change = np.where((h == -np.inf) | ~active[:, None], 0, h - self._h)
        return np.exp2(change) if np.abs(change).max() <= _KEPT_BITS else None
