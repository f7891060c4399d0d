"""The logarithm of det(I + A) by its power series, truncated or unbiased.

log det(I + A) = tr log(I + A) = Σ_k (−1)^(k+1) tr A^k / k where ρ(A) < 1. Stopping at random and
dividing each term by the probability that it is reached keeps the mean (Russian roulette; Chen,
Behrmann, Duvenaud & Jacobsen, "Residual Flows for Invertible Generative Modeling", NeurIPS 2019).
"""

import math

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_count, check_number
from mathcore._random import uniforms
from mathcore.matrices.linear_operators import is_sparse
from mathcore.matrices.matrix_functions import logm
from mathcore.matrices.probing import (
    estimated,
    exactly,
    inner,
    mean_and_error,
    probed_operator,
    signs,
    whole_matrix,
)

_NUM_TERMS = 10
_ROULETTE = 0.9
_LEAST_PROBES = 2
_LENGTHS_STREAM = 2  # of the 256 uses of a seed


@_arrays.halves_in_float32
def logdet_identity_plus(operator, n, *, num_terms=None, roulette=None, num_probes, rng, like=None):
    """Logarithm of det(I + A) for a matrix A of spectral radius below 1, with its standard error.

    Parameters
    ----------
    operator : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        A, of any symmetry. A callable takes a block (n, k), k changing from call to call, and
        returns its product with A.
    n : int
        Order of the matrix.
    num_terms : int, optional
        Terms of the series that are always computed; 10 unless given.
    roulette : float, optional
        Probability in (0, 1) of going on after each of the further terms: the estimate is then
        unbiased. None with `num_terms` truncates the series there; None alone means 0.9. The
        variance is finite where ρ(A)² is below it.
    num_probes : int
        Test vectors, at least 2. From n on the determinant is computed exactly, with n products.
    rng : int, NumPy, torch or CuPy generator, or JAX key
        The test vectors are a function of its seed, the same on every library.
    like : array, optional
        For a callable: an array in whose library, dtype and device the test vectors are made.
        NumPy float64 unless given; complex for a complex operator.

    Returns
    -------
    Estimate
        ``value``, complex for complex A (the trace of the principal logarithm);
        ``standard_error``, which includes the estimated remainder of a truncated series and is
        infinite where the terms do not decay; ``num_matvecs``, the products made.

    Raises
    ------
    ValueError
        A number is out of range or a shape does not fit; an exact determinant is not positive.
    TypeError
        A callable returns arrays of another library, or complex ones for real vectors.

    Notes
    -----
    Each test vector has a number of terms of its own, num_terms + j with probability
    (1 − roulette) roulette^j, so that the standard error holds the error of stopping. (Residual
    flows draw one number for a whole batch.) The mean cost of a vector is
    num_terms + roulette / (1 − roulette) products. Of a stored matrix the first two terms are
    exact: tr A and tr A² are known.

    Gradients with respect to what `operator` depends on flow through torch and JAX: those of the
    series, unbiased where it is. There are no batch axes.

    References
    ----------
    .. [1] R. T. Q. Chen, J. Behrmann, D. Duvenaud, J.-H. Jacobsen, NeurIPS 32 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.matrices.logdet_series import logdet_identity_plus
    >>> a = np.random.default_rng(0).standard_normal((200, 200)) / 30
    >>> found = logdet_identity_plus(a, 200, num_probes=20, rng=0)
    >>> exact = np.linalg.slogdet(np.eye(200) + a)[1]
    >>> bool(abs(found.value - exact) < 4 * found.standard_error < 2)
    True
    """
    num_terms, roulette = _length_of_series(num_terms, roulette)
    operator, like = probed_operator(operator, n, like)
    check_count(num_probes, "num_probes")
    if num_probes >= n:
        return exactly(_dense_logdet(whole_matrix(operator, n, like)), n)
    if num_probes < _LEAST_PROBES:
        raise ValueError(f"`num_probes` must be >= {_LEAST_PROBES}; got {num_probes}")
    seed = _arrays.seed_of(rng)
    lengths = np.full(num_probes, num_terms)
    if roulette is not None:
        draws = uniforms(seed, np.arange(num_probes), 0, 1, stream=_LENGTHS_STREAM)[:, 0]
        # the vectors do not differ: the longest first
        lengths = np.sort(num_terms + np.floor(np.log(draws) / math.log(roulette)).astype(int))
    traces = _traces(operator.matrix) if num_terms > 1 else ()
    z = signs(seed, n, num_probes, like)
    return _series(operator.apply, z, lengths[::-1], num_terms, roulette, traces)


