"""Gradients of determinants, volumes, adjugates and Pfaffians, singular matrices among them."""

import itertools

import numpy as np
import pytest

from mathcore import det, slogdet
from mathcore.matrices.adjugates import adjugate, generalized_cross
from mathcore.matrices.pfaffians import pfaffian
from mathcore.matrices.pseudo_determinants import pseudo_slogdet

RNG = np.random.default_rng(0)
RANK_3 = RNG.standard_normal((4, 3)) @ RNG.standard_normal((3, 4))
MATRICES = {
    "zero": np.zeros((3, 3)),
    "zero of order two": np.zeros((2, 2)),
    "integers": np.arange(1.0, 10.0).reshape(3, 3),
    "rank one less": RANK_3,
    "rank two less": np.diag([1.0, 2.0, 0.0, 0.0]),
    "diagonal": np.diag([1.0, 2.0, 0.0]),
    "nilpotent": np.eye(4, k=1),
    "identity": np.eye(3),
    "regular": RNG.standard_normal((4, 4)),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    module = pytest.importorskip("jax")
    module.config.update("jax_enable_x64", True)
    return module


def _minor(a, rows, columns):
    kept = [np.delete(np.arange(len(a)), gone) for gone in (rows, columns)]
    return _laplace(a[np.ix_(*kept)])


def _laplace(a):
    if len(a) == 0:
        return 1.0
    return sum((-1) ** j * a[0, j] * _minor(a, [0], [j]) for j in range(len(a)))


def _cofactors(a):
    n = range(len(a))
    return np.array([[(-1) ** (i + j) * _minor(a, [i], [j]) for j in n] for i in n])


def _second_derivative(a):
    n = len(a)
    out = np.zeros((n,) * 4)
    for i, k in itertools.permutations(range(n), 2):
        for j, l in itertools.permutations(range(n), 2):
            sign = (-1) ** (i + j + k + l) * (1 if (i < k) == (j < l) else -1)
            out[i, j, k, l] = sign * _minor(a, [i, k], [j, l])
    return out


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # jacfwd's own
@pytest.mark.parametrize("name", MATRICES)
def test_gradient_of_det_is_the_cofactors_in_torch(name, torch):
    a = torch.from_numpy(MATRICES[name])
    expected = torch.from_numpy(_cofactors(MATRICES[name]))
    leaf = a.clone().requires_grad_()
    det(leaf).backward()
    batched = torch.func.vmap(torch.func.grad(det))(torch.stack([a, torch.eye(len(a)).double()]))
    forward = torch.func.jacfwd(det)(a)
    for found in (leaf.grad, torch.func.grad(det)(a), batched[0], forward):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MATRICES)
def test_gradient_of_det_is_the_cofactors_in_jax(name, jax):
    a = jax.numpy.asarray(MATRICES[name])
    expected = _cofactors(MATRICES[name])
    batched = jax.vmap(jax.grad(det))(jax.numpy.stack([a, jax.numpy.eye(len(a))]))
    for found in (jax.jit(jax.grad(det))(a), batched[0], jax.jacfwd(det)(a)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["zero", "rank one less", "nilpotent", "identity", "regular"])
def test_second_derivative_of_det(name, torch, jax):
    a, expected = MATRICES[name], _second_derivative(MATRICES[name])
    in_torch = torch.autograd.functional.hessian(det, torch.from_numpy(a))
    np.testing.assert_allclose(in_torch, expected, rtol=0, atol=1e-12)
    in_jax = jax.jit(jax.hessian(det))(jax.numpy.asarray(a))
    np.testing.assert_allclose(in_jax, expected, rtol=0, atol=1e-12)


def test_complex_gradients(torch, jax):
    a = RNG.standard_normal((3, 3)) + 1j * RNG.standard_normal((3, 3))
    expected = np.linalg.det(a) * np.linalg.inv(a).T
    found = jax.grad(det, holomorphic=True)(jax.numpy.asarray(a))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    leaf = torch.from_numpy(a).requires_grad_()
    assert torch.autograd.gradcheck(det, leaf)
    assert torch.autograd.gradcheck(adjugate, leaf)
    tall = torch.from_numpy(a[:, :2].copy()).requires_grad_()
    assert torch.autograd.gradcheck(det, tall)


