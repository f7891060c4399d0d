"""The catalogue's records: proofs, costs, closed forms, batches, empty matrices."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mathcore import identities
from mathcore.identities.pages import as_markdown, as_text, cheap_side
from mathcore.testing import strategies

NAMES = [identity.name for identity in identities.catalogue]
REQUIRED = """
det_exp liouville logdet_series matrix_determinant_lemma weinstein_aronszajn woodbury
cauchy_binet gram_volume schur_determinant jacobi_formula adjugate kronecker_sum_exp kronecker_det
vandermonde cauchy_determinant pfaffian_square hadamard_bound golden_thompson duhamel phi_block
cayley vec_kronecker trace_product bch
"""


def test_names():
    assert set(REQUIRED.split()) <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_proved_by_sympy(name, n):
    assert identities.get(name).prove(n)


@pytest.mark.parametrize("name", NAMES)
def test_a_false_statement_is_not_proved(name):
    identity = identities.get(name)

    def wrong(n):
        lhs, rhs = identity.symbolic_sides(n)
        return 2 * lhs, rhs * 3

    assert not identity._replace(symbolic_sides=wrong).prove(2)


@pytest.mark.parametrize("name", NAMES)
def test_statement_is_an_equation(name):
    import sympy

    equation = identities.get(name).symbolic(1)
    assert isinstance(equation, sympy.Equality)
    assert sympy.latex(equation)


def _examples(name, count=4):
    """Argument tuples of one shape from the record's own strategy."""
    found = []

    @settings(
        max_examples=40,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(identities.get(name).strategy(strategies, "float64"))
    def collect(args):
        found.append(args)

    collect()
    largest = max((tuple(np.shape(x) for x in args) for args in found), key=str)
    return [args for args in found if tuple(np.shape(x) for x in args) == largest][:count]


@pytest.mark.parametrize("name", NAMES)
def test_batches(name):
    """The sides of a stack are the stacks of the sides, and its worst member is reported."""
    identity, members = identities.get(name), _examples(name)
    stacked = [np.stack([np.asarray(x) for x in parts]) for parts in zip(*members, strict=True)]
    agreements = [identity.compare(*args) for args in members]
    for side in (identity.lhs, identity.rhs):
        apart = np.stack([np.asarray(side(*args)) for args in members])
        together = np.asarray(side(*stacked))
        assert together.shape == apart.shape
        scale = max(abs(apart).max(initial=0.0), 1.0)
        assert abs(together - apart).max(initial=0.0) <= 1e-13 * scale
    agreement = identity.compare(*stacked)
    assert agreement.residual <= agreement.tolerance
    assert agreement.tolerance <= 1.01 * max(one.tolerance for one in agreements)
    assert identity.cheapest(*(x.shape for x in stacked)) == identity.cheapest(
        *(np.shape(x) for x in members[0])
    )


@pytest.mark.parametrize("name", NAMES)
def test_examples_lie_in_the_domain(name):
    identity = identities.get(name)
    for args in _examples(name):
        assert identity.domain.reason(*(np.asarray(x) for x in args)) == ""


def test_cheap_sides():
    assert identities.get("det_exp").cheapest((300, 300)) == "rhs"
    assert identities.get("gram_volume").cheapest((1000, 10)) == "lhs"
    assert identities.get("liouville").cheapest((3, 4, 4), ()) == "rhs"
    lemma = identities.get("matrix_determinant_lemma")
    assert lemma.cheapest((100,), (100, 5), (100, 5)) == "rhs"
    assert lemma.cheapest((7, 100), (7, 100, 5), (7, 100, 5)) == "rhs"  # a batch of diagonals
    assert lemma.cheapest((100, 100), (100, 5), (100, 5)) == "lhs"
    assert lemma.cheapest((5,), (5, 100), (5, 100)) == "lhs"
    swap = identities.get("weinstein_aronszajn")
    assert [swap.cheapest((m, 10), (10, m)) for m in (5, 20)] == ["lhs", "rhs"]
    assert identities.get("jacobi_formula").cheapest((4, 4), (4, 4)) == "lhs"
    assert identities.get("jacobi_formula").cheapest((99, 99), (99, 99)) == "rhs"
    assert cheap_side(identities.get("det_exp")) == "rhs"
    assert cheap_side(swap) == "depends on the sizes"


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="`b` must have m = 2; got"):
        identities.get("trace_product").cheapest((2, 3), (3, 3))
    with pytest.raises(ValueError, match="`a` must have 2 axes; got"):
        identities.get("det_exp").cheapest((3,))


CLOSED_FORMS = {
    "det_exp": ((np.diag([1.0, 2.0, -0.5]),), math.exp(2.5)),
    "liouville": ((np.array([[[1.0, 2.0], [0.5, -3.0]]]), 0.7), -1.4),
    "logdet_series": ((np.diag([0.5, -0.5]),), math.log(0.75)),
    "jacobi_formula": ((np.diag([2.0, 3.0, 0.0]), np.eye(3)), 6.0),
    "vandermonde": ((np.array([1.0, 2.0, 4.0]),), 6.0),
    "cauchy_determinant": ((np.array([0.0, 1.0]), np.array([1.0, 2.0])), 1 / 12),  # Hilbert 2 × 2
    "pfaffian_square": ((np.array([[0.0, 3.0], [-3.0, 0.0]]),), 9.0),
    "kronecker_det": ((2 * np.eye(2), 3 * np.eye(3)), 2.0**6 * 3.0**6),
    "phi_block": ((np.array([[1.0]]),), math.e - 1),
    "duhamel": ((np.array([[1.0]]), np.array([[2.0]])), 2 * math.e),
    "gram_volume": ((np.array([[3.0], [4.0]]),), 25.0),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_closed_forms(name):
    args, value = CLOSED_FORMS[name]
    for side in (identities.get(name).lhs, identities.get(name).rhs):
        assert abs(float(np.squeeze(side(*args))) - value) <= 4e-15 * abs(value)


def test_a_singular_matrix_is_zero_to_rounding():
    agreement = identities.get("adjugate").compare(np.ones((3, 3)))
    assert agreement.residual <= agreement.tolerance


def test_nan_does_not_hold():
    agreement = identities.get("trace_product").compare(np.full((2, 2), np.nan), np.eye(2))
    assert math.isnan(agreement.residual)


def test_unknown_name():
    with pytest.raises(ValueError, match="`name` must be one of det_exp.*got 'abel'"):
        identities.get("abel")


def test_the_catalogue_is_printed():
    printed = subprocess.run(
        [sys.executable, "-m", "mathcore.identities"], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == as_text()
    for identity in identities.catalogue:
        assert identity.statement in printed and identity.reference in printed


def test_the_page_has_every_record():
    page = as_markdown()
    for identity in identities.catalogue:
        assert f"## {identity.name}\n" in page
        assert f"$$\n{identity.statement}\n$$" in page


def test_sympy_is_loaded_only_for_a_proof():
    code = "import sys, mathcore.identities; assert 'sympy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
