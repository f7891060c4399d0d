"""e^{tA} b for a general operator from Krylov spaces with incomplete orthogonalisation.

After Gaudreault, Rainwater & Tokman, "KIOPS: a fast adaptive Krylov subspace solver for exponential
integrators", J. Comput. Phys. 372 (2018); the corrected scheme of Saad, SIAM J. Numer. Anal. 29
(1992), and the error estimate of Sidje, "Expokit", ACM Trans. Math. Softw. 24 (1998).
"""

import math

import numpy as np

from mathcore import _arrays
from mathcore.matrices.arnoldi import extend_basis
from mathcore.matrices.exponential import expm
from mathcore.matrices.time_marching import Step, column_norms

_CHECKPOINTS = (8, 16, 32, 64, 128)
_WINDOW = 4  # basis vectors a new one is made orthogonal to
# A vector this short has a basis orthogonal in full: that soon spans the whole space and makes the
# result exact, however large ‖tA‖.
FULL_BELOW = 128
_MOST_TRIALS = 40
# A Taylor series rounds each entry in proportion to its neighbours, a sum of basis vectors every
# entry in proportion to the largest norm met. Past these ratios the space is given up.
_MOST_DECAY = 1e3
_MOST_GROWTH_INSIDE = 1e4
_WORTHWHILE = 30.0  # ‖tH‖ one space must reach to need fewer products than the series


def krylov_stepper(operator, *, direction, rtol):
    """Return ``step(x, gaps)`` for e^{direction·h·A} x of one vector, h at most gaps[0].

    The vector (n,) or (n, 1) is a NumPy array; see `time_marching.Step`. The step returns None
    where the spaces lose digits, or save no products, against a Taylor series.
    """
    longest = [math.inf]  # what the largest space could last reach
    largest = [0.0]

    def step(x, gaps):
        size, h = _norm(x), gaps[0]
        largest[0] = max(largest[0], size)
        if not 0 < size < math.inf:
            return None
        basis, projected, solved = _first_try(
            operator.apply, x / size, direction, h, rtol, small=h <= longest[0]
        )
        if solved is None:
            h = min(h, 1.5 * longest[0])
            h, solved = _longest_step(projected, direction, h, rtol, _arrays.eps(x))
            longest[0] = h
        if solved is None:
            return None
        y, error = solved
        value = np.reshape(size * (y @ basis[: len(y)]), x.shape).astype(x.dtype, copy=False)
        after = _norm(value)
        if projected.shape[0] > projected.shape[1] and not after * _MOST_DECAY > largest[0]:
            return None
        error = error * size / after if after > 0 else 0.0
        return Step([value] if h == gaps[0] else [], h, value, error, projected.shape[1])

    return step


def _first_try(apply, unit, direction, gap, rtol, *, small):
    """Enlarge the space until `gap` is within reach, or to its largest size (None).

    Checks on the way up are left out where `small` says they will fail.
    """

    def flat_apply(v):
        return np.reshape(apply(np.reshape(v, unit.shape)), -1)

    most = min(_CHECKPOINTS[-1], unit.size)
    window = None if unit.size <= FULL_BELOW else _WINDOW
    basis = np.empty((most + 1, unit.size), dtype=unit.dtype)
    basis[0] = np.reshape(unit, -1)
    projected = np.zeros((most + 1, most), dtype=np.result_type(unit.dtype, np.float64))
    count = 0
    for goal in (*(c for c in _CHECKPOINTS if c < most), most):
        count, complete = extend_basis(flat_apply, basis, projected, count, goal, window=window)
        if not (small or complete or goal == most):
            continue
        found = projected[: count + (not complete), :count]
        y, truncation, rounding = _first_column(found, direction * gap, _arrays.eps(unit))
        if complete or (truncation <= rtol * _norm(y) and rounding is not None):
            return basis, found, (y, truncation + (rounding or 0.0))
    return basis, found, None


def _first_column(projected, tau, eps):
    """First column y of the exponential in the space, its truncation and its rounding error.

    `projected` is (m, m) for an invariant space. Else it is (m + 1, m), and y has the entry
    τ h_{m+1,m} e_mᵀ φ₁(τH) e₁ of the corrected scheme with it; the rounding error is then None
    where the exponential is so much larger than y that digits are lost.
    """
    rows, m = projected.shape
    norm = abs(tau) * np.abs(projected).sum(axis=0).max()
    if rows == m:
        y = expm(tau * projected)[:, 0]
        return y, 0.0, eps * (4 + norm) * _norm(y)
    augmented = np.zeros((m + 2, m + 2), dtype=projected.dtype)
    augmented[:rows, :m] = tau * projected
    augmented[m + 1, m] = 1.0  # τ is put in afterwards: its unit is not that of H
    exponential = expm(augmented)
    y = exponential[:rows, 0]
    size = _norm(y)
    first = abs(exponential[m, 0])
    second = abs(exponential[m + 1, 0]) * abs(tau) * np.linalg.norm(projected[:, -1])
    if first > 10 * second:
        truncation = second
    elif first > second:
        truncation = first * second / (first - second)
    else:
        truncation = first
    lost = not _norm(np.ravel(exponential)) <= _MOST_GROWTH_INSIDE * size
    return y, float(truncation), None if lost else eps * (4 + norm) * max(1.0, size)


def _longest_step(projected, direction, start, rtol, eps):
    """The largest time, from `start` downwards, that the space reaches; None where not worth it."""
    tau, order = start, projected.shape[1] / 4
    norm = np.abs(projected).sum(axis=0).max()
    for _ in range(_MOST_TRIALS):
        if not tau * norm >= _WORTHWHILE:
            break
        y, truncation, rounding = _first_column(projected, direction * tau, eps)
        excess = truncation / (rtol * _norm(y))
        if excess <= 1 and rounding is not None:
            return tau, (y, truncation + rounding)
        ratio = 0.9 * excess ** (-1 / order) if 1 < excess < math.inf else 0.5
        tau *= min(0.8, max(0.2, ratio))
    return tau, None


def _norm(x):
    return float(column_norms(x)[0])
