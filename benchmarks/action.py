"""The action of the exponential on the heat equation of a square, against SciPy; and φ-functions.

Then φ-functions of dense matrices beside the exponential of the augmented matrix, and the kernels
beside their definitions.

The exact answer is known: the eigenvectors of the five-point Laplacian are products of sines.
"""

import math

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from benchmarks.runner import Case
from mathcore.matrices.chebyshev_action import Interval, chebyshev_stepper
from mathcore.matrices.exponential_action import expm_multiply
from mathcore.matrices.linear_operators import Operator, examine, examine_by_definition
from mathcore.matrices.phi_functions import phi, phi_multiply

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
    yield _waves_case(100)
    yield _backwards_case(100)
    for n in (16, 64, 256):
        yield _dense_phi_case(n)
    for side in (30, 100, 300):
        yield _recurrence_case(side)
        yield _entries_case(side)


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


def _waves_case(side):
    """The Schrödinger equation: a complex skew-Hermitian matrix."""
    t, a = 20.0, 1j * laplacian(side)
    rng = np.random.default_rng(0)
    b = rng.standard_normal(side**2) + 1j * rng.standard_normal(side**2)
    scaled, trace = t * a, t * complex(a.trace())
    candidates = {
        "mathcore": lambda: expm_multiply(a, b, t),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(scaled, b, traceA=trace),
    }
    desired = sum(
        unit * exact(side, part, lambda values: np.exp(1j * t * values))
        for unit, part in ((1, b.real), (1j, b.imag))
    )
    return Case(f"expm_multiply, i Laplacian {side}², t = {t:g}", candidates, _within(desired))


def _backwards_case(side):
    """Four vectors, a LinearOperator, a time below zero: nothing is known but products."""
    t, matrix = -1.0, laplacian(side)
    a = scipy.sparse.linalg.aslinearoperator(matrix)
    b = np.random.default_rng(0).standard_normal((side**2, 4))
    scaled, trace = t * a, t * float(matrix.trace())
    candidates = {
        "mathcore": lambda: expm_multiply(a, b, t),
        "SciPy": lambda: scipy.sparse.linalg.expm_multiply(scaled, b, traceA=trace),
    }
    desired = np.stack([exact(side, v, lambda values: np.exp(t * values)) for v in b.T], axis=-1)
    name = f"expm_multiply, LinearOperator {side}², 4 vectors, t = {t:g}"
    return Case(name, candidates, _within(desired))


def _dense_phi_case(n):
    """φ₀ … φ₃ of a dense matrix, and the block matrix whose exponential holds them."""
    p = 3
    a = 4 * np.random.default_rng(0).standard_normal((n, n)) / math.sqrt(n)
    augmented = np.zeros((n * (p + 1),) * 2)
    augmented[:n, :n] = a
    augmented[: n * p, n:] += np.eye(n * p)

    def peer():
        row = scipy.linalg.expm(augmented)[:n]
        return tuple(row[:, n * k : n * (k + 1)] for k in range(p + 1))

    def check(outputs):
        for ours, theirs in zip(*outputs.values(), strict=True):
            assert np.abs(ours - theirs).max() <= _TOLERANCE * np.abs(theirs).max()

    return Case(f"phi, {n}², p = {p}", {"mathcore": lambda: phi(a, p), "SciPy": peer}, check)


# --- kernels beside their definitions -------------------------------------------------------------


def _recurrence_case(side):
    """One Chebyshev expansion to t = 20, ‖A‖ = 8: the products in SciPy's CSR code, or fused."""
    a, t = laplacian(side), 20.0
    b = np.random.default_rng(0).standard_normal(side**2)
    interval = Interval(-8.0, 0.0, False)

    def expansion(matrix):
        step = chebyshev_stepper(
            Operator(lambda v: a @ v, matrix), interval, direction=1, rtol=_TOLERANCE
        )
        return lambda: step(b, [t]).values[0]

    candidates = {"mathcore": expansion(a), "definition": expansion(None)}
    desired = exact(side, b, lambda values: np.exp(t * values))
    return Case(f"Chebyshev sums, Laplacian {side}², t = {t:g}", candidates, _within(desired))


def _entries_case(side):
    a = laplacian(side)
    candidates = {"mathcore": lambda: examine(a), "definition": lambda: examine_by_definition(a)}

    def check(outputs):
        ours, definition = outputs.values()
        assert ours.symmetry == definition.symmetry == "hermitian"
        np.testing.assert_array_equal(ours.row_sums, definition.row_sums)

    return Case(f"entries of a CSR matrix, Laplacian {side}²", candidates, check)
