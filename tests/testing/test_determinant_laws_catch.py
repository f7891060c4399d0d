"""Planted faults: plausible wrong determinants, adjugates, Pfaffians that the laws must catch."""

import numpy as np
import pytest

from mathcore import det, slogdet
from mathcore.matrices.adjugates import adjugate, generalized_cross
from mathcore.matrices.determinant_updates import slogdet_update
from mathcore.matrices.determinants import SlogDet
from mathcore.matrices.pfaffians import pfaffian
from mathcore.testing.determinant_function_laws import (
    adjugate_laws,
    determinant_formula_laws,
    generalized_cross_laws,
    pfaffian_laws,
    slogdet_laws,
    slogdet_update_laws,
)


def _squared_volume(a):
    return det(a) if a.shape[-2] == a.shape[-1] else det(a) ** 2


def _leading_minor(a):
    k = min(a.shape[-2:])
    return det(a[..., :k, :k])


def _normalized(a):
    size = np.abs(a).max() if a.size else 0
    return det(a / size if size else a)


def _of_absolute_values(a):
    return det(np.abs(a).astype(a.dtype))


def _batch_offset(a):
    return det(a) if a.ndim == 2 else det(a) + det(a[:1])


DET_FAULTS = {
    "squared_volume": _squared_volume,
    "leading_minor": _leading_minor,
    "normalized": _normalized,
    "of_absolute_values": _of_absolute_values,
    "batch_offset": _batch_offset,
}


def _of_the_product(a):
    with np.errstate(all="ignore"):
        value = det(a)
        return SlogDet(np.sign(value), np.log(np.abs(value)))


def _without_sign(a):
    sign, log = slogdet(a)
    return SlogDet(np.abs(sign).astype(a.dtype), log)


def _finite_at_zero(a):
    sign, log = slogdet(a)
    return SlogDet(sign, np.maximum(log, np.log(np.finfo(log.dtype).tiny)))


def _base_two(a):
    sign, log = slogdet(a)
    return SlogDet(sign, log / np.log(2.0).astype(log.dtype))


def _sign_of_the_diagonal(a):
    sign, log = slogdet(a)
    if a.shape[-2] != a.shape[-1]:
        return SlogDet(sign, log)
    return SlogDet(np.sign(np.prod(np.diagonal(a))), log)


SLOGDET_FAULTS = {
    "sign_of_the_diagonal": _sign_of_the_diagonal,
    "of_the_product": _of_the_product,
    "without_sign": _without_sign,
    "finite_at_zero": _finite_at_zero,
    "base_two": _base_two,
}


def _by_inverse(a):
    try:
        return (np.linalg.det(a) * np.linalg.inv(a)).astype(a.dtype)
    except np.linalg.LinAlgError:
        return np.zeros_like(a)


def _cofactors_not_transposed(a):
    return np.swapaxes(adjugate(a), -1, -2)


def _pseudo_inverse(a):
    return (np.prod(np.linalg.svd(a, compute_uv=False)) * np.linalg.pinv(a)).astype(a.dtype)


ADJUGATE_FAULTS = {
    "by_inverse": _by_inverse,
    "cofactors_not_transposed": _cofactors_not_transposed,
    "pseudo_inverse": _pseudo_inverse,
}


def _last_of_qr(a):
    volume = np.prod(np.linalg.svd(a, compute_uv=False))
    return (volume * np.linalg.qr(a, mode="complete").Q[:, -1]).astype(a.dtype)


def _unit_normal(a):
    c = generalized_cross(a)
    return c / max(np.linalg.norm(c), 1e-30)


CROSS_FAULTS = {"last_of_qr": _last_of_qr, "unit_normal": _unit_normal}


def _root_of_determinant(a):
    return np.emath.sqrt(np.linalg.det(a)).astype(a.dtype) if a.size else np.ones((), a.dtype)


def _opposite(a):
    return -pfaffian(a)


def _superdiagonal(a):
    return np.prod(np.diagonal(a, 1)[::2])


PFAFFIAN_FAULTS = {
    "root_of_determinant": _root_of_determinant,
    "opposite": _opposite,
    "superdiagonal": _superdiagonal,
}


def _transposed_factor(slogdet_a, solve_a, u, v):
    return slogdet_update(slogdet_a, solve_a, v, u)


def _first_order(slogdet_a, solve_a, u, v):
    solved = solve_a(u) if callable(solve_a) else solve_a @ u
    return SlogDet(slogdet_a[0], slogdet_a[1] + np.trace(np.conj(v.T) @ solved))


UPDATE_FAULTS = {"transposed_factor": _transposed_factor, "first_order": _first_order}

SUITES = [
    (determinant_formula_laws, det, DET_FAULTS),
    (slogdet_laws, slogdet, SLOGDET_FAULTS),
    (adjugate_laws, adjugate, ADJUGATE_FAULTS),
    (generalized_cross_laws, generalized_cross, CROSS_FAULTS),
    (pfaffian_laws, pfaffian, PFAFFIAN_FAULTS),
    (slogdet_update_laws, slogdet_update, UPDATE_FAULTS),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("laws", "fault"),
    [
        pytest.param(laws, fault, id=name)
        for laws, _, faults in SUITES
        for name, fault in faults.items()
    ],
)
def test_wrong_functions_are_caught(laws, fault, fails):
    assert any(fails(law, fault, 50) for law in laws)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("law", "faults"),
    [pytest.param(law, faults, id=law.__name__) for laws, _, faults in SUITES for law in laws],
)
def test_every_law_catches_something(law, faults, fails):
    assert any(fails(law, fault, 50) for fault in faults.values())


@pytest.mark.parametrize(
    ("law", "function"),
    [pytest.param(law, right, id=law.__name__) for laws, right, _ in SUITES for law in laws],
)
def test_the_right_functions_pass(law, function):
    law(function, dtype="float64", max_examples=10)
