"""The trace of a matrix known by its products: Hutchinson, Hutch++, XTrace, XNysTrace.

Given what is held fixed (bases, test vectors), each estimate is written as a function linear in the
products with A, or stationary in what is fixed. Its gradient through the products alone is then
that of an unbiased estimator, and no decomposition is differentiated.
"""

import math

from mathcore import _arrays
from mathcore._checks import check_choice, check_count
from mathcore.matrices.probing import (
    QUIET,
    directions,
    estimated,
    exactly,
    inner,
    mean_and_error,
    orthonormal_basis,
    probed_operator,
    signs,
    whole_matrix,
)


@_arrays.halves_in_float32
def trace_estimate(operator, n, *, num_matvecs, method="xtrace", rng, like=None):
    """Trace of a matrix from random test vectors, with its standard error.

    Parameters
    ----------
    operator : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        A callable takes a block (n, k), k changing from call to call, and returns its product.
    n : int
        Order of the matrix.
    num_matvecs : int
        Products allowed; a block of k vectors counts k. From n on the trace is computed exactly.
    method : str
        "hutchinson" (any matrix; at least 2 products), "hutch++" (4), "xtrace" (4) or
        "xnystrace" (2; positive semidefinite matrices only, and there the most accurate).
    rng : int, NumPy, torch or CuPy generator, or JAX key
        The test vectors are a function of its seed, the same on every library.
    like : array, optional
        For a callable: an array in whose library, dtype and device the test vectors are made.
        NumPy float64 unless given; complex for a complex operator.

    Returns
    -------
    Estimate
        ``value`` (complex for a complex matrix), ``standard_error`` and ``num_matvecs``, the
        products made: `num_matvecs`, less what a method cannot use, at most n.

    Raises
    ------
    ValueError
        The budget is too small for the method; a shape does not fit; the matrix of "xnystrace" is
        not Hermitian or not positive semidefinite (NumPy; elsewhere the value is NaN).
    TypeError
        A callable returns arrays of another library, or complex ones for real vectors.

    Notes
    -----
    The error of Hutchinson's estimate falls as the square root of the number of products; those of
    the other methods also with the eigenvalues that the products resolve. All are unbiased. The
    standard error is the spread of the terms averaged. With "xtrace" these share vectors and it is
    small rather than large, by a third at worst: with 20 products two standard errors cover the
    truth in 80 to 94 cases of 100. With "xnystrace" they share so much that the spread alone would
    be several times too small; it is multiplied by the jackknife's error, which is as much too
    large, and the root of the product covers the truth in 94 to 96.

    Test vectors are signs for Hutchinson's method and uniform on the sphere for the others; their
    residuals are normalised in the subspace left over as in [1]_, for "hutch++" too, which [2]_
    does not do. So a multiple of the identity has no error.

    Gradients with respect to what `operator` depends on flow through torch and JAX and are
    unbiased; second derivatives are not. There are no batch axes.

    References
    ----------
    .. [1] E. N. Epperly, J. A. Tropp, R. J. Webber, SIAM J. Matrix Anal. Appl. 45 (2024) 1–23.
    .. [2] R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff, "Hutch++", SOSA 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.trace_estimators import trace_estimate
    >>> eigenvalues = 0.8 ** np.arange(1000)
    >>> found = trace_estimate(lambda v: eigenvalues[:, None] * v, 1000, num_matvecs=60, rng=0)
    >>> abs(float(found.value) - 5.0) < 4 * float(found.standard_error) < 0.02
    True
    >>> found.num_matvecs
    60
    """
    check_choice(method, tuple(_METHODS), "method")
    estimate, least = _METHODS[method]
    operator, like = probed_operator(operator, n, like)
    check_count(num_matvecs, "num_matvecs")
    if num_matvecs >= n:
        xp = _arrays.result_namespace(like)
        return exactly(xp.linalg.trace(whole_matrix(operator, n, like)), n)
    if num_matvecs < least:
        raise ValueError(
            f"`num_matvecs` must be >= {min(least, n)} for {method!r}; got {num_matvecs}"
        )
    return estimate(operator.apply, n, num_matvecs, _arrays.seed_of(rng), like)


def _hutchinson(apply, n, num_matvecs, seed, like):
    omega = signs(seed, n, num_matvecs, like)
    return estimated(*mean_and_error(inner(omega, apply(omega))), num_matvecs)


def _hutch_plus_plus(apply, n, num_matvecs, seed, like):
    """Trace on the range of a sketch, and Hutchinson on its complement (algorithm 1 of [2])."""
    xp = _arrays.result_namespace(like)
    k = num_matvecs // 3
    count = num_matvecs - 2 * k
    vectors = directions(seed, n, k + count, like)
    q, _ = orthonormal_basis(apply(vectors[:, :k]))
    omega = vectors[:, k:]
    u = omega - q @ (_arrays.adjoint(q) @ omega)
    au = apply(u)
    value, error = mean_and_error(_normalised(n - k, u) * inner(u, au))
    return estimated(xp.sum(inner(q, apply(q))) + value, error, num_matvecs)


def _xtrace(apply, n, num_matvecs, seed, like):
    """The mean over j of the estimates that use ω_j where the others use Y without y_j."""
    xp = _arrays.result_namespace(like)
    m = num_matvecs // 2
    omega = directions(seed, n, m, like)
    y = apply(omega)
    q, s = orthonormal_basis(y)
    z = apply(q)
    w = _arrays.adjoint(q) @ omega
    x = w - s * inner(s, w)  # coordinates in Q of what Q_j holds of ω_j
    u = omega - q @ x
    h = _arrays.adjoint(q) @ z
    found = xp.linalg.trace(h) - inner(s, h @ s)  # tr Q_jᴴ A Q_j
    terms = found + _normalised(n - m + 1, u) * inner(u, y - z @ x)
    return estimated(*mean_and_error(terms), 2 * m)


