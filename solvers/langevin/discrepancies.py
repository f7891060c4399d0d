"""How far a sample is from another sample, or from a score: MMD and KSD with standard errors."""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable, check_number, check_real, check_shape
from solvers.langevin.steps import evaluate


class Discrepancy(NamedTuple):
    """An unbiased estimate of a squared discrepancy, and how far to trust it.

    Attributes
    ----------
    value : array ()
        Around zero, and as often below as above, where there is no discrepancy.
    standard_error : array ()
        Of the jackknife, one row left out at a time; too large rather than too small near zero.
    length_scale : array () or float
        Of the kernel.
    """

    value: Any
    standard_error: Any
    length_scale: Any


def mmd2(x, y, *, length_scale=None):
    """Squared maximum mean discrepancy of two samples, Gaussian kernel, unbiased.

    Parameters
    ----------
    x, y : array (m, dim), (n, dim)
        Independent draws, at least 3 each.
    length_scale : float, optional
        ℓ of exp(−‖x − y‖²/2ℓ²); the median distance between a row of `x` and one of `y` by default.

    Returns
    -------
    Discrepancy
        ``value``, ``standard_error``, ``length_scale``.

    Raises
    ------
    ValueError
        A shape or `length_scale` is out of range, or the median distance is zero.
    TypeError
        Arrays of different libraries, or complex.

    Notes
    -----
    Eq. (3) of [1]_. Memory is that of three matrices of distances. The rows must be
    independent: thin a chain first, or take the last states of many. Differentiable in torch and
    JAX; the median is held fixed.

    References
    ----------
    .. [1] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, "A kernel two-sample
       test", JMLR 13 (2012) 723–773.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import mmd2
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((2, 300, 2))
    >>> same, other = mmd2(x, y), mmd2(x, y + 1)
    >>> bool(abs(same.value) < 3 * same.standard_error)
    True
    >>> bool(other.value > 5 * other.standard_error)
    True
    """
    xp, x, y = _arrays.asarrays(x=x, y=y)
    _check_sample(x, "x")
    _check_sample(y, "y")
    check_shape(y, (None, x.shape[1]), "y")
    cross = _squared_distances(xp, x, y)
    if length_scale is None:
        length_scale = xp.sqrt(_median(xp, _arrays.detach(cross)))
        if _arrays.is_numpy(x) and length_scale == 0:
            raise ValueError("`length_scale` must be given where half of the distances are zero")
    else:
        length_scale = check_number(length_scale, "length_scale", above=0.0)

    def kernel(squares):
        return xp.exp(-squares / (2 * length_scale**2))

    m, n = x.shape[0], y.shape[0]
    of_x, of_y = (_sums_without_self(xp, kernel(_squared_distances(xp, z, z))) for z in (x, y))
    k = kernel(cross)
    within_x, within_y, between = xp.sum(of_x), xp.sum(of_y), xp.sum(k)

    def estimate(sum_x, count_x, sum_y, count_y, sum_between):
        return (
            sum_x / (count_x * (count_x - 1))
            + sum_y / (count_y * (count_y - 1))
            - 2 * sum_between / (count_x * count_y)
        )

    without_x = estimate(within_x - 2 * of_x, m - 1, within_y, n, between - xp.sum(k, axis=1))
    without_y = estimate(within_x, m, within_y - 2 * of_y, n - 1, between - xp.sum(k, axis=0))
    variance = _jackknife(xp, without_x) + _jackknife(xp, without_y)
    value = estimate(within_x, m, within_y, n, between)
    return Discrepancy(value, xp.sqrt(variance), length_scale)


def ksd(x, score, *, length_scale=1.0):
    """Squared kernel Stein discrepancy of a sample from a score, unbiased.

    Parameters
    ----------
    x : array (n, dim)
        Independent draws, at least 3.
    score : callable
        ``score(x) -> ∇log π(x)``, on all rows at once; the density need not be normalised.
    length_scale : float, optional
        ℓ of the inverse multiquadric (1 + ‖x − y‖²/ℓ²)^{−½}.

    Returns
    -------
    Discrepancy
        ``value``, ``standard_error``, ``length_scale``.

    Raises
    ------
    ValueError
        A shape or `length_scale` is out of range.
    TypeError
        `x` is complex or `score` not callable.

    Notes
    -----
    The U-statistic of [1]_ with the kernel of [2]_, which notices when a sample escapes
    to infinity, as the Gaussian kernel does not. Like every discrepancy of scores it is all but
    blind to the weights of modes far apart.

    References
    ----------
    .. [1] Q. Liu, J. Lee, M. Jordan, "A kernelized Stein discrepancy for goodness-of-fit tests",
       ICML 2016.
    .. [2] J. Gorham, L. Mackey, "Measuring sample quality with kernels", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import ksd
    >>> x = np.random.default_rng(0).standard_normal((300, 2))
    >>> right, wrong = ksd(x, lambda x: -x), ksd(x, lambda x: -x - 1)
    >>> bool(abs(right.value) < 3 * right.standard_error)
    True
    >>> bool(wrong.value > 5 * wrong.standard_error)
    True
    """
    check_callable(score, "score")
    length_scale = check_number(length_scale, "length_scale", above=0.0)
    xp, x = _arrays.asarrays(x=x)
    _check_sample(x, "x")
    s = evaluate(score, x, x.shape, "score")
    n, scale = x.shape[0], 1 / length_scale**2
    r = x[:, None, :] - x[None, :, :]
    squares = xp.sum(r * r, axis=-1)
    q = 1 + scale * squares
    slope = xp.sum((s[:, None, :] - s[None, :, :]) * r, axis=-1)
    stein = (
        (s @ xp.matrix_transpose(s)) / q**0.5
        + scale * (slope + x.shape[1]) / q**1.5
        - 3 * scale**2 * squares / q**2.5
    )
    of_row = _sums_without_self(xp, stein)
    total = xp.sum(of_row)
    without = (total - 2 * of_row) / ((n - 1) * (n - 2))
    return Discrepancy(total / (n * (n - 1)), xp.sqrt(_jackknife(xp, without)), length_scale)


def _check_sample(x, name):
    check_shape(x, (None, None), name)
    check_real(x, name)
    if x.shape[0] < 3:
        raise ValueError(f"`{name}` must have at least 3 rows; got {x.shape[0]}")


def _squared_distances(xp, x, y):
    return xp.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=-1)


def _sums_without_self(xp, k):
    """Σ_{j ≠ i} k_ij."""
    return xp.sum(k, axis=1) - xp.linalg.diagonal(k)


def _median(xp, values):
    flat = xp.sort(xp.reshape(values, (-1,)))
    return flat[flat.shape[0] // 2]


def _jackknife(xp, without):
    n = without.shape[0]
    return (n - 1) / n * xp.sum((without - xp.mean(without)) ** 2)
