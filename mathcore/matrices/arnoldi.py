"""Arnoldi's process: orthonormal vectors that span a Krylov space, and A projected onto them."""

import math

import numpy as np

from mathcore import _arrays

_ENOUGH = 0.5  # the share of a product that is new; below it digits are lost
_LEAST = 4.0  # units of eps: what is new is rounding
_ROUNDING = 64.0  # units of eps, of largest entries


def extend_basis(apply, basis, projected, count, goal, *, window=None):
    """Arnoldi steps up to `goal` vectors; their number, and whether they span an invariant space.

    Parameters
    ----------
    apply : callable
        ``v (n,) -> A v``.
    basis : array (most + 1, n), NumPy
        Vectors as rows, orthonormal; the first ``count + 1`` are known.
    projected : array (most + 1, most)
        Upper Hessenberg, ``basis[:m + 1].T @ projected[:m + 1, :m] = A basis[:m].T``; written as
        the basis is, zero elsewhere. An entry is NaN where a product is not finite, or too large or
        small to be squared.
    count, goal : int
    window : int, optional
        Orthogonalisation against that many of the latest vectors, once. Else against all of them,
        and again where digits were lost.
    """
    eps, n = _arrays.eps(basis), basis.shape[1]
    step = _compiled(basis) or orthogonalize
    for j in range(count, goal):
        basis[j + 1] = apply(basis[j])
        first, passes = (0, 2) if window is None else (max(0, j + 1 - window), 1)
        anew = step(basis, projected, first, j, passes, _ENOUGH, _LEAST * eps)
        if not anew:
            _check_range(basis[j + 1], projected[:, j], j, eps)
        if not anew or j + 1 == n:
            return j + 1, True
    return goal, False


def _check_range(w, column, j, eps):
    """Make the projection NaN where squares, not dependence, left nothing of a product."""
    left, known = np.abs(w).max(), np.abs(column).max()
    if not left <= _ROUNDING * eps * max(left, known):
        column[j] = np.nan


def _compiled(basis):
    if _arrays.kernel_views(basis) is None:
        return None
    from mathcore.matrices._kernels import arnoldi_cpu

    return arnoldi_cpu.orthogonalize


def orthogonalize(basis, projected, first, j, passes, enough, least):
    """Vector j + 1 orthogonal to first … j, of length 1; False where it is `least` of what it was.

    Another pass follows one that left less than `enough` of it. Coefficients are added to column j.
    """
    w, known = basis[j + 1], basis[first : j + 1]
    before = _norm(w)
    for _ in range(passes):
        inner = np.conj(known) @ w
        w -= inner @ known
        projected[first : j + 1, j] += inner
        after = _norm(w)
        if after > enough * before:
            break
    if not after > least * before:
        return False
    projected[j + 1, j] = after
    w /= after
    return True


def _norm(x):
    return math.sqrt(np.vdot(x, x).real)
