"""Many initial value problems at once: diffrax under vmap, SciPy and numbalsoda one by one.

Every candidate's last states are checked against a solution at rtol 1e-12 before the timing; the
median member of ours must not be less accurate than diffrax's. `seconds_of_scipy` times a share of
the members one by one; it is no candidate, since the whole loop takes half a minute.
"""

import functools
import time

import numpy as np

from benchmarks.runner import Case, peer
from solvers import solve_ensemble

_SHARE_OF_SCIPY = 100


def lorenz(t, y, rho):
    return 10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]


def van_der_pol(t, y, mu):
    return y[1], mu * ((1 - y[0] * y[0]) * y[1]) - y[0]


def robertson(t, y, k):
    fast, slow = 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
    return -k * y[0] + slow, k * y[0] - slow - fast, fast


_PROBLEMS = [
    # name, fun, start, end, members, their arguments, rtol, atol, diffrax's solver, allowed error
    ("Lorenz", lorenz, (1.0, 0.0, 0.0), 10.0, 10_000, (0.5, 28.0), 1e-6, 1e-6, "Tsit5", 0.1),
    ("van der Pol", van_der_pol, (2.0, 0.0), 20.0, 2000, (1.0, 100.0), 1e-6, 1e-6, "Tsit5", 0.1),
    (
        "Robertson",
        robertson,
        (1.0, 0.0, 0.0),
        1e5,
        1000,
        (0.03, 0.05),
        1e-6,
        1e-10,
        "Kvaerno5",
        1e-4,
    ),
]


def cases(quick):
    """The three problems; a tenth of the members if `quick`."""
    for name, fun, start, end, most, ends, rtol, atol, solver, allowed in _PROBLEMS:
        members = most // 10 if quick else most
        y0, args = np.tile(start, (members, 1)), np.linspace(*ends, members)
        run = functools.partial(solve_ensemble, fun, (0.0, end), y0, args=(args,))
        reference = run(rtol=1e-12, atol=1e-14).y
        candidates = {
            "mathcore": lambda run=run, rtol=rtol, atol=atol: run(rtol=rtol, atol=atol).y,
            **_diffrax(fun, y0, end, args, rtol, atol, solver),
            **_numbalsoda(fun, y0, end, args, rtol, atol),
        }
        check = functools.partial(_agree, reference, allowed)
        yield Case(f"{name}, {members} members, rtol {rtol:g}", candidates, check)


def seconds_of_scipy(fun, y0, end, args, rtol, atol, method="LSODA"):
    """A loop over SciPy's `solve_ivp`, from a share of the members spread over all."""
    from scipy.integrate import solve_ivp

    some = np.linspace(0, len(y0) - 1, _SHARE_OF_SCIPY).astype(int)
    start = time.perf_counter()
    for i in some:
        solve_ivp(fun, (0.0, end), y0[i], args=(args[i],), method=method, rtol=rtol, atol=atol)
    return (time.perf_counter() - start) * len(y0) / len(some)


def _diffrax(fun, y0, end, args, rtol, atol, solver):
    diffrax, jax = peer("diffrax"), peer("jax")
    if diffrax is None or jax is None:
        return {}
    jax.config.update("jax_enable_x64", True)
    term = diffrax.ODETerm(lambda t, y, arg: jax.numpy.stack(fun(t, y, arg)))
    controller = diffrax.PIDController(rtol=rtol, atol=atol)

    @jax.jit
    @jax.vmap
    def run(y0, arg):
        solution = diffrax.diffeqsolve(
            term,
            getattr(diffrax, solver)(),
            0.0,
            end,
            None,
            y0,
            args=arg,
            stepsize_controller=controller,
            max_steps=100_000,
        )
        return solution.ys[0]

    y0, args = jax.numpy.asarray(y0), jax.numpy.asarray(args)
    return {f"diffrax {solver}": lambda: np.asarray(run(y0, args))}


def _numbalsoda(fun, y0, end, args, rtol, atol):
    numbalsoda = peer("numbalsoda")
    if numbalsoda is None:
        return {}
    import numba

    scalar, n = numba.njit(fun), y0.shape[1]

    @numba.cfunc(numbalsoda.lsoda_sig)
    def rate(t, u, du, p):
        y, arg = numba.carray(u, (n,)), numba.carray(p, (1,))
        values = scalar(t, y, arg[0])
        for i in range(n):
            du[i] = values[i]

    address, times = rate.address, np.array([0.0, end])

    @numba.njit(parallel=True)
    def run(y0, args):
        out = np.empty_like(y0)
        for i in numba.prange(len(y0)):
            states, _ = numbalsoda.lsoda(address, y0[i], times, args[i : i + 1], rtol, atol)
            out[i] = states[-1]
        return out

    return {"numbalsoda": lambda: run(y0, args)}


def _agree(reference, allowed, outputs):
    """The largest error within bounds, the median member's not above diffrax's."""
    errors = {name: np.abs(y - reference).max(axis=1) for name, y in outputs.items()}
    ours = errors["mathcore"]
    assert ours.max() <= allowed, f"mathcore: error {ours.max():.3g}"
    for name, error in errors.items():
        if name.startswith("diffrax"):
            found = f"{np.median(ours):.3g} and {np.median(error):.3g}"
            assert np.median(ours) <= np.median(error), f"median errors: {found} of {name}"