def test_multilinear_gradients(torch):
    a = torch.from_numpy(RNG.standard_normal((2, 4, 3))).requires_grad_()
    assert torch.autograd.gradcheck(generalized_cross, a)
    assert torch.autograd.gradcheck(det, a.mT)
    assert torch.autograd.gradgradcheck(det, a)


def test_gradient_of_a_volume_without_volume(torch, jax):
    # of rank two less, where it exists: vol grows like the product of two distances
    a = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(torch.func.grad(det)(torch.from_numpy(a)), 0 * a, atol=1e-13)
    np.testing.assert_allclose(jax.grad(det)(jax.numpy.asarray(a)), 0 * a, atol=1e-13)


def test_slogdet_of_a_batch_with_a_singular_member(torch, jax):
    a = np.stack([np.diag([1.0, 2.0]), np.zeros((2, 2))])
    found = jax.jacobian(lambda x: slogdet(x).logabsdet[0])(jax.numpy.asarray(a))
    np.testing.assert_allclose(found[0], np.diag([1.0, 0.5]), atol=1e-15)
    leaf = torch.from_numpy(a).requires_grad_()
    slogdet(leaf).logabsdet[0].backward()
    np.testing.assert_allclose(leaf.grad[0], np.diag([1.0, 0.5]), atol=1e-15)


@pytest.mark.parametrize("shape", [(5, 4), (4, 4), (3, 4)])
def test_gradient_of_the_pseudo_determinant_is_the_pseudo_inverse(shape, torch, jax):
    a = RNG.standard_normal((shape[0], 2)) @ RNG.standard_normal((2, shape[1]))
    expected = np.linalg.pinv(a).T
    leaf = torch.from_numpy(a).requires_grad_()
    pseudo_slogdet(leaf).logabsdet.backward()
    np.testing.assert_allclose(leaf.grad, expected, rtol=0, atol=1e-13)
    found = jax.grad(lambda x: pseudo_slogdet(x).logabsdet)(jax.numpy.asarray(a))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_gradient_of_the_pseudo_determinant_at_equal_singular_values(torch, jax):
    leaf = torch.eye(3, dtype=torch.float64, requires_grad=True)
    pseudo_slogdet(leaf).logabsdet.backward()
    np.testing.assert_allclose(leaf.grad, np.eye(3), atol=1e-15)
    found = jax.grad(lambda x: pseudo_slogdet(x).logabsdet)(jax.numpy.eye(3))
    np.testing.assert_allclose(found, np.eye(3), atol=1e-15)


def _pfaffian(a):
    if len(a) == 0:
        return 1.0
    rest = [np.delete(np.delete(a, [0, j], 0), [0, j], 1) for j in range(1, len(a))]
    return sum((-1) ** (j - 1) * a[0, j] * _pfaffian(rest[j - 1]) for j in range(1, len(a)))


def _pfaffian_gradient(a):
    out = np.zeros_like(a)
    for i, j in itertools.combinations(range(len(a)), 2):
        rest = np.delete(np.delete(a, [i, j], 0), [i, j], 1)
        out[i, j] = (-1) ** (j - i - 1) * _pfaffian(rest) / 2
    return out - out.T


@pytest.mark.parametrize("rank", [0, 2, 4, 6])
def test_gradient_of_the_pfaffian_at_every_rank(rank, torch, jax):
    b, factor = RNG.standard_normal((6, rank)), np.kron(np.eye(rank // 2), [[0, 1.0], [-1, 0]])
    a = b @ factor @ b.T
    a = (a - a.T) / 2
    expected = _pfaffian_gradient(a)
    leaf = torch.from_numpy(a).requires_grad_()
    pfaffian(leaf).backward()
    np.testing.assert_allclose(leaf.grad, expected, rtol=0, atol=1e-11)
    found = jax.jit(jax.grad(pfaffian))(jax.numpy.asarray(a))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
