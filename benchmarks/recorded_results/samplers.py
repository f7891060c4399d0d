"""Langevin and diffusion samplers."""

import functools

import numba
import numpy as np

import solvers
from benchmarks.recorded_results.inputs import REAL, normal, row

_compiled = functools.cache(numba.njit)
_UNADJUSTED = ("ula", "leimkuhler-matthews", "baoab", "aboba", "obabo")
_DIFFUSION = (
    *("euler", "ddim", "heun", "dpm_2", "dpm_3", "dpmpp_2s", "dpmpp_2m", "dpmpp_3m"),
    *("unipc_1", "unipc_2", "unipc_3", "deis_1", "deis_2", "deis_3"),
    *("lms_1", "lms_2", "lms_3", "lms_4", "ipndm_1", "ipndm_2", "ipndm_3", "ipndm_4"),
    *("ancestral", "sde_dpmpp_1", "sde_dpmpp_2m", "edm", "mean_value"),
)


def _score(x):
    return -(x**3)


def _write_score(x, out):
    for i in range(x.shape[0]):
        out[i] = -(x[i] ** 3)


def _score_of_level(x, sigma):
    return -x / (1 + sigma**2)


def _level(x):
    return -(x**4).sum() / 4


def _chains(f, method, compiled, dtype, chains=6, dim=3, num_steps=60, matrix=None, **given):
    x0, score = normal(chains, dim, dtype=dtype) / 2, _write_score if compiled else _score
    if method == "annealed":
        score, given["sigmas"] = _score_of_level, np.geomspace(3.0, 0.3, num_steps)
    if method == "mala":
        level = _compiled(_level) if compiled else lambda x: -(x**4).sum(axis=-1) / 4
        given["log_density"] = level
    if matrix:
        full = (np.eye(dim) + 0.2).astype(dtype)
        given["preconditioner"] = np.diagonal(full) if matrix == "diagonal" else full
    score, given = _compiled(score) if compiled else score, {"burn_in": 10, "thin": 3} | given
    return f(score, x0, method=method, step_size=0.1, num_steps=num_steps, rng=7, **given)


def _denoiser(x, sigma):
    return x / (1 + sigma * sigma) * 0.9 + 0.1


def _diffused(f, method, dtype="f8", size=7, **given):
    more = {"edm": {"churn": 20.0}, "mean_value": {"step_table": np.full((6, 2), 0.6)}}
    more = {"eta": 0.7} if "sde" in method or method == "ancestral" else more.get(method, {})
    x, sigmas = 20 * normal(2, size, dtype=dtype), solvers.sigmas_karras(7, 0.02, 20.0)
    return f(_denoiser, x, sigmas, method=method, rng=3, **more, **given)


