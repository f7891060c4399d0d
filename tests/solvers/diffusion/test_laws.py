"""Every method under the laws of samplers, on NumPy."""

import numpy as np
import pytest

from mathcore.testing import (
    deterministic_sampler_laws,
    sampler_laws,
    sampler_order_laws,
    stochastic_sampler_laws,
)
from solvers import order_of, sample_diffusion
from solvers.diffusion.methods import _METHODS as METHODS


def sampler(method, **options):
    def sample(denoiser, x, sigmas, **keys):
        settings = {"final": "stop", **options, **keys}
        if method == "mean_value":
            settings["step_table"] = np.tile([0.5, 1.0], (len(sigmas) - 1, 1))
        return sample_diffusion(denoiser, x, sigmas, method=method, **settings).x

    return sample


@pytest.mark.parametrize("method", METHODS)
def test_sampler_laws(method):
    for law in (*sampler_laws, *deterministic_sampler_laws):
        law(sampler(method), max_examples=4)


@pytest.mark.parametrize("method", METHODS)
def test_order_laws(method):
    order = order_of(method)
    for law in sampler_order_laws(order):
        law(sampler(method), max_examples=2)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ancestral", {"eta": 1.0}),
        ("sde_dpmpp_1", {"eta": 1.0}),
        ("sde_dpmpp_2m", {"eta": 1.0}),
        ("sde_dpmpp_2m", {"eta": 0.5, "variant": "heun"}),
    ],
)
def test_stochastic_laws(method, options):
    for law in stochastic_sampler_laws:
        law(sampler(method, **options), max_examples=2)
