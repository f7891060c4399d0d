"""Laws of the propagator of a linear ODE system, from systems solved in closed form.

The function under test is called as ``fundamental_matrix(a, (t0, t1))`` with a callable ``a`` of
one time or of a vector of them, and returns a callable ``(t1, t0) -> Φ(t1, t0)`` (n, n) for any two
times of the interval. It is expected to be accurate to 1e-8, relative to the size of Φ.
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

_REAL_AND_COMPLEX = ("float64", "complex128")
_RTOL = 1e-8
_SPAN = (0.0, 2.0)


def _system(dtype):
    return strategies.linear_systems_with_solutions(2 if np.dtype(dtype).kind == "c" else 3, dtype)


def _times(count):
    def drawn(dtype):
        number = st.floats(*_SPAN, width=32)
        return st.lists(number, min_size=count, max_size=count).map(tuple)

    return drawn


def _skew_pair(dtype):
    return strategies.skew_matrices(3, dtype, bound=2.0, batch=(2,))


def _propagator(fundamental_matrix, xp, coefficient, like):
    """Φ(t1, t0) for times in either order."""
    real = like.dtype if not _arrays.is_complex(like) else xp.float64
    return fundamental_matrix(coefficient, xp.asarray(_SPAN, dtype=real))


def _solve(fundamental_matrix, xp, system):
    return _propagator(fundamental_matrix, xp, system.coefficient, system.rates)


def _size(*matrices):
    """The product of the largest entries, each at least 1, times the order."""
    sizes = [max(1.0, np.abs(_arrays.to_numpy(x)).max()) for x in matrices]
    return matrices[0].shape[-1] * float(np.prod(sizes))


def _truth(xp, system, t1, t0):
    late, early = (system.fundamental(xp.asarray(t, dtype=xp.float64)) for t in (t1, t0))
    return late @ xp.linalg.inv(early)


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, times=_times(2))
def matches_the_closed_form(fundamental_matrix, xp, system, times):
    """Φ(b, a) = Φ_true(b) Φ_true(a)⁻¹, whichever of the two is later."""
    b, a = times
    desired = _truth(xp, system, b, a)
    actual = _solve(fundamental_matrix, xp, system)(b, a)
    tolerance = 10 * _RTOL * _size(desired, _truth(xp, system, a, b))
    check_close(xp, actual, desired, tolerance=tolerance, what="Φ(b, a)")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, times=_times(1))
def identity_at_once(fundamental_matrix, xp, system, times):
    """Φ(t, t) = I, as exactly as an inverse of Φ(t, t0) is."""
    phi, t = _solve(fundamental_matrix, xp, system), times[0]
    identity = xp.eye(system.rates.shape[0], dtype=system.rates.dtype)
    condition = np.linalg.cond(_arrays.to_numpy(phi(t, _SPAN[0])))
    tolerance = 8 * identity.shape[0] * _arrays.eps(identity) * float(condition)
    check_close(xp, phi(t, t), identity, tolerance=tolerance, what="Φ(t, t) = I")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, times=_times(3))
def cocycle(fundamental_matrix, xp, system, times):
    """Φ(c, b) Φ(b, a) = Φ(c, a), for times in any order."""
    a, b, c = times
    phi = _solve(fundamental_matrix, xp, system)
    second, first, whole = phi(c, b), phi(b, a), phi(c, a)
    tolerance = 10 * _RTOL * _size(second, first)
    check_close(xp, second @ first, whole, tolerance=tolerance, what="Φ(c, b) Φ(b, a)")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, times=_times(2))
def time_reversal(fundamental_matrix, xp, system, times):
    """Φ(a, b) Φ(b, a) = I."""
    a, b = times
    phi = _solve(fundamental_matrix, xp, system)
    back, there = phi(a, b), phi(b, a)
    identity = xp.eye(there.shape[-1], dtype=there.dtype)
    tolerance = 10 * _RTOL * _size(back, there)
    check_close(xp, back @ there, identity, tolerance=tolerance, what="Φ(a, b) Φ(b, a) = I")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, times=_times(2))
def determinant_by_liouville(fundamental_matrix, xp, system, times):
    """The determinant of Φ(b, a) is e^{∫ tr A}; where there is a ``log_det``, it is that integral.

    The integral is asked to be right to 1e-13 of its size.
    """
    b, a = times
    late, early = (system.log_determinant(xp.asarray(t, dtype=xp.float64)) for t in (b, a))
    desired = late - early
    phi = _solve(fundamental_matrix, xp, system)
    matrix = phi(b, a)
    scaled = xp.linalg.det(matrix) * xp.exp(-desired)
    tolerance = 10 * _RTOL * _size(matrix, _truth(xp, system, a, b))
    check_close(xp, scaled, xp.ones_like(scaled), tolerance=tolerance, what="det Φ = e^∫ tr A")
    if hasattr(phi, "log_det"):
        tolerance = 1e-13 * max(1.0, float(np.abs(_arrays.to_numpy(xp.stack([late, early]))).max()))
        check_close(xp, phi.log_det(b, a), desired, tolerance=tolerance, what="log_det = ∫ tr A")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, skew=_skew_pair, times=_times(2))
def skew_gives_unitary(fundamental_matrix, xp, skew, times):
    """The propagator of a skew-Hermitian A(t) is unitary, to rounding: 1e-12."""
    b, a = times

    def coefficient(t):
        return skew[0, ...] + xp.cos(t)[..., None, None] * skew[1, ...]

    phi = _propagator(fundamental_matrix, xp, coefficient, skew)(b, a)
    identity = xp.eye(phi.shape[-1], dtype=phi.dtype)
    check_close(xp, _arrays.adjoint(phi) @ phi, identity, tolerance=1e-12, what="Φᴴ Φ = I")


propagator_laws = (
    matches_the_closed_form,
    identity_at_once,
    cocycle,
    time_reversal,
    determinant_by_liouville,
    skew_gives_unitary,
)
