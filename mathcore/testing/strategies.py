"""Hypothesis strategies for the objects the laws speak of. Everything drawn is a NumPy array."""

from typing import Any, NamedTuple

import array_api_compat
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

__all__ = [
    "sizes",
    "matrices",
    "tall_matrices",
    "skew_matrices",
    "spd_matrices",
    "probability_vectors",
    "point_clouds",
    "GaussianMixture",
    "gaussian_mixtures",
    "SystemWithSolutions",
    "linear_systems_with_solutions",
]


def sizes(n, at_least=0, at_most=6):
    """`n` itself as a strategy; an integer in ``[at_least, at_most]`` when it is None."""
    if n is None:
        return st.integers(at_least, at_most)
    return st.just(n) if isinstance(n, int) else n


def _entries(dtype, bound):
    width = 32 if np.dtype(dtype).name in ("float32", "complex64") else 64
    tiny = 2.0**-10  # no entry below it but zero: products of entries must not underflow
    magnitude = st.floats(tiny, bound, width=width) | st.just(0.0)
    return st.builds(lambda x, negative: -x if negative else x, magnitude, st.booleans())


@st.composite
def _arrays(draw, shape, dtype, bound):
    dtype = np.dtype(dtype)
    real = np.finfo(dtype).dtype
    values = draw(npst.arrays(real, shape, elements=_entries(real, bound)))
    if dtype.kind == "c":
        values = values + 1j * draw(npst.arrays(real, shape, elements=_entries(real, bound)))
    return values.astype(dtype)


@st.composite
def matrices(draw, n=None, dtype="float64", *, m=None, condition=None, bound=2.0, batch=()):
    """Square ``(*batch, n, n)`` or rectangular ``(*batch, m, n)`` matrices.

    Parameters
    ----------
    n, m : int or strategy, optional
        Columns (0 … 6 when None) and rows (`n` when None).
    dtype : str
    condition : float, optional
        2-norm condition number; entries are then of size one, and free within ± `bound` when None.
    bound : float
    batch : tuple of int

    Returns
    -------
    strategy of ndarray
    """
    columns = draw(sizes(n))
    rows = columns if m is None else draw(sizes(m))
    if condition is None:
        return draw(_arrays((*batch, rows, columns), dtype, bound))
    rank = min(rows, columns)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    u, v = (_orthonormal(rng, (*batch, k, rank), dtype) for k in (rows, columns))
    singular_values = np.geomspace(1.0, 1.0 / condition, rank) if rank else np.ones(0)
    return ((u * singular_values) @ np.conj(np.swapaxes(v, -1, -2))).astype(dtype)


@st.composite
def tall_matrices(draw, n=None, dtype="float64", *, bound=2.0):
    """Matrices ``(m, n)`` with n + 1 … n + 3 rows."""
    columns = draw(sizes(n, 1, 4))
    return draw(matrices(columns, dtype, m=columns + draw(st.integers(1, 3)), bound=bound))


