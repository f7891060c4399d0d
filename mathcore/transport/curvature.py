"""Second derivatives of the entropic value, as products of its Hessian with directions.

With k_ij = exp((f_i + g_j − C_ij)/ε), P = a_i b_j k_ij, differentiating the marginal conditions in
a direction (dC, da, db) gives for φ = df, γ = dg

    κ r φ + K γ = t,    κ c γ + K'φ = t',    K v = Σ_j b_j k_ij v_j,    K'v = Σ_i a_i k_ij v_i,

r = K1, c = K'1, κ = 1 + ε/ρ (1 without a penalty ρ), t = K∘dC − ε Σ_j k_ij db_j and t' likewise.
Eliminating φ leaves κc − K'(κr)⁻¹K, positive semi-definite in the weights b, for the method of
conjugate gradients: two products with the plan a round, and no n × m array.
"""

from typing import Any, NamedTuple

from mathcore import _arrays, _gradients
from mathcore.transport import costs
from mathcore.transport.soft_minima import plan_rows

_MOST_ROUNDS = 1000
_ROUNDINGS = 16.0


class Optimum(NamedTuple):
    """A cost, weights, and the potentials that are optimal for them; none carries a gradient."""

    cost: Any
    a: Any
    b: Any
    f: Any
    g: Any
    epsilon: float
    penalty: Any


def hessian_product(xp, at, direction):
    """Change of the slopes of the value in a direction, in the order of the direction.

    `direction` is (dx, dy, da, db) for a cost between points, (dC, da, db) for a matrix.
    """
    *moves, da, db = direction
    pulls = _pulls(xp, at, moves)
    phi, gamma = _potential_changes(xp, at, pulls, da, db)
    return (
        *_cost_slopes(xp, at, moves, phi, gamma, da, db),
        _weight_slope(xp, at, at.f, phi, db),
        _weight_slope(xp, at, at.g, gamma, da),
    )


def _weight_slope(xp, at, u, change, other):
    """Of u + ε Σ other, or ρ − (ρ + ε) e^{−u/ρ} + ε Σ other."""
    factor = 1.0
    if at.penalty is not None:
        factor = (1 + at.epsilon / at.penalty) * xp.exp(-_finite(xp, u) / at.penalty)
    return factor * change + at.epsilon * xp.sum(other, axis=-1)[..., None]


# --- potentials -----------------------------------------------------------------------------------


def _potential_changes(xp, at, pulls, da, db):
    """(φ, γ)."""
    kappa = 1.0 if at.penalty is None else 1 + at.epsilon / at.penalty
    back = costs.reverse(xp, at.cost)

    def forth(v, weights):
        return plan_rows(xp, at.cost, at.f, at.g, weights, v[..., None], at.epsilon)[..., 0]

    def transposed(v, weights):
        return plan_rows(xp, back, at.g, at.f, weights, v[..., None], at.epsilon)[..., 0]

    r, c = (
        kappa * v for v in (forth(xp.ones_like(at.b), at.b), transposed(xp.ones_like(at.a), at.a))
    )
    t = pulls[0] - at.epsilon * forth(db, _reached(xp, at.g))
    t_back = pulls[1] - at.epsilon * transposed(da, _reached(xp, at.f))
    root = xp.sqrt(at.b * c)
    inverse = _inverse(xp, root)

    def apply(z):
        v = inverse * z
        image = transposed(_inverse(xp, r) * forth(v, at.b), at.a)
        return z - inverse * at.b * image

    right = inverse * at.b * (t_back - transposed(_inverse(xp, r) * t, at.a))
    if at.penalty is None:  # constants, (1, −1), are left out: they change neither plan nor value
        null = root / xp.sqrt(xp.sum(root * root, axis=-1))[..., None]
        right = right - null * xp.sum(null * right, axis=-1)[..., None]
    solution = _gradients.symmetric_solve(
        apply, lambda _, v: _conjugate_gradients(xp, apply, v), right
    )
    gamma = xp.where(at.b > 0, inverse * solution, 0.0)
    phi = _inverse(xp, r) * (t - forth(gamma, at.b))
    return phi, _inverse(xp, c) * (t_back - transposed(phi, at.a))


def _inverse(xp, v):
    return xp.where(v > 0, 1 / xp.where(v > 0, v, 1.0), 0.0)


def _finite(xp, u):
    return xp.where(xp.isfinite(u), u, 0.0)


def _reached(xp, u):
    """1 where a point has a finite potential: weights for sums over all points."""
    return xp.astype(xp.isfinite(u), u.dtype)


