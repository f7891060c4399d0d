"""Laws of the action of the matrix exponential and of the φ-functions.

The action is a callable ``action(a, b, t)``: a (n, n), b (n,) or (n, k), t a number or a list. The
φ-functions are ``phi(a, p)``, a tuple of p + 1 matrices.
"""

import math

import mpmath
import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import REAL_AND_COMPLEX, check_close, law

# Fixed shapes: JAX compiles every operation again for a new one.
_ORDER = 4
_P = 3


def _square(dtype):
    return strategies.matrices(_ORDER, dtype=dtype)


def _any_structure(dtype):
    """General, Hermitian and skew-Hermitian matrices: each may take a method of its own."""
    general = strategies.matrices(_ORDER, dtype=dtype, bound=3.0)
    adjoints = general.map(lambda a: np.conj(a.T))
    return st.one_of(
        general,
        adjoints.map(lambda a: (a + np.conj(a.T)) / 2),
        adjoints.map(lambda a: (a - np.conj(a.T)) / 2),
    )


def _vector(dtype):
    return strategies.matrices(2, dtype=dtype, m=_ORDER)


def _time(dtype):
    return st.sampled_from([-1.5, -0.25, 0.5, 1.0, 3.0])


def _norm(x):
    host = np.abs(_arrays.to_numpy(x))
    return float(host.sum(axis=-2).max()) if host.size else 0.0


def _magnitude(a):
    """‖e^|A|‖₁ (1 + ‖A‖₁): what a relative error of eps in A and in each term comes to."""
    magnitudes = np.abs(_arrays.to_numpy(a)).astype(np.float64)
    total = row = np.ones(magnitudes.shape[-1])
    for k in range(1, 60 + 3 * int(_norm(a))):
        row = row @ magnitudes / k
        total = total + row
    return (1.0 + _norm(a)) * float(total.max())


def _tolerance(a, *factors):
    """20·n·eps·‖e^|A|‖ (1 + ‖A‖) times the 1-norms of the factors that entered."""
    size = 20 * a.shape[-1] * _arrays.eps(a) * _magnitude(a)
    return size * float(np.prod([_norm(x) for x in factors]))


def _reference_phi(a, p, b):
    """φ_0(A) b … φ_p(A) b by their series in 60 digits."""
    with mpmath.workdps(60):
        matrix, term = _exact(a), _exact(b)
        totals = [0 * term for _ in range(p + 1)]
        for j in range(60 + 3 * int(_norm(a))):
            totals = [s + term / mpmath.factorial(j + k) for k, s in enumerate(totals)]
            term = matrix.dot(term)
        values = [s.astype(complex) for s in totals]
    complex_result = np.iscomplexobj(a) or np.iscomplexobj(b)
    return values if complex_result else [value.real for value in values]


def _exact(x):
    # to Python numbers explicitly: mpmath does not read NumPy scalars of every width
    return np.vectorize(mpmath.mpmathify, otypes=[object])(np.array(x.tolist(), dtype=object))


# --- action ---------------------------------------------------------------------------------------


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_any_structure, b=_vector, t=_time)
def is_exponential_times_vector(action, xp, a, b, t):
    """The action is that in 60 digits, for a block of vectors and for one."""
    (desired,) = _reference_phi(t * _arrays.to_numpy(a).astype(complex), 0, _arrays.to_numpy(b))
    desired = desired if _arrays.is_complex(a) else desired.real
    tolerance = _tolerance(t * a, b)
    check_close(xp, action(a, b, t), desired, tolerance=tolerance, what="e^tA b")
    check_close(
        xp, action(a, b[:, 0], t), desired[:, 0], tolerance=tolerance, what="e^tA b, one vector"
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_any_structure, b=_vector, s=_time, t=_time)
def flows_compose(action, xp, a, b, s, t):
    """e^{(s+t)A} b = e^{sA} e^{tA} b."""
    check_close(
        xp,
        action(a, b, s + t),
        action(a, action(a, b, t), s),
        tolerance=_tolerance(abs(s) * a, b) * _magnitude(abs(t) * a),
        what="e^(s+t)A b = e^sA e^tA b",
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_any_structure, b=_vector, c=_vector, t=_time)
def linear_in_the_vector(action, xp, a, b, c, t):
    """e^{tA}(2b − c) = 2 e^{tA} b − e^{tA} c."""
    check_close(
        xp,
        action(a, 2 * b - c, t),
        2 * action(a, b, t) - action(a, c, t),
        tolerance=_tolerance(t * a) * (2 * _norm(b) + _norm(c)),
        what="e^tA (2b - c)",
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_any_structure, b=_vector)
def time_zero_changes_nothing(action, xp, a, b):
    """e^{0A} b = b, exactly, alone and within a grid."""
    check_close(xp, action(a, b, 0.0), b, tolerance=0.0, what="e^0 b = b")
    grid = action(a, b, [1.0, 0.0, -1.0])
    check_close(xp, grid[1, ...], b, tolerance=0.0, what="e^0 b = b in a grid")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_any_structure, b=_vector)
