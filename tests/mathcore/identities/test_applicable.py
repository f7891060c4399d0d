"""Which identities apply to given matrices, and the table that says so."""

import numpy as np
import pytest

from mathcore import identities
from mathcore.identities import check_identities

RNG = np.random.default_rng(0)


def _named(checks, name):
    return [one for one in checks if one.name == name]


def test_two_small_matrices():
    a, b = RNG.standard_normal((2, 3, 3)) / 10
    checks = check_identities(a, b)
    assert all(one.holds for one in checks if one.applies)
    assert {one.name for one in checks if one.applies} >= {
        "det_exp",
        "bch",
        "weinstein_aronszajn",
        "kronecker_det",
        "trace_product",
        "logdet_series",
    }
    assert [one.arguments for one in _named(checks, "det_exp")] == [{"a": 0}, {"a": 1}]
    (skew,) = _named(checks, "cayley")
    assert (skew.applies, skew.holds) == (False, None)
    assert skew.reason == "a is not skew-Hermitian"
    assert not _named(checks, "schur_determinant")  # it needs four


def test_on_every_library(xp):
    x, y = (xp.asarray(nodes, dtype=xp.float64) for nodes in ([0.0, 1.0, 3.0], [1.0, 2.0, 4.0]))
    applying = [one for one in check_identities(x, y) if one.applies]
    assert [one.name for one in applying] == ["vandermonde", "vandermonde", "cauchy_determinant"]
    assert all(one.holds for one in applying)


def test_arguments_in_another_order():
    diagonal, u = np.array([1.0, 2.0, 3.0]), RNG.standard_normal((3, 2))
    (lemma,) = _named(check_identities(u, diagonal, u), "matrix_determinant_lemma")
    assert lemma.arguments == {"a": 1, "u": 0, "v": 2}
    assert lemma.holds and lemma.cheapest == "rhs"


@pytest.mark.parametrize(
    ("name", "matrices", "reason"),
    [
        ("golden_thompson", (np.triu(np.ones((2, 2))), np.eye(2)), "a is not Hermitian"),
        ("pfaffian_square", (np.eye(2),), "a is not skew-symmetric"),
        ("logdet_series", (2 * np.eye(2),), "a has spectral radius 2"),
        ("logdet_series", (0.999 * np.eye(2),), "the series is too slow"),
        ("bch", (np.eye(2), np.eye(2)), "too large"),
        ("woodbury", (np.zeros((2, 2)), np.eye(2), np.eye(2)), "a is singular to rounding"),
        ("woodbury", (np.eye(2), np.eye(2), -np.eye(2)), "is singular to rounding"),
        ("cauchy_binet", (np.ones((20, 60)), np.ones((60, 20))), "minors"),
        ("cauchy_determinant", (np.array([1.0]), np.array([-1.0])), "minus one of"),
        ("generalized_cross", (np.ones((4, 2)), np.ones(4)), "is not n × (n − 1)"),
        ("gram_volume", (np.ones((1, 2)),), "fewer rows than columns"),
        ("trace_expectation", (np.eye(13),), "order above 12"),
        ("det_exp", (np.full((2, 2), np.nan),), "NaN or infinite"),
        ("det_exp", (np.ones((2, 3)),), "a needs n = 2"),
        ("det_exp", (np.ones(3),), "a has 1 axes"),
    ],
)
def test_reasons(name, matrices, reason):
    assert reason in identities.get(name).domain.reason(*matrices)


def test_what_costs_too_much_is_not_computed():
    (one,) = _named(check_identities(np.eye(3), max_flops=10), "det_exp")
    assert one.applies and one.holds is None and one.cheapest == "rhs"
    assert one.verdict.startswith("not computed")


def test_verdicts():
    singular = check_identities(np.ones((3, 3)))
    (one,) = _named(singular, "adjugate")
    assert one.holds and one.verdict == "zero to rounding"
    (one,) = _named(singular, "det_exp")
    assert one.verdict == "holds"
    assert one._replace(holds=False).verdict == "fails"
    assert one._replace(holds=None, reason="").verdict == "not finite"


def test_the_table():
    table = str(check_identities(np.eye(2)))
    assert "det_exp(a=#0)" in table
    assert "does not apply:\n" in table
    assert "pfaffian_square: a is not skew-symmetric" in table


def test_bad_input():
    with pytest.raises(TypeError, match="`matrices` must hold one array at least; got none"):
        check_identities()
    with pytest.raises(ValueError, match="`max_flops` must be"):
        check_identities(np.eye(2), max_flops=-1)


def test_mixed_libraries():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="same library"):
        check_identities(np.eye(2), torch.eye(2))
