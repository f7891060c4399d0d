"""This library's own functions under the laws it offers; ``python -m mathcore.testing`` runs it."""

import numpy as np
import pytest

import mathcore
from mathcore import _arrays, identities
from mathcore.testing import (
    action_laws,
    adjugate_laws,
    barycenter_laws,
    check_identity,
    determinant_formula_laws,
    determinant_laws,
    diagonal_estimator_laws,
    expm_frechet_laws,
    expm_laws,
    generalized_cross_laws,
    logdet_estimator_laws,
    logm_laws,
    parametrize_with_laws,
    pfaffian_laws,
    phi_laws,
    signm_laws,
    sinkhorn_batch_laws,
    sinkhorn_divergence_laws,
    sinkhorn_laws,
    slogdet_laws,
    slogdet_update_laws,
    sqrtm_laws,
    trace_estimator_laws,
    unbalanced_laws,
    wasserstein_laws,
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


@parametrize_with_laws(determinant_formula_laws)
def test_det_formulas(law, xp):
    """Determinants and volumes by formula."""
    law(mathcore.det, xp=xp)


@parametrize_with_laws(slogdet_laws)
def test_slogdet(law, xp):
    """Sign and logarithm of determinants."""
    law(mathcore.slogdet, xp=xp)


@parametrize_with_laws(adjugate_laws)
def test_adjugate(law, xp):
    """Adjugates, at singular matrices too."""
    law(mathcore.adjugate, xp=xp)


@parametrize_with_laws(generalized_cross_laws)
def test_generalized_cross(law, xp):
    """Normals of n − 1 vectors."""
    law(mathcore.generalized_cross, xp=xp)


@parametrize_with_laws(pfaffian_laws)
def test_pfaffian(law, xp):
    """Pfaffians."""
    law(mathcore.pfaffian, xp=xp)


@parametrize_with_laws(slogdet_update_laws)
def test_slogdet_update(law, xp):
    """Determinants after an update of low rank."""
    law(mathcore.slogdet_update, xp=xp)


@parametrize_with_laws(trace_estimator_laws)
def test_trace_estimate(law):
    """Stochastic traces, their standard errors too."""
    law(lambda a, k, rng: mathcore.trace_estimate(a, len(a), num_matvecs=k, rng=rng))


@parametrize_with_laws(diagonal_estimator_laws)
def test_diagonal_estimate(law):
    """Stochastic diagonals."""
    law(lambda a, k, rng: mathcore.diagonal_estimate(a, len(a), num_matvecs=k, rng=rng))


@parametrize_with_laws(logdet_estimator_laws)
def test_logdet_estimate(law):
    """Stochastic log-determinants."""

    def estimate(a, k, rng):
        return mathcore.logdet_estimate(a, len(a), num_probes=k, num_steps=18, rng=rng)

    law(estimate)


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


@parametrize_with_laws(sinkhorn_batch_laws)
def test_sinkhorn_batch(law, xp):
    """Many problems in one call."""
    law(lambda *measures: mathcore.sinkhorn(*measures[:4], epsilon=measures[4]).value, xp=xp)


@parametrize_with_laws(unbalanced_laws)
def test_unbalanced_sinkhorn(law, xp):
    """Marginals that have a price."""

    def solve(x, y, a, b, epsilon, rho):
        result = mathcore.sinkhorn(x, y, a, b, epsilon=epsilon, marginal_penalty=rho)
        return result.value, mathcore.transport_plan(result, x, y, a, b, epsilon=epsilon)

    law(solve, xp=xp)


@parametrize_with_laws(barycenter_laws)
def test_barycenter(law, xp):
    """Weights on a support, and points that move."""

    def found(clouds, shares, epsilon, support):
        tol = 1e-3 if support is None else 1e-5
        return mathcore.barycenter(clouds, shares, epsilon=epsilon, support=support, tol=tol)[:2]

    law(found, xp=xp, max_examples=1 if _arrays.is_jax_namespace(xp) else 3)


@parametrize_with_laws(wasserstein_laws)
def test_wasserstein(law, xp):
    """Exact transport: distance, plan and potentials."""

    def solve(x, y, a, b, p):
        result = mathcore.wasserstein(x, y, a, b, p=p)
        plan = np.zeros((x.shape[0], y.shape[0]))
        rows, columns, mass = (_arrays.to_numpy(v) for v in result.plan)
        plan[rows, columns] = mass
        return result.value, _arrays.from_numpy(plan.tolist(), x), *result.potentials

    law(solve, xp=xp)