def _normalised(dimension, u):
    """What makes the squared lengths of the columns of U the dimension of their subspace."""
    xp = _arrays.result_namespace(u)
    squares = _form(u, u)
    return dimension / xp.where(squares > 0, squares, 1.0)


@QUIET
def _xnystrace(apply, n, num_matvecs, seed, like):
    """The same for Nyström approximations A⟨Ω⟩ = Y H⁻¹ Yᴴ, H = Ωᴴ Y, of a semidefinite A.

    With H⁻¹ = F Fᴴ, N = Y F and the directions c_j of the columns of Fᴴ, A⟨Ω_j⟩ = N P_j Nᴴ where
    P_j = I − c_j c_jᴴ, and ω_j leaves the residual c_jᴴ Fᴴ H F c_j / ‖f_j‖². This and
    tr A⟨Ω_j⟩ = 2 Re tr P_j Nᴴ Y F − tr P_j Nᴴ N P_j Fᴴ H F are stationary in F where it is held
    fixed: its rounding errors enter squared, and the gradient is that of Y and H alone.
    """
    xp = _arrays.result_namespace(like)
    m = num_matvecs
    omega = directions(seed, n, m, like)
    y = apply(omega)
    size = xp.max(xp.abs(_arrays.detach(y)))
    y = y / xp.where(size > 0, size, 1.0)
    h = _arrays.adjoint(omega) @ y
    f = _inverse_square_root(_arrays.detach(h))
    factor, c, fhf = _arrays.detach(y) @ f, _arrays.adjoint(f), _arrays.adjoint(f) @ h @ f
    lengths = xp.linalg.vector_norm(c, axis=0)
    c = c / lengths
    gram, live = _arrays.adjoint(factor) @ factor, _arrays.adjoint(factor) @ (y @ f)
    along, turned = _form(c, gram @ c), _form(c, fhf @ c)
    linear = xp.linalg.trace(live) - inner(c, live @ c)
    square = xp.linalg.trace(gram @ fhf) - 2 * inner(c, fhf @ gram @ c) + along * turned
    residual = turned / lengths**2
    outside = _arrays.inverse(_arrays.adjoint(omega) @ omega)
    share = (n - m + 1) * _arrays.real_part(xp.linalg.diagonal(outside))
    terms = _arrays.real_part(2 * linear - square) + share * residual
    value, spread = mean_and_error(terms)
    pairs = _without_pairs(c, gram, residual, outside, n)
    error = xp.sqrt(spread * _jackknife_error(_arrays.detach(pairs)))
    return estimated(xp.astype(size * value, y.dtype), size * error, m)


def _inverse_square_root(h):
    """F with F Fᴴ = H⁻¹, eigenvalues raised to rounding level; NaN where H has negative ones."""
    xp = _arrays.result_namespace(h)
    size = xp.max(xp.abs(h)) * h.shape[0]
    finite = xp.isfinite(size)
    eye = xp.eye(h.shape[0], dtype=h.dtype, device=_arrays.device(h))
    skew = xp.max(xp.abs(h - _arrays.adjoint(h)))
    values, v = xp.linalg.eigh(xp.where(finite, (h + _arrays.adjoint(h)) / 2, eye))
    allowed = math.sqrt(_arrays.eps(h)) * size
    fits = (skew <= allowed) & (values[0] >= -allowed)
    if _arrays.is_numpy(h) and finite and not fits:
        raise ValueError(
            "`operator` must be Hermitian positive semidefinite for 'xnystrace'; its compression "
            f"has the eigenvalue {float(values[0]):.3g} and the skew part {float(skew):.3g}"
        )
    floor = _arrays.eps(h) * size
    values = xp.where(values > floor, values, xp.where(floor > 0, floor, 1.0))
    return v / xp.sqrt(xp.where(fits & finite, values, math.nan))


def _without_pairs(c, gram, residual, outside, n):
    """Entry (i, j): the estimate that uses ω_i where the rest use neither ω_i nor ω_j."""
    xp = _arrays.result_namespace(c)
    m = c.shape[0]
    cosines = _arrays.adjoint(c) @ c
    inside = _arrays.adjoint(c) @ gram @ c
    apart = 1 - xp.abs(cosines) ** 2
    apart = xp.where(apart > _arrays.eps(c), apart, _arrays.eps(c))
    along = _real_diagonal(inside)
    both = along[:, None] + along - 2 * _arrays.real_part(inside * _arrays.conj(cosines))
    spans = _real_diagonal(outside)
    share = (n - m + 2) * (spans[:, None] - xp.abs(outside) ** 2 / spans)
    return xp.sum(_real_diagonal(gram)) - both / apart + share * residual[:, None] / apart


def _jackknife_error(pairs):
    """Error of the mean over i, as it varies with the j left out."""
    xp = _arrays.result_namespace(pairs)
    m = pairs.shape[0]
    others = xp.eye(m, dtype=pairs.dtype, device=_arrays.device(pairs)) == 0
    means = xp.sum(xp.where(others, pairs, 0.0), axis=0) / (m - 1)
    return xp.sqrt((m - 1) / m * xp.sum((means - xp.mean(means)) ** 2))


def _form(x, y):
    return _arrays.real_part(inner(x, y))


def _real_diagonal(x):
    return _arrays.real_part(_arrays.result_namespace(x).linalg.diagonal(x))


_METHODS = {
    "hutchinson": (_hutchinson, 2),
    "hutch++": (_hutch_plus_plus, 4),
    "xtrace": (_xtrace, 4),
    "xnystrace": (_xnystrace, 2),
}
