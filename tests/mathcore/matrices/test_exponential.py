"""References, edges and gradients of the matrix exponential; its laws run in the law suite."""

import math
from fractions import Fraction
from itertools import zip_longest

import array_api_compat.numpy
import mpmath
import numpy as np
import pytest

from mathcore import _arrays, expm
from mathcore.matrices import exponential, taylor_polynomials
from mathcore.matrices.small_exponentials import expm_of_small

# Test matrices of Ward (1977), Najfeld & Havel (1995) and the overscaling literature.
_T = np.array([[1.0, 10, 100], [1, 9, 100], [1, 11, 99]])
REFERENCES = {
    "ward1": np.array([[4.0, 2, 0], [1, 4, 1], [1, 1, 4]]),
    "ward3": np.array([[-131.0, 19, 18], [-390, 56, 54], [-387, 57, 52]]),
    "ward4": np.diag(np.ones(9), 1) + np.diag([1e-10], -9),
    "naha95": _T @ np.diag([-0.001, -1, -100]) @ np.linalg.inv(_T),
    "rotation": np.array([[0.0, 1e4], [-1e4, 0]]),
    "nilpotent": 100 * np.triu(np.random.default_rng(0).standard_normal((8, 8)), 1),
    "ones10": np.ones((10, 10)),
    "grcar20": sum(np.diag(np.ones(20 - k), k) for k in range(4)) - np.diag(np.ones(19), -1),
    "near_defective": np.array([[1.0, 1], [1e-16, 1]]),
    "underflow": np.array([[-800.0, 1], [0, -800]]),
}


def _exact(a):
    with mpmath.workdps(200):
        values = mpmath.expm(mpmath.matrix(a.tolist()), method="taylor").tolist()
    return np.array([[float(x) for x in row] for row in values])


def _condition(a, exact):
    """Relative condition number of the exponential in the 1-norm, from above by differences."""
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(5):
        e = rng.standard_normal(a.shape)
        e *= 1e-8 * np.linalg.norm(a, 1) / np.linalg.norm(e, 1)
        change = np.linalg.norm(_exact(a + e) - exact, 1)
        worst = max(worst, change / (1e-8 * max(np.linalg.norm(exact, 1), 1e-300)))
    return worst


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_matrices(name):
    a = REFERENCES[name]
    exact = _exact(a)
    error = np.linalg.norm(expm(a) - exact, 1) / max(np.linalg.norm(exact, 1), 1e-300)
    unit_roundoff = 2.0**-53
    assert error <= 10 * len(a) * unit_roundoff * max(1.0, _condition(a, exact))


class _Polynomial:
    """Exact polynomials in one unknown, with the operators a matrix has."""

    def __init__(self, *coefficients):
        self.coefficients = [Fraction(x) for x in coefficients]

    def __add__(self, other):
        pairs = zip_longest(self.coefficients, other.coefficients, fillvalue=0)
        return _Polynomial(*(x + y for x, y in pairs))

    def __rmul__(self, factor):
        return _Polynomial(*(Fraction(factor) * x for x in self.coefficients))

    def __truediv__(self, number):
        return _Polynomial(*(x / number for x in self.coefficients))

    def __matmul__(self, other):
        out = [Fraction(0)] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, x in enumerate(self.coefficients):
            for j, y in enumerate(other.coefficients):
                out[i + j] += x * y
        return _Polynomial(*out)


@pytest.mark.parametrize("degree", [4, 8, 15, 21])
def test_polynomials_are_taylor_polynomials(degree):
    """The coefficients of A^k, k ≤ degree, expand to 1/k!, the schemes' defining property."""
    evaluate = getattr(taylor_polynomials, f"taylor_{degree}")
    powers = [_Polynomial(*[0] * k, 1) for k in range(4)]
    expanded = evaluate(*powers[: 4 if degree == 21 else 3]).coefficients
    for k in range(degree + 1):
        # T15+ is published to 16 digits, the others round to the nearest float
        assert abs(float(expanded[k] * math.factorial(k)) - 1.0) <= 6e-16


TRIANGULAR = {
    "jordan": np.array([[0.1, 1e6], [0, 0.1]]),
    "overscale": np.array([[1.0, 1e6], [0, -1]]),
    "amh17": np.array([[1.0, 1e17], [0, 1]]),
    "stiff": np.array([[-1.0, 1e7], [0, -1e7]]),
    "diagonal": np.diag([700.0, -800.0, 0.0, 1e-300]),
    "nilpotent": 100 * np.triu(np.random.default_rng(0).standard_normal((8, 8)), 1),
}


