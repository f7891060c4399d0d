"""The log-determinant of a positive definite matrix known by its products.

Stochastic Lanczos quadrature (Ubaru, Chen & Saad, SIAM J. Matrix Anal. Appl. 38 (2017)):
log det A = tr log A = E zᴴ (log A) z for random signs z, and a Gauss rule for each z.
"""

import math
from typing import Any, NamedTuple

from array_api_extra import at

from mathcore import _arrays
from mathcore._checks import check_count
from mathcore.matrices.linear_operators import Operator, is_sparse
from mathcore.matrices.probing import (
    estimated,
    exactly,
    inner,
    mean_and_error,
    probed_operator,
    signs,
    whole_matrix,
)

_LEAST_STEPS = 3  # fewer leave no estimate of what the rule misses
_LEAST_PROBES = 2
_BASIS_ENTRIES = (2**20, 2**26)  # kept at a time: what a cache holds (NumPy), what a memory does


@_arrays.halves_in_float32
def logdet_estimate(operator, n, *, num_probes, num_steps, rng, like=None):
    """Log-determinant of a symmetric (Hermitian) positive definite matrix, with its standard error.

    Parameters
    ----------
    operator : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        A callable takes a block (n, k), k changing from call to call, and returns its product.
    n : int
        Order of the matrix.
    num_probes : int
        Test vectors, at least 2. From n on the determinant is computed exactly, with n products.
    num_steps : int
        Lanczos steps for each, at least 3; about √κ log(1/accuracy) are needed for the condition
        number κ. More than n are not made.
    rng : int, NumPy, torch or CuPy generator, or JAX key
        The test vectors are a function of its seed, the same on every library.
    like : array, optional
        For a callable: an array in whose library, dtype and device the test vectors are made.
        NumPy float64 unless given; complex for a complex operator.

    Returns
    -------
    Estimate
        ``value`` (real), ``standard_error``, which includes the estimated error of the quadrature,
        and ``num_matvecs``, num_probes · num_steps.

    Raises
    ------
    ValueError
        A budget is too small; a shape does not fit; the matrix is found to be not Hermitian or not
        positive definite (NumPy; elsewhere the value is NaN).
    TypeError
        A callable returns arrays of another library, or complex ones for real vectors.

    Notes
    -----
    Full reorthogonalisation, so that the rule has no spurious nodes. Of a stored matrix more is
    known than its products. Its diagonal D is split off, log det A = log det D + log det S with
    S = D^(-1/2) A D^(-1/2); and tr p(S) of a quadratic p is known, so only log S − p(S) is
    estimated, p being the best fit to log on the spectrum that the probes saw. This costs no
    product and cuts the error several times; matfree's estimator has neither.

    Gradients with respect to what `operator` depends on flow through torch and JAX and are unbiased
    up to the quadrature: those of zᴴ A⁻¹ (dA) z with A⁻¹ z taken from the Lanczos basis; the
    iteration is not differentiated, second derivatives are wrong. There are no batch axes.

    References
    ----------
    .. [1] S. Ubaru, J. Chen, Y. Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075–1099.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from mathcore.matrices.lanczos_quadrature import logdet_estimate
    >>> n = 10_000
    >>> a = scipy.sparse.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(n, n))
    >>> found = logdet_estimate(a, n, num_probes=10, num_steps=20, rng=0)
    >>> exact = (n + 1) * np.log(2.0) - np.log(1.5)  # (2^(n+1) - 2^(-n-1)) / (2 - 1/2)
    >>> bool(abs(found.value - exact) < 4 * found.standard_error < 20)
    True
    >>> found.num_matvecs
    200
    """
    operator, like = probed_operator(operator, n, like)
    check_count(num_probes, "num_probes")
    check_count(num_steps, "num_steps")
    if num_probes >= n:
        return exactly(_dense_logdet(whole_matrix(operator, n, like)), n)
    if num_probes < _LEAST_PROBES:
        raise ValueError(f"`num_probes` must be >= {_LEAST_PROBES}; got {num_probes}")
    if num_steps < min(_LEAST_STEPS, n):
        raise ValueError(f"`num_steps` must be >= {min(_LEAST_STEPS, n)}; got {num_steps}")
    start, operator, traces = _scaled(operator, n)
    z = signs(_arrays.seed_of(rng), n, num_probes, like)
    return _quadrature(operator, traces, z, min(num_steps, n), start)


