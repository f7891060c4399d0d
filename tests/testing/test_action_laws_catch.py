"""Planted faults: plausible wrong actions and φ-functions that the laws must catch."""

import math

import numpy as np
import pytest

from mathcore import expm  # SciPy's loses thousands of eps on some symmetric matrices
from mathcore.testing.action_laws import action_laws, phi_laws


def _dense(a, b, t):
    if np.ndim(t):
        return np.stack([_dense(a, b, s) for s in t])
    return (expm(t * a.astype(np.result_type(a.dtype, np.float64))) @ b).astype(b.dtype)


def _sign_of_time_lost(a, b, t):
    return _dense(a, b, np.abs(t))


def _times_sorted(a, b, t):
    return _dense(a, b, np.sort(t) if np.ndim(t) else t)


def _times_taken_as_steps(a, b, t):
    return _dense(a, b, np.cumsum(t) if np.ndim(t) else t)


def _series_too_short(a, b, t):
    if np.ndim(t):
        return np.stack([_series_too_short(a, b, s) for s in t])
    term = total = b
    for k in range(1, 9):
        term = t / k * (a @ term)
        total = total + term
    return total.astype(b.dtype)


def _read_as_hermitian(a, b, t):
    return _dense((a + np.conj(a.T)) / 2, b, t)


def _shift_not_undone(a, b, t):
    return _dense(a - np.trace(a) / a.shape[0] * np.eye(a.shape[0]), b, t)


def _scaled_by_the_vector(a, b, t):
    return _dense(a, b, t) * (1 + 1e-3 * np.abs(b).max()).astype(b.dtype)


def _transposed(a, b, t):
    return _dense(a.T, b, t)


ACTION_FAULTS = {
    "sign_of_time_lost": _sign_of_time_lost,
    "times_sorted": _times_sorted,
    "times_taken_as_steps": _times_taken_as_steps,
    "series_too_short": _series_too_short,
    "read_as_hermitian": _read_as_hermitian,
    "shift_not_undone": _shift_not_undone,
    "scaled_by_the_vector": _scaled_by_the_vector,
    "transposed": _transposed,
}


def _phi(a, p, *, factorial=math.factorial, inverse=False):
    """φ_k from the exponential of a block matrix, with its faults as options."""
    if a.ndim > 2:
        parts = [_phi(x, p, factorial=factorial, inverse=inverse) for x in a]
        return tuple(np.stack(functions) for functions in zip(*parts, strict=True))
    n = a.shape[-1]
    wide = a.astype(np.result_type(a.dtype, np.float64))
    block = np.zeros((n * (p + 1),) * 2, dtype=wide.dtype)
    block[:n, :n] = wide
    block[: n * p, n:] += np.eye(n * p)
    row = expm(block)[:n]
    scales = [factorial(k) / math.factorial(k) for k in range(p + 1)]
    return tuple((row[:, n * k : n * (k + 1)] / scales[k]).astype(a.dtype) for k in range(p + 1))


def _factorial_forgotten(a, p):
    return tuple(f * math.factorial(k) for k, f in enumerate(_phi(a, p)))


def _index_off_by_one(a, p):
    return _phi(a, p + 1)[1:]


def _by_inverse(a, p):
    """Loses all digits at singular A, where there is no inverse."""
    functions = [_phi(a, 0)[0]]
    for k in range(p):
        shifted = functions[-1] - np.eye(a.shape[-1], dtype=a.dtype) / math.factorial(k)
        functions.append((shifted @ np.linalg.pinv(a)).astype(a.dtype))
    return tuple(functions)


def _doubling_without_its_sum(a, p):
    half = _phi(a / 2, p)
    return tuple((half[0] @ f / 2**k).astype(a.dtype) for k, f in enumerate(half))


def _batch_read_as_first(a, p):
    return _phi(np.broadcast_to(a[-1], a.shape) if a.ndim > 2 else a, p)


PHI_FAULTS = {
    "factorial_forgotten": _factorial_forgotten,
    "index_off_by_one": _index_off_by_one,
    "by_inverse": _by_inverse,
    "doubling_without_its_sum": _doubling_without_its_sum,
    "batch_read_as_first": _batch_read_as_first,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", ACTION_FAULTS)
def test_wrong_actions_are_caught(fault, fails):
    assert any(fails(law, ACTION_FAULTS[fault], 12) for law in action_laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", PHI_FAULTS)
def test_wrong_phi_functions_are_caught(fault, fails):
    assert any(fails(law, PHI_FAULTS[fault], 12) for law in phi_laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("law", action_laws, ids=lambda law: law.__name__)
def test_every_law_of_the_action_catches_something(law, fails):
    assert any(fails(law, fault, 12) for fault in ACTION_FAULTS.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("law", phi_laws, ids=lambda law: law.__name__)
def test_every_law_of_the_phi_functions_catches_something(law, fails):
    assert any(fails(law, fault, 12) for fault in PHI_FAULTS.values())


def test_the_right_functions_pass():
    for law in action_laws:
        law(_dense, dtype="float64", max_examples=10)
    for law in phi_laws:
        law(_phi, dtype="float64", max_examples=10)
