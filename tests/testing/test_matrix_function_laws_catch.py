"""Planted faults: plausible wrong roots, logarithms and signs that their laws must catch."""

import numpy as np
import pytest
import scipy.linalg

from mathcore.matrices import schur_functions
from mathcore.matrices.matrix_functions import logm, signm, sqrtm
from mathcore.testing.matrix_function_laws import logm_laws, signm_laws, sqrtm_laws


def _of_eigenvalues(function, *, inverse=np.linalg.inv):
    """V f(Λ) V⁻¹, right but for what is planted: eigenvectors are nudged off the defective case."""

    def evaluate(a):
        w, v = np.linalg.eig(a + 1e-7 * np.arange(9.0).reshape(3, 3))
        x = (v * function(w)[..., None, :]) @ inverse(v)
        return (x if np.iscomplexobj(a) else x.real).astype(a.dtype)

    return evaluate


def _members(function):
    def evaluate(a):
        return np.stack([function(m) for m in a]) if a.ndim == 3 else function(a)

    return evaluate


def _one_other_branch(w):
    root = np.sqrt(w + 0j)
    root[..., 0] *= -1
    return root


def _newton_root(steps):
    """Newton without its companion: loses commutativity, and stops early."""

    def sqrtm(a):
        x = np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
        for _ in range(steps):
            x = (x + np.linalg.inv(x) @ a) / 2
        return x

    return sqrtm


def _cholesky_like(a):
    """An upper triangular factor where a square root was asked for."""
    return np.linalg.qr(sqrtm(a))[1]


def _batch_scaled_together(function, by_scale):
    def evaluate(a):
        if a.ndim == 2:
            return function(a)
        return function(a) * (1 + 1e-3 * by_scale * (np.abs(a).max() > 100))

    return evaluate


def _to_complex(a):
    return sqrtm(a).astype(np.complex128)


def _root_of_unit(a):
    return sqrtm(a / np.abs(a).max(axis=(-2, -1), keepdims=True)).astype(a.dtype)


SQRTM_FAULTS = {
    "elementwise": lambda a: np.sqrt(np.abs(a)).astype(a.dtype),
    "one_other_branch": _of_eigenvalues(_one_other_branch),
    "minus_root": lambda a: -sqrtm(a),
    "six_newton_steps": _newton_root(6),
    "eigenvectors_not_inverted": _of_eigenvalues(
        lambda w: np.sqrt(w + 0j), inverse=lambda v: np.conj(np.swapaxes(v, -1, -2))
    ),
    "triangular_factor": _cholesky_like,
    "batch_scaled_together": _batch_scaled_together(sqrtm, 1),
    "scale_not_restored": _root_of_unit,
    "complex_always": _to_complex,
}


def _truncated_mercator(a):
    e = a - np.eye(a.shape[-1], dtype=a.dtype)
    return e - e @ e / 2 + e @ e @ e / 3


def _squarings_forgotten(a):
    return logm(sqrtm(a))


def _next_branch(w):
    log = np.log(w + 0j)
    return np.where(log.imag > 0, log - 2j * np.pi, log)


def _upper_angle(w):
    return np.log(np.abs(w)) + 1j * np.mod(np.angle(w), 2 * np.pi)


def _gregory_at_once(a):
    """The series without square roots: far from I its tail is not small."""
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    z = (a - eye) @ np.linalg.inv(a + eye)
    w, total, term = z @ z, np.zeros_like(z), z
    for k in range(8):
        total, term = total + 2 * term / (2 * k + 1), term @ w
    return total.astype(a.dtype)


LOGM_FAULTS = {
    "elementwise": lambda a: np.log(np.abs(a) + 1e-3).astype(a.dtype),
    "mercator_3": _truncated_mercator,
    "squarings_forgotten": _squarings_forgotten,
    "next_branch": _of_eigenvalues(_next_branch),
    "upper_angle": _of_eigenvalues(_upper_angle),
    "gregory_at_once": _gregory_at_once,
    "base_two": lambda a: (logm(a) / np.log(2.0)).astype(a.dtype),
    "batch_scaled_together": _batch_scaled_together(logm, 1),
}


def _newton_sign(steps, weight=0.5):
    def signm(a):
        s = a
        for _ in range(steps):
            s = weight * s + (1 - weight) * np.linalg.inv(s)
        return s.astype(a.dtype)

    return signm


def _polar_factor(a):
    """The unitary factor: the sign of Hermitian matrices alone."""
    u, _, vh = np.linalg.svd(a)
    return u @ vh


def _square_root_dropped(a):
    """A (A²)⁻¹ for A (A²)^{−1/2}."""
    return np.linalg.inv(a)


SIGNM_FAULTS = {
    "elementwise": lambda a: np.sign(a.real).astype(a.dtype),
    "two_newton_steps": _newton_sign(2),
    "uneven_newton": _newton_sign(12, 0.4),
    "polar_factor": _polar_factor,
    "square_root_dropped": _square_root_dropped,
    "identity_always": lambda a: np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape),
    "halves_exchanged": lambda a: -signm(a),
    "zero_counts_left": lambda a: signm(a - np.eye(a.shape[-1], dtype=a.dtype)),
    "batch_scaled_together": _batch_scaled_together(signm, 1),
}

COLLECTIONS = {
    "sqrtm": (sqrtm_laws, SQRTM_FAULTS),
    "logm": (logm_laws, LOGM_FAULTS),
    "signm": (signm_laws, SIGNM_FAULTS),
}
FAULTS = [(area, fault) for area, (_, faults) in COLLECTIONS.items() for fault in faults]
LAWS = [(area, law) for area, (laws, _) in COLLECTIONS.items() for law in laws]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("area", "fault"), FAULTS)
def test_wrong_functions_are_caught(area, fault, fails):
    laws, faults = COLLECTIONS[area]
    assert any(fails(law, faults[fault], 10) for law in laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("area", "law"), LAWS, ids=[f"{a}-{law.__name__}" for a, law in LAWS])
def test_every_law_catches_something(area, law, fails):
    assert any(fails(law, fault, 10) for fault in COLLECTIONS[area][1].values())


PEERS = {
    "sqrtm": _members(scipy.linalg.sqrtm),
    "logm": _members(scipy.linalg.logm),
    "signm": _members(schur_functions.sign),  # SciPy's loses digits at defective matrices
}


@pytest.mark.filterwarnings("ignore:logm result may be inaccurate")
@pytest.mark.parametrize(("area", "law"), LAWS, ids=[f"{a}-{law.__name__}" for a, law in LAWS])
def test_the_right_functions_pass(area, law):
    law(PEERS[area], dtype="float64", max_examples=10)