def _length_of_series(num_terms, roulette):
    if roulette is None and num_terms is None:
        roulette = _ROULETTE
    if roulette is not None:
        roulette = check_number(roulette, "roulette", above=0)
        if roulette >= 1:
            raise ValueError(f"`roulette` must be < 1; got {roulette}")
    return check_count(_NUM_TERMS if num_terms is None else num_terms, "num_terms"), roulette


def _dense_logdet(a):
    xp = _arrays.result_namespace(a)
    shifted = a + xp.eye(a.shape[0], dtype=a.dtype, device=_arrays.device(a))
    if _arrays.is_complex(a):
        return xp.linalg.trace(logm(shifted))
    with np.errstate(invalid="ignore"):
        sign, value = xp.linalg.slogdet(shifted)
    if _arrays.is_numpy(a) and sign <= 0 and not math.isnan(value):
        raise ValueError(f"`operator` must have spectral radius < 1; got det(I + A) of sign {sign}")
    return xp.where(sign < 0, math.nan, value)


def _traces(matrix):
    """The traces of A and A² of a stored matrix."""
    if matrix is None:
        return ()
    if is_sparse(matrix):
        return matrix.diagonal().sum(), matrix.multiply(matrix.T).sum()
    xp = _arrays.result_namespace(matrix)
    return xp.linalg.trace(matrix), xp.sum(matrix * xp.matrix_transpose(matrix))


def _series(apply, z, lengths, num_terms, roulette, traces):
    """Sum the series of each column of Z to its length, the longest first."""
    xp = _arrays.result_namespace(z)
    power, totals = z, 0.0 * inner(z, z)
    norms, means = [_norm(z)], []
    for k in range(1, int(lengths[0]) + 1):
        running = int(np.count_nonzero(lengths >= k))
        power = apply(power[:, :running])
        forms = inner(z[:, :running], power)
        if k <= len(traces):
            forms = 0.0 * forms + traces[k - 1]
        reached = 1.0 if k <= num_terms else roulette ** (k - num_terms)
        terms = (-1) ** (k + 1) / (k * reached) * forms
        totals = xp.concat([totals[:running] + terms, totals[running:]])
        if k <= num_terms:
            norms.append(_norm(power))
            means.append(_arrays.detach(xp.mean(terms)))
    value, error = mean_and_error(totals)
    growth = _growth(norms)
    if roulette is None:
        error = xp.sqrt(error**2 + _remainder(means, growth) ** 2)
    error = xp.where(growth < 1, error, math.inf + 0.0 * error)
    return estimated(value, error, int(lengths.sum()))


def _norm(x):
    return _arrays.result_namespace(x).linalg.vector_norm(_arrays.detach(x))


def _growth(norms):
    """Estimated spectral radius: the mean growth of the powers over the second half."""
    xp = _arrays.result_namespace(norms[0])
    half = (len(norms) - 1) // 2
    before = norms[half]
    ratio = norms[-1] / xp.where(before > 0, before, 1.0)
    return ratio ** (1 / (len(norms) - 1 - half))


def _remainder(means, growth):
    """Estimated sum of the terms left out: a geometric series, alternating if the last two are."""
    xp = _arrays.result_namespace(growth)
    k, last = len(means), means[-1]
    before = means[-2] if k > 1 else 0.0 * last
    squares = xp.abs(last) ** 2 + xp.abs(before) ** 2
    together = 2 * _arrays.real_part(last * _arrays.conj(before))
    cosine = together / xp.where(squares > 0, squares, 1.0)
    size = xp.maximum(xp.abs(last), growth * xp.abs(before))
    return size * growth * k / (k + 1) / (1 - cosine * growth)
