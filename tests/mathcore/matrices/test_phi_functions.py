"""The φ-functions and their action: closed forms, every kind of operator, edges, gradients."""

import math

import mpmath
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from mathcore import _arrays
from mathcore.matrices.phi_functions import phi, phi_multiply


def _scalar(z, k):
    """φ_k(z) in 60 digits."""
    with mpmath.workdps(60 + int(abs(z))):
        if abs(z) < 1:
            series = (mpmath.mpf(z) ** j / mpmath.factorial(j + k) for j in range(60))
            return float(mpmath.fsum(series))
        partial = mpmath.fsum(mpmath.mpf(z) ** j / mpmath.factorial(j) for j in range(k))
        return float((mpmath.exp(z) - partial) / mpmath.mpf(z) ** k)


def _normal(values, seed=0):
    """A symmetric matrix with these eigenvalues, and its eigenvectors."""
    size = len(values)
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]
    return (q * np.asarray(values)) @ q.T, q


@pytest.mark.parametrize("z", [0.0, 1e-300, -1e-9, 1e-3, 0.7, -1.0, 8.0, -30.0, -1e4, 300.0])
def test_scalars(xp, z):
    for k, function in enumerate(phi(xp.asarray([[z]], dtype=xp.float64), 5)):
        # z moves by eps/2: φ_k(z) by eps·|z| / 2 at most relative to φ_0 or φ_k
        scale = max(_scalar(z, k), math.exp(min(z, 0)) if k == 0 else 0.0)
        assert abs(float(function[0, 0]) - _scalar(z, k)) <= 2**-52 * (8 + 4 * abs(z)) * scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spread", [1e-6, 1.0, 40.0, 1e4])
def test_symmetric_matrices(dtype, spread):
    values = -spread * np.linspace(0.0, 1.0, 6)
    a, q = _normal(values)
    functions = phi(a.astype(dtype), 4)
    for k, function in enumerate(functions):
        assert function.dtype == np.dtype(dtype)
        exact = (q * np.array([_scalar(z, k) for z in values])) @ q.T
        error = np.abs(function - exact).max() / np.abs(exact).max()
        assert error <= 20 * np.finfo(dtype).eps * (1 + spread)


def test_rotation():
    """φ_1 of a plane rotation generator: sin ω / ω and (1 − cos ω) / ω."""
    for omega in (1e-8, 1.0, 50.0):
        _, first = phi(np.array([[0.0, -omega], [omega, 0.0]]), 1)
        sine, cosine = math.sin(omega) / omega, 2 * math.sin(omega / 2) ** 2 / omega
        desired = np.array([[sine, -cosine], [cosine, sine]])
        np.testing.assert_allclose(first, desired, rtol=0, atol=2**-52 * (2 + 4 * omega))


def test_large_powers_that_cancel_are_not_overscaled():
    """[[1, c], [0, −1]] has A² = I: φ_1 = sinh(1) I + (cosh(1) − 1) A."""
    a = np.array([[1.0, 1e8], [0.0, -1.0]])
    _, first = phi(a, 1)
    desired = math.sinh(1.0) * np.eye(2) + (math.cosh(1.0) - 1.0) * a
    np.testing.assert_allclose(first, desired, rtol=100 * 2**-52)


def test_singular_and_nilpotent_matrices():
    a = 30.0 * np.eye(4, k=1)
    for k, function in enumerate(phi(a, 3)):
        desired = sum(np.linalg.matrix_power(a, j) / math.factorial(j + k) for j in range(4))
        np.testing.assert_allclose(function, desired, rtol=1e-14)


