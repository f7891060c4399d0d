"""solve_linear and fundamental_matrix against integrators of initial value problems."""

import functools

import numpy as np
from scipy import integrate

from benchmarks.runner import Case, peer
from mathcore import expm
from mathcore.matrices import arnoldi
from mathcore.matrices._kernels import arnoldi_cpu
from solvers import fundamental_matrix, solve_linear

diffrax = peer("diffrax")


def cases(quick):
    """A constant matrix of order 256 at 100 times; rotations of order 4 with ‖A‖ up to 10⁴."""
    yield _constant_case(256)
    for n in (256,) if quick else (256, 4096, 65536):
        yield _basis_case(n)
    for omega in (1e2,) if quick else (1e2, 1e3, 1e4):
        yield _rotation_case(omega)


def _constant_case(n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) / np.sqrt(n) - 0.5 * np.eye(n)
    x0, t = rng.standard_normal(n), np.linspace(0.0, 10.0, 100)

    def exact():
        step, x = expm(t[1] * a), [x0]
        for _ in t[1:]:
            x.append(step @ x[-1])
        return np.stack(x, axis=-1)

    def scipy(method, rtol):
        return integrate.solve_ivp(
            lambda s, x: a @ x,
            (0.0, 10.0),
            x0,
            method=method,
            t_eval=t,
            rtol=rtol,
            atol=1e-2 * rtol,
        ).y

    def check(outputs):
        truth = exact()
        for name, y in outputs.items():
            error = np.linalg.norm(y - truth, axis=0) / np.linalg.norm(truth, axis=0)
            assert error.max() < (1e-12 if "mathcore" in name else 1e-6), (name, error.max())

    candidates = {
        "mathcore": lambda: solve_linear(a, (0.0, 10.0), x0, t_eval=t, rtol=1e-13).y,
        "mathcore, one exponential": lambda: (
            solve_linear(a, (0.0, 10.0), x0, t_eval=t, method="expm").y
        ),
        "SciPy DOP853 1e-8": functools.partial(scipy, "DOP853", 1e-8),
        "SciPy LSODA 1e-8": functools.partial(scipy, "LSODA", 1e-8),
        "one expm and products": exact,
    }
    return Case(f"constant A, n = {n}, 100 times", candidates, check)


def _basis_case(n, m=40):
    """A Krylov basis of m vectors: the compiled orthogonalisation and its definition."""
    rng = np.random.default_rng(n)
    diagonal, start = rng.uniform(-1.0, 1.0, n), rng.standard_normal(n)

    def build(step):
        basis, projected = np.empty((m + 1, n)), np.zeros((m + 1, m))
        basis[0] = start / np.linalg.norm(start)
        for j in range(m):
            np.multiply(diagonal, basis[j], out=basis[j + 1])
            assert step(basis, projected, 0, j, 2, 0.5, 1e-15)
        return basis, projected

    def check(outputs):
        for name, (v, h) in outputs.items():
            assert np.abs(v @ v.T - np.eye(m + 1)).max() < 1e-13, name
            assert np.abs(v[:m] * diagonal - h.T @ v).max() < 1e-13, name

    steps = {
        "mathcore": arnoldi_cpu.orthogonalize,
        "mathcore, definition": arnoldi.orthogonalize,
    }
    runs = {name: functools.partial(build, step) for name, step in steps.items()}
    return Case(f"Krylov basis, {m} vectors, n = {n}", runs, check)


def rotation(omega):
    """A(t), skew of order 4 with ‖A(0)‖ = omega, of one time or many, and for JAX."""
    skew = np.random.default_rng(0).standard_normal((3, 4, 4))
    skew = skew - np.swapaxes(skew, 1, 2)
    skew *= omega / np.linalg.norm(skew[0] + 0.3 * skew[1], 2)

    def a(t):
        t = np.asarray(t)[..., None, None]
        return skew[0] + 0.3 * np.cos(2 * t) * skew[1] + 0.3 * np.sin(3 * t) * skew[2]

    return a, skew


def _rotation_case(omega, accuracy=1e-6):
    """The propagator over [0, 1]; each candidate at the tolerance that gives `accuracy`."""
    a, skew = rotation(omega)
    truth = fundamental_matrix(a, (0.0, 1.0), rtol=1e-9)(1.0, 0.0)
    tolerances = [10.0**-k for k in np.arange(1.0, 13.0, 0.5)]

    def ours(method, rtol):
        return fundamental_matrix(a, (0.0, 1.0), method=method, rtol=rtol)(1.0, 0.0)

    def scipy(method, rtol):
        found = integrate.solve_ivp(
            lambda t, y: (a(t) @ y.reshape(4, 4)).ravel(),
            (0.0, 1.0),
            np.eye(4).ravel(),
            method=method,
            rtol=rtol,
            atol=rtol,
        )
        return found.y[:, -1].reshape(4, 4)

    names = {"mathcore": "magnus6", "mathcore cf4": "cf4"}
    runs = {name: functools.partial(ours, m) for name, m in names.items()}
    names = ("DOP853", "LSODA") if omega > 1e3 else ("DOP853", "LSODA", "Radau")
    runs |= {f"SciPy {m}": functools.partial(scipy, m) for m in names}
    if diffrax is not None:
        runs["diffrax Dopri8"] = _diffrax(skew)
    chosen = {name: _tuned(run, truth, accuracy, tolerances) for name, run in runs.items()}

    def check(outputs):
        for name, phi in outputs.items():
            error = np.abs(np.asarray(phi) - truth).max()
            assert error < accuracy, (name, error)

    return Case(f"propagator, n = 4, skew, ‖A‖ = {omega:g}, error {accuracy:g}", chosen, check)


def _tuned(run, truth, accuracy, tolerances):
    """The loosest tolerance that reaches the accuracy, so that errors are equal."""
    for rtol in tolerances:
        if np.abs(np.asarray(run(rtol)) - truth).max() < accuracy:
            return functools.partial(run, rtol)
    raise AssertionError(f"{run} does not reach {accuracy}")


def _diffrax(skew):
    import jax
    import jax.numpy as jnp

    matrices = jnp.asarray(skew)

    def rate(t, y, _):
        a = matrices[0] + 0.3 * jnp.cos(2 * t) * matrices[1] + 0.3 * jnp.sin(3 * t) * matrices[2]
        return a @ y

    @jax.jit
    def solve(rtol):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            diffrax.Dopri8(),
            0.0,
            1.0,
            1e-4,
            jnp.eye(4),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol),
            max_steps=10**6,
            saveat=diffrax.SaveAt(t1=True),
        ).ys[0]

    return lambda rtol: solve(rtol).block_until_ready()
