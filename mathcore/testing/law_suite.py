"""This library's own functions under the laws it offers; ``python -m mathcore.testing`` runs it."""

import pytest

import mathcore
from mathcore import identities
from mathcore.testing import (
    action_laws,
    check_identity,
    determinant_laws,
    expm_frechet_laws,
    expm_laws,
    logm_laws,
    parametrize_with_laws,
    phi_laws,
    signm_laws,
    sinkhorn_divergence_laws,
    sinkhorn_laws,
    sqrtm_laws,
)


@parametrize_with_laws(expm_laws)
def test_expm(law, xp):
    """The matrix exponential."""
    law(mathcore.expm, xp=xp)


@parametrize_with_laws(expm_frechet_laws)
def test_expm_frechet(law, xp):
    """Its derivative."""
    law(mathcore.expm_frechet, xp=xp)


@parametrize_with_laws(action_laws)
def test_expm_multiply(law, xp):
    """The exponential times vectors."""
    law(mathcore.expm_multiply, xp=xp)


@parametrize_with_laws(phi_laws)
def test_phi(law, xp):
    """The φ-functions."""
    law(mathcore.phi, xp=xp)


@parametrize_with_laws(logm_laws)
def test_logm(law, xp):
    """The principal logarithm."""
    law(mathcore.logm, xp=xp)


@parametrize_with_laws(sqrtm_laws)
def test_sqrtm(law, xp):
    """The principal square root."""
    law(mathcore.sqrtm, xp=xp)


@parametrize_with_laws(signm_laws)
def test_signm(law, xp):
    """The sign."""
    law(mathcore.signm, xp=xp)


@parametrize_with_laws(determinant_laws)
def test_det(law, xp):
    """Determinants and volumes."""
    law(mathcore.det, xp=xp)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("identity", identities.catalogue, ids=lambda identity: identity.name)
def test_identity(identity, dtype, xp):
    """Both sides of every record of the catalogue."""
    check_identity(identity, xp=xp, dtype=dtype)


def _solve(x, y, a, b, epsilon):
    result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon)
    plan = mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)
    return result.value, plan, result.lower_bound, result.upper_bound


@parametrize_with_laws(sinkhorn_laws)
def test_sinkhorn(law, xp):
    """Plan, value and bounds."""
    law(_solve, xp=xp)


@parametrize_with_laws(sinkhorn_divergence_laws)
def test_sinkhorn_divergence(law, xp):
    """The debiased divergence."""
    law(lambda *measures: mathcore.sinkhorn_divergence(*measures[:4], epsilon=measures[4]), xp=xp)
