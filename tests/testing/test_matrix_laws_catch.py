"""Planted faults: plausible wrong exponentials and determinants that the laws must catch."""

import numpy as np
import pytest
import scipy.linalg

from mathcore import det, expm, expm_frechet
from mathcore.testing import determinant_laws, expm_frechet_laws, expm_laws


def _exponential(a):
    return scipy.linalg.expm(a) if a.size else a


def _taylor(terms):
    def expm(a):
        x = term = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
        for k in range(1, terms):
            term = term @ a / k
            x = x + term
        return x.astype(a.dtype)

    return expm


def _one_squaring_too_few(a):
    return _exponential(a / 4) @ _exponential(a / 4)


def _transposed(a):
    return np.swapaxes(_exponential(a), -1, -2)


def _elementwise(a):
    return np.exp(a)


def _batch_scaled_together(a):
    """Every member squared as often as the largest asks, in half precision."""
    return _exponential(a) if a.ndim == 2 else _exponential(a * (1 + 1e-3 * np.abs(a).max()))


def _conjugation_lost(a):
    return _exponential(a.real.astype(a.dtype)) if a.dtype.kind == "c" else _exponential(a)


def _eigenvectors_not_inverted(a):
    if not a.size:
        return a
    w, v = np.linalg.eig(a)
    x = (v * np.exp(w)[..., None, :]) @ np.conj(np.swapaxes(v, -1, -2))
    return x.astype(a.dtype) if a.dtype.kind == "c" else x.real.astype(a.dtype)


def _trace_drifts(a):
    """A scalar shift not undone."""
    return (_exponential(a) * np.exp(1e-3 * np.trace(a))).astype(a.dtype) if a.ndim == 2 else a


def _rows_normalized(a):
    x = np.abs(_exponential(a))
    return (x / x.sum(axis=-1, keepdims=True)).astype(a.dtype)


def _small_entries_dropped(a):
    x = _exponential(a)
    return np.where(np.abs(x) < 1e-2, 0, x).astype(a.dtype)


EXPM_FAULTS = {
    "trace_drifts": _trace_drifts,
    "rows_normalized": _rows_normalized,
    "small_entries_dropped": _small_entries_dropped,
    "taylor_8": _taylor(8),
    "one_squaring_too_few": _one_squaring_too_few,
    "transposed": _transposed,
    "elementwise": _elementwise,
    "batch_scaled_together": _batch_scaled_together,
    "conjugation_lost": _conjugation_lost,
    "eigenvectors_not_inverted": _eigenvectors_not_inverted,
}


def _sign_lost(a):
    return np.abs(det(a))


def _gram_without_root(a):
    small = a if a.shape[-2] >= a.shape[-1] else np.conj(np.swapaxes(a, -1, -2))
    if a.shape[-2] == a.shape[-1]:
        return det(a)
    return np.linalg.det(np.conj(np.swapaxes(small, -1, -2)) @ small)


def _pseudo_determinant(a):
    singular_values = np.linalg.svd(a, compute_uv=False)
    product = np.prod(singular_values[singular_values > 1e-6])
    return det(a) if a.shape[-2] == a.shape[-1] and product == abs(det(a)) else product


def _tall_only(a):
    return det(a) if a.shape[-2] >= a.shape[-1] else det(a[..., : a.shape[-2]])


def _leading_minor(a):
    k = min(a.shape[-2:])
    return det(a[..., :k, :k])


DET_FAULTS = {
    "sign_lost": _sign_lost,
    "gram_without_root": _gram_without_root,
    "pseudo_determinant": _pseudo_determinant,
    "tall_only": _tall_only,
    "leading_minor": _leading_minor,
}


def _direction_of_the_value(a, e):
    return _exponential(a), _exponential(a) @ e  # right only where A and E commute


def _adjoint_taken(a, e):
    return _exponential(a), expm_frechet(np.conj(np.swapaxes(a, -1, -2)), e).frechet


def _difference_quotient(a, e):
    return _exponential(a), (_exponential(a + e) - _exponential(a)).astype(a.dtype)


def _forgotten_direction(a, e):
    return _exponential(a), _exponential(a) @ a


FRECHET_FAULTS = {
    "direction_of_the_value": _direction_of_the_value,
    "adjoint_taken": _adjoint_taken,
    "difference_quotient": _difference_quotient,
    "forgotten_direction": _forgotten_direction,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", EXPM_FAULTS)
def test_wrong_exponentials_are_caught(fault, fails):
    assert any(fails(law, EXPM_FAULTS[fault], 20) for law in expm_laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", DET_FAULTS)
def test_wrong_determinants_are_caught(fault, fails):
    assert any(fails(law, DET_FAULTS[fault], 20) for law in determinant_laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FRECHET_FAULTS)
def test_wrong_derivatives_are_caught(fault, fails):
    assert any(fails(law, FRECHET_FAULTS[fault], 20) for law in expm_frechet_laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("law", expm_frechet_laws, ids=lambda law: law.__name__)
def test_every_law_of_the_derivative_catches_something(law, fails):
    assert any(fails(law, fault, 20) for fault in FRECHET_FAULTS.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("law", expm_laws, ids=lambda law: law.__name__)
def test_every_law_of_the_exponential_catches_something(law, fails):
    assert any(fails(law, fault, 20) for fault in EXPM_FAULTS.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("law", determinant_laws, ids=lambda law: law.__name__)
def test_every_law_of_the_determinant_catches_something(law, fails):
    assert any(fails(law, fault, 20) for fault in DET_FAULTS.values())


def test_the_right_functions_pass():
    for law in expm_laws:  # SciPy's loses hundreds of eps on some triangular matrices
        law(expm, dtype="float64", max_examples=10)
    for law in determinant_laws:
        law(det, dtype="float64", max_examples=10)
    for law in expm_frechet_laws:
        law(scipy.linalg.expm_frechet, dtype="float64", max_examples=10)
