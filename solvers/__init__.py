"""Linear ODE systems, Langevin and diffusion samplers on any array library.

Every public name is here; nothing heavy is loaded until it is used.
"""

import importlib

_EXPORTS = {
    "general_solution": "solvers.linear.particular_solutions",
    "companion": "solvers.linear.companion_form",
    "sigmas_karras": "solvers.diffusion.sigma_grids",
    "sigmas_logsnr": "solvers.diffusion.sigma_grids",
    "sample_diffusion": "solvers.diffusion.samplers",
    "DiffusionResult": "solvers.diffusion.samplers",
    "order_of": "solvers.diffusion.methods",
    "coefficients": "solvers.diffusion.methods",
    "empirical_denoiser": "solvers.diffusion.denoisers",
    "gaussian_mixture_denoiser": "solvers.diffusion.denoisers",
    "scale_skips": "solvers.diffusion.skip_tuning",
    "sample_langevin": "solvers.langevin.sampling",
    "LangevinResult": "solvers.langevin.sampling",
    "rhat": "solvers.langevin.diagnostics",
    "effective_sample_size": "solvers.langevin.diagnostics",
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