def _dense_logdet(a):
    xp = _arrays.result_namespace(a)
    size, gap = xp.sum(xp.abs(a)), xp.sum(xp.abs(a - _arrays.adjoint(a)))
    finite, fits = xp.isfinite(size), gap <= math.sqrt(_arrays.eps(a)) * size
    eye = xp.eye(a.shape[0], dtype=a.dtype, device=_arrays.device(a))
    values = xp.linalg.eigvalsh(xp.where(finite, (a + _arrays.adjoint(a)) / 2, eye))
    if _arrays.is_numpy(a) and finite:
        _check_definite(values, fits)
    return xp.sum(xp.log(xp.where(finite & fits, values, math.nan)))


def _scaled(operator, n):
    """The logarithm of det D, S = D^(-1/2) A D^(-1/2), and (tr S, tr S²) where A is stored."""
    if operator.matrix is None:
        return 0.0, operator, None
    sparse = is_sparse(operator.matrix)
    a = operator.matrix.tocoo() if sparse else operator.matrix
    if sparse:
        a.sum_duplicates()
    diagonal = _arrays.real_part(a.diagonal() if sparse else _diagonal(a))
    xp = _arrays.result_namespace(diagonal)
    if _arrays.is_numpy(diagonal) and xp.any(diagonal <= 0):
        least = float(xp.min(diagonal))
        raise ValueError(f"`operator` must be positive definite; got {least:.3g} on its diagonal")
    roots = xp.sqrt(diagonal)
    if sparse:
        a.data = entries = a.data / (roots[a.row] * roots[a.col])
        scaled = a.tocsr()
    else:
        scaled = entries = a / (roots[:, None] * roots)
    traces = (1.0 * n, xp.sum(xp.abs(entries) ** 2))
    return xp.sum(xp.log(diagonal)), Operator(lambda v: scaled @ v, scaled), traces


def _diagonal(a):
    return _arrays.result_namespace(a).linalg.diagonal(a)


# --- the rule -------------------------------------------------------------------------------------


class _Rules(NamedTuple):
    """Gauss rules of some test vectors z, which lead every axis."""

    terms: Any  # zᴴ log(A) z
    missed: Any  # differences between rules of equally spaced orders, (count, 2)
    nodes: Any  # (count, steps)
    weights: Any  # of sum one
    forms: Any  # zᴴ A z and ‖A z‖², (count, 2)


