"""Planted false identities, each a plausible slip, that the law must catch."""

import numpy as np
import pytest

from mathcore import det, expm, identities, phi
from mathcore.matrices.adjugates import adjugate
from mathcore.testing import check_identity


def _adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def _bracket(a, b):
    return a @ b - b @ a


def _brackets(a, b, *, third=1 / 12, fourth=-1 / 24):
    ab = _bracket(a, b)
    aab = _bracket(a, ab)
    return a + b + ab / 2 + third * (aab - _bracket(b, ab)) + fourth * _bracket(b, aab)


def _matrix(a, u):
    return np.diag(a) if a.ndim < u.ndim else a


def _eye(a):
    return np.eye(a.shape[-1], dtype=a.dtype)


def _lemma_without_inverse(a, u, v):
    return det(_matrix(a, u)) * det(_eye(u) + _adjoint(v) @ u)


def _woodbury_with_plus(a, u, v):
    inverse = np.linalg.inv(_matrix(a, u))
    inside = np.linalg.inv(_eye(u) + _adjoint(v) @ inverse @ u)
    return inverse + inverse @ u @ inside @ _adjoint(v) @ inverse


def _series_without_signs(a):
    power, total = a, np.trace(a)
    for k in range(2, 60):
        power = power @ a
        total = total + np.trace(power) / k
    return np.real(total)


def _cayley_of_twice(a):
    q = np.linalg.solve(_eye(a) - a, _eye(a) + 2 * a)
    return _adjoint(q) @ q


def _swapped_sides(name):
    identity = identities.get(name)
    return {"lhs": identity.rhs, "rhs": identity.lhs}


def _of(name, change):
    original = identities.get(name).rhs
    return {"rhs": lambda *args: change(original(*args))}


FAULTS = {
    "det_exp": {"rhs": lambda a: np.exp(a.sum(axis=(-2, -1)))},
    "liouville": {
        "rhs": lambda c, t: sum(np.trace(x) * t ** (j + 1) for j, x in enumerate(c)).real
    },
    "kronecker_sum_exp": {"rhs": lambda a, b: np.kron(expm(b), expm(a))},
    "golden_thompson": _swapped_sides("golden_thompson"),
    "duhamel": {"lhs": lambda a, e: expm(a) @ e},
    "phi_block": {"lhs": lambda a: 2 * phi(a, 2)[2]},
    "bch, third order": {"rhs": lambda a, b: _brackets(a, b, third=-1 / 12)},
    "bch, fourth order": {"rhs": lambda a, b: _brackets(a, b, fourth=1 / 24)},
    "logdet_series": {"rhs": _series_without_signs},
    "matrix_determinant_lemma": {"rhs": _lemma_without_inverse},
    "weinstein_aronszajn": {"rhs": lambda a, b: det(_eye(a) - b @ a)},
    "woodbury": {"rhs": _woodbury_with_plus},
    "schur_determinant": {"rhs": lambda a, b, c, d: det(_matrix(a, b)) * det(d)},
    "cauchy_binet": {"rhs": lambda a, b: det(a[:, : len(a)]) * det(b[: len(a)])},
    "gram_volume": _of("gram_volume", np.sqrt),
    "jacobi_formula": {
        "rhs": lambda a, e: identities.get("jacobi_formula").rhs(a, np.swapaxes(e, -1, -2))
    },
    "adjugate": {"lhs": lambda a: a @ adjugate(a).T},
    "generalized_cross": _of("generalized_cross", lambda x: -x),
    "pfaffian_square": _of("pfaffian_square", lambda x: -x),
    "hadamard_bound": {"rhs": lambda a: np.prod(abs(a).max(axis=-2, initial=0.0), axis=-1)},
    "vandermonde": {"rhs": lambda x: identities.get("vandermonde").rhs(-x)},
    "cauchy_determinant": {"lhs": lambda x, y: det(1 / (x[::-1, None] + y))},
    "cayley": {"lhs": _cayley_of_twice},
    "kronecker_det": {"rhs": lambda a, b: det(a) ** len(a) * det(b) ** len(b)},
    "vec_kronecker": {"lhs": lambda a, x, b: (a @ x @ b).ravel()},
    "trace_product": {"rhs": lambda a, b: a.sum() * b.sum()},
    "trace_expectation": {"rhs": lambda a: a.sum(axis=(-2, -1))},
}


def test_every_record_has_a_fault():
    planted = {name.partition(",")[0] for name in FAULTS}
    assert planted == {identity.name for identity in identities.catalogue}


@pytest.mark.parametrize("name", FAULTS)
def test_false_identity_is_caught(name):
    false = identities.get(name.partition(",")[0])._replace(**FAULTS[name])
    with pytest.raises(AssertionError, match="exceeds"):
        check_identity(false, max_examples=100)


@pytest.mark.parametrize("identity", identities.catalogue, ids=lambda identity: identity.name)
def test_a_sixth_digit_is_caught(identity):
    larger = "lhs" if identity.relation == "≤" else "rhs"
    original = getattr(identity, larger)
    false = identity._replace(**{larger: lambda *args: original(*args) * (1 + 1e-6)})
    with pytest.raises(AssertionError, match="exceeds"):
        check_identity(false, max_examples=100)
