"""Fréchet derivative, its adjoint and the condition number against closed forms and mpmath."""

import array_api_compat.numpy as NUMPY
import array_api_strict
import mpmath
import numpy as np
import pytest

from mathcore import _arrays
from mathcore.matrices import exponential_derivative
from mathcore.matrices.exponential import expm
from mathcore.matrices.exponential_derivative import expm_cond, expm_frechet, expm_vjp
from mathcore.matrices.small_exponentials import expm_and_derivative_of_small

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


@pytest.mark.small
@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")  # with no compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 16, 17, 33])
def test_kernel_is_the_definition(n, dtype):
    """Lanes, a part of a group, and rows; both directions; very different norms; one NaN."""
    rng = np.random.default_rng(n)
    norms = np.array([1e-5, 0.4, 3.0, 40.0, 0.0, 3.0, 1e-30, 5.0, 2.0])
    a, e = rng.standard_normal((2, len(norms), n, n))
    a *= (norms / np.abs(a).sum(axis=-2).max(axis=-1))[:, None, None]
    a[5, 0, 1] = np.nan
    a, e = a.astype(dtype), e.astype(dtype)
    for members, adjoint in ((slice(None), False), (slice(None), True), (slice(0, 3), True)):
        found = expm_and_derivative_of_small(a[members], e[members], adjoint=adjoint)
        for member, direction, *pair in zip(a[members], e[members], *found, strict=True):
            turned = direction.T if adjoint else direction
            value, frechet = exponential_derivative._of_pairs(NUMPY, member, turned)
            growth = max(1.0, np.nan_to_num(np.abs(member).sum(axis=0).max()))
            for x, exact in zip(pair, (value, frechet.T if adjoint else frechet), strict=True):
                assert np.array_equal(np.isnan(x), np.isnan(exact))
                scale, error = np.nanmax(np.abs(exact), initial=0), np.abs(x - exact)
                bound = 20 * n * np.finfo(dtype).eps * growth * scale
                assert np.nanmax(error, initial=0) <= bound


@pytest.mark.small
@pytest.mark.parametrize("n", [4, 20])
def test_three_hundred_squarings_beside_none(n):
    """e^A and its derivative underflow to 0 in such members, and the others stay what they are."""
    rng = np.random.default_rng(0)
    sizes = 2.0 ** np.array([300, 0, 300, 3, -900, 1, 2, -5, 299])
    a = sizes[:, None, None] * (np.ones((n, n)) / n - 2 * np.eye(n))
    e = rng.standard_normal(a.shape)
    value, frechet = expm_and_derivative_of_small(a, e, adjoint=False)
    for k in range(9):
        if sizes[k] > 1e80:
            assert not value[k].any() and not frechet[k].any()
            continue
        alone = exponential_derivative._of_pairs(NUMPY, a[k], e[k])
        for x, exact in zip((value[k], frechet[k]), alone, strict=True):
            bound = 20 * n * 2.0**-52 * max(1.0, sizes[k]) * np.abs(exact).max()
            assert np.abs(x - exact).max() <= bound


def test_no_matrices():
    empty = np.zeros((0, 4, 4))
    assert expm_vjp(empty, empty).shape == expm_frechet(empty, empty).frechet.shape == (0, 4, 4)


def test_torch_gradient_is_the_adjoint():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    a, g = torch.tensor(rng.standard_normal((2, 3, 6, 6)))
    a = (4 * a).requires_grad_()
    (gradient,) = torch.autograd.grad(expm(a), a, g)
    adjoint = expm_vjp(a.detach(), g)
    assert (gradient - adjoint).abs().amax() <= 1e-11 * adjoint.abs().amax()


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("assume_a", [None, "hermitian", "skew-hermitian", "upper triangular"])
def test_derivatives_of_torch(dtype, assume_a):
    """First and second, backward and forward; one member is squared, the other is not."""
    torch = pytest.importorskip("torch")
    a = np.random.default_rng(4).standard_normal((2, 3, 3)) * np.array([0.1, 3.0])[:, None, None]
    a = torch.tensor(a * (1 + 0.5j) if dtype == "complex128" else a, requires_grad=True)

    def function(x):
        sign = {"hermitian": 1, "skew-hermitian": -1}.get(assume_a, 0)
        return expm(x + sign * x.mH, assume_a=assume_a)

    assert torch.autograd.gradcheck(function, (a,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(function, (a,))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
def test_transformations_of_torch():
    torch = pytest.importorskip("torch")
    a = torch.tensor(np.random.default_rng(5).standard_normal((3, 3, 3)))
    peer, one = torch.linalg.matrix_exp, a[0]

    def total(x):
        return expm(x).sum()

    def jacobian(function):
        return torch.autograd.functional.jacobian(function, one)

    pairs = [
        (torch.func.jvp(expm, (a,), (a,))[1], torch.func.jvp(peer, (a,), (a,))[1]),
        (torch.func.vjp(expm, a)[1](a)[0], torch.func.vjp(peer, a)[1](a)[0]),
        (torch.func.jacrev(expm)(one), jacobian(peer)),
        (torch.func.jacfwd(expm)(one), jacobian(peer)),
        (torch.func.vmap(torch.func.grad(total))(a), torch.func.grad(total)(a)),
        (
            torch.func.hessian(total)(one),
            torch.autograd.functional.hessian(lambda x: peer(x).sum(), one),
        ),
    ]
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_transformations_of_jax():
    """Derivatives of `expm` agree with `expm_frechet` and `expm_vjp`, which are traced too."""
    jax = pytest.importorskip("jax")
    numpy = jax.numpy
    a = numpy.asarray(np.random.default_rng(6).standard_normal((2, 3, 3)) * [[[1]], [[9]]])
    e = numpy.ones_like(a)
    value, frechet = jax.jit(expm_frechet)(a, e)
    gradient = jax.jit(expm_vjp)(a, e)
    scale = float(abs(frechet).max())
    pairs = [
        (expm(a), value),
        (jax.jit(lambda x: jax.jvp(expm, (x,), (e,))[1])(a), frechet),
        (jax.jit(jax.grad(lambda x: expm(x).sum()))(a), gradient),
        (jax.vmap(expm_vjp)(a, e), gradient),
        (numpy.einsum("ijkl->kl", jax.jacrev(expm)(a[0])), gradient[0]),
        (numpy.einsum("ijkl->kl", jax.jacfwd(expm)(a[0])), gradient[0]),
        (
            numpy.einsum("ijkl->ij", jax.hessian(lambda x: expm(x).sum())(a[0])),
            jax.jvp(lambda x: expm_vjp(x, e[0]), (a[0],), (e[0],))[1],
        ),
    ]
    for found, expected in pairs:
        assert float(abs(found - expected).max()) <= 1e-12 * scale


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
        expm_frechet(np.eye(2), array_api_strict.eye(2))
