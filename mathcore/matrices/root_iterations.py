"""Square root, logarithm and sign by products and inverses alone, on every array library.

The product form of the Denman–Beavers iteration and the logarithm by inverse scaling and squaring:
Cheng, Higham, Kenney & Laub, "Approximating the logarithm of a matrix to specified accuracy",
SIAM J. Matrix Anal. Appl. 22 (2001) 1112–1125. Both, and the Newton iteration for the sign, stop
as soon as what is left is the inverse square root of a matrix near I, which a series gives in fewer
products. Each function also returns what certifies each member of the batch.
"""

import math

from mathcore import _arrays
from mathcore.matrices.inverses import inverse_or_nan

_MOST_NEWTON_STEPS = 24
_MOST_TRACED_NEWTON_STEPS = 16
_MOST_ROOTS = 40
_MOST_TRACED_ROOTS = 8
_NEAR_IDENTITY = 0.5  # ‖M − I‖₁ at which the series takes over
_SCALE_ABOVE = 0.9  # scaling nearer to I than this would spoil the quadratic convergence
_SMALL_SIXTH_POWER = 0.06  # ‖W⁶‖₁ at which Gregory's series takes over: at most 14 rows
_HOPELESS_SQUARE = 40.0  # ‖(A − I)²‖₁ above which (A + I)⁻¹ is not formed to look at W
_ROOT_WIDTH, _MOST_ROOT_BLOCKS = 4, 16
_GREGORY_WIDTH, _MOST_GREGORY_BLOCKS = 6, 16


def norm1(xp, a):
    """The 1-norm of each matrix, detached, (...)."""
    return xp.max(xp.sum(xp.abs(_arrays.detach(a)), axis=-2), axis=-1)


def identity(xp, a):
    """I of the order, dtype and device of `a`."""
    return xp.eye(a.shape[-1], dtype=a.dtype, device=_arrays.device(a))


def times_power_of_two(xp, a, exponent):
    """2^exponent · a for each matrix, exactly, also where 2^exponent itself overflows."""
    half = xp.floor(exponent / 2)
    for part in (half, exponent - half):
        a = a * xp.pow(xp.full_like(part, 2.0), part)[..., None, None]
    return a


def square_root(xp, a):
    """(principal A^{1/2}, ‖X² − A‖₁ / ‖A‖₁; infinite or NaN where the iteration failed)."""
    x, m = _denman_beavers(xp, a, xp.isfinite(norm1(xp, a)))
    e = m - identity(xp, a)
    root = x @ _inverse_root_near_identity(xp, e)
    residual = norm1(xp, root @ root - a) / norm1(xp, a)
    return root, xp.where(norm1(xp, e) <= _NEAR_IDENTITY, residual, xp.inf)


def sign(xp, a):
    """(S, the larger of ‖S² − I‖₁ / ‖S‖₁² and ‖SA − AS‖₁ / ‖S‖₁‖A‖₁ or as above)."""
    eye = identity(xp, a)

    def done(state):
        return ~xp.any(state[1] > _NEAR_IDENTITY)

    def step(state):
        s, distance = state
        pending = (distance > _NEAR_IDENTITY)[..., None, None]
        inverse = inverse_or_nan(s)
        mu = _scale(xp, s, inverse, distance)
        s = _choose(xp, pending, (mu * s + inverse / mu) / 2, s)
        return s, norm1(xp, s @ s - eye)

    most = _most(xp, a, _MOST_NEWTON_STEPS, _MOST_TRACED_NEWTON_STEPS)
    state = (a, norm1(xp, a @ a - eye))
    s, _ = _arrays.repeat_until(done, step, state, at_most=most)
    e = s @ s - eye
    near = norm1(xp, e) <= _NEAR_IDENTITY
    s = s @ _inverse_root_near_identity(xp, e)
    size = norm1(xp, s)
    commutator = norm1(xp, s @ a - a @ s) / (size * norm1(xp, a))
    residual = xp.maximum(norm1(xp, s @ s - eye) / size**2, commutator)
    return s, xp.where(near, residual, xp.inf)


def logarithm(xp, a):
    """(principal log A, whether the iteration converged); A centered for the fewest roots."""

    def done(state):
        return ~xp.any(_far_from_series(xp, state))

    def step(state):
        a, s = state[:2]
        pending = _far_from_series(xp, state)
        x, m = _denman_beavers(xp, a, pending)
        e = m - identity(xp, a)
        failed = (norm1(xp, e) > _NEAR_IDENTITY)[..., None, None]
        # NaN ends the work on a member that has no principal root
        root = _choose(xp, ~failed, x @ _inverse_root_near_identity(xp, e), xp.full_like(x, xp.nan))
        pending = pending[..., None, None]
        s = s + xp.astype(pending[..., 0, 0], s.dtype)
        return _with_gregory_powers(xp, _choose(xp, pending, root, a), s)

    state = _with_gregory_powers(xp, a, xp.zeros_like(norm1(xp, a)))
    most = _most(xp, a, _MOST_ROOTS, _MOST_TRACED_ROOTS)
    state = _arrays.repeat_until(done, step, state, at_most=most)
    _, s, z, w, w2, w3, w6 = state
    powers = (w, w2, w3, w2 @ w2, w2 @ w3, w6)
    rows = [
        [2.0 / (2 * (block * _GREGORY_WIDTH + k) + 1) for k in range(_GREGORY_WIDTH)]
        for block in range(_MOST_GREGORY_BLOCKS)
    ]
    log = times_power_of_two(xp, z @ _series(xp, powers, rows), s)
    return log, ~_far_from_series(xp, state)


