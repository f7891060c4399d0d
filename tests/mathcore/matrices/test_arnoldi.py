"""Arnoldi's process: orthonormal vectors, A V = V H, and a kernel that is the definition."""

import numpy as np
import pytest

from mathcore.matrices import arnoldi
from mathcore.matrices._kernels import arnoldi_cpu


def spanned(a, x, most, window=None):
    basis = np.empty((most + 1, x.size), dtype=x.dtype)
    basis[0] = x / np.linalg.norm(x)
    projected = np.zeros((most + 1, most), dtype=x.dtype)
    found = arnoldi.extend_basis(lambda v: a @ v, basis, projected, 0, most, window=window)
    return basis, projected, found


def system(n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    a, x = rng.standard_normal((n, n)), rng.standard_normal(n)
    if dtype == "complex128":
        a, x = a + 1j * rng.standard_normal((n, n)), x + 1j * rng.standard_normal(n)
    return a.astype(dtype), x.astype(dtype)


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("window", [None, 3])
def test_basis_projects_the_matrix(dtype, window):
    a, x = system(30, dtype)
    v, h, (count, invariant) = spanned(a, x, 12, window)
    assert count == 12 and not invariant
    close = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(a @ v[:12].T, v.T @ h, atol=close * np.linalg.norm(a, 2))
    gram = np.conj(v) @ v.T
    near = np.abs(np.subtract.outer(range(13), range(13))) <= (window or 13)
    np.testing.assert_allclose(np.where(near, gram, 0), np.where(near, np.eye(13), 0), atol=close)


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("passes", [1, 2])
def test_kernel_is_the_definition(dtype, passes):
    basis, projected, _ = spanned(*system(20, dtype), 6)
    basis[5] = basis[:5].sum(axis=0) + 1e-2 * basis[5]
    results = []
    for step in (arnoldi.orthogonalize, arnoldi_cpu.orthogonalize):
        v, h = basis.copy(), 0 * projected
        assert step(v, h, 1, 4, passes, 0.5, np.finfo(dtype).eps)
        results.append((v[5], h[:, 4]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=2e3 * np.finfo(dtype).eps)


def test_invariant_space_ends_it():
    a = np.diag([1.0, 2, 2, 2, 3])
    for dtype in ("float64", "complex128"):
        v, h, found = spanned(a.astype(dtype), np.ones(5, dtype), 5)
        assert found == (3, True)
        np.testing.assert_allclose(np.linalg.eigvals(h[:3, :3]).real.sum(), 6.0, rtol=1e-14)
        np.testing.assert_allclose(a @ v[:3].T, v[:3].T @ h[:3, :3], atol=1e-14)


def test_lost_digits_are_restored():
    """A product almost inside the space: one pass would leave the basis far from orthogonal."""
    n = 40
    a = np.diag(1.0 + 1e-9 * np.arange(n))
    v, *_ = spanned(a, np.ones(n), 5)
    np.testing.assert_allclose(v @ v.T, np.eye(6), atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    a, x = system(8, "float64")
    a[2, 3] = bad
    _, _, (count, invariant) = spanned(a, x, 4)
    assert invariant and count < 4


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_squares_that_leave_the_range(size):
    """No invariant space: the projection says that it is not known."""
    a, x = system(8, "float64")
    with np.errstate(over="ignore"):
        _, h, _ = spanned(size * a, x, 4)
    assert np.isnan(h).any()
