"""Checks on weighted points, made wherever their values are known."""

from mathcore import _arrays
from mathcore._checks import check_real, check_shape
from mathcore.transport.costs import Matrix
from mathcore.transport.soft_minima import check_clouds, check_vectors, common_batch, uniform

_MASS_RTOL = 1e-6


def check_measures(xp, x, y, a, b):
    """The weights (n,), (m,) of two clouds (n, d), (m, d), `b` scaled to the mass of `a`."""
    check_clouds(x, y)
    for name, points in (("x", x), ("y", y)):
        check_shape(points, (None, None), name)
    return broadcast_measures(xp, x, y, a, b)[2:]


def broadcast_measures(xp, x, y, a, b, *, balanced=True):
    """Checked clouds (..., n, d), (..., m, d) and weights (..., n), (..., m) of one batch shape."""
    check_clouds(x, y)
    if x.shape[-2] == 0:
        raise ValueError("`x` must have at least one point; got an empty cloud")
    for name, points in (("x", x), ("y", y)):
        _require(xp.all(xp.isfinite(points)), f"`{name}` must be finite; got NaN or infinity")
    a, b = check_weights(xp, x, (x.shape[-2], y.shape[-2]), a, b, balanced=balanced)
    batch = common_batch(x=(x, 2), y=(y, 2), a=(a, 1), b=(b, 1))
    x, y = (xp.broadcast_to(v, (*batch, *v.shape[-2:])) for v in (x, y))
    return x, y, *broadcast_weights(xp, batch, a, b)


def broadcast_weights(xp, batch, a, b):
    """Weights of the shape of the batch."""
    return tuple(xp.broadcast_to(w, (*batch, w.shape[-1])) for w in (a, b))


def check_weights(xp, like, shape, a, b, *, balanced=True):
    """Weights, uniform where None, non-negative and, where `balanced`, of one mass."""
    if 0 in shape[-2:]:
        raise ValueError(f"`cost_matrix` must have rows and columns; got shape {tuple(shape)}")
    sizes = shape[-2:]
    a, b = (uniform(xp, n, like) if w is None else w for n, w in zip(sizes, (a, b), strict=True))
    for name, weights, size in (("a", a, sizes[0]), ("b", b, sizes[1])):
        check_real(weights, name)
        check_vectors(weights, size, name)
        usable = xp.isfinite(weights) & (weights >= 0)
        _require(xp.all(usable), f"`{name}` must be finite and >= 0; got NaN, inf or less")
        some = xp.sum(weights, axis=-1) > 0
        _require(xp.all(some), f"`{name}` must have a positive sum; got zero")
    if not balanced:
        return a, b
    ratio = _arrays.detach(xp.sum(a, axis=-1) / xp.sum(b, axis=-1))
    close = xp.abs(ratio - 1) <= _MASS_RTOL
    _require(
        xp.all(close), f"`b` must have the mass of `a` within 1e-6 relative; got ratio {ratio}"
    )
    return a, b * xp.where(close, ratio, xp.nan)[..., None]


def check_arcs(xp, cost, a, b):
    """A stored cost without NaN or −inf, in which every point with weight has an arc."""
    if not isinstance(cost, Matrix):
        return
    c = cost.c
    bad = xp.isnan(c) | (c == -xp.inf)
    _require(~xp.any(bad), "the cost must be finite or +inf; got NaN or -inf")
    arcs = xp.isfinite(c) & (a > 0)[..., :, None] & (b > 0)[..., None, :]
    rows, columns = xp.any(arcs, axis=-1) | (a == 0), xp.any(arcs, axis=-2) | (b == 0)
    _require(
        xp.all(rows) & xp.all(columns),
        "the cost must leave an allowed arc to every point with weight; got a row or column of inf",
    )


def _require(condition, message):
    """ValueError where the condition is known and false."""
    known = _arrays.concrete(condition)
    if known is not None and not known:
        raise ValueError(message)
