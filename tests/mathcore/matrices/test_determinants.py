"""References, edges and gradients of determinants and volumes; their laws run in the law suite."""

import math

import mpmath
import numpy as np
import pytest

from mathcore import _arrays, det, distance_to_span, slogdet


def _hilbert(m, n):
    i, j = np.indices((m, n))
    return 1.0 / (i + j + 1)


def _exact_log_volume(a):
    with mpmath.workdps(60):
        tall = mpmath.matrix(a.tolist())
        return float(mpmath.log(mpmath.det(tall.T * tall)) / 2)


def test_rectangle_in_space(xp):
    a = xp.asarray([[3.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    for side in (a, xp.matrix_transpose(a)):
        assert abs(float(det(side)) - 10.0) <= 4e-15 * 10 * (_arrays.eps(a) / 2.2e-16)


@pytest.mark.parametrize("n", [2, 4, 6])
def test_error_grows_with_the_condition_not_its_square(n):
    a = _hilbert(n + 4, n)
    condition = np.linalg.cond(a)
    error = abs(float(slogdet(a).logabsdet) - _exact_log_volume(a))
    assert error <= 10 * n * 2.0**-52 * condition
    if n == 6:  # the Gram determinant loses what the QR keeps
        gram = abs(np.linalg.slogdet(a.T @ a)[1] / 2 - _exact_log_volume(a))
        assert error < gram / 100


def test_volumes_far_beyond_the_range_of_floats(xp):
    a = xp.eye(40, 30, dtype=xp.float64) * 1e-300
    sign, logabsdet = slogdet(a)
    assert float(sign) == 1.0
    assert abs(float(logabsdet) - 30 * math.log(1e-300)) <= 1e-10


def test_singular(xp):
    for shape in ((3, 3), (4, 2), (2, 4)):
        sign, logabsdet = slogdet(xp.zeros(shape))
        assert (float(sign), float(logabsdet)) == (0.0, -math.inf)
        assert float(det(xp.zeros(shape))) == 0.0


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 4, 0)])
def test_empty_sides_have_volume_one(xp, shape):
    batch = shape[:-2]
    np.testing.assert_array_equal(_arrays.to_numpy(det(xp.zeros(shape))), np.ones(batch))
    sign, logabsdet = slogdet(xp.zeros(shape))
    np.testing.assert_array_equal(_arrays.to_numpy(sign), np.ones(batch))
    np.testing.assert_array_equal(_arrays.to_numpy(logabsdet), np.zeros(batch))


def test_empty_batch(xp):
    assert det(xp.zeros((0, 3, 2))).shape == (0,)
    assert slogdet(xp.zeros((0, 3, 3))).sign.shape == (0,)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_dtypes(xp, dtype):
    a = xp.ones((3, 2), dtype=getattr(xp, dtype)) + xp.eye(3, 2, dtype=getattr(xp, dtype))
    assert det(a).dtype == a.dtype
    sign, logabsdet = slogdet(a)
    assert sign.dtype == a.dtype
    assert xp.isdtype(logabsdet.dtype, "real floating")


def test_volume_is_real_and_positive_for_complex_matrices():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((5, 3)) + 1j * rng.standard_normal((5, 3))
    volume = det(a)
    assert volume.imag == 0
    exact = np.sqrt(np.linalg.det(a.conj().T @ a).real)
    assert abs(volume.real - exact) <= 1e-13 * exact


def test_gradient_of_a_volume_is_the_pseudo_inverse():
    torch = pytest.importorskip("torch")
    a = torch.tensor(np.random.default_rng(0).standard_normal((2, 5, 3)), requires_grad=True)
    slogdet(a).logabsdet.sum().backward()
    expected = torch.linalg.pinv(a.detach()).mT
    torch.testing.assert_close(a.grad, expected, rtol=1e-12, atol=1e-12)
    jax = pytest.importorskip("jax")
    array = jax.numpy.asarray(a.detach().numpy())
    gradient = jax.grad(lambda x: slogdet(x).logabsdet.sum())(array)
    np.testing.assert_allclose(gradient, expected.numpy(), rtol=0, atol=1e-12)


def test_distance_to_span(xp):
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((2, 6)), rng.standard_normal((2, 6, 3))
    b[:, :, 2] = b[:, :, 0] + 1e-7 * b[:, :, 2]  # nearly dependent: the Gram matrix would be lost
    distance = distance_to_span(*(xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, b)))
    with mpmath.workdps(50):
        for point, basis, found in zip(x, b, _arrays.to_numpy(distance), strict=True):
            q, _ = mpmath.qr(mpmath.matrix(basis.tolist()), mode="skinny")
            p = mpmath.matrix(point.tolist())
            exact = float(mpmath.norm(p - q * (q.T * p)))
            assert abs(found - exact) <= 100 * 2.0**-52 * np.linalg.cond(basis) * exact


def test_distance_is_the_quotient_of_volumes(xp):
    rng = np.random.default_rng(1)
    x, b = (xp.asarray(rng.standard_normal(s).tolist(), dtype=xp.float64) for s in ((6,), (6, 3)))
    quotient = det(xp.concat([b, x[:, None]], axis=1)) / det(b)
    assert abs(float(distance_to_span(x, b) - quotient)) <= 1e-14 * float(quotient) * 10


@pytest.mark.parametrize("function", [det, slogdet])
def test_vectors_are_refused(function):
    with pytest.raises(ValueError, match=r"`a` must be a matrix .*got shape \(3,\)"):
        function(np.zeros(3))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="`x` must have the length 3 of the columns of `b`"):
        distance_to_span(np.zeros(2), np.zeros((3, 2)))
