"""Planted faults: plausible wrong estimators that the laws must catch."""

import math

import numpy as np
import pytest

from mathcore.testing.estimator_laws import (
    diagonal_estimator_laws,
    logdet_estimator_laws,
    trace_estimator_laws,
)


def _vectors(a, count, rng, fault):
    generator = np.random.default_rng() if fault == "seed forgotten" else np.random.default_rng(rng)
    if fault == "seed rounded":
        generator = np.random.default_rng(0)
    shape = (a.shape[0], count)
    if fault == "Gaussian vectors":
        return generator.standard_normal(shape)
    if np.iscomplexobj(a):
        return np.asarray([1, 1j, -1, -1j])[generator.integers(0, 4, shape)]
    return generator.choice([-1.0, 1.0], size=shape).astype(a.dtype)


def _mean_and_error(terms, fault):
    m = terms.shape[-1]
    value, error = terms.mean(axis=-1), terms.std(axis=-1, ddof=1) / math.sqrt(m)
    if fault == "divided by m - 1":
        value = value * m / (m - 1)
    if fault == "spread of one term":
        error = error * math.sqrt(m)
    if fault == "error of m squared":
        error = error / math.sqrt(m)
    if fault == "a floor":
        value = value + 0.05
    return value, error


def hutchinson(a, budget, rng, fault=None):
    omega = _vectors(a, budget, rng, fault)
    product = a @ (np.abs(omega) if fault == "signs lost" else omega)
    return _mean_and_error(np.sum(np.conj(omega) * product, axis=0), fault)


def diagonal_by_signs(a, budget, rng, fault=None):
    omega = _vectors(a, budget, rng, fault)
    conjugate = omega if fault == "not conjugated" else np.conj(omega)
    product = a @ omega
    terms = conjugate * product
    if fault == "one entry for all":
        terms = np.broadcast_to(terms.mean(axis=0), terms.shape)
    return _mean_and_error(terms, fault)


def dense_logarithm(a, budget, rng, fault=None):
    values, vectors = np.linalg.eigh(a)
    logs = np.log(values)
    if fault == "log1p":
        logs = np.log1p(values)
    if fault == "scaled by its norm":
        logs = np.log(values / values[-1])
    if fault == "root":
        logs = logs / 2
    return hutchinson((vectors * logs) @ np.conj(vectors.T), budget, rng, fault)


COMMON = {
    "divided by m - 1": "unbiased_over_seeds",
    "spread of one term": "standard_error_is_honest",
    "error of m squared": "standard_error_is_honest",
    "a floor": "follows_scaling",
    "seed forgotten": "same_seed_same_estimate",
    "seed rounded": "same_seed_same_estimate",
}
CASES = [
    *[
        (function, laws, fault, name)
        for function, laws in (
            (hutchinson, trace_estimator_laws),
            (diagonal_by_signs, diagonal_estimator_laws),
        )
        for fault, name in COMMON.items()
    ],
    (hutchinson, trace_estimator_laws, "Gaussian vectors", "exact_on_multiples_of_identity"),
    (hutchinson, trace_estimator_laws, "signs lost", "unbiased_over_seeds"),
    (diagonal_by_signs, diagonal_estimator_laws, "not conjugated", "unbiased_over_seeds"),
    (diagonal_by_signs, diagonal_estimator_laws, "one entry for all", "unbiased_over_seeds"),
    (dense_logarithm, logdet_estimator_laws, "log1p", "unbiased_over_seeds"),
    (dense_logarithm, logdet_estimator_laws, "log1p", "exact_on_multiples_of_identity"),
    (dense_logarithm, logdet_estimator_laws, "scaled by its norm", "follows_scaling"),
    (dense_logarithm, logdet_estimator_laws, "root", "follows_scaling"),
    (dense_logarithm, logdet_estimator_laws, "error of m squared", "standard_error_is_honest"),
    (dense_logarithm, logdet_estimator_laws, "seed forgotten", "same_seed_same_estimate"),
]


def _law(laws, name):
    return next(law for law in laws if law.__name__ == name)


@pytest.mark.parametrize(("function", "laws", "fault", "name"), CASES)
def test_fault_is_caught(function, laws, fault, name):
    with pytest.raises(AssertionError):
        _law(laws, name)(lambda a, budget, rng: function(a, budget, rng, fault), dtype="complex128")


@pytest.mark.parametrize(
    ("function", "laws"),
    [
        (hutchinson, trace_estimator_laws),
        (diagonal_by_signs, diagonal_estimator_laws),
        (dense_logarithm, logdet_estimator_laws),
    ],
)
def test_the_right_estimators_pass(function, laws):
    for law in laws:
        for dtype in law.dtypes:
            law(function, dtype=dtype)


def test_every_law_catches_a_fault():
    for laws in (trace_estimator_laws, diagonal_estimator_laws, logdet_estimator_laws):
        caught = {name for _, collection, _, name in CASES if collection is laws}
        assert caught == {law.__name__ for law in laws}