def _quadrature(operator, traces, z, steps, start):
    xp = _arrays.result_namespace(z)
    n, count = z.shape
    entries = _BASIS_ENTRIES[0 if _arrays.is_numpy(z) else 1]
    width = max(1, min(count, entries // (n * steps)))
    starts = range(0, count, width)
    blocks = [_gauss_rules(operator.apply, z[:, i : i + width], steps) for i in starts]
    rules = _Rules(*(xp.concat(parts, axis=0) for parts in zip(*blocks, strict=True)))
    terms = rules.terms
    if traces is not None:
        terms = terms - _known_part(rules, traces)
    value, error = mean_and_error(terms)
    missed = _truncation(xp.mean(rules.missed, axis=0)) if steps < n else 0.0
    return estimated(start + value, xp.sqrt(error**2 + missed**2), count * steps)


def _gauss_rules(apply, z, steps):
    xp = _arrays.result_namespace(z)
    n = z.shape[0]
    length = math.sqrt(n)
    first = apply(z)
    start = _arrays.detach(first) / length
    diagonal, beside, basis, fits = _lanczos(apply, z / length, start, steps)
    t = _tridiagonal(diagonal, beside)
    finite = xp.all(xp.isfinite(t))
    t = xp.where(finite, t, xp.eye(steps, dtype=t.dtype, device=_arrays.device(t)))
    nodes, vectors = xp.linalg.eigh(t)
    if _arrays.is_numpy(z) and finite:
        _check_definite(nodes, fits)
    full = xp.where(finite & fits, _integral(nodes, vectors), math.nan)
    long, short = (_integral(*xp.linalg.eigh(t[:, :k, :k])) for k in _fewer(steps))
    missed = xp.stack([short - long, long - full], axis=-1)
    heads = vectors[:, 0, :]
    # A⁻¹ z = |z| Q T⁻¹ e₁: the gradient of `live` is that of zᴴ log(A) z in the mean
    inverse = (vectors @ (heads / nodes)[..., None])[..., 0]
    solved = (xp.astype(inverse, z.dtype)[:, None, :] @ basis)[:, 0, :]
    live = length * _form(xp.matrix_transpose(solved), first)
    return _Rules(
        n * full + live - _arrays.detach(live),
        n * xp.where(beside[:, -1:] > 0, missed, 0.0),
        nodes,
        heads**2,
        xp.stack([_form(z, first), _form(first, first)], axis=-1),
    )


def _lanczos(apply, q, w, steps):
    """Diagonals (k, steps) of T, the basis (k, steps, n), and whether A is Hermitian.

    From the columns of q and w = A q: the recurrence, then one pass over the whole basis. Where the
    space is exhausted T goes on with an identity block, which has no weight.
    """
    xp = _arrays.result_namespace(q)
    n, count = q.shape
    basis = xp.zeros((count, steps, n), dtype=w.dtype, device=_arrays.device(w))
    previous, beta = 0.0, 0.0
    size = xp.linalg.vector_norm(w, axis=0)
    alive, fits = xp.ones_like(size, dtype=xp.bool), True
    diagonal, beside = [], []
    for j in range(steps):
        basis = at(basis)[:, j, :].set(xp.matrix_transpose(q))
        if j:
            w = _arrays.detach(apply(q))
            size = xp.maximum(size, xp.linalg.vector_norm(w, axis=0))
        if j == 1:
            gap = xp.abs(inner(previous, w) - beta)
            fits = xp.all(gap <= math.sqrt(_arrays.eps(w)) * size)
        alpha = _form(q, w)
        w = w - alpha * q - beta * previous
        # rows still zero change nothing, but JAX would compile for every number of them
        known = basis if _arrays.is_jax_namespace(xp) else basis[:, : j + 1, :]
        overlaps = _arrays.conj(known @ _arrays.conj(xp.matrix_transpose(w)[..., None]))
        w = w - xp.matrix_transpose((xp.matrix_transpose(overlaps) @ known)[:, 0, :])
        diagonal.append(xp.where(alive, alpha, 1.0))
        norm = xp.linalg.vector_norm(w, axis=0)
        alive = alive & (norm > 10 * _arrays.eps(w) * size)
        beta = xp.where(alive, norm, 0.0)
        beside.append(beta)
        previous, q = q, xp.where(alive, w / xp.where(alive, norm, 1.0), 0.0)
    return xp.stack(diagonal, axis=-1), xp.stack(beside, axis=-1), basis, fits


def _tridiagonal(diagonal, beside):
    """Symmetric matrices (k, steps, steps); the last entry of `beside` is left out."""
    xp = _arrays.result_namespace(diagonal)
    steps = diagonal.shape[-1]
    on = {"dtype": diagonal.dtype, "device": _arrays.device(diagonal)}
    above = beside[..., None] * xp.eye(steps, k=1, **on)
    return diagonal[..., None] * xp.eye(steps, **on) + above + xp.matrix_transpose(above)


def _integral(nodes, vectors):
    xp = _arrays.result_namespace(nodes)
    return xp.sum(vectors[:, 0, :] ** 2 * xp.log(nodes), axis=-1)


def _fewer(steps):
    """Two smaller orders, equally spaced with `steps`, the larger first."""
    gap = max(1, steps // 3)
    return steps - gap, steps - 2 * gap


def _truncation(missed):
    """What the full rule misses, from the geometric decay of the last two differences."""
    xp = _arrays.result_namespace(missed)
    before, last = xp.abs(missed[0]), xp.abs(missed[1])
    ratio = xp.where(last < before, last / xp.where(before > 0, before, 1.0), 0.5)
    return last * ratio / (1 - ratio)


def _known_part(rules, traces):
    """Terms zᴴ p(A) z − tr p(A) of mean zero, p the quadratic nearest to log on the spectrum."""
    xp = _arrays.result_namespace(rules.nodes)
    weights = rules.weights / rules.weights.shape[0]

    def mean(x):
        return xp.sum(weights * x)

    def slope(x, y):  # of y on x, 0 where x is rounding
        square = mean(x**2)
        known = square > _arrays.eps(square) * scale
        return xp.where(known, mean(x * y) / xp.where(known, square, 1.0), 0.0)

    logs, centre = xp.log(rules.nodes), mean(rules.nodes)
    scale = centre**2
    x = rules.nodes - centre
    turn = slope(x, x**2)
    curved = x**2 - turn * x - mean(x**2)
    linear, scale = slope(x, logs), scale * mean(x**2)
    square = slope(curved, logs)
    first, second = rules.forms[:, 0] - traces[0], rules.forms[:, 1] - traces[1]
    return (linear - square * (turn + 2 * centre)) * first + square * second


def _check_definite(values, fits):
    if not fits:
        raise ValueError("`operator` must be Hermitian; got one with Aᴴ ≠ A")
    if not (values > 0).all():
        raise ValueError(
            f"`operator` must be positive definite; got one with the Ritz value {values.min():.3g}"
        )


def _form(x, y):
    return _arrays.real_part(inner(x, y))
