"""The functions of `solvers` under the laws; ``python -m mathcore.testing`` runs it."""

import functools

import pytest

import solvers
from mathcore.testing import (
    denoiser_laws,
    general_solution_laws,
    langevin_laws,
    parametrize_with_laws,
    sampler_laws,
    unadjusted_langevin_laws,
)


@parametrize_with_laws(denoiser_laws)
def test_gaussian_mixture_denoiser(law, xp):
    """Exact denoiser of a mixture."""
    law(solvers.gaussian_mixture_denoiser, xp=xp)


@pytest.mark.parametrize("method", ["euler", "heun", "dpmpp_2m"])
@parametrize_with_laws(sampler_laws)
def test_sample_diffusion(law, xp, method):
    """Every method, stopped at the last level."""

    def sample(denoiser, x, sigmas):
        return solvers.sample_diffusion(denoiser, x, sigmas, method=method, final="stop").x

    law(sample, xp=xp)


def last_states(method, **arguments):
    """`sample_langevin` as the laws call it."""
    return solvers.sample_langevin(method=method, **arguments).x


@pytest.mark.parametrize("method", ["mala", "baoab"])
@parametrize_with_laws(langevin_laws)
def test_sample_langevin(law, xp, method):
    """Methods that are exact on a Gaussian."""
    law(functools.partial(last_states, method), xp=xp)


@parametrize_with_laws(unadjusted_langevin_laws)
def test_sample_langevin_unadjusted(law, xp):
    """ULA, with its bias."""
    law(functools.partial(last_states, "ula"), xp=xp)


@parametrize_with_laws(general_solution_laws)
def test_general_solution(law, xp):
    """Hidden columns come back."""
    law(solvers.general_solution, xp=xp)
