"""The functions of `solvers` under the laws; ``python -m mathcore.testing`` runs it."""

import functools

import pytest

import solvers
from mathcore.testing import (
    adjusted_langevin_laws,
    denoiser_laws,
    dense_output_laws,
    deterministic_sampler_laws,
    ensemble_laws,
    event_laws,
    general_solution_laws,
    integrator_laws,
    langevin_laws,
    obabo_langevin_laws,
    parametrize_with_laws,
    propagator_laws,
    sampler_laws,
    skip_laws,
    stochastic_sampler_laws,
    unadjusted_langevin_laws,
)


@parametrize_with_laws(denoiser_laws)
def test_gaussian_mixture_denoiser(law, xp):
    """Exact denoiser of a mixture."""
    law(solvers.gaussian_mixture_denoiser, xp=xp)


@pytest.mark.parametrize("method", ["heun", "dpmpp_2m", "ipndm_3"])
@parametrize_with_laws((*sampler_laws, *deterministic_sampler_laws))
def test_sample_diffusion(law, xp, method):
    """Stopped at the last level."""

    def sample(denoiser, x, sigmas):
        return solvers.sample_diffusion(denoiser, x, sigmas, method=method, final="stop").x

    law(sample, xp=xp)


@parametrize_with_laws(stochastic_sampler_laws)
def test_sample_diffusion_with_noise(law, xp):
    """The reverse SDE, second order."""

    def sample(denoiser, x, sigmas, **keys):
        options = {"method": "sde_dpmpp_2m", "eta": 1.0, "final": "stop", **keys}
        return solvers.sample_diffusion(denoiser, x, sigmas, **options).x

    law(sample, xp=xp)


@parametrize_with_laws(skip_laws)
def test_scale_skips(law, xp):
    """Definition 3.1 of skip-tuning."""
    law(solvers.scale_skips, xp=xp)


def last_states(method, **arguments):
    """`sample_langevin` as the laws call it."""
    return solvers.sample_langevin(method=method, **arguments).x


@parametrize_with_laws(langevin_laws)
def test_sample_langevin(law, xp):
    """BAOAB: unadjusted, and exact on a Gaussian."""
    law(functools.partial(last_states, "baoab"), xp=xp)


@pytest.mark.parametrize("method", ["leimkuhler-matthews", "aboba"])
@parametrize_with_laws(langevin_laws)
def test_sample_langevin_exact(law, method):
    """The others that are exact on a Gaussian, on NumPy."""
    law(functools.partial(last_states, method))


@parametrize_with_laws(adjusted_langevin_laws)
def test_sample_langevin_adjusted(law, xp):
    """MALA, exact."""
    law(functools.partial(last_states, "mala"), xp=xp)


@parametrize_with_laws(obabo_langevin_laws)
def test_sample_langevin_obabo(law):
    """OBABO, with its bias, on NumPy."""
    law(functools.partial(last_states, "obabo"))


@parametrize_with_laws(unadjusted_langevin_laws)
def test_sample_langevin_unadjusted(law, xp):
    """ULA, with its bias."""
    law(functools.partial(last_states, "ula"), xp=xp)


@parametrize_with_laws(general_solution_laws)
def test_general_solution(law, xp):
    """Hidden columns come back."""
    law(solvers.general_solution, xp=xp)


@parametrize_with_laws(propagator_laws)
def test_fundamental_matrix(law, xp):
    """Closed forms, the cocycle, Liouville, unitarity."""
    law(solvers.fundamental_matrix, xp=xp)


@parametrize_with_laws(integrator_laws)
def test_solve_ivp(law, xp):
    """At the end of the interval."""

    def integrate(fun, t_span, y0, rtol, atol):
        result = solvers.solve_ivp(fun, t_span, y0, rtol=rtol, atol=atol)
        return result.y[:, -1]

    law(integrate, xp=xp)


@parametrize_with_laws(dense_output_laws)
def test_solve_ivp_dense_output(law, xp):
    """Between the steps."""

    def solve(fun, t_span, y0, rtol, atol):
        return solvers.solve_ivp(fun, t_span, y0, rtol=rtol, atol=atol, dense_output=True).sol

    law(solve, xp=xp)


@parametrize_with_laws(event_laws)
def test_solve_ivp_events(law, xp):
    """Every root of an event."""

    def find(fun, t_span, y0, event, rtol, atol):
        return solvers.solve_ivp(fun, t_span, y0, events=event, rtol=rtol, atol=atol).t_events[0]

    law(find, xp=xp)


@parametrize_with_laws(ensemble_laws)
def test_solve_ensemble(law):
    """Many members, each with its own steps, on NumPy."""
    law(solvers.solve_ensemble)
