"""Checks on weighted points, made wherever their values are known."""

from mathcore import _arrays
from mathcore._checks import check_real, check_shape
from mathcore.transport.costs import Matrix
from mathcore.transport.soft_minima import check_clouds, uniform

_MASS_RTOL = 1e-6


def check_measures(xp, x, y, a, b):
    """The weights (n,), (m,) of two checked clouds, `b` scaled to the exact mass of `a`."""
    check_clouds(x, y)
    if x.shape[0] == 0:
        raise ValueError("`x` must have at least one point; got an empty cloud")
    for name, points in (("x", x), ("y", y)):
        _require(xp.all(xp.isfinite(points)), f"`{name}` must be finite; got NaN or infinity")
    return check_weights(xp, x, (x.shape[0], y.shape[0]), a, b)


def check_weights(xp, like, shape, a, b):
    """Weights, uniform where None, non-negative and of one mass."""
    if 0 in shape:
        raise ValueError(f"`cost_matrix` must have rows and columns; got shape {tuple(shape)}")
    a, b = (uniform(xp, n, like) if w is None else w for n, w in zip(shape, (a, b), strict=True))
    for name, weights, size in (("a", a, shape[0]), ("b", b, shape[1])):
        check_real(weights, name)
        check_shape(weights, (size,), name)
        usable = xp.isfinite(weights) & (weights >= 0)
        _require(xp.all(usable), f"`{name}` must be finite and >= 0; got NaN, inf or less")
        _require(xp.sum(weights) > 0, f"`{name}` must have a positive sum; got zero")
    ratio = _arrays.detach(xp.sum(a) / xp.sum(b))
    close = xp.abs(ratio - 1) <= _MASS_RTOL
    _require(close, f"`b` must have the mass of `a` within 1e-6 relative; got ratio {ratio}")
    return a, b * xp.where(close, ratio, xp.nan)


def check_arcs(xp, cost, a, b):
    """A stored cost without NaN or −inf, in which every point with weight has an arc."""
    if not isinstance(cost, Matrix):
        return
    c = cost.c
    bad = xp.isnan(c) | (c == -xp.inf)
    _require(~xp.any(bad), "the cost must be finite or +inf; got NaN or -inf")
    arcs = xp.isfinite(c) & (a > 0)[:, None] & (b > 0)
    rows, columns = xp.any(arcs, axis=1) | (a == 0), xp.any(arcs, axis=0) | (b == 0)
    _require(
        xp.all(rows) & xp.all(columns),
        "the cost must leave an allowed arc to every point with weight; got a row or column of inf",
    )


def _require(condition, message):
    """ValueError where the condition is known and false."""
    known = _arrays.concrete(condition)
    if known is not None and not known:
        raise ValueError(message)
