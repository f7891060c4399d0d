"""Fréchet derivative, its adjoint and the condition number against closed forms and mpmath."""

import mpmath
import numpy as np
import pytest

from mathcore import _arrays
from mathcore.matrices.exponential import expm
from mathcore.matrices.exponential_derivative import expm_cond, expm_frechet, expm_vjp

SIZES = [1e-3, 1.0, 30.0]


def _array(xp, values):
    return xp.asarray(values.tolist(), dtype=getattr(xp, values.dtype.name))


def _exact_frechet(a, e):
    """The (1, 2) block of exp [[A, E], [0, A]] in 60 digits (Mathias 1996)."""
    n = len(a)
    block = np.block([[a, e], [np.zeros_like(a), a]])
    with mpmath.workdps(60):
        rows = [[mpmath.mpmathify(complex(x)) for x in row] for row in block]
        values = mpmath.expm(mpmath.matrix(rows), method="taylor").tolist()
    exact = np.array(values, dtype=complex)[:n, n:]
    return exact if np.iscomplexobj(a) else exact.real


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_frechet_derivative(xp, size, dtype):
    rng = np.random.default_rng(0)
    a, e = (rng.standard_normal((4, 4)).astype(dtype) for _ in range(2))
    if dtype == "complex128":
        a, e = a + 1j * rng.standard_normal((4, 4)), e - 1j * rng.standard_normal((4, 4))
    a = a * (size / np.linalg.norm(a, 1))
    exact = _exact_frechet(a, e)
    value, frechet = expm_frechet(_array(xp, a), _array(xp, e))
    scale = np.abs(exact).max()
    bound = 100 * 2.0**-53 * max(1.0, size) * max(1.0, float(expm_cond(a))) * scale
    assert np.abs(_arrays.to_numpy(frechet) - exact).max() <= bound
    expected = _arrays.to_numpy(expm(_array(xp, a)))
    assert (
        np.abs(_arrays.to_numpy(value) - expected).max()
        <= 1e-13 * max(1.0, size) * np.abs(expected).max()
    )


@pytest.mark.parametrize("size", SIZES)
def test_adjoint(xp, size):
    """⟨G, L(A, E)⟩ = ⟨L*(A, G), E⟩."""
    rng = np.random.default_rng(1)
    a, e, g = rng.standard_normal((3, 2, 5, 5)) + 1j * rng.standard_normal((3, 2, 5, 5))
    a = a * (size / np.abs(a).sum(axis=-2).max())
    frechet = _arrays.to_numpy(expm_frechet(_array(xp, a), _array(xp, e)).frechet)
    gradient = _arrays.to_numpy(expm_vjp(_array(xp, a), _array(xp, g)))
    left, right = np.sum(np.conj(g) * frechet), np.sum(np.conj(gradient) * e)
    assert abs(left - right) <= 1e-12 * max(1.0, size) * np.abs(frechet).max() * np.abs(g).sum()


def test_batches_broadcast_and_members_keep_their_own_scaling():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((3, 1, 4, 4)) * np.array([1e-4, 1.0, 40.0])[:, None, None, None]
    e = rng.standard_normal((2, 4, 4))
    value, frechet = expm_frechet(a, e)
    assert value.shape == frechet.shape == (3, 2, 4, 4)
    for i in range(3):
        for j in range(2):
            alone = expm_frechet(a[i, 0], e[j])
            scale = np.abs(alone.frechet).max()
            np.testing.assert_allclose(frechet[i, j], alone.frechet, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("n", [0, 1])
def test_small_orders(xp, n):
    a = xp.ones((2, n, n), dtype=xp.float64) * 0.5
    value, frechet = expm_frechet(a, 2 * a)
    np.testing.assert_allclose(
        _arrays.to_numpy(value), np.exp(0.5) * np.ones((2, n, n)), rtol=1e-15
    )
    np.testing.assert_allclose(
        _arrays.to_numpy(frechet), np.exp(0.5) * np.ones((2, n, n)), rtol=1e-15
    )
    np.testing.assert_allclose(_arrays.to_numpy(expm_cond(a)), [0.5 * n, 0.5 * n], rtol=1e-14)


def test_torch_gradient_is_the_sweep():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    a, g = torch.tensor(rng.standard_normal((2, 3, 6, 6)))
    a = (4 * a).requires_grad_()
    (gradient,) = torch.autograd.grad(expm(a), a, g)
    sweep = expm_vjp(a.detach(), g)
    assert (gradient - sweep).abs().amax() <= 1e-11 * sweep.abs().amax()


@pytest.mark.parametrize("size", [0.1, 5.0])
@pytest.mark.parametrize("n", [2, 5, 8, 9, 12])
def test_condition_number(n, size):
    """Against SciPy's, which forms the whole Kronecker matrix."""
    import scipy.linalg

    rng = np.random.default_rng(n)
    a = np.stack([rng.standard_normal((n, n)) * size / np.sqrt(n), np.triu(np.ones((n, n)))])
    for found, member in zip(expm_cond(a), a, strict=True):
        exact = scipy.linalg.expm_cond(member)
        assert abs(found - exact) <= (1e-10 if n <= 8 else 2e-2) * exact


def test_condition_number_of_normal_matrices(xp):
    a = xp.asarray([[0.0, 3.0], [-3.0, 0.0]], dtype=xp.float64)
    assert abs(float(expm_cond(a)) - 3.0) <= 1e-13  # ‖L‖ = 1, ‖A‖_F / ‖e^A‖_F = 3


def test_bad_input():
    with pytest.raises(ValueError, match=r"`e` must be square .*got shape \(2, 3\)"):
        expm_frechet(np.eye(2), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="`cotangent` must have the order 2 of `a`"):
        expm_vjp(np.eye(2), np.eye(3))
    with pytest.raises(TypeError, match="`e` must be an array of the same library as `a`"):
        expm_frechet(np.eye(2), pytest.importorskip("array_api_strict").eye(2))