def grid_is_its_times(action, xp, a, b):
    """A grid of times in any order, of both signs and with repetitions gives what each gives."""
    times = [1.0, -0.25, 0.0, 3.0, 1.0]
    alone = xp.stack([action(a, b, t) for t in times])
    check_close(
        xp, action(a, b, times), alone, tolerance=2 * _tolerance(3 * a, b), what="grid = its times"
    )


action_laws = (
    is_exponential_times_vector,
    flows_compose,
    linear_in_the_vector,
    time_zero_changes_nothing,
    grid_is_its_times,
)


# --- φ-functions ----------------------------------------------------------------------------------


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_square)
def phi_recurrence(phi, xp, a):
    """φ_k(A) = A φ_{k+1}(A) + I / k!."""
    functions = phi(a, _P)
    identity = xp.eye(_ORDER, dtype=a.dtype)
    for k in range(_P):
        check_close(
            xp,
            functions[k],
            a @ functions[k + 1] + identity * (1 / math.factorial(k)),
            tolerance=_tolerance(a) * max(1.0, _norm(a)),
            what=f"phi_{k} = A phi_{k + 1} + I/{k}!",
        )


def _invertible(dtype):
    return strategies.matrices(_ORDER, dtype=dtype, condition=5.0)


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_invertible)
def phi_1_inverts(phi, xp, a):
    """φ_1(A) = (e^A − I) A⁻¹ where A is invertible."""
    exponential, first = phi(a, 1)
    identity = xp.eye(_ORDER, dtype=a.dtype)
    check_close(
        xp,
        first,
        (exponential - identity) @ xp.linalg.inv(a),
        tolerance=_tolerance(a) * 5.0 * _ORDER,
        what="phi_1 = (e^A - I) A^-1",
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_square)
def phi_series(phi, xp, a):
    """φ_k(A) = Σ_j A^j / (j + k)!, in 60 digits."""
    for k, (actual, desired) in enumerate(
        zip(phi(a, _P), _reference_phi(_arrays.to_numpy(a), _P, np.eye(_ORDER)), strict=True)
    ):
        check_close(xp, actual, desired, tolerance=_tolerance(a), what=f"phi_{k}")


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_square)
def phi_block(phi, xp, a):
    """e^[[A, I], [0, 0]] = [[e^A, φ_1(A)], [0, I]]."""
    exponential, first = phi(a, 1)
    zero, identity = xp.zeros_like(a), xp.eye(_ORDER, dtype=a.dtype)
    stacked = xp.concat([xp.concat([a, identity], axis=1), xp.concat([zero, zero], axis=1)], axis=0)
    desired = xp.concat(
        [xp.concat([exponential, first], axis=1), xp.concat([zero, identity], axis=1)], axis=0
    )
    check_close(
        xp, phi(stacked, 0)[0], desired, tolerance=_tolerance(stacked), what="phi_1 in e^[A I; 0 0]"
    )


@law(dtypes=REAL_AND_COMPLEX, max_examples=15, a=_square)
def phi_at_zero(phi, xp, a):
    """φ_k(0) = I / k!, beside other matrices of a batch."""
    for k, function in enumerate(phi(xp.stack([0 * a, 8 * a]), _P)):
        desired = np.eye(_ORDER) / math.factorial(k)
        check_close(
            xp, function[0, ...], desired, tolerance=4 * _arrays.eps(a), what=f"phi_{k}(0) = I/{k}!"
        )


phi_laws = (phi_recurrence, phi_1_inverts, phi_series, phi_block, phi_at_zero)