def _orthonormal(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return np.linalg.qr(values)[0]


@st.composite
def skew_matrices(draw, n=None, dtype="float64", *, bound=2.0, batch=()):
    """Skew-symmetric (complex: skew-Hermitian) matrices ``(*batch, n, n)``."""
    a = draw(matrices(n, dtype, bound=bound / 2, batch=batch))
    return a - np.conj(np.swapaxes(a, -1, -2))


@st.composite
def spd_matrices(draw, n=None, dtype="float64", *, condition=100.0, batch=()):
    """Symmetric (Hermitian) positive definite matrices of 2-norm 1 and at most this condition."""
    order = draw(sizes(n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    q = _orthonormal(rng, (*batch, order, order), dtype)
    eigenvalues = np.geomspace(1.0, 1.0 / condition, order) if order else np.ones(0)
    a = (q * eigenvalues) @ np.conj(np.swapaxes(q, -1, -2))
    return ((a + np.conj(np.swapaxes(a, -1, -2))) / 2).astype(dtype)


@st.composite
def probability_vectors(draw, n=None, dtype="float64", *, zeros=True):
    """Non-negative weights ``(n,)`` that sum to one; some may be zero."""
    length = draw(sizes(n, 1))
    least = 0 if zeros else 1
    counts = draw(st.lists(st.integers(least, 50), min_size=length, max_size=length))
    weights = np.asarray(counts, dtype=dtype)
    if weights.sum() == 0:
        weights = np.ones(length, dtype=dtype)
    return weights / weights.sum()


@st.composite
def point_clouds(draw, n=None, d=None, dtype="float64", *, bound=2.0):
    """Points ``(n, d)``; duplicates are drawn too."""
    shape = (draw(sizes(n, 1)), draw(sizes(d, 1, 3)))
    return draw(_arrays(shape, dtype, bound))


class GaussianMixture(NamedTuple):
    """Weights ``(k,)``, means ``(k, d)`` and covariances ``(k, d, d)``."""

    weights: Any
    means: Any
    covariances: Any


@st.composite
def gaussian_mixtures(draw, k=None, d=None, dtype="float64", *, condition=10.0, bound=2.0):
    """Mixtures of Gaussians; weights may be zero, covariances are of 2-norm 1/16 to 1."""
    count, dim = draw(sizes(k, 1, 4)), draw(sizes(d, 1, 3))
    exponents = draw(st.lists(st.integers(-4, 0), min_size=count, max_size=count))
    scale = np.exp2(np.asarray(exponents, dtype=dtype))[:, None, None]
    return GaussianMixture(
        draw(probability_vectors(count, dtype)),
        draw(point_clouds(count, dim, dtype, bound=bound)),
        draw(spd_matrices(dim, dtype, condition=condition, batch=(count,))) * scale,
    )


class SystemWithSolutions(NamedTuple):
    """x' = A(t) x with a fundamental matrix known in closed form.

    Φ(t) = D(t) F_1(t) F_2(t) with D = diag(exp(rates t + amplitudes sin t)) and
    F_i = I + sin(ω_i t) N_i, where N_i² = 0 and ω are the `frequencies`. ``rates``, ``amplitudes``:
    (n,); ``nilpotents``: (2, n, n); ``frequencies``: (2,), real. Times are arrays of their library.
    """

    rates: Any
    amplitudes: Any
    nilpotents: Any
    frequencies: Any

    def log_determinant(self, t):
        """Log det Φ(t), (...)."""
        return array_api_compat.array_namespace(t).sum(self._exponents(t), axis=-1)

    def fundamental(self, t):
        """The fundamental matrix Φ(t), (..., n, n)."""
        scale = array_api_compat.array_namespace(t).exp(self._exponents(t))
        return scale[..., None] * (self._factor(t, 0, 1.0) @ self._factor(t, 1, 1.0))

    def coefficient(self, t):
        """A(t) = Φ'(t) Φ(t)⁻¹, (..., n, n); F_i' F_i⁻¹ = ω_i cos(ω_i t) N_i because N_i² = 0."""
        xp = array_api_compat.array_namespace(t)
        scale = xp.exp(self._exponents(t))
        second = self._factor(t, 0, 1.0) @ self._turning(t, 1) @ self._factor(t, 0, -1.0)
        inner = scale[..., None] * (self._turning(t, 0) + second) / scale[..., None, :]
        growth = self.rates + self.amplitudes * xp.cos(t)[..., None]
        return inner + growth[..., None] * self._identity(t)

    def _identity(self, t):
        return array_api_compat.array_namespace(t).eye(self.rates.shape[0], dtype=self.rates.dtype)

    def _exponents(self, t):
        sine = array_api_compat.array_namespace(t).sin(t)
        return self.rates * t[..., None] + self.amplitudes * sine[..., None]

    def _factor(self, t, i, sign):
        sine = array_api_compat.array_namespace(t).sin(self.frequencies[i] * t)
        return self._identity(t) + sign * sine[..., None, None] * self.nilpotents[i, :, :]

    def _turning(self, t, i):
        omega = self.frequencies[i]
        cosine = array_api_compat.array_namespace(t).cos(omega * t)
        return (omega * cosine)[..., None, None] * self.nilpotents[i, :, :]


@st.composite
def linear_systems_with_solutions(draw, n=None, dtype="float64", *, bound=1.0):
    """Linear systems of order 2 … 5 (when `n` is None), entries and rates of size `bound`."""
    order = draw(sizes(n, 2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rates, amplitudes = bound * _entries_of_size_one(rng, (2, order), dtype)
    left, right = (_entries_of_size_one(rng, (2, order, 1), dtype) for _ in range(2))
    size = np.sum(np.abs(left) ** 2, axis=1, keepdims=True)
    right = right - left * np.sum(np.conj(left) * right, axis=1, keepdims=True) / size
    nilpotents = bound * left @ np.conj(np.swapaxes(right, 1, 2))
    frequencies = rng.integers(1, 4, 2).astype(np.finfo(dtype).dtype)
    return SystemWithSolutions(
        *(x.astype(dtype) for x in (rates, amplitudes, nilpotents)), frequencies
    )


def _entries_of_size_one(rng, shape, dtype):
    values = rng.uniform(-1.0, 1.0, shape)
    return values + 1j * rng.uniform(-1.0, 1.0, shape) if np.dtype(dtype).kind == "c" else values
