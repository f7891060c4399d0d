"""The general solution from known ones against integrating the fundamental matrix."""

import numpy as np
from scipy import integrate, special

from benchmarks.runner import Case
from solvers import general_solution

_TIMES = 200


def cases(quick):
    """Bessel's equation from J0 over [1, 30]; systems of order 4 and 8 over [0, 10]."""
    yield _bessel_case()
    for n, k in ((4, 1),) if quick else ((4, 3), (4, 1), (8, 7), (8, 4), (8, 1)):
        yield _system_case(n, k)


def _bessel_case():
    def a(t):
        t = np.asarray(t)
        zero = np.zeros_like(t)
        return np.stack([zero, zero + 1, zero - 1, -1 / t], axis=-1).reshape(*t.shape, 2, 2)

    def known(t):
        return np.stack([special.j0(t), -special.j1(t)], axis=-1)

    def exact(t):
        return np.stack([known(t), np.stack([special.y0(t), -special.y1(t)], axis=-1)], axis=-1)

    return _case("Bessel 0 from J0, [1, 30]", a, [known], exact, (1.0, 30.0))


def _system_case(n, k):
    """Φ = (I + sin t N) diag(e^{r t}) with N² = 0: A in closed form."""
    rng = np.random.default_rng(n)
    left, right = rng.standard_normal((2, n))
    right -= left * (left @ right) / (left @ left)
    nilpotent, identity = np.outer(left, right) / n, np.eye(n)
    rates = np.linspace(-0.3, 0.3, n)

    def factor(t, sign):
        return identity + sign * np.sin(t)[..., None, None] * nilpotent

    def exact(t):
        t = np.asarray(t)
        return factor(t, 1) * np.exp(rates * t[..., None])[..., None, :]

    def a(t):
        t = np.asarray(t)
        turning = np.cos(t)[..., None, None] * nilpotent
        return turning + factor(t, 1) * rates @ factor(t, -1)

    known = [lambda t, j=j: exact(t)[..., j] for j in range(k)]
    return _case(f"{n} × {n}, {k} solutions known, [0, 10]", a, known, exact, (0.0, 10.0))


def _case(name, a, known, exact, span):
    t = np.linspace(*span, _TIMES)
    n = a(t[0]).shape[-1]

    def quadrature(verify):
        return general_solution(a, known, span, verify=verify).fundamental(t)

    def integration(rtol):
        result = integrate.solve_ivp(
            lambda s, y: (a(s) @ y.reshape(n, n)).ravel(),
            span,
            np.eye(n).ravel(),
            method="DOP853",
            t_eval=t,
            rtol=rtol,
            atol=1e-3 * rtol,
        )
        return np.moveaxis(result.y.reshape(n, n, -1), -1, 0)

    def check(outputs):
        truth = exact(t)
        for candidate, phi in outputs.items():
            c = np.linalg.solve(truth, phi)
            error = np.abs(c - c[:1]).max() / np.abs(c[0]).max()
            assert error < (1e-6 if "1e-8" in candidate else 1e-10), (candidate, error)

    candidates = {
        "mathcore": lambda: quadrature(True),
        "mathcore unverified": lambda: quadrature(False),
        "SciPy DOP853 1e-13": lambda: integration(1e-13),
        "SciPy DOP853 1e-8": lambda: integration(1e-8),
    }
    return Case(name, candidates, check)
