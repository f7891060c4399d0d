"""Sliced optimal transport: the mean over directions of transport on the line.

Bonneel, Rabin, Peyré & Pfister, "Sliced and Radon Wasserstein barycenters of measures", J. Math.
Imaging Vision 51, 2015, section 3.
"""

from typing import Any, NamedTuple

from mathcore import _arrays, _random
from mathcore._checks import check_count, check_number, check_real, check_shape
from mathcore.transport import measures
from mathcore.transport.one_dimensional import costs_of_rows, p_th_root

__all__ = ["SlicedEstimate", "sliced_wasserstein"]

_BLOCK_ENTRIES = 2**24  # projected coordinates at a time


class SlicedEstimate(NamedTuple):
    """A mean over random directions and how far it may be off.

    Attributes
    ----------
    value : array ()
        The p-th root of the mean over the directions of W_p^p; differentiable.
    standard_error : array ()
        Of `value`, to first order, for directions drawn at random; NaN for a single one, and 0
        where every W_p^p is 0.
    num_projections : int
    """

    value: Any
    standard_error: Any
    num_projections: int


@_arrays.halves_in_float32
def sliced_wasserstein(
    x, y, a=None, b=None, *, p=2, num_projections=100, projections=None, rng=None
):
    """Sliced Wasserstein distance between two weighted point clouds.

    Parameters
    ----------
    x : array (n, d)
        Points.
    y : array (m, d)
        Points.
    a : array (n,), optional
        Weights ≥ 0 of x, 1/n each when None.
    b : array (m,), optional
        Weights of y, of the same sum within 1e-6 relative; scaled to the sum of `a`.
    p : float, optional
        Exponent ≥ 1.
    num_projections : int, optional
        How many directions to draw, uniformly on the sphere.
    projections : array (num_projections, d), optional
        Directions, used as they are, in place of drawn ones.
    rng : int or generator, optional
        Seed of the directions: the same ones in every array library. Fresh entropy when None.

    Returns
    -------
    SlicedEstimate
        Differentiable in points, weights and `projections`, to every order almost everywhere.

    Raises
    ------
    ValueError
        Shapes do not fit, a cloud is empty, a weight is negative, masses differ, a value is NaN,
        p < 1, or there is no direction.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    O(k (n + m)(d + log n)) for k directions. POT's ``sliced_wasserstein_distance`` is `value`,
    without a standard error.

    References
    ----------
    .. [1] N. Bonneel, J. Rabin, G. Peyré, H. Pfister, J. Math. Imaging Vision 51, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sliced_wasserstein
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> estimate = sliced_wasserstein(x, x + [3.0, 0.0, 0.0], rng=0)  # its square: 3²/d on average
    >>> bool(abs(estimate.value - np.sqrt(3)) < 3 * estimate.standard_error)
    True
    """
    xp, x, y, a, b, projections = _arrays.asarrays(x=x, y=y, a=a, b=b, projections=projections)
    p = check_number(p, "p", at_least=1)
    uniform = a is None and b is None
    a, b = measures.check_measures(xp, x, y, a, b)
    if projections is None:
        num_projections = check_count(num_projections, "num_projections")
        projections = _directions(num_projections, x, rng)
    check_real(projections, "projections")
    check_shape(projections, (None, x.shape[1]), "projections")
    if projections.shape[0] == 0:
        raise ValueError("`projections` must have at least one row; got none")
    weights = (None, None) if uniform else (a, b)
    values = _costs_along(xp, x, y, *weights, projections, p)
    return SlicedEstimate(*_root_of_mean(xp, values, p), projections.shape[0])


def _directions(count, like, rng):
    import numpy as np

    draws = _random.normals(_arrays.seed_of(rng), np.arange(count), 0, like.shape[1])
    return _arrays.from_numpy(draws / np.linalg.norm(draws, axis=1, keepdims=True), like)


def _costs_along(xp, x, y, a, b, projections, p):
    """W_p^p (k,) of the clouds projected on each of the k directions."""
    k, n, m = projections.shape[0], x.shape[0], y.shape[0]
    step = max(1, _BLOCK_ENTRIES // (n + m))
    values = []
    for start in range(0, k, step):
        directions = projections[start : min(start + step, k), :]
        projected = [directions @ xp.matrix_transpose(v) for v in (x, y)]
        weights = (
            w if w is None else xp.broadcast_to(w, v.shape)
            for w, v in zip((a, b), projected, strict=True)
        )
        values.append(costs_of_rows(xp, *projected, *weights, p))
    return xp.concat(values)


def _root_of_mean(xp, values, p):
    """(mean)^(1/p) and its standard error s/√k · (mean)^(1/p − 1)/p."""
    k = values.shape[0]
    mean = xp.mean(values)
    value = p_th_root(xp, mean, p)
    at, centre = _arrays.detach(values), _arrays.detach(mean)
    if k == 1:
        return value, xp.full_like(centre, xp.nan)
    error = xp.sqrt(xp.sum((at - centre) ** 2) / (k * (k - 1)))
    positive = centre > 0
    slope = xp.where(positive, centre, 1.0) ** (1 / p - 1) / p
    return value, xp.where(positive, error * slope, 0.0)
