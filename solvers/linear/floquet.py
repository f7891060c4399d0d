"""Linear systems with periodic coefficients: monodromy matrix, multipliers and exponents."""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_number
from solvers.linear.fundamental_matrices import fundamental_matrix


class Monodromy(NamedTuple):
    """What a period does to the solutions of x' = A(t) x.

    Attributes
    ----------
    matrix : array (..., n, n)
        The monodromy matrix Φ(t0 + period, t0).
    multipliers : array (..., n)
        Its eigenvalues, complex, the largest in absolute value first: a solution with multiplier ρ
        is multiplied by ρ in each period.
    exponents : array (..., n)
        log ρ / period, complex, the imaginary part within ±π / period.
    log_det : array (...)
        log det of the matrix by Liouville's formula, the sum of ``period * exponents`` but for
        multiples of 2πi.
    """

    matrix: Any
    multipliers: Any
    exponents: Any
    log_det: Any


@_arrays.halves_in_float32
def monodromy(a, period, *, t0=0.0, method="auto", rtol=1e-8):
    """Monodromy matrix of x' = A(t) x with a coefficient of this period, and what follows from it.

    Parameters
    ----------
    a : callable, array (..., n, n) or pair (times, values)
        As in `fundamental_matrix`. That the period is one is not checked.
    period : float
        Positive.
    t0 : float or array, optional
        Where the period starts; the multipliers do not depend on it. An array () of a library makes
        that library and dtype the ones a callable `a` is called with.
    method, rtol
        As in `fundamental_matrix`.

    Returns
    -------
    Monodromy
        ``matrix``, ``multipliers``, ``exponents`` and ``log_det``.

    Raises
    ------
    ValueError
        As `fundamental_matrix`; or no step was short enough to cross the period.

    Notes
    -----
    The system is stable where every multiplier is at most 1 in absolute value (and those of
    absolute value 1 are simple). Eigenvalues are computed on the host: their gradients end there,
    those of ``matrix`` and ``log_det`` do not. A batch of systems, a whole stability chart, is one
    call. No numerical peer has this function.

    References
    ----------
    .. [1] V. A. Yakubovich, V. M. Starzhinskii, "Linear Differential Equations with Periodic
       Coefficients", Wiley (1975), chapter II.

    Examples
    --------
    Mathieu's equation y'' + (δ + ε cos t) y = 0 with δ = 1/4 is unstable for every small ε:

    >>> import numpy as np
    >>> from solvers import monodromy
    >>> mathieu = lambda t: np.array([[0.0, 1.0], [-0.25 - 0.1 * np.cos(t), 0.0]])
    >>> abs(monodromy(mathieu, 2 * np.pi, rtol=1e-10).multipliers).round(4)
    array([1.3671, 0.7315])
    """
    period = check_number(period, "period", above=0)
    start = check_number(_arrays.concrete(t0), "t0")
    span = (start, start + period)
    if _arrays.is_array(t0):
        span = _arrays.result_namespace(t0).stack([t0, t0 + period])
    phi = fundamental_matrix(a, span, method=method, rtol=rtol)
    if phi.message:
        raise ValueError(f"`a` must be finite over the period; {phi.message}")
    matrix, log_det = phi(span[1], span[0]), phi.log_det(span[1], span[0])
    multipliers = _eigenvalues(matrix)
    xp = _arrays.result_namespace(multipliers)
    return Monodromy(matrix, multipliers, xp.log(multipliers) / period, log_det)


def _eigenvalues(matrix):
    host = np.linalg.eigvals(_arrays.to_numpy(matrix))
    order = np.argsort(-np.abs(host), axis=-1, kind="stable")
    xp = _arrays.result_namespace(matrix)
    dtype = xp.result_type(matrix.dtype, xp.complex64)
    sorted_values = np.take_along_axis(host, order, axis=-1)
    return xp.asarray(sorted_values, dtype=dtype, device=_arrays.device(matrix))
