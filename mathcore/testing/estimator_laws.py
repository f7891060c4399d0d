"""Laws of stochastic estimators of a trace, a diagonal or a log-determinant.

The function under test is ``estimate(a, budget, rng)``: an array (n, n), Hermitian positive
definite, an even number of products or test vectors below n, and a seed. It returns the value and
its standard error, first and second of any tuple.

Statistical laws take matrices from a finite list and fixed seeds, so a verdict never changes
between runs.
"""

import math

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import REAL_AND_COMPLEX, check_close, law

_ORDER = 24
_BUDGET = 8
_SEEDS = 60
_STRIDE = 7919  # between seeds
_HONEST = (0.5, 2.0)  # the ratio of two rms over `_SEEDS` draws is itself uncertain by a fifth
_SPECTRA = {
    "flat": np.linspace(1.0, 3.0, _ORDER),
    "decaying": (1.0 + np.arange(_ORDER)) ** -1.0,
    "outlier": np.where(np.arange(_ORDER) == 0, 50.0, 1.0),
}


def _fixed_matrix(dtype):
    return st.sampled_from(list(_SPECTRA)).map(lambda name: _with_spectrum(name, dtype))


def _with_spectrum(name, dtype):
    rng = np.random.default_rng(len(name))
    vectors = rng.standard_normal((_ORDER, _ORDER))
    if np.dtype(dtype).kind == "c":
        vectors = vectors + 1j * rng.standard_normal((_ORDER, _ORDER))
    q = np.linalg.qr(vectors)[0]
    a = (q * _SPECTRA[name]) @ np.conj(q.T)
    return ((a + np.conj(a.T)) / 2).astype(dtype)


def _any_matrix(dtype):
    return strategies.spd_matrices(_ORDER, dtype, condition=10.0)


def _multiple_of_identity(dtype):
    return st.sampled_from([0.5, 1.0, 40.0]).map(lambda c: c * np.eye(_ORDER, dtype=dtype))


def _any_seed(dtype):
    return st.integers(0, 2**32 - 1)


def _over_seeds(estimate, a):
    """Values and standard errors, (seeds, ...), on the host."""
    found = [estimate(a, _BUDGET, _STRIDE * i)[:2] for i in range(_SEEDS)]
    return (np.stack([_arrays.to_numpy(x) for x in column]) for column in zip(*found, strict=True))


def _rms(x):
    return np.sqrt(np.mean(np.abs(x) ** 2))


def _rounding(a, size):
    """What ten thousand roundings of numbers of this size come to."""
    return 1e4 * _arrays.eps(a) * max(1.0, size)


def _largest(x):
    return float(np.max(np.abs(_arrays.to_numpy(x))))


def _statistical_laws(exact):
    """Laws of an estimator of ``exact(a)`` over many seeds."""

    @law(dtypes=("float64", "complex128"), max_examples=3, a=_fixed_matrix)
    def unbiased_over_seeds(estimate, xp, a):
        """The mean over seeds is exact within four standard errors of that mean."""
        values, _ = _over_seeds(estimate, a)
        error = np.abs(values.mean(axis=0) - exact(_arrays.to_numpy(a)))
        spread = np.std(values, axis=0, ddof=1) / math.sqrt(_SEEDS)
        excess = np.max(error - 4 * spread)
        if not excess <= _rounding(a, _largest(values)):
            raise AssertionError(f"the mean of {_SEEDS} estimates is off by {error}: biased")

    @law(dtypes=("float64", "complex128"), max_examples=3, a=_fixed_matrix)
    def standard_error_is_honest(estimate, xp, a):
        """The rms standard error is that of the true error within a factor of two."""
        values, errors = _over_seeds(estimate, a)
        true = _rms(values - exact(_arrays.to_numpy(a)))
        low, high = (bound * true for bound in _HONEST)
        rounding = _rounding(a, _largest(values))
        if not low - rounding <= _rms(errors) <= high + rounding:
            raise AssertionError(f"standard error {_rms(errors):.3g}, true error {true:.3g}")

    return unbiased_over_seeds, standard_error_is_honest


def _scaling_law(rescaled):
    """``rescaled(value, error, c)`` are those of cA."""

    @law(dtypes=REAL_AND_COMPLEX, max_examples=3, a=_any_matrix, seed=_any_seed)
    def follows_scaling(estimate, xp, a, seed):
        """A multiple of A has the estimate that follows from that of A with the same seed."""
        value, error = estimate(a, _BUDGET, seed)[:2]
        scaled_value, scaled_error = estimate(3.0 * a, _BUDGET, seed)[:2]
        desired_value, desired_error = rescaled(value, error, 3.0)
        tolerance = _rounding(a, _largest(desired_value))
        check_close(xp, scaled_value, desired_value, tolerance=tolerance, what="value of 3A")
        check_close(xp, scaled_error, desired_error, tolerance=tolerance, what="error of 3A")

    return follows_scaling


@law(dtypes=REAL_AND_COMPLEX, max_examples=3, a=_any_matrix, seed=_any_seed)
def same_seed_same_estimate(estimate, xp, a, seed):
    """A seed determines the estimate to the last bit, and another seed changes it."""
    value, error = estimate(a, _BUDGET, seed)[:2]
    again, error_again = estimate(a, _BUDGET, seed)[:2]
    check_close(xp, again, value, tolerance=0.0, what="value of the same seed")
    check_close(xp, error_again, error, tolerance=0.0, what="error of the same seed")
    other = estimate(a, _BUDGET, seed + 1)[0]
    if np.all(_arrays.to_numpy(other) == _arrays.to_numpy(value)):
        raise AssertionError("two seeds give the same estimate: the seed is not used")


def _multiple_of_identity_law(exact):
    @law(dtypes=REAL_AND_COMPLEX, max_examples=3, a=_multiple_of_identity)
    def exact_on_multiples_of_identity(estimate, xp, a):
        """Test vectors of fixed length estimate cI without error, and know it."""
        value, error = estimate(a, _BUDGET, 0)[:2]
        desired = exact(_arrays.to_numpy(a))
        tolerance = _rounding(a, _largest(desired)) / 10
        check_close(xp, value, desired, tolerance=tolerance, what="estimate of cI")
        check_close(xp, error, np.zeros(()), tolerance=tolerance, what="standard error of cI")

    return exact_on_multiples_of_identity


def _times(value, error, c):
    return c * value, c * error


def _plus_logarithm(value, error, c):
    return value + _ORDER * math.log(c), error


def _logdet(a):
    return np.linalg.slogdet(a.astype(np.result_type(a.dtype, np.float64)))[1]


trace_estimator_laws = (
    *_statistical_laws(np.trace),
    _scaling_law(_times),
    same_seed_same_estimate,
    _multiple_of_identity_law(np.trace),
)
diagonal_estimator_laws = (
    *_statistical_laws(np.diagonal),
    _scaling_law(_times),
    same_seed_same_estimate,
)
logdet_estimator_laws = (
    *_statistical_laws(_logdet),
    _scaling_law(_plus_logarithm),
    same_seed_same_estimate,
    _multiple_of_identity_law(_logdet),
)
