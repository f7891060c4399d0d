"""A trajectory between its steps: one polynomial for each."""

import numpy as np

from mathcore import _arrays


def evaluate(coefficients, y, thetas):
    """y + Σ_p coefficients[p] θ^{p+1} for a sequence of m numbers θ: (m, n)."""
    powers = np.power.outer(np.asarray(thetas, float), np.arange(1.0, coefficients.shape[0] + 1))
    if _arrays.is_numpy(y):
        return y + powers.astype(y.dtype, copy=False) @ coefficients
    return y + _arrays.from_numpy(powers.tolist(), y) @ coefficients


class DenseSolution:
    """The solution at any time of the interval: ``sol(t)``, ``(n,)`` or ``(n, times)``.

    Attributes
    ----------
    t_min, t_max : float
        The interval; outside it the first or last polynomial is extended.
    """

    def __init__(self, pieces, end):
        starts, sizes, states, polynomials = zip(*pieces, strict=True)
        xp = _arrays.result_namespace(states[0])
        degree = max(q.shape[0] for q in polynomials)
        self._starts, self._sizes = np.asarray(starts), np.asarray(sizes)
        self._states = xp.stack(list(states))
        self._polynomials = xp.stack([_padded(q, degree) for q in polynomials])
        self.t_min, self.t_max = min(starts[0], end), max(starts[0], end)

    def __call__(self, t):
        """The state at `t`, a number or a vector of numbers."""
        t = _arrays.to_numpy(t) if _arrays.is_array(t) else np.asarray(t, float)
        times = np.atleast_1d(t)
        forward = 1.0 if self._sizes[0] >= 0 else -1.0
        at = np.searchsorted(forward * self._starts, forward * times, side="right") - 1
        at = np.clip(at, 0, len(self._starts) - 1)
        y = self._evaluated(at, (times - self._starts[at]) / self._sizes[at])
        return y[0, :] if t.ndim == 0 else _arrays.result_namespace(y).matrix_transpose(y)

    def _evaluated(self, at, thetas):
        xp = _arrays.result_namespace(self._states)
        index = xp.asarray(at.tolist(), dtype=xp.int64, device=_arrays.device(self._states))
        degree = self._polynomials.shape[1]
        powers = np.power.outer(thetas, np.arange(1.0, degree + 1))[:, None, :]
        powers = _arrays.from_numpy(powers.tolist(), self._states)
        moved = powers @ xp.take(self._polynomials, index, axis=0)
        return xp.take(self._states, index, axis=0) + moved[:, 0, :]


def _padded(coefficients, degree):
    missing = degree - coefficients.shape[0]
    if missing == 0:
        return coefficients
    xp = _arrays.result_namespace(coefficients)
    return xp.concat([coefficients] + missing * [0 * coefficients[:1, :]], axis=0)