@pytest.mark.parametrize("name", TRIANGULAR)
def test_triangular_matrices(xp, name):
    a = TRIANGULAR[name]
    exact = _exact(a)
    for matrix, expected, word in ((a, exact, "upper"), (a.T, exact.T, "lower")):
        array = xp.asarray(matrix.tolist(), dtype=xp.float64)
        result = _arrays.to_numpy(expm(array, assume_a=f"{word} triangular"))
        error = np.abs(result - expected).max() / np.abs(expected).max()
        assert error <= 10 * len(a) * 2.0**-53
        for offset in (0, 1 if word == "upper" else -1):
            np.testing.assert_allclose(
                np.diagonal(result, offset), np.diagonal(expected, offset), rtol=1e-14, atol=1e-320
            )
        if xp is array_api_compat.numpy:
            np.testing.assert_array_equal(expm(array), result)


def test_mixed_structures_in_a_batch():
    rng = np.random.default_rng(0)
    full = rng.standard_normal((4, 4))
    batch = np.stack([full, np.triu(full), np.tril(full), np.diag(np.diag(full)), 0 * full])
    result = expm(batch)
    for a, x in zip(batch, result, strict=True):
        np.testing.assert_allclose(x, _exact(a), rtol=0, atol=2e-14)
    np.testing.assert_array_equal(result[3], np.diag(np.exp(np.diag(full))))


@pytest.mark.parametrize("n", [2, 3, 8, 30])
def test_skew_hermitian_gives_unitary_to_rounding(n):
    a = np.random.default_rng(0).standard_normal((n, n)) * 50
    q = expm(a - a.T, assume_a="skew-hermitian")
    assert np.abs(q.T @ q - np.eye(n)).max() <= 4 * n * 2.0**-53


@pytest.mark.small
@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")  # with no compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 16, 17, 21, 33])
def test_kernel_is_the_definition(n, dtype):
    """Every rung of the ladder, both layouts, with and without rescaling; one member is NaN."""
    rng = np.random.default_rng(n)
    norms = np.array([1e-5, 0.02, 0.4, 1.0, 3.0, 40.0, 0.0, 3.0, 1e-30, 5.0, 2.0])
    a = rng.standard_normal((len(norms), n, n))
    a *= (norms / np.abs(a).sum(axis=-2).max(axis=-1))[:, None, None]
    a[7, 0, 1] = np.nan
    a = a.astype(dtype)
    for batch in (a, a[:1], a[1:2], a[2:3], a[[3, 6]], a[:3]):
        fused = expm_of_small(batch)
        for x, member in zip(fused, batch, strict=True):
            definition = exponential._scale_and_square(array_api_compat.numpy, member)
            assert np.array_equal(np.isnan(x), np.isnan(definition))
            scale = np.nanmax(np.abs(definition), initial=0)
            growth = max(1.0, np.nan_to_num(np.abs(member).sum(axis=0).max()))
            error = np.nanmax(np.abs(x - definition), initial=0)
            assert error <= 20 * n * np.finfo(dtype).eps * growth * scale


@pytest.mark.small
@pytest.mark.parametrize("n", [4, 20])
@pytest.mark.parametrize("size", [1e3, 1e6, 1e150])
def test_nilpotent_matrices_beyond_every_norm(n, size):
    """A² = 0: e^A = I + A. Where |A| is nilpotent too, no squaring and no overflow at any size."""
    u, v = np.ones(n), 1.0 - 2.0 * (np.arange(n) % 2)
    a = np.stack([np.outer(u, v), np.outer(v, u), 0.001 * np.outer(u, v)] * 4)
    if size > 1e100:
        a[:, :, :-1], a[:, -1, :] = 0.0, 0.0
    a *= size
    exact = np.eye(n) + a
    for x in (
        expm_of_small(a),
        expm_of_small(a[:1]),
        exponential._scale_and_square(array_api_compat.numpy, a),
    ):
        assert np.abs(x - exact[: len(x)]).max() <= 100 * n * 2.0**-53 * size


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_zero_gives_the_identity_in_every_dtype(xp, n, dtype):
    a = xp.zeros((2, n, n), dtype=getattr(xp, dtype))
    result = expm(a)
    assert result.dtype == a.dtype
    np.testing.assert_array_equal(_arrays.to_numpy(result), np.broadcast_to(np.eye(n), (2, n, n)))


def test_empty_batch(xp):
    assert expm(xp.zeros((0, 3, 3))).shape == (0, 3, 3)


def test_integers_become_the_default_float(xp):
    result = expm(xp.zeros((2, 2), dtype=xp.int64))
    assert result.dtype == xp.asarray(1.0).dtype


def test_half_precision_is_computed_in_single():
    a = np.array([[0.0, 1.0], [-1.0, 0.0]], dtype=np.float16)
    expected = expm(a.astype(np.float32)).astype(np.float16)
    np.testing.assert_array_equal(expm(a), expected)


def test_bfloat16_is_computed_in_single():
    torch = pytest.importorskip("torch")
    half = expm(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.bfloat16))
    expected = [[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]]
    assert half.dtype == torch.bfloat16
    np.testing.assert_allclose(half.float().numpy(), expected, atol=2**-8)