def _in_mpmath(a, p):
    """φ_0(A) … φ_p(A) by the series of A / 2^s, and the doubling formula in as many more digits."""
    matrix = mpmath.matrix([[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()])
    halvings = max(0, math.ceil(math.log2(np.abs(a).sum(axis=0).max()))) + 2
    with mpmath.workdps(40 + halvings):
        scaled, term = matrix / 2**halvings, mpmath.eye(len(a))
        functions = [mpmath.zeros(len(a)) for _ in range(p + 1)]
        for j in range(40):
            functions = [f + term / mpmath.factorial(j + k) for k, f in enumerate(functions)]
            term = term * scaled
        for _ in range(halvings):
            first = functions[0]
            functions = [first * first] + [
                (
                    first * functions[k]
                    + sum(
                        (functions[j] / mpmath.factorial(k - j) for j in range(1, k + 1)),
                        mpmath.zeros(len(a)),
                    )
                )
                / 2**k
                for k in range(1, p + 1)
            ]
        return [np.array(f.tolist(), dtype=complex) for f in functions]


_STIFF = {
    "stiff": np.array([[-1.0, 1e7], [0.0, -1e7]]),
    "stiff, descending": np.array([[-1e7, 1e7], [0.0, -1.0]]),
    "three scales": np.array([[-1.0, 1e4, 1e5], [0.0, -1e4, 1e6], [0.0, 0.0, -1e7]]),
    "Jordan block": np.array([[0.1, 1e6], [0.0, 0.1]]),
    "cancelling powers": np.array([[1.0, 1e6], [0.0, -1.0]]),
    "large entry": np.array([[1.0, 1e17], [0.0, 1.0]]),
    "nearly equal": np.array([[-20.0, 1e6], [0.0, -20.0 * (1 + 1e-9)]]),
    "about the change of method": np.array([[8.1, 1e3, 1e3], [0.0, -7.9, 1e3], [0.0, 0.0, 7.9]]),
    "complex": np.array([[-1 + 5j, 1e5], [0.0, -1e5j]]),
}


@pytest.mark.parametrize("case", _STIFF)
def test_triangular_matrices_to_machine_precision(case):
    a = _STIFF[case]
    for dtype in ("float64", "float32") if a.dtype.kind == "f" else ("complex128", "complex64"):
        exact = _in_mpmath(a.astype(dtype), 4)
        for turned in (False, True):
            values = phi(a.astype(dtype).T if turned else a.astype(dtype), 4)
            for value, desired in zip(values, exact, strict=True):
                error = np.abs((value.T if turned else value) - desired).max()
                error /= np.abs(desired).max()
                assert value.dtype == np.dtype(dtype)
                assert error <= 10 * len(a) * np.finfo(dtype).eps / 2


def test_overflow_of_triangular_matrices_is_no_nan():
    for function in phi(np.array([[800.0, 1.0], [0.0, 1.0]]), 2):
        assert not np.isnan(function).any() and np.isposinf(function[0, 0])
        assert np.isfinite(function[1, 1])


def test_batches(xp):
    rng = np.random.default_rng(1)
    members = [0 * np.eye(3), 1e-3 * rng.standard_normal((3, 3)), 50 * rng.standard_normal((3, 3))]
    bad = np.full((3, 3), np.nan)
    host = np.stack([*members, bad])
    together = phi(xp.asarray(host.tolist(), dtype=xp.float64), 2)
    for k in range(3):
        batch = _arrays.to_numpy(together[k])
        assert np.isnan(batch[3]).all()
        for member, value in zip(members, batch[:3], strict=True):
            alone = phi(member, 2)[k]
            np.testing.assert_allclose(value, alone, rtol=0, atol=1e-12 * np.abs(alone).max())


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_empty(shape):
    functions = phi(np.ones(shape), 2)
    assert [f.shape for f in functions] == [shape] * 3


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`a` must be square"):
        phi(np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="`p` must be >= 0"):
        phi(np.eye(2), -1)
    with pytest.raises(TypeError, match="`p` must be an integer"):
        phi(np.eye(2), 1.0)
    with pytest.raises(ValueError, match=r"`u` must have shape \(n, p \+ 1\)"):
        phi_multiply(np.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="`b` must have shape"):
        phi_multiply(np.eye(2), np.ones((3, 2)))
    with pytest.raises(ValueError, match="`t` must be finite"):
        phi_multiply(np.eye(2), np.ones((2, 2)), math.nan)
    with pytest.raises(ValueError, match="`rtol` must be"):
        phi_multiply(scipy.sparse.eye_array(2), np.ones((2, 2)), rtol=-1.0)


# --- action ---------------------------------------------------------------------------------------

_KINDS = {
    "dense": lambda a: a,
    "csr": scipy.sparse.csr_array,
    "linear operator": scipy.sparse.linalg.aslinearoperator,
    "callable": lambda a: lambda v: a @ v,
}


@pytest.mark.parametrize("t", [1.0, -0.5, 1e-3, 25.0])
@pytest.mark.parametrize("n", [6, 150])
@pytest.mark.parametrize("kind", _KINDS)
def test_action_on_symmetric_matrices(kind, n, t):
    values = -4.0 * np.linspace(0.0, 1.0, n) ** 2
    a, q = _normal(values)
    u = np.random.default_rng(2).standard_normal((n, 4))
    scalars = np.array([[t**k * _scalar(t * z, k) for k in range(4)] for z in values])
    desired = q @ np.sum(scalars * (q.T @ u), axis=1)
    error = np.linalg.norm(phi_multiply(_KINDS[kind](a), u, t) - desired)
    assert error <= 2**-52 * (30 + 10 * abs(t)) * np.linalg.norm(desired) * math.sqrt(n)


def test_action_solves_its_differential_equation():
    """x' = A x + u_1 + u_2 t on the chain of a heat equation, by its sine transform."""
    n, t = 200, 300.0
    j = np.arange(1, n + 1)
    sines = math.sqrt(2 / (n + 1)) * np.sin(np.pi * (np.outer(j, j) % (2 * n + 2)) / (n + 1))
    values = -4 * np.sin(np.pi * j / (2 * n + 2)) ** 2
    u = np.random.default_rng(3).standard_normal((n, 3))
    scalars = np.array([[t**k * _scalar(t * z, k) for k in range(3)] for z in values])
    desired = sines @ np.sum(scalars * (sines.T @ u), axis=1)
    chain = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    x = phi_multiply(chain, u, t)
    assert np.linalg.norm(x - desired) <= 2**-52 * 40 * t * np.linalg.norm(desired)


def test_action_keeps_library_and_dtype(xp):
    rng = np.random.default_rng(4)
    a, u = rng.standard_normal((5, 5)), rng.standard_normal((5, 3))
    desired = sum(f @ u[:, k] for k, f in enumerate(phi(a, 2)))
    for name, tolerance in (("float32", 1e-4), ("float64", 1e-13), ("complex128", 1e-13)):
        matrix, vectors = (xp.asarray(v.tolist(), dtype=getattr(xp, name)) for v in (a, u))
        for operator in (matrix, lambda v, matrix=matrix: matrix @ v):
            x = phi_multiply(operator, vectors)
            assert x.dtype == vectors.dtype
            np.testing.assert_allclose(_arrays.to_numpy(x), desired, rtol=0, atol=tolerance)


def test_action_with_no_forcing_and_no_order():
    a, u = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(2)[:, :1]
    np.testing.assert_allclose(phi_multiply(a, u, 1.0), [math.cos(1), -math.sin(1)], atol=1e-15)
    assert phi_multiply(np.ones((0, 0)), np.ones((0, 3))).shape == (0,)
    for p in (1, 3):
        zero = np.zeros((2, p + 1))
        np.testing.assert_array_equal(phi_multiply(scipy.sparse.csr_array(a), zero, 2.0), 0.0)
        u = np.concatenate([np.eye(2)[:, :1], np.zeros((2, p))], axis=1)
        x = phi_multiply(scipy.sparse.csr_array(a), u, 0.0)
        np.testing.assert_allclose(x, [1.0, 0.0], atol=1e-15)
    spoiled = np.ones((2, 3))
    spoiled[0, 1] = math.nan
    for operator in (a, scipy.sparse.csr_array(a)):
        assert np.isnan(phi_multiply(operator, spoiled)).any()


def test_gradients():
    torch = pytest.importorskip("torch")
    a = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u = torch.ones(4, 3, dtype=torch.float64)
    for scale in (0.1, 3.0):
        scaled = (scale * a).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: phi(x, 2), (scaled,))
        assert torch.autograd.gradcheck(phi_multiply, (scaled, u.requires_grad_()))


def test_traced_by_jax():
    jax = pytest.importorskip("jax")
    a = np.random.default_rng(5).standard_normal((3, 3))
    stacked = jax.numpy.stack([a, 20 * a])
    mapped = jax.jit(jax.vmap(lambda x: phi(x, 2)[2]))(stacked)
    for value, factor in zip(np.asarray(mapped), (1, 20), strict=True):
        alone = phi(factor * a, 2)[2]
        np.testing.assert_allclose(value, alone, rtol=0, atol=1e-12 * np.abs(alone).max())
