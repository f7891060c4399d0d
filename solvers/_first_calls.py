"""Small calls that together compile every kernel of `solvers`; see `mathcore.compile`."""

import numpy as np

import solvers


def _decay(t, y):
    return (-y[0],)


def _half(t, y):
    return y[0] - 0.5


def _ring(t, y):
    return (y[9], y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7], y[8])


def _ensemble(dtype):
    solvers.solve_ensemble(_decay, (0.0, 1.0), np.ones((2, 1), dtype))


def _ensemble_with_times(dtype):
    solvers.solve_ensemble(_decay, (0.0, 1.0), np.ones((2, 1), dtype), t_eval=[0.5, 1.0])


def _ensemble_with_events(dtype):
    solvers.solve_ensemble(_decay, (0.0, 1.0), np.ones((2, 1), dtype), events=_half)


def _large_ensemble(dtype):
    solvers.solve_ensemble(_ring, (0.0, 1.0), np.ones((2, 10), dtype))


def _compiled_ivp(dtype):
    import numba

    solvers.solve_ivp(numba.njit(_decay), (0.0, 1.0), np.ones(1, dtype), method="tsit5")


def _langevin(dtype):
    solvers.sample_langevin(
        lambda x: -x, np.zeros((2, 3), dtype), method="ula", step_size=0.1, num_steps=2, rng=0
    )


def _negative(x):
    return -x


def _half_square(x):
    return -0.5 * (x * x).sum()


def _compiled_langevin(dtype):
    import numba

    score, level = numba.njit(_negative), numba.njit(_half_square)
    for method in ("ula", "mala", "baoab"):
        solvers.sample_langevin(
            score,
            np.zeros((2, 3), dtype),
            log_density=level if method == "mala" else None,
            method=method,
            step_size=0.1,
            num_steps=2,
            rng=0,
        )


def _diffusion(dtype):
    x = np.ones((2, 3), dtype)
    for method in ("ipndm_3", "unipc_2", "sde_dpmpp_2m"):
        solvers.sample_diffusion(lambda x, sigma: x / 2, x, [2.0, 1.0, 0.5], method=method, rng=0)


AREAS = {
    "ode": (
        _ensemble,
        _ensemble_with_times,
        _ensemble_with_events,
        _large_ensemble,
        _compiled_ivp,
    ),
    "langevin": (_langevin, _compiled_langevin),
    "diffusion": (_diffusion,),
}