CASES = (
    row(
        "sample_langevin",
        _chains,
        method=(*_UNADJUSTED, "mala"),
        compiled=(False, True),
        dtype=REAL,
        matrix=("", "diagonal", "full"),
        dim=(1, 3, 8),
    ),
    row(
        "sample_langevin",
        _chains,
        method=(*_UNADJUSTED, "mala"),
        compiled=(False, True),
        dtype=REAL,
        chains=(1200,),
        num_steps=(40,),
    ),
    row(
        "sample_langevin",
        _chains,
        method=("mala",),
        compiled=(False, True),
        dtype=REAL,
        adapt=(True,),
    ),
    row("sample_langevin", _chains, method=("annealed",), compiled=(False, True), dtype=REAL),
    row(
        "restart_chains",
        lambda f: f(
            _chains(solvers.sample_langevin, "ula", False, "f8").state, np.ones((6, 3)), rate=0.5
        ),
    ),
    row("draws_to_arviz", lambda f: f(_chains(solvers.sample_langevin, "ula", False, "f8"))),
    row("minibatches", lambda f, step: f(100, 7, rng=0)(step), step=(0, 9)),
    row("rhat mcse", lambda f, draws: f(normal(4, draws, 2)), draws=(50, 501)),
    row(
        "effective_sample_size",
        lambda f, kind: f(normal(4, 300, 2), kind=kind),
        kind=("bulk", "tail"),
    ),
    row(
        "mmd2",
        lambda f, dtype: f(normal(60, 3, dtype=dtype), normal(50, 3, dtype=dtype) + 1),
        dtype=REAL,
    ),
    row("ksd", lambda f, dtype: f(normal(60, 3, dtype=dtype), _score), dtype=REAL),
    row(
        "contrastive_loss",
        lambda f, weight: f(
            lambda x: (x**2).sum(axis=-1), normal(9, 2), normal(8, 2), energy_weight=weight
        ),
        weight=(0.0, 0.5),
    ),
    row("sample_diffusion", _diffused, method=_DIFFUSION, dtype=REAL, size=(7, 40_000)),
    row(
        "sample_diffusion",
        _diffused,
        method=("ipndm_3", "edm"),
        final=("stop",),
        return_trajectory=(True,),
        threshold=(None, 0.9),
    ),
    row(
        "sample_diffusion",
        _diffused,
        method=("unipc_2",),
        predict=("x0", "eps"),
        variant=("bh1", "bh2"),
    ),
    row(
        "coefficients",
        lambda f, method: f(method, solvers.sigmas_karras(7, 0.02, 20.0)),
        method=_DIFFUSION[:22],
    ),
    row("order_of", lambda f, method: f(method), method=_DIFFUSION),
    row(
        "encode_diffusion",
        lambda f, method: f(
            _denoiser, normal(4, 3), solvers.sigmas_karras(7, 0.02, 20.0), method=method
        ),
        method=_DIFFUSION[:7],
    ),
    row(
        "log_likelihood",
        lambda f, trace: f(
            _denoiser, normal(4, 3), solvers.sigmas_karras(7, 0.02, 20.0), trace=trace, rng=0
        ),
        trace=("exact", "hutchinson"),
    ),
    row(
        "sigmas_karras sigmas_logsnr sigmas_polyexponential",
        lambda f, n: f(n, 0.02, 20.0),
        n=(2, 11),
    ),
    row("sigmas_vp sigmas_quadratic sigmas_iddpm", lambda f, n: f(n, 0.02, 20.0), n=(2, 11)),
    row(
        "fit_gits",
        lambda f, n: f(_denoiser, 20 * normal(9, 2), solvers.sigmas_karras(21, 0.02, 20.0), n),
        n=(4, 6),
    ),
    row(
        "fit_mean_value",
        lambda f, n: f(_denoiser, 20 * normal(9, 2), solvers.sigmas_karras(n, 0.02, 20.0)),
        n=(3, 5),
    ),
    row(
        "denoiser_from_eps denoiser_from_v denoiser_from_flow",
        lambda f, sigma: f(_denoiser)(normal(4, 3), sigma),
        sigma=(0.1, 3.0),
    ),
    row(
        "denoiser_from_edm denoiser_from_sigma_vector",
        lambda f, sigma: f(lambda x, v: x / (1 + v[:, None] ** 2))(normal(4, 3), sigma),
        sigma=(0.1, 3.0),
    ),
    row("timestep_of", lambda f, sigma: f(np.linspace(0.99, 0.01, 50))(sigma), sigma=(0.1, 3.0)),
    row(
        "guided",
        lambda f, weight: f(_denoiser, lambda x, sigma: 0 * x, weight)(normal(4, 3), 2.0),
        weight=(1.0, 3.0),
    ),
    row(
        "identity_losses sid_loss fgm_loss", lambda f: f(*(normal(4, 3, seed=k) for k in range(3)))
    ),
    row(
        "empirical_denoiser",
        lambda f, dtype: f(normal(30, 3, dtype=dtype))(normal(9, 3, dtype=dtype), 0.5),
        dtype=REAL,
    ),
    row(
        "gaussian_mixture_denoiser",
        lambda f, sigma: f([0.3, 0.7], normal(2, 3), np.stack([np.eye(3)] * 2))(
            normal(9, 3), sigma
        ),
        sigma=(0.1, 3.0),
    ),
    row(
        "scale_skips", lambda f, rho: f([normal(3, seed=k) for k in range(4)], rho), rho=(0.5, 1.1)
    ),
    row(
        "tune_skips",
        lambda f, goal: f(
            lambda x, rho_bottom=1.0, rho_top=1.0: rho_bottom * x,
            lambda model: (model(1.0) - goal) ** 2,
        ),
        goal=(0.8, 1.2),
    ),
)
