from solvers.diffusion.denoisers import (
    empirical_denoiser as empirical_denoiser,
)
from solvers.diffusion.denoisers import (
    gaussian_mixture_denoiser as gaussian_mixture_denoiser,
)
from solvers.diffusion.methods import coefficients as coefficients
from solvers.diffusion.methods import order_of as order_of
from solvers.diffusion.samplers import (
    DiffusionResult as DiffusionResult,
)
from solvers.diffusion.samplers import (
    sample_diffusion as sample_diffusion,
)
from solvers.diffusion.sigma_grids import (
    sigmas_karras as sigmas_karras,
)
from solvers.diffusion.sigma_grids import (
    sigmas_logsnr as sigmas_logsnr,
)
from solvers.diffusion.skip_tuning import scale_skips as scale_skips
from solvers.langevin.diagnostics import (
    effective_sample_size as effective_sample_size,
)
from solvers.langevin.diagnostics import (
    rhat as rhat,
)
from solvers.langevin.sampling import (
    LangevinResult as LangevinResult,
)
from solvers.langevin.sampling import (
    sample_langevin as sample_langevin,
)
from solvers.linear.companion_form import companion as companion
from solvers.linear.particular_solutions import general_solution as general_solution
