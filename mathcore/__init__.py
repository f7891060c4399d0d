"""Matrix functions, determinants, identities and optimal transport on any array library.

Every public name is here; nothing heavy is loaded until it is used.
"""

import importlib

__version__ = "0.1.0"

_EXPORTS = {
    "expm": "mathcore.matrices.exponential",
    "expm_frechet": "mathcore.matrices.exponential_derivative",
    "expm_vjp": "mathcore.matrices.exponential_derivative",
    "expm_cond": "mathcore.matrices.exponential_derivative",
    "expm_multiply": "mathcore.matrices.exponential_action",
    "ActionInfo": "mathcore.matrices.exponential_action",
    "phi": "mathcore.matrices.phi_functions",
    "phi_multiply": "mathcore.matrices.phi_functions",
    "logm": "mathcore.matrices.matrix_functions",
    "sqrtm": "mathcore.matrices.matrix_functions",
    "signm": "mathcore.matrices.matrix_functions",
    "det": "mathcore.matrices.determinants",
    "slogdet": "mathcore.matrices.determinants",
    "distance_to_span": "mathcore.matrices.determinants",
    "adjugate": "mathcore.matrices.adjugates",
    "generalized_cross": "mathcore.matrices.adjugates",
    "pseudo_slogdet": "mathcore.matrices.pseudo_determinants",
    "slogdet_update": "mathcore.matrices.determinant_updates",
    "inverse_update": "mathcore.matrices.determinant_updates",
    "pfaffian": "mathcore.matrices.pfaffians",
    "slogpfaffian": "mathcore.matrices.pfaffians",
    "Estimate": "mathcore.matrices.probing",
    "trace_estimate": "mathcore.matrices.trace_estimators",
    "diagonal_estimate": "mathcore.matrices.diagonal_estimators",
    "logdet_estimate": "mathcore.matrices.lanczos_quadrature",
    "logdet_identity_plus": "mathcore.matrices.logdet_series",
    "check_identities": "mathcore.identities.applicable",
    "soft_minimum": "mathcore.transport.soft_minima",
    "sinkhorn": "mathcore.transport.entropic",
    "sinkhorn_cost": "mathcore.transport.entropic",
    "TransportResult": "mathcore.transport.entropic",
    "sinkhorn_divergence": "mathcore.transport.entropic",
    "emd": "mathcore.transport.exact",
    "wasserstein": "mathcore.transport.exact",
    "ExactTransport": "mathcore.transport.exact",
    "SparsePlan": "mathcore.transport.exact",
    "wasserstein_1d": "mathcore.transport.one_dimensional",
    "sliced_wasserstein": "mathcore.transport.sliced",
    "SlicedEstimate": "mathcore.transport.sliced",
    "kantorovich_critic": "mathcore.transport.critics",
    "KantorovichCritic": "mathcore.transport.critics",
    "barycenter": "mathcore.transport.barycenters",
    "transport_plan": "mathcore.transport.plans",
    "apply_plan": "mathcore.transport.plans",
    "barycentric_map": "mathcore.transport.plans",
    "bures_wasserstein": "mathcore.transport.gaussian",
    "entropic_gaussian": "mathcore.transport.gaussian",
}
_SUBMODULES = ("identities", "testing")

__all__ = [*_EXPORTS, *_SUBMODULES]


def __getattr__(name):
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return importlib.import_module(f"mathcore.{name}")
    raise AttributeError(f"module 'mathcore' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