def _most(xp, a, eager, traced):
    return traced if _arrays.concrete(xp.max(norm1(xp, a))) is None else eager


def _denman_beavers(xp, a, pending):
    """X and M with A = X² M⁻¹ and ‖M − I‖₁ ≤ ½ where `pending` and no eigenvalue is ≤ 0."""
    eye = identity(xp, a)

    def far(distance):
        return pending & (distance > _NEAR_IDENTITY)

    def done(state):
        return ~xp.any(far(state[2]))

    def step(state):
        x, m, distance = state
        stepping = far(distance)[..., None, None]
        inverse = inverse_or_nan(m)
        mu2 = _scale(xp, m, inverse, distance)
        inverse = inverse / mu2
        x = _choose(xp, stepping, (x @ (inverse + eye)) * (xp.sqrt(mu2) / 2), x)
        m = _choose(xp, stepping, (m * mu2 + inverse) / 4 + eye / 2, m)
        return x, m, norm1(xp, m - eye)

    most = _most(xp, a, _MOST_NEWTON_STEPS, _MOST_TRACED_NEWTON_STEPS)
    state = (a, a, norm1(xp, a - eye))
    return _arrays.repeat_until(done, step, state, at_most=most)[:2]


def _choose(xp, mask, new, old):
    return new if _arrays.concrete(xp.all(mask)) else xp.where(mask, new, old)


def _scale(xp, m, inverse, distance):
    """The factor (‖M⁻¹‖ / ‖M‖)^{1/2} that balances M far from I, 1 near it, (..., 1, 1)."""
    factor = xp.sqrt(norm1(xp, inverse) / norm1(xp, m))
    usable = xp.isfinite(factor) & (factor > 0) & (distance > _SCALE_ABOVE)
    return xp.where(usable, factor, 1.0)[..., None, None]


def _inverse_root_near_identity(xp, e):
    """(I + E)^{-1/2} by its Taylor series."""
    coefficients = [1.0]
    for k in range(1, _ROOT_WIDTH * _MOST_ROOT_BLOCKS):
        coefficients.append(-coefficients[-1] * (2 * k - 1) / (2 * k))
    rows = [coefficients[i : i + _ROOT_WIDTH] for i in range(0, len(coefficients), _ROOT_WIDTH)]
    e2 = e @ e
    return _series(xp, (e, e2, e2 @ e, e2 @ e2), rows)


def center(xp, a):
    """(exponent of the power of two nearest to (‖A‖ / ‖A⁻¹‖)^{1/2}, ‖A‖ ‖A⁻¹‖)."""
    size, inverse_size = norm1(xp, a), norm1(xp, inverse_or_nan(_arrays.detach(a)))
    half = xp.log2(size) - xp.log2(inverse_size)
    return xp.where(xp.isfinite(half), xp.round(half / 2), 0.0), size * inverse_size


def _with_gregory_powers(xp, a, s):
    """(A, s, Z, W, W², W³, W⁶) with Z = (A − I)(A + I)⁻¹ and W = Z²."""
    e = a - identity(xp, a)
    hopeless = norm1(xp, e @ e) > _HOPELESS_SQUARE
    if _arrays.concrete(xp.all(hopeless)):
        far = xp.full_like(a, 1.0)
        return a, s, far, far, far, far, far
    z = e @ inverse_or_nan(a + identity(xp, a))
    w = z @ z
    w2 = w @ w
    w3 = w2 @ w
    return a, s, z, w, w2, w3, w3 @ w3


def _far_from_series(xp, state):
    return norm1(xp, state[6]) > _SMALL_SIXTH_POWER


def _series(xp, powers, rows):
    """Σ c_k X^k by Paterson & Stockmeyer; powers X … X^w, row j holds c_{jw} … c_{jw+w−1}.

    As many rows as ‖X^w‖ asks of each matrix; all of them where it cannot be known.
    """
    x, top = powers[0], powers[-1]
    decay = norm1(xp, top)
    usable = (decay > 0) & (decay < 1)
    terms = math.log(_arrays.eps(x) / 8) / xp.log(xp.where(usable, decay, 0.5))
    terms = xp.where(
        usable, xp.ceil(terms), xp.where(decay > 0, xp.full_like(decay, len(rows)), 1.0)
    )
    most = _arrays.concrete(xp.max(terms)) if 0 not in terms.shape else 1
    rows = rows[: len(rows) if most is None else max(1, min(int(most), len(rows)))]
    basis = xp.stack([xp.broadcast_to(identity(xp, x), x.shape), *powers[:-1]])
    table = xp.asarray(rows, dtype=x.dtype, device=_arrays.device(x))
    blocks = xp.reshape(table @ xp.reshape(basis, (len(powers), -1)), (len(rows), *x.shape))
    total = blocks[-1, ...]
    for j in range(len(rows) - 2, -1, -1):
        continued = (terms > j + 1)[..., None, None]
        total = blocks[j, ...] + _choose(xp, continued, total, xp.zeros_like(total)) @ top
    return total