def _conjugate_gradients(xp, apply, right):
    """x with apply(x) = right, for each member of a batch."""
    rounded = _ROUNDINGS * _arrays.eps(right)
    square = xp.sum(right * right, axis=-1)
    zero = 0.0 * right

    def going(state):
        _, _, _, size, rounds = state
        return xp.any(size > rounded**2 * square) & (rounds < _MOST_ROUNDS)

    def step(state):
        x, residual, search, size, rounds = state
        image = apply(search)
        curvature = xp.sum(search * image, axis=-1)
        length = xp.where(curvature > 0, size / xp.where(curvature > 0, curvature, 1.0), 0.0)
        x = x + length[..., None] * search
        residual = residual - length[..., None] * image
        new = xp.sum(residual * residual, axis=-1)
        ratio = xp.where(size > 0, new / xp.where(size > 0, size, 1.0), 0.0)
        return x, residual, residual + ratio[..., None] * search, new, rounds + 1

    rounds = xp.sum(0 * xp.astype(zero, xp.int32))
    return _arrays.while_loop(going, step, (zero, right, right, square, rounds))[0]


# --- costs ----------------------------------------------------------------------------------------


def _blocks(xp, at):
    """(rows, k_ij) in ranges of rows."""
    f, g = (xp.where(xp.isfinite(u), u, -xp.inf) for u in (at.f, at.g))
    for start, stop in costs.row_blocks(at.cost):
        c = costs.rows(xp, at.cost, start, stop)
        exponent = f[..., start:stop, None] + g[..., None, :] - c
        yield slice(start, stop), xp.exp(exponent / at.epsilon)


def _cost_change(xp, at, moves, rows):
    """dC in a range of rows."""
    if len(moves) == 1:
        return moves[0][..., rows, :]
    x, y = costs.centred(xp, at.cost)
    (dx, dy), x = moves, x[..., rows, :]
    dx = dx[..., rows, :]
    own = xp.sum(x * dx, axis=-1)[..., :, None] + xp.sum(y * dy, axis=-1)[..., None, :]
    return 2 * (own - x @ xp.matrix_transpose(dy) - dx @ xp.matrix_transpose(y))


def _pulls(xp, at, moves):
    """Σ_j b_j k_ij dC_ij and Σ_i a_i k_ij dC_ij."""
    down, across = [], 0.0 * at.b
    for rows, k in _blocks(xp, at):
        change = xp.where(k > 0, k * _cost_change(xp, at, moves, rows), 0.0)
        down.append((change @ at.b[..., None])[..., 0])
        across = across + (at.a[..., None, rows] @ change)[..., 0, :]
    return xp.concat(down, axis=-1), across


def _cost_slopes(xp, at, moves, phi, gamma, da, db):
    """Changes of P, or of 2 Σ_j P_ij (x_i − y_j) and 2 Σ_i P_ij (y_j − x_i)."""
    blocks = (
        (rows, *_plan_change(xp, at, moves, rows, k, phi, gamma, da, db))
        for rows, k in _blocks(xp, at)
    )
    if len(moves) == 1:
        return (xp.concat([change for *_, change in blocks], axis=-2),)
    x, y = costs.centred(xp, at.cost)
    dx, dy = moves
    of_x, of_y = [], 0.0 * y
    for rows, plan, change in blocks:
        here = x[..., rows, :], dx[..., rows, :]
        of_x.append(_pull_change(xp, plan, change, *here, y, dy))
        back, change_back = xp.matrix_transpose(plan), xp.matrix_transpose(change)
        of_y = of_y + _pull_change(xp, back, change_back, y, dy, *here)
    return xp.concat(of_x, axis=-2), of_y


def _pull_change(xp, plan, change, x, dx, y, dy):
    """Change of 2 Σ_j P_ij (x_i − y_j)."""
    mass, mass_change = (xp.sum(v, axis=-1)[..., None] for v in (plan, change))
    return 2 * (mass_change * x + mass * dx - change @ y - plan @ dy)


def _plan_change(xp, at, moves, rows, k, phi, gamma, da, db):
    """P and dP in a range of rows."""
    a, b = at.a[..., rows, None], at.b[..., None, :]
    c = xp.where(k > 0, _cost_change(xp, at, moves, rows), 0.0)
    exponent = (phi[..., rows, None] + gamma[..., None, :] - c) / at.epsilon
    masses = da[..., rows, None] * b + a * db[..., None, :]
    return a * b * k, k * (masses + a * b * exponent)
