"""The catalogue's records: proofs, costs, tolerances that are neither loose nor tight."""

import math
import subprocess
import sys

import numpy as np
import pytest

from mathcore import identities
from mathcore.testing import check_identity

NAMES = [identity.name for identity in identities.catalogue]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_proved_by_sympy(name, n):
    assert identities.get(name).prove(n)


@pytest.mark.parametrize("name", NAMES)
def test_a_false_statement_is_not_proved(name):
    identity = identities.get(name)
    false = identity._replace(
        symbolic_sides=lambda n: tuple(
            side * k for k, side in enumerate(identity.symbolic_sides(n), 1)
        )
    )
    assert not false.prove(2)


@pytest.mark.parametrize("name", NAMES)
def test_statement_is_an_equation(name):
    import sympy

    equation = identities.get(name).symbolic(2)
    assert isinstance(equation, sympy.Equality)
    assert sympy.latex(equation)


@pytest.mark.parametrize("name", NAMES)
def test_a_false_identity_is_caught(name):
    identity = identities.get(name)
    false = identity._replace(rhs=lambda *args: identity.rhs(*args) * 1.001 + 0.001)
    with pytest.raises(AssertionError, match="exceeds"):
        check_identity(false)


def test_cheap_sides():
    assert identities.get("det_exp").cheapest((300, 300)) == "rhs"
    assert identities.get("gram_volume").cheapest((1000, 10)) == "lhs"
    assert identities.get("liouville").cheapest((3, 4, 4), ()) == "rhs"


def test_det_exp_in_closed_form():
    identity = identities.get("det_exp")
    a = np.diag([1.0, 2.0, -0.5])
    assert abs(float(identity.lhs(a)) - math.exp(2.5)) <= 1e-14 * math.exp(2.5)
    assert abs(float(identity.rhs(a)) - math.exp(2.5)) <= 1e-14 * math.exp(2.5)


def test_liouville_of_a_constant_matrix():
    a = np.array([[[1.0, 2.0], [0.5, -3.0]]])
    identity = identities.get("liouville")
    assert abs(float(identity.lhs(a, 0.7)) + 1.4) <= 1e-14
    assert abs(float(identity.rhs(a, 0.7)) + 1.4) <= 1e-15


def test_unknown_name():
    with pytest.raises(ValueError, match="`name` must be one of det_exp.*got 'abel'"):
        identities.get("abel")


def test_sympy_is_loaded_only_for_a_proof():
    code = "import sys, mathcore.identities; assert 'sympy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
