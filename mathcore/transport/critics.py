"""The dual of W1: a function of slope at most one that tells two samples apart.

Kantorovich–Rubinstein: W1 = max E_a φ − E_b φ over 1-Lipschitz φ (Villani, "Optimal Transport: Old
and New", 2009, particular case 5.16), the critic of Wasserstein GANs (Arjovsky, Chintala & Bottou,
ICML 2017), here at its maximum.
"""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_real, check_shape
from mathcore.transport import ground_costs
from mathcore.transport.exact import root, wasserstein

__all__ = ["KantorovichCritic", "kantorovich_critic"]

_BLOCK_ENTRIES = 2**22  # of distances at a time


class KantorovichCritic(NamedTuple):
    """φ(z) = min_j |z − y_j| − g_j, a callable on points (k, d).

    Attributes
    ----------
    value : array ()
        W1, which is E_a φ − E_b φ.
    largest_slope : array ()
        The largest |φ(x_i) − φ(y_j)| / |x_i − y_j|, at most 1 to rounding; over points that are
        further apart than √eps of the largest distance, 0 where there are none.
    points : array (m, d)
        The y_j that have weight.
    potential : array (m,)
        g.
    gap : array ()
        Of the transport problem, as in `wasserstein`.
    """

    value: Any
    largest_slope: Any
    points: Any
    potential: Any
    gap: Any

    def __call__(self, z):
        """φ at points z (k, d), (k,); differentiable in z, with gradients of norm 1."""
        xp, z, points, potential = _arrays.asarrays(
            z=z, points=self.points, potential=self.potential
        )
        check_real(z, "z")
        check_shape(z, (None, points.shape[1]), "z")
        nearest = _nearest(xp, _arrays.detach(z), points, potential)
        difference = z - xp.take(points, nearest, axis=0)
        distance = root(xp, xp.sum(difference * difference, axis=1), 2)
        return distance - xp.take(potential, nearest)


@_arrays.halves_in_float32
def kantorovich_critic(x, y, a=None, b=None):
    """Optimal critic between two weighted point clouds: the dual potential of W1.

    Parameters
    ----------
    x : array (n, d)
        Points, where the critic is large.
    y : array (m, d)
        Points, where it is small.
    a : array (n,), optional
        Weights ≥ 0 of x, 1/n each when None.
    b : array (m,), optional
        Weights of y, of the same sum within 1e-6 relative; scaled to the sum of `a`.

    Returns
    -------
    KantorovichCritic
        A callable on new points, 1-Lipschitz, with ``a @ critic(x) − b @ critic(y) == value``.

    Raises
    ------
    ValueError, TypeError
        As for `wasserstein`.

    Notes
    -----
    With f, g optimal, φ is the c-transform of g, McShane's extension of −g from the points y: it is
    ≥ f on x and ≤ −g on y. A critic that a network learns under a gradient penalty attains less
    than W1 and more than slope one in places; this one is the reference for both. It costs O(m)
    distances a point.

    References
    ----------
    .. [1] M. Arjovsky, S. Chintala, L. Bottou, "Wasserstein generative adversarial networks", ICML
       2017, eq. (2).

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import kantorovich_critic
    >>> x, y = np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> critic = kantorovich_critic(x, y)
    >>> float(critic.value), float(critic.largest_slope)
    (3.0, 1.0)
    >>> z = np.array([[2.0, 0.0], [10.0, 0.0]])
    >>> float(np.diff(critic(z))[0])
    8.0
    """
    xp, x, y, a, b = _arrays.asarrays(x=x, y=y, a=a, b=b)
    result = wasserstein(x, y, a, b, p=1)
    x, y, potential = (_arrays.detach(v) for v in (x, y, result.potentials[1]))
    points = y
    if b is not None:
        used = xp.nonzero(_arrays.detach(b) > 0)[0]
        points, potential = xp.take(points, used, axis=0), xp.take(potential, used)
    critic = KantorovichCritic(result.value, None, points, potential, result.gap)
    return critic._replace(largest_slope=_largest_slope(xp, critic(x), critic(y), x, y))


def _nearest(xp, z, points, potential):
    """The j of least |z − y_j| − g_j for each point, (k,)."""
    views = _arrays.kernel_views(z, points, potential)
    if views is not None and z.shape[0]:
        z_host, y_host, g_host = (np.require(v, np.float64, ("C", "W")) for v in views)
        cost = ground_costs.Powers(z_host, y_host, 1.0)
        return xp.asarray(ground_costs.least_arcs(cost, g_host, 1)[1][:, 0])
    return nearest_by_definition(xp, z, points, potential)


def nearest_by_definition(xp, z, points, potential):
    """`_nearest` in any array library, in blocks."""
    blocks = [
        xp.argmin(_distances(xp, z[start:stop, :], points) - potential, axis=1)
        for start, stop in _row_blocks(z, points)
    ]
    return xp.concat(blocks) if blocks else xp.zeros(0, dtype=xp.int64)


def _distances(xp, z, points):
    """From differences: an expanded square would lose the digits of a small distance."""
    squares = (z[:, 0][:, None] - points[:, 0]) ** 2 if z.shape[1] else 0 * z @ points.T
    for k in range(1, z.shape[1]):
        squares = squares + (z[:, k][:, None] - points[:, k]) ** 2
    return xp.sqrt(squares)


def _row_blocks(z, points):
    step = max(1, _BLOCK_ENTRIES // points.shape[0])
    return [(start, min(start + step, z.shape[0])) for start in range(0, z.shape[0], step)]


def _largest_slope(xp, at_x, at_y, x, y):
    far = max(float(xp.max(_distances(xp, x[i:j, :], y))) for i, j in _row_blocks(x, y))
    nearest = far * _arrays.eps(x) ** 0.5
    steepest = 0.0 * at_x[0]
    for start, stop in _row_blocks(x, y):
        distance = _distances(xp, x[start:stop, :], y)
        apart = distance > nearest
        rise = xp.abs(at_x[start:stop][:, None] - at_y)
        slopes = xp.where(apart, rise / xp.where(apart, distance, 1.0), 0.0)
        steepest = xp.maximum(steepest, xp.max(slopes))
    return steepest
