"""The action of the exponential on the heat equation of a square, against SciPy; and φ-functions.

The exact answer is known: the eigenvectors of the five-point Laplacian are products of sines.
"""

import numpy as np
import scipy.fft
import scipy.sparse
import scipy.sparse.linalg

from benchmarks.runner import Case
from mathcore.matrices.exponential_action import expm_multiply
from mathcore.matrices.phi_functions import phi_multiply

_TOLERANCE = 1e-12
_CONVECTION = 0.01  # more of it, and the exact answer loses digits to its weights


def cases(quick):
    """Two grids and two times; a grid of times; an operator that is no stored matrix; φ₀ … φ₂."""
    for side in (100,) if quick else (100, 300):
        for t in (1.0, 100.0):
            yield _heat_case(side, t)
    if quick:
        return
    yield _times_case(100)
    yield _transport_case(100)
    yield _phi_case(100)


def laplacian(side):
    """Five-point Laplacian with zero boundary values, CSR of order side²."""
    line = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(side, side))
    identity = scipy.sparse.eye_array(side)
    return scipy.sparse.csr_array(
        scipy.sparse.kron(line, identity) + scipy.sparse.kron(identity, line)
    )


def exact(side, b, function):
    """``function`` of the Laplacian times b, by the sine transform."""
    values = -4 * np.sin(np.pi * np.arange(1, side + 1) / (2 * side + 2)) ** 2
    spectrum = scipy.fft.dstn(b.reshape(side, side), type=1, norm="ortho")
    spectrum = function(values[:, None] + values) * spectrum
    return scipy.fft.idstn(spectrum, type=1, norm="ortho").ravel()


def _within(desired):
    size = np.linalg.norm(desired)

    def check(outputs):
        for name, x in outputs.items():
            assert np.linalg.norm(x - desired) <= _TOLERANCE * size, name

    return check


def _heat_case(side, t):
    a, b = laplacian(side), np.random.default_rng(0).standard_normal(side**2)
    scaled, trace = t * a, t * float(a.trace())
    candidates = {
        "mathcore": lambda: expm_multiply(a, b, t),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(scaled, b, traceA=trace),
    }
    desired = exact(side, b, lambda values: np.exp(t * values))
    return Case(f"expm_multiply, Laplacian {side}², t = {t:g}", candidates, _within(desired))


def _times_case(side):
    a, b = laplacian(side), np.random.default_rng(0).standard_normal(side**2)
    times = np.linspace(0.0, 100.0, 21)
    candidates = {
        "mathcore": lambda: expm_multiply(a, b, times),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(
            a, b, start=0.0, stop=100.0, num=21, endpoint=True, traceA=float(a.trace())
        ),
    }
    desired = np.stack([exact(side, b, lambda values, t=t: np.exp(t * values)) for t in times])
    return Case(f"expm_multiply, Laplacian {side}², 21 times to 100", candidates, _within(desired))


def _transport_case(side):
    """Convection and diffusion: no symmetry to use."""
    line = scipy.sparse.diags_array(
        [1 + _CONVECTION, -2.0, 1 - _CONVECTION], offsets=[-1, 0, 1], shape=(side, side)
    )
    identity = scipy.sparse.eye_array(side)
    a = (scipy.sparse.kron(line, identity) + scipy.sparse.kron(identity, line)).tocsr()
    t, b = 20.0, np.random.default_rng(0).standard_normal(side**2)
    scaled, trace = t * a, t * float(a.trace())
    candidates = {
        "mathcore": lambda: expm_multiply(a, b, t),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(scaled, b, traceA=trace),
    }
    # D⁻¹ A D is symmetric for D = diag(r^(i + j)): the sine transform again
    powers = np.sqrt((1 + _CONVECTION) / (1 - _CONVECTION)) ** np.arange(side)
    weights = np.outer(powers, powers).ravel()

    def flow(values):  # each axis has −2 + 2√(1 − c²) cos θ, where the Laplacian has −2 + 2 cos θ
        return np.exp(t * ((values + 4) * np.sqrt(1 - _CONVECTION**2) - 4))

    desired = weights * exact(side, b / weights, flow)
    return Case(f"expm_multiply, convection {side}², t = {t:g}", candidates, _within(desired))


def _phi_case(side):
    """The augmented matrix in SciPy's hands, which its users build themselves."""
    a, t = laplacian(side), 20.0
    u = np.random.default_rng(0).standard_normal((side**2, 3))
    forcing = scipy.sparse.csr_array(u[:, :0:-1])
    shift = scipy.sparse.eye_array(2, k=1)
    augmented = t * scipy.sparse.block_array([[a, forcing], [None, shift]], format="csr")
    start, trace = np.concatenate([u[:, 0], [0.0, 1.0]]), t * float(a.trace())
    candidates = {
        "mathcore": lambda: phi_multiply(a, u, t),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(augmented, start, traceA=trace)[
            : side**2
        ],
    }

    def second(values):  # t² φ₂(tz) = (e^{tz} − 1 − tz) / z²
        return (np.expm1(t * values) - t * values) / values**2

    functions = (lambda values: np.exp(t * values), lambda values: np.expm1(t * values) / values)
    desired = sum(exact(side, u[:, k], f) for k, f in enumerate((*functions, second)))
    return Case(f"phi_multiply, Laplacian {side}², p = 2, t = {t:g}", candidates, _within(desired))
