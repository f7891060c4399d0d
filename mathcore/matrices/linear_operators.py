"""What the action of a matrix function needs of a matrix: products, and its entries if stored."""

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_square

_LEAST_LANCZOS_STEPS = 16


class Operator(NamedTuple):
    """Products ``apply(v)`` = A v for v (n,) or (n, k), and A itself where it is stored.

    ``matrix`` is a dense array, a CSR array in canonical form, or None.
    """

    apply: Callable
    matrix: Any


def is_scipy(a):
    """Whether `a` is a SciPy sparse matrix or array, or a LinearOperator."""
    return is_sparse(a) or _is_scipy_operator(a)


def is_sparse(a):
    """Whether `a` is a SciPy sparse matrix or array; asked without loading SciPy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(a)


def _is_scipy_operator(a):
    linalg = sys.modules.get("scipy.sparse.linalg")
    return linalg is not None and isinstance(a, linalg.LinearOperator)


def operator_and_vectors(a, b):
    """Return namespace, `Operator` and `b` in their common dtype; shapes and kinds are checked.

    A real matrix keeps its dtype beside complex `b`: split `b` first (`real_columns`).
    """
    if is_sparse(a):
        _check_matrix_shape(a.shape)
        xp, probe, b = _arrays.asarrays(a=np.empty(0, a.dtype), b=b)
        _check_vectors(a.shape, b)
        matrix = _canonical(a, probe.dtype)
        return xp, Operator(lambda v: matrix @ v, matrix), b
    if _is_scipy_operator(a):
        _check_matrix_shape(a.shape)
        xp, _, b = _arrays.asarrays(a=np.empty(0, a.dtype or np.float32), b=b)
        _check_vectors(a.shape, b)
        return _from_products(xp, lambda v: np.asarray(a @ v), b)
    if callable(a) and not _arrays.is_array(a):
        xp, b = _arrays.asarrays(b=b)
        _check_vectors(b.shape[:1] * 2, b)
        return _from_products(xp, a, b)
    xp, a, b = _arrays.asarrays(a=a, b=b)
    check_square(a)
    _check_matrix_shape(a.shape)
    _check_vectors(a.shape, b)
    return xp, Operator(lambda v: a @ v, a), b


def _check_matrix_shape(shape):
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"`a` must be one square matrix (n, n); got shape {tuple(shape)}")


def _check_vectors(shape, b):
    if b.ndim not in (1, 2) or b.shape[0] != shape[0]:
        n = shape[0] if shape else "n"
        raise ValueError(f"`b` must have shape ({n},) or ({n}, k); got {tuple(b.shape)}")


def _canonical(a, dtype):
    matrix = a.tocsr()
    matrix = matrix if matrix.dtype == dtype else matrix.astype(dtype)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _from_products(xp, product, b):
    """An operator known by its products; the first one tells their dtype."""

    def apply(v):
        out = product(v)
        if not _arrays.is_array(out) or tuple(out.shape) != tuple(v.shape):
            got = tuple(out.shape) if _arrays.is_array(out) else type(out).__name__
            raise ValueError(f"`a` must return an array of shape {tuple(v.shape)}; got {got}")
        return out

    dtype = xp.result_type(apply(b).dtype, b.dtype) if 0 not in b.shape else b.dtype
    return xp, Operator(apply, None), b if b.dtype == dtype else xp.astype(b, dtype)


def has_real_entries(a):
    """Whether `a` is a stored matrix of real dtype (of an operator only its products are known)."""
    if is_sparse(a):
        return a.dtype.kind != "c"
    if is_scipy(a) or (callable(a) and not _arrays.is_array(a)):
        return False
    return not _arrays.is_complex(_arrays.asarrays(a=a)[1])


def real_columns(b):
    """Real and imaginary parts of b (n,) or (n, k) side by side, (n, 2k)."""
    xp = _arrays.result_namespace(b)
    parts = xp.stack([xp.real(b), xp.imag(b)], axis=-1)
    return xp.reshape(parts, (b.shape[0], -1 if b.size else 2 * math.prod(b.shape[1:])))


def complex_columns(x, shape):
    """Inverse of `real_columns` for x (..., n, 2k); `shape` is that of b."""
    xp = _arrays.result_namespace(x)
    parts = xp.reshape(x, (*x.shape[:-2], *shape, 2))
    return parts[..., 0] + 1j * parts[..., 1]


# --- structure and bounds of a stored matrix ------------------------------------------------------


class Entries(NamedTuple):
    """The word for the symmetry of A; a_ii and Σ_j |a_ij|, both (n,) on the host."""

    symmetry: str
    diagonal: np.ndarray
    row_sums: np.ndarray


def examine(matrix):
    """The `Entries` of a stored matrix; symmetry is found up to 2 eps (|a_ij| + |a_ji|)."""
    if not is_sparse(matrix):
        matrix = _arrays.detach(matrix)
        xp = _arrays.result_namespace(matrix)
        across = _arrays.adjoint(matrix)
        words = _symmetry(xp, matrix, across)
        sums = xp.sum(xp.abs(matrix), axis=1)
        return Entries(words, *(_arrays.to_numpy(v) for v in (xp.linalg.diagonal(matrix), sums)))
    if matrix.data.dtype.char in "fdFD":
        return _examine_csr(matrix)
    return examine_by_definition(matrix)


def _examine_csr(matrix):
    from mathcore.matrices._kernels.sparse_entries_cpu import examine_csr

    diagonal = np.zeros(matrix.shape[0], dtype=matrix.dtype)
    sums = np.zeros(matrix.shape[0], dtype=np.abs(matrix.data[:0]).dtype)
    allowed = sums.dtype.type(2 * _arrays.eps(sums))
    cursors = np.zeros(matrix.shape[0], np.int64)
    hermitian, skew = examine_csr(
        matrix.indptr, matrix.indices, matrix.data, allowed, cursors, diagonal, sums
    )
    return Entries(_word(hermitian, skew), diagonal, sums)


def examine_by_definition(matrix):
    """`examine` for a CSR matrix of any dtype; what its kernel must agree with."""
    across = matrix.tocsc()  # its three arrays are those of the transpose in CSR
    mirrored = np.array_equal(matrix.indptr, across.indptr) and np.array_equal(
        matrix.indices, across.indices
    )
    word = _symmetry(np, matrix.data, np.conj(across.data)) if mirrored else "general"
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sums = np.bincount(rows, weights=np.abs(matrix.data), minlength=matrix.shape[0])
    return Entries(word, matrix.diagonal(), sums)


def _symmetry(xp, entries, across):
    bound = 2 * _arrays.eps(entries) * (xp.abs(entries) + xp.abs(across))
    with np.errstate(invalid="ignore"):
        differences = (xp.abs(entries - across), xp.abs(entries + across))
    return _word(*(_arrays.concrete(xp.all(x <= bound)) for x in differences))


def _word(hermitian, skew):
    return "hermitian" if hermitian else "skew-hermitian" if skew else "general"


def disc_interval(entries, *, skew):
    """Interval of the real line that holds the spectrum of A, or of −iA, after Gershgorin."""
    centres = np.imag(entries.diagonal) if skew else np.real(entries.diagonal)
    with np.errstate(invalid="ignore"):
        radii = entries.row_sums - np.abs(entries.diagonal)
        return float(np.min(centres - radii)), float(np.max(centres + radii))


def shifted_norm(entries):
    """The mean μ of the diagonal, and ‖A − μI‖∞."""
    diagonal, sums = entries.diagonal, entries.row_sums
    mean = diagonal.mean().item()
    with np.errstate(invalid="ignore"):
        return mean, float(np.max(sums - np.abs(diagonal) + np.abs(diagonal - mean)))


def random_vector(like, seed):
    """A standard normal vector in the shape, library and dtype of `like`; the same every time."""
    from mathcore._random import normals

    values = normals(seed, np.arange(1), 0, math.prod(like.shape))
    return _arrays.from_numpy(np.reshape(values, like.shape), like)


def lanczos_interval(apply, like, *, skew, longest, most_steps):
    """Interval expected to hold the spectrum of Hermitian A (of −iA): Ritz values and a margin.

    After Zhou & Li, "Bounding the spectrum of large Hermitian matrices", Linear Algebra Appl. 435
    (2011): the extreme Ritz values moved out by their residuals. Steps are made until these are
    small against 1 / `longest`, the time over which an error in the bounds grows. None where the
    second step shows that A (−iA) is not Hermitian.
    """
    xp = _arrays.result_namespace(like)
    real_skew = skew and not _arrays.is_complex(like)  # then −iA has a spectrum symmetric about 0
    previous, beta = xp.zeros_like(like), 0.0
    current = random_vector(like, 1)
    current = current / float(xp.linalg.vector_norm(current))
    diagonal, beside = [], []
    for step in range(1, most_steps + 1):
        w = apply(current)
        w = w + beta * previous if real_skew else (-1j * w if skew else w) - beta * previous
        if step == 2:
            overlap = float(xp.abs(xp.sum(_arrays.conj(previous) * w)))
            if not overlap <= math.sqrt(_arrays.eps(like)) * float(xp.linalg.vector_norm(w)):
                return None
        alpha = 0.0
        if not real_skew:
            alpha = float(_arrays.real_part(xp.sum(_arrays.conj(current) * w)))
            w = w - alpha * current
        beta = float(xp.linalg.vector_norm(w))
        diagonal.append(alpha)
        beside.append(beta)
        ended = not beta > 10 * _arrays.eps(like) * max(map(abs, [*diagonal, *beside]))
        if ended or step == most_steps or step & (step - 1) == 0:
            low, high, residuals = _ritz_interval(diagonal, beside)
            if ended or (step >= _LEAST_LANCZOS_STEPS and max(residuals) * longest <= 1):
                break
        previous, current = current, w / beta
    margin = min(0.02 * (high - low), 1 / longest)
    return low - residuals[0] - margin, high + residuals[1] + margin


def _ritz_interval(diagonal, beside):
    """Extreme eigenvalues of the tridiagonal matrix and their residuals."""
    size = len(diagonal)
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[: size - 1], -1))
    residuals = beside[-1] * np.abs(vectors[-1, [0, -1]])
    return float(values[0]), float(values[-1]), residuals.tolist()
