"""Hermitian, skew-Hermitian, large and tiny matrices; orders 2 and 3 where formulas cancel."""

import mpmath
import numpy as np
import pytest

from mathcore import _arrays, expm


def _exact(a):
    with mpmath.workdps(60 + min(700, int(np.abs(a).sum(axis=0).max()))):
        rows = [[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()]
        values = mpmath.expm(mpmath.matrix(rows), method="taylor").tolist()
    exact = np.array([[complex(x) for x in row] for row in values])
    return exact if np.iscomplexobj(a) else exact.real


def _gaussian(n, dtype, norm):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)).astype(dtype)
    if np.iscomplexobj(a):
        a += (1j * rng.standard_normal((n, n))).astype(dtype)
    return a * (norm / np.abs(a).sum(axis=0).max()).astype(np.finfo(dtype).dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("size", [1.0, 1e4, 1e6])
@pytest.mark.parametrize("n", [2, 9, 140])
def test_skew_hermitian_is_unitary_at_every_norm(n, dtype, size):
    eps = np.finfo(dtype).eps
    g = _gaussian(n, dtype, size if eps < 1e-10 else size**0.6)
    q = expm(g - g.conj().T, assume_a="skew-hermitian")
    assert np.abs(q.conj().T @ q - np.eye(n)).max() <= 4 * np.sqrt(n) * eps


def test_skew_hermitian_on_every_library(xp):
    g = _gaussian(4, "float64", 1e6)
    q = _arrays.to_numpy(expm(xp.asarray((g - g.T).tolist()), assume_a="skew-hermitian"))
    eps = 1.2e-7 if q.dtype == np.float32 else 2.3e-16
    assert np.abs(q.T @ q - np.eye(4)).max() <= 8 * eps


def test_skew_hermitian_under_jit_and_with_a_member_that_is_nan():
    jax = pytest.importorskip("jax")
    g = _gaussian(4, "float64", 300.0)
    a = np.stack([g - g.T, np.full((4, 4), np.nan), 0 * g])
    eager = expm(a, assume_a="skew-hermitian")
    traced = jax.jit(lambda x: expm(x, assume_a="skew-hermitian"))(jax.numpy.asarray(a))
    for x in (eager, np.asarray(traced)):
        assert np.isnan(x[1]).any()
        np.testing.assert_array_equal(x[2], np.eye(4))
        assert np.abs(x[0].T @ x[0] - np.eye(4)).max() <= 1e-15


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("norm", [1.0, 300.0])
@pytest.mark.parametrize("n", [6, 140])
def test_hermitian(n, dtype, norm):
    """Exactly Hermitian; where eigenvalues do the work, equal to scaling and squaring."""
    g = _gaussian(n, dtype, norm)
    a = (g + g.conj().T) / 2
    x = expm(a, assume_a="hermitian")
    np.testing.assert_array_equal(x, x.conj().T)
    other = _exact(a) if n < 10 else expm(a)
    assert np.abs(x - other).max() <= 10 * n * 2.0**-53 * max(1, norm) * np.abs(other).max()


def test_hermitian_members_that_are_not_finite_stay_alone():
    g = _gaussian(3, "complex128", 100.0)
    a = np.stack([g + g.conj().T, np.full((3, 3), np.nan)])
    x = expm(a, assume_a="hermitian")
    assert np.isnan(x[1]).any() and np.isfinite(x[0]).all()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_each_large_member_has_its_own_scaling(dtype):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 130, 130)).astype(dtype)
    a *= np.array([1e-6, 0.5, 3.0, 100.0])[:, None, None] / np.abs(a).sum(axis=1).max()
    a[1, 0, 0] = np.nan
    x = expm(a)
    for i in (0, 2, 3):
        np.testing.assert_array_equal(x[i], expm(a[i]))
        assert np.isfinite(x[i]).all()
    assert np.isnan(x[1]).any()


@pytest.mark.parametrize("gap", [0.0, 1e-300, 1e-16, 1e-8, 1e-3])
@pytest.mark.parametrize("shift", [0.0, -700.0, 700.0])
def test_nearly_equal_eigenvalues(gap, shift):
    two = np.array([[shift, 1.0], [gap, shift]])
    three = np.array([[shift, 1.0, 0.5], [gap, shift, 1.0], [0.0, gap, shift + gap]])
    for a in (two, three):
        exact = _exact(a)
        bound = 10 * len(a) * 2.0**-53 * max(1.0, np.abs(a).sum(axis=0).max())
        assert np.abs(expm(a) - exact).max() <= bound * np.abs(exact).max()


@pytest.mark.parametrize("size", [5e-324, 1e-320, 1e-300, 1e-160, 1e-16])
@pytest.mark.parametrize("n", [2, 3, 20, 130])
def test_tiny_matrices(n, size):
    a = np.full((n, n), size)
    np.testing.assert_allclose(expm(a), np.eye(n) + a, rtol=n * size + 2.0**-52)  # + A²/2


@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")
@pytest.mark.parametrize("size", [1e10, 1e100, 1e300])
@pytest.mark.parametrize("n", [2, 3, 130])
def test_huge_matrices_decay_to_zero_or_overflow(n, size):
    a = size * np.diag(np.full(n, -1.0)) + size / (4 * n)
    np.testing.assert_array_equal(expm(a), np.zeros((n, n)))
    assert not np.isfinite(expm(-a)).all()
