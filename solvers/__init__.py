"""Linear ODE systems, Langevin and diffusion samplers on any array library.

Every public name is here; nothing heavy is loaded until it is used.
"""

import importlib

_EXPORTS = {
    "general_solution": "solvers.linear.particular_solutions",
    "companion": "solvers.linear.companion_form",
    "GeneralSolution": "solvers.linear.particular_solutions",
    "reduce_order": "solvers.linear.parallel_frame",
    "ReducedSystem": "solvers.linear.parallel_frame",
    "recover_coefficients": "solvers.linear.coefficient_recovery",
    "RecoveredCoefficients": "solvers.linear.coefficient_recovery",
    "riccati_general_solution": "solvers.linear.riccati",
    "RiccatiSolution": "solvers.linear.riccati",
    "solve_linear": "solvers.linear.propagation",
    "fundamental_matrix": "solvers.linear.fundamental_matrices",
    "FundamentalMatrix": "solvers.linear.fundamental_matrices",
    "monodromy": "solvers.linear.floquet",
    "Monodromy": "solvers.linear.floquet",
    "solve_ivp": "solvers.ode.integrate",
    "OdeResult": "solvers.ode.results",
    "OdeStep": "solvers.ode.recording",
    "solve_ensemble": "solvers.ode.ensembles",
    "EnsembleResult": "solvers.ode.ensembles",
    "flow_logdet": "solvers.ode.flows",
    "FlowResult": "solvers.ode.flows",
    "pursuit": "solvers.ode.pursuit_curves",
    "PursuitResult": "solvers.ode.pursuit_curves",
    "sigmas_karras": "solvers.diffusion.sigma_grids",
    "sigmas_logsnr": "solvers.diffusion.sigma_grids",
    "sigmas_polyexponential": "solvers.diffusion.sigma_grids",
    "sigmas_vp": "solvers.diffusion.sigma_grids",
    "sigmas_quadratic": "solvers.diffusion.sigma_grids",
    "sigmas_iddpm": "solvers.diffusion.sigma_grids",
    "fit_gits": "solvers.diffusion.learned_steps",
    "fit_mean_value": "solvers.diffusion.learned_steps",
    "sample_diffusion": "solvers.diffusion.samplers",
    "DiffusionResult": "solvers.diffusion.samplers",
    "encode_diffusion": "solvers.diffusion.inversion",
    "log_likelihood": "solvers.diffusion.inversion",
    "LogLikelihood": "solvers.diffusion.inversion",
    "order_of": "solvers.diffusion.methods",
    "coefficients": "solvers.diffusion.methods",
    "denoiser_from_eps": "solvers.diffusion.adapters",
    "denoiser_from_v": "solvers.diffusion.adapters",
    "denoiser_from_flow": "solvers.diffusion.adapters",
    "denoiser_from_edm": "solvers.diffusion.adapters",
    "denoiser_from_sigma_vector": "solvers.diffusion.adapters",
    "timestep_of": "solvers.diffusion.adapters",
    "guided": "solvers.diffusion.wrapped_denoisers",
    "identity_losses": "solvers.diffusion.distillation",
    "sid_loss": "solvers.diffusion.distillation",
    "fgm_loss": "solvers.diffusion.distillation",
    "empirical_denoiser": "solvers.diffusion.denoisers",
    "gaussian_mixture_denoiser": "solvers.diffusion.denoisers",
    "scale_skips": "solvers.diffusion.skip_tuning",
    "skip_tuning": "solvers.diffusion.torch_skips",
    "tune_skips": "solvers.diffusion.skip_search",
    "TunedSkips": "solvers.diffusion.skip_search",
    "denoiser_from_diffusers": "solvers.diffusion.diffusers_denoiser",
    "sample_langevin": "solvers.langevin.sampling",
    "LangevinResult": "solvers.langevin.results",
    "LangevinState": "solvers.langevin.results",
    "minibatches": "solvers.langevin.batches",
    "rhat": "solvers.langevin.diagnostics",
    "effective_sample_size": "solvers.langevin.diagnostics",
    "mcse": "solvers.langevin.diagnostics",
    "draws_to_arviz": "solvers.langevin.diagnostics",
    "mmd2": "solvers.langevin.discrepancies",
    "ksd": "solvers.langevin.discrepancies",
    "Discrepancy": "solvers.langevin.discrepancies",
    "contrastive_loss": "solvers.langevin.energies",
    "restart_chains": "solvers.langevin.energies",
}

__all__ = [*_EXPORTS]


def __getattr__(name):
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'solvers' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