def test_nan_stays_in_its_member(xp):
    a = np.zeros((3, 2, 2))
    a[1, 0, 1] = np.nan
    a[2] = [[0.0, 1.0], [-1.0, 0.0]]
    result = _arrays.to_numpy(expm(xp.asarray(a.tolist(), dtype=xp.float64)))
    assert np.isnan(result[1]).any()
    np.testing.assert_array_equal(result[0], np.eye(2))
    rotation = [[math.cos(1), math.sin(1)], [-math.sin(1), math.cos(1)]]
    np.testing.assert_allclose(result[2], rotation, rtol=0, atol=4e-16)


def test_members_of_very_different_norms(xp):
    scales = [1e-300, 1e-8, 1.0, 50.0, 600.0]
    members = np.stack([s * np.array([[-1.0, 1.0], [0.5, -2.0]]) for s in scales])
    result = _arrays.to_numpy(expm(xp.asarray(members.tolist(), dtype=xp.float64)))
    for a, x in zip(members, result, strict=True):
        exact = _exact(a)
        error = np.abs(x - exact).max()
        bound = 20 * 2.0**-53 * max(1.0, np.linalg.norm(a, 1)) * np.abs(exact).max()
        assert error <= bound, np.linalg.norm(a, 1)


def test_huge_norms_do_not_overflow_on_the_way():
    a = np.array([[0.0, 1e200], [0.0, 0.0]])
    np.testing.assert_array_equal(expm(a), [[1.0, 1e200], [0.0, 1.0]])


def test_non_contiguous_and_read_only():
    a = np.random.default_rng(0).standard_normal((4, 6, 6))
    view = a[::2, ::-1, ::-1].swapaxes(-1, -2)
    view.flags.writeable = False
    np.testing.assert_allclose(expm(view), expm(view.copy()), rtol=0, atol=1e-13)


def test_assumed_structure():
    a = np.random.default_rng(0).standard_normal((4, 4))
    symmetric = a + a.T
    result = expm(symmetric, assume_a="hermitian")
    np.testing.assert_array_equal(result, result.T)
    np.testing.assert_allclose(result, expm(symmetric), rtol=1e-13)
    np.testing.assert_allclose(expm(a, assume_a="upper triangular"), expm(np.triu(a)), rtol=0)
    np.testing.assert_allclose(expm(a, assume_a="lower triangular"), expm(np.tril(a)), rtol=0)


def test_gradient_in_torch():
    torch = pytest.importorskip("torch")
    a = torch.tensor(np.random.default_rng(0).standard_normal((2, 3, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(expm, (a,))
    scaled = (20 * a).detach().requires_grad_()
    expm(scaled).sum().backward()
    torch_gradient = scaled.grad.clone()
    scaled.grad = None
    torch.linalg.matrix_exp(scaled).sum().backward()
    scale = scaled.grad.abs().amax()
    assert (torch_gradient - scaled.grad).abs().amax() <= 1e-11 * scale


def test_transformations_of_jax():
    jax = pytest.importorskip("jax")
    a = jax.numpy.asarray(np.random.default_rng(0).standard_normal((2, 3, 3)) * [[[1]], [[9]]])
    eager = expm(a)
    bound = 1e-13 * float(abs(eager).max())
    for transformed in (jax.jit(expm), jax.vmap(expm), jax.jit(jax.vmap(expm))):
        assert float(abs(transformed(a) - eager).max()) <= bound

    def total(x):
        return expm(x).sum()

    gradient = jax.grad(total)(a)
    scale = float(abs(gradient).max())
    assert float(abs(jax.jit(jax.grad(total))(a) - gradient).max()) <= 1e-13 * scale
    # directional derivative by the (1, 2) block of exp [[A, E], [0, A]]
    e = jax.numpy.ones_like(a)
    block = jax.numpy.concat(
        [jax.numpy.concat([a, e], axis=-1), jax.numpy.concat([0 * a, a], axis=-1)], axis=-2
    )
    frechet = expm(block)[..., :3, 3:]
    assert abs(float((gradient * e).sum() - frechet.sum())) <= 1e-12 * float(abs(frechet).sum())


def test_vmap_of_torch():
    torch = pytest.importorskip("torch")
    a = torch.tensor(np.random.default_rng(0).standard_normal((3, 4, 4)))
    torch.testing.assert_close(torch.func.vmap(expm)(a), expm(a), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0, 2.0],), ValueError, r"`a` must be square .*got shape \(2,\)"),
        ((np.zeros((2, 3)),), ValueError, r"`a` must be square .*got shape \(2, 3\)"),
        (([[1.0], [1.0, 2.0]],), ValueError, "`a` must be rectangular"),
        (("matrix",), TypeError, "`a` must be an array; got str"),
        ((np.array([["x"]]),), TypeError, "`a` must be numeric"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        expm(*arguments)


def test_unknown_structure():
    with pytest.raises(ValueError, match="`assume_a` must be one of .*got 'symmetric'"):
        expm(np.eye(2), assume_a="symmetric")
