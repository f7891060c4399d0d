"""Property-based tests for your own code: strategies, laws, and the pytest plugin that runs them.

A law is a function ``law(function, xp=...)`` that draws examples with Hypothesis and raises
AssertionError, with the smallest counterexample, where `function` breaks it::

    from mathcore.testing import expm_laws, parametrize_with_laws

    @parametrize_with_laws(expm_laws)
    def test_my_expm(law):
        law(my_expm)

``pytest -p mathcore.testing.plugin`` adds the ``xp`` fixture and ``--backend``;
``python -m mathcore.testing`` runs this library's own functions through the same laws.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
    import pytest as _pytest  # noqa: F401
except ImportError as error:
    raise ImportError('mathcore.testing needs: pip install "mathcore[test]"') from error

from mathcore.testing import gallery, strategies
from mathcore.testing.action_laws import action_laws, phi_laws
from mathcore.testing.determinant_function_laws import (
    adjugate_laws,
    determinant_formula_laws,
    generalized_cross_laws,
    pfaffian_laws,
    slogdet_laws,
    slogdet_update_laws,
)
from mathcore.testing.diffusion_laws import (
    deterministic_sampler_laws,
    sampler_order_laws,
    stochastic_sampler_laws,
)
from mathcore.testing.ensemble_laws import ensemble_laws
from mathcore.testing.estimator_laws import (
    diagonal_estimator_laws,
    logdet_estimator_laws,
    trace_estimator_laws,
)
from mathcore.testing.identity_laws import check_identity
from mathcore.testing.integrator_laws import (
    check_order,
    dense_output_laws,
    event_laws,
    integrator_laws,
)
from mathcore.testing.langevin_laws import (
    adjusted_langevin_laws,
    check_score,
    langevin_laws,
    obabo_langevin_laws,
    unadjusted_langevin_laws,
)
from mathcore.testing.laws import check_close, law, parametrize_with_laws
from mathcore.testing.linear_laws import check_general_solution, general_solution_laws
from mathcore.testing.matrix_function_laws import logm_laws, signm_laws, sqrtm_laws
from mathcore.testing.matrix_laws import determinant_laws, expm_frechet_laws, expm_laws
from mathcore.testing.propagator_laws import propagator_laws
from mathcore.testing.sampler_laws import denoiser_laws, sampler_laws
from mathcore.testing.skip_laws import skip_laws
from mathcore.testing.transport_laws import (
    barycenter_laws,
    sinkhorn_batch_laws,
    sinkhorn_divergence_laws,
    sinkhorn_laws,
    unbalanced_laws,
)
from mathcore.testing.wasserstein_laws import wasserstein_laws

__all__ = [
    "strategies",
    "gallery",
    "law",
    "check_close",
    "check_identity",
    "check_general_solution",
    "parametrize_with_laws",
    "expm_laws",
    "expm_frechet_laws",
    "action_laws",
    "phi_laws",
    "logm_laws",
    "sqrtm_laws",
    "signm_laws",
    "determinant_laws",
    "determinant_formula_laws",
    "slogdet_laws",
    "adjugate_laws",
    "generalized_cross_laws",
    "pfaffian_laws",
    "slogdet_update_laws",
    "trace_estimator_laws",
    "diagonal_estimator_laws",
    "logdet_estimator_laws",
    "denoiser_laws",
    "sampler_laws",
    "deterministic_sampler_laws",
    "sampler_order_laws",
    "stochastic_sampler_laws",
    "skip_laws",
    "langevin_laws",
    "adjusted_langevin_laws",
    "unadjusted_langevin_laws",
    "obabo_langevin_laws",
    "check_score",
    "general_solution_laws",
    "propagator_laws",
    "integrator_laws",
    "dense_output_laws",
    "event_laws",
    "ensemble_laws",
    "check_order",
    "sinkhorn_laws",
    "sinkhorn_divergence_laws",
    "sinkhorn_batch_laws",
    "unbalanced_laws",
    "barycenter_laws",
    "wasserstein_laws",
]
