"""References, edges and gradients of the square root, the logarithm and the sign; their laws."""

import functools

import mpmath
import numpy as np
import pytest
import scipy.linalg

from mathcore import _arrays
from mathcore.matrices import matrix_functions, schur_functions
from mathcore.matrices.matrix_functions import logm, signm, sqrtm

FUNCTIONS = {"sqrtm": sqrtm, "logm": logm, "signm": signm}
SCHUR = {
    "sqrtm": schur_functions.square_root,
    "logm": schur_functions.logarithm,
    "signm": schur_functions.sign,
}
DTYPES = ["float32", "float64", "complex64", "complex128"]
each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


# --- 60 digits ----------------------------------------------------------------------------------


def _frobenius(m):
    return mpmath.sqrt(mpmath.fsum(abs(x) ** 2 for x in m))


def _settled(x, previous):
    return _frobenius(x - previous) < _frobenius(x) * mpmath.mpf(10) ** -50


def _exact_sqrtm(a):
    x, y = a, mpmath.eye(a.rows)
    for _ in range(120):  # Denman & Beavers
        previous, x, y = x, (x + y**-1) / 2, (y + x**-1) / 2
        if _settled(x, previous):
            return x
    raise ArithmeticError("no convergence")


def _exact_logm(a):
    eye, roots = mpmath.eye(a.rows), 0
    while _frobenius(a - eye) > 1e-2:
        a, roots = _exact_sqrtm(a), roots + 1
    z = (a - eye) * (a + eye) ** -1
    total, term = mpmath.zeros(a.rows), z
    for k in range(16):
        total, term = total + term * (mpmath.mpf(2) / (2 * k + 1)), term * z * z
    return total * mpmath.mpf(2) ** roots


def _exact_signm(a):
    for _ in range(120):
        previous, a = a, (a + a**-1) / 2
        if _settled(a, previous):
            return a
    raise ArithmeticError("no convergence")


EXACT = {"sqrtm": _exact_sqrtm, "logm": _exact_logm, "signm": _exact_signm}


def _to_mpmath(a):
    return mpmath.matrix([[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()])


@functools.cache
def _reference(name, case, dtype):
    """(f(A), relative condition number in the Frobenius norm by differences), from 60 digits."""
    with mpmath.workdps(70):
        exact, a = EXACT[name], _to_mpmath(HARD[case].astype(dtype))
        value, n = exact(a), a.rows
        step = _frobenius(a) * mpmath.mpf(10) ** -20
        columns = []
        for i in range(n * n):
            moved = a.copy()
            moved[i // n, i % n] += step
            slope = (exact(moved) - value) * (_frobenius(a) / step)
            columns.append([complex(x) for x in slope])
        condition = np.linalg.norm(np.array(columns), 2) / float(_frobenius(value))
        return value, condition


def _similar(seed, block):
    v = np.random.default_rng(seed).standard_normal((len(block), len(block)))
    return v @ block @ np.linalg.inv(v)


_RNG = np.random.default_rng(1)
HARD = {
    "well conditioned": 0.3 * _RNG.standard_normal((4, 4)) + 1.5 * np.eye(4),
    "complex": _RNG.standard_normal((3, 3)) + 1j * _RNG.standard_normal((3, 3)) + 2 * np.eye(3),
    "nearly defective": np.array([[1, 1e3, 0], [1e-9, 1, 1e3], [0, 1e-9, 1 + 1e-8]]),
    "Jordan block": np.array([[0.1, 1e6], [0, 0.1]]),
    "far from normal": np.triu(100 * _RNG.standard_normal((3, 3)), 1) + np.diag([1.0, 2, 3]),
    "far from normal, full": np.array([[1, 100, 50], [1e-6, 2, -200], [2e-6, 1e-6, 3]]),
    "near the negative axis": _similar(3, np.array([[-1, 1e-4, 0], [-1e-4, -1, 0], [0, 0, 2.0]])),
    "nearly singular": np.array([[1, 1 - 1e-5], [1, 1.0]]),
    "ill conditioned": _similar(4, np.diag([1, 1e-3, 1e-6])),
    "Frank": np.array([[4, 3, 2, 1], [3, 3, 2, 1], [0, 2, 2, 1], [0, 0, 1, 1.0]]),
    "positive definite": np.array([[1, 0.999, 0], [0.999, 1, 0], [0, 0, 1e-5]]),
    "close to I": np.eye(3) + 1e-6 * _RNG.standard_normal((3, 3)),
}


def _error(x, exact):
    with mpmath.workdps(70):
        return float(_frobenius(_to_mpmath(np.asarray(x)) - exact) / _frobenius(exact))


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_sixty_digits(name, case):
    a = HARD[case]
    for dtype in ("float64", "float32") if a.dtype.kind == "f" else ("complex128", "complex64"):
        exact, condition = _reference(name, case, dtype)
        roundoff = np.finfo(dtype).eps / 2
        bound = 10 * len(a) * roundoff * max(1.0, condition)
        if bound > 0.1:  # no digit is determined by the data in this precision
            continue
        assert _error(FUNCTIONS[name](a.astype(dtype)), exact) <= bound, dtype
        assert _error(SCHUR[name](a.astype(dtype)), exact) <= bound, f"Schur form, {dtype}"


# --- iteration and Schur form -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("n", [1, 2, 5, 20, 40])
def test_iteration_and_schur_form_agree(name, n, dtype):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if dtype[0] == "c" else 0)
    a = a / (3 * np.sqrt(n)) + 1.5 * np.eye(n)
    x, y = FUNCTIONS[name](a), SCHUR[name](a)
    assert x.dtype == y.dtype == a.dtype
    # eigenvalues about 1.5 within a radius of 0.7: condition numbers are below 10
    np.testing.assert_allclose(x, y, rtol=0, atol=100 * n * 2.0**-52 * np.abs(y).max())


@pytest.mark.small
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_square_root_kernel_is_its_definition(n, dtype):
    rng = np.random.default_rng(n)
    count = 500 if n == 2 else 2  # for every thread, or for one
    a = rng.standard_normal((count, n, n)) / (3 * np.sqrt(n)) + 1.5 * np.eye(n)
    a = (a * (np.exp(0.5j) if dtype[0] == "c" else 1) * 2.0 ** rng.integers(-30, 30)).astype(dtype)
    definition, _ = matrix_functions._scaled_square_root(np, a)
    kernel, residual = matrix_functions._fused_square_root(a)
    assert kernel.dtype == a.dtype and residual.shape == (count,)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(kernel, definition, rtol=0, atol=50 * n * eps * np.abs(kernel).max())
    sizes = np.abs(a).sum(axis=-2).max(axis=-1)
    actual = np.abs(kernel @ kernel - a).sum(axis=-2).max(axis=-1) / sizes
    # |re| + |im| for the modulus, and another order of summation
    assert (np.abs(actual - residual) <= 0.5 * residual + 4 * n * eps).all()


@pytest.mark.small
def test_square_root_kernel_reports_failure():
    a = np.stack([np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2)), np.full((2, 2), np.nan)])
    a = np.concatenate([a, [[[2.0, 1.0], [0.5, 2.0]]]])
    out, residual = matrix_functions._fused_square_root(a)
    assert not (residual[:3] < 1).any() and np.isnan(out[:3]).all()
    assert residual[3] <= 1e-15


@pytest.mark.small
@pytest.mark.parametrize("dtype", DTYPES)
def test_triangular_kernel_is_its_definition(dtype):
    rng = np.random.default_rng(3)
    t = np.triu(rng.standard_normal((9, 9)), 1) + np.diag(rng.uniform(1, 4, 9))
    t = (t * (np.exp(1j) if dtype[0] == "c" else 1)).astype(dtype)
    for order in ("C", "F"):
        root = schur_functions.triangular_square_root(np.asarray(t, order=order))
        definition = schur_functions.square_root_by_halves(t)
        assert root.dtype == t.dtype
        tolerance = 50 * np.finfo(dtype).eps * np.abs(definition).max()
        np.testing.assert_allclose(root, definition, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(np.tril(root, -1), 0)


@pytest.mark.parametrize("n", [6, 40])
def test_ill_conditioned_logarithms_take_the_schur_form(n):
    """Where several roots would be needed; exact eigenvalues, orthogonal eigenvectors but one."""
    q = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
    values = np.geomspace(1e-4, 1e4, n)
    shear = np.eye(n) + 0.5 * np.eye(n, k=n - 1)
    log = q @ (shear * np.log(values)) @ np.linalg.inv(shear) @ q.T
    a = q @ (shear * values) @ np.linalg.inv(shear) @ q.T
    # condition number of the logarithm here: ‖A‖ / λ_min / ‖log A‖ or so, 1e8 / 9
    np.testing.assert_allclose(logm(a), log, rtol=0, atol=10 * n * 2.0**-53 * 1e8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_members_without_a_certificate_take_the_schur_form(name, monkeypatch):
    a = HARD["well conditioned"]
    expected = SCHUR[name](a)
    monkeypatch.setattr(matrix_functions, "_certified", lambda a, residual: residual < 0)
    np.testing.assert_array_equal(FUNCTIONS[name](a), expected)


def test_negative_eigenvalues_follow_the_convention_of_scipy():
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    for dtype, result in (("float64", "complex128"), ("float32", "complex64")):
        eps = np.finfo(dtype).eps
        x, log = sqrtm(a.astype(dtype)), logm(a.astype(dtype))
        assert x.dtype == log.dtype == result
        np.testing.assert_allclose(x, scipy.linalg.sqrtm(a), rtol=40 * eps)
        np.testing.assert_allclose(log, scipy.linalg.logm(a), rtol=40 * eps)
    for minus in (-np.eye(2), -np.eye(2) + 0j, -np.eye(2) - 0j):
        np.testing.assert_array_equal(sqrtm(minus), 1j * np.eye(2))
        np.testing.assert_array_equal(logm(minus), 1j * np.pi * np.eye(2))


def test_one_complex_member_makes_the_batch_complex():
    batch = np.stack([np.array([[2.0, 1.0], [0.5, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])])
    x = sqrtm(batch)
    assert x.dtype == np.complex128
    np.testing.assert_array_equal(x[0].imag, 0)
    np.testing.assert_allclose(x @ x, batch, rtol=1e-14)


def test_structures_of_one_batch():
    full = np.array([[2.0, 1.0], [0.5, 2.0]])
    members = [full, np.triu(full), np.tril(full), full + full.T, np.diag([3.0, 0.5])]
    batch = np.stack([*members, np.full((2, 2), np.nan), np.array([[np.inf, 1], [1, 1]])])
    for function in FUNCTIONS.values():
        result = function(batch)
        for value, a in zip(result[:5], members, strict=True):
            np.testing.assert_allclose(value, function(a), rtol=0, atol=1e-15)
        assert np.isnan(result[5:]).all()
        assert result[1, 1, 0] == result[2, 0, 1] == 0
        np.testing.assert_array_equal(result[3], result[3].T)


def test_a_member_does_not_touch_the_others(xp):
    rng = np.random.default_rng(0)
    good = rng.standard_normal((3, 3)) / 4 + np.eye(3)
    bad = np.stack([good, np.full((3, 3), np.nan), 1e6 * good, np.zeros((3, 3))])
    members = bad[:3] if xp.__name__.endswith("numpy") and xp.__name__ != "jax.numpy" else bad
    for function in FUNCTIONS.values():
        batch = _arrays.to_numpy(function(xp.asarray(members.tolist(), dtype=xp.float64)))
        alone = _arrays.to_numpy(function(xp.asarray(good.tolist(), dtype=xp.float64)))
        np.testing.assert_allclose(batch[0], alone, rtol=0, atol=1e-14)
        assert np.isnan(batch[1]).all() and np.isnan(batch[3:]).all()
        assert np.isfinite(batch[2]).all()


# --- where there is none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "a", "message"),
    [
        (sqrtm, [[0.0, 1.0], [0.0, 0.0]], "must have a square root; got a zero eigenvalue"),
        (logm, [[0.0, 1.0], [0.0, 0.0]], "must be nonsingular .* got the eigenvalue 0"),
        (logm, [[1.0, 2.0], [2.0, 4.0]], "must be nonsingular .* got the eigenvalue"),
        (logm, [[1.0, 1.0], [2.0, 2.0]], "must be nonsingular .* got the eigenvalue"),
        (logm, [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], "must be nonsingular .* the eigenvalue"),
        (signm, [[0.0, -1.0], [1.0, 0.0]], "imaginary axis; got the eigenvalue 0[+-]1j"),
        (signm, [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], "imaginary axis; got the eigenvalue"),
        (signm, [[1.0, 5.0], [0.0, 0.0]], "imaginary axis; got the eigenvalue 0"),
        (signm, np.diag([1.0, 0.0]), "imaginary axis; got the eigenvalue 0"),
        (sqrtm, np.ones(3), r"`a` must be square .*got shape \(3,\)"),
        (logm, np.ones((2, 3)), r"`a` must be square .*got shape \(2, 3\)"),
    ],
)
def test_errors_on_numpy(function, a, message):
    with pytest.raises(ValueError, match=message):
        function(np.asarray(a))


@pytest.mark.parametrize("backend", ["torch", "jax.numpy", "array_api_strict"])
def test_nan_on_other_libraries(backend):
    xp = pytest.importorskip(backend)
    bad = {
        sqrtm: [[[1.0, 2.0], [3.0, 4.0]], [[-1.0, 0.0], [0.0, -1.0]], [[1.0, 1.0], [1.0, 1.0]]],
        logm: [[[1.0, 2.0], [3.0, 4.0]], [[-1.0, 0.0], [0.0, -1.0]], [[1.0, 1.0], [1.0, 1.0]]],
        signm: [[[0.0, -1.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]],
    }
    for function, members in bad.items():
        result = _arrays.to_numpy(function(xp.asarray(members)))
        assert result.dtype.kind == "f" and np.isnan(result).all()


def test_square_roots_of_singular_matrices():
    rng = np.random.default_rng(0)
    gram = rng.standard_normal((8, 3))
    gram = gram @ gram.T
    projector = _similar(5, np.diag([0.0, 0.0, 1.0, 4.0]))
    triangular = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    for a in (gram, projector, triangular, np.zeros((3, 3)), np.diag([4.0, 0.0])):
        x = sqrtm(a)
        assert x.dtype == np.float64
        np.testing.assert_allclose(x @ x, a, rtol=0, atol=1e-13 * max(1, np.abs(x).max() ** 2))
    np.testing.assert_array_equal(np.tril(sqrtm(triangular), -1), 0)


# --- edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_and_dtypes(xp, dtype):
    kind = getattr(xp, dtype)
    for function in FUNCTIONS.values():
        for shape in ((0, 0), (2, 0, 0), (0, 3, 3)):
            result = function(xp.zeros(shape, dtype=kind))
            assert result.shape == shape and result.dtype == kind
        result = function(xp.asarray([[[4.0]], [[0.25]]], dtype=kind))
        assert result.dtype == kind
        scalar = {sqrtm: [2, 0.5], logm: np.log([4, 0.25]), signm: [1, 1]}[function]
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(_arrays.to_numpy(result).ravel(), scalar, rtol=4 * eps)


@each_function
def test_identity_is_exact(xp, function):
    expected = np.zeros((3, 3)) if function is logm else np.eye(3)
    np.testing.assert_array_equal(_arrays.to_numpy(function(xp.eye(3))), expected)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e307])
def test_extreme_scales(xp, scale):
    a = np.array([[1.0, 0.5], [0.25, 1.0]])
    scaled = xp.asarray((scale * a).tolist(), dtype=xp.float64)
    root, log, sign = (_arrays.to_numpy(function(scaled)) for function in (sqrtm, logm, signm))
    np.testing.assert_allclose(root, np.sqrt(scale) * sqrtm(a), rtol=1e-14)
    np.testing.assert_allclose(log, logm(a) + np.log(scale) * np.eye(2), rtol=1e-14)
    np.testing.assert_allclose(sign, np.eye(2), rtol=0, atol=1e-15)


def test_range_of_a_diagonal_matrix():
    a = np.diag([1e300, 1.0, 1e-300])
    np.testing.assert_allclose(sqrtm(a), np.diag([1e150, 1.0, 1e-150]), rtol=1e-15)
    np.testing.assert_allclose(logm(a), np.diag(np.log(np.diag(a))), rtol=1e-15)
    np.testing.assert_array_equal(signm(-a), -np.eye(3))


@each_function
def test_views_integers_and_halves(function):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 5, 5)) / 6 + np.eye(5)
    view = a[::2, ::-1, ::-1].swapaxes(-1, -2)
    view.flags.writeable = False
    np.testing.assert_allclose(function(view), function(view.copy()), rtol=0, atol=1e-14)
    integers = np.array([[2, 1], [1, 3]])
    np.testing.assert_array_equal(function(integers), function(integers.astype(float)))
    half = np.array([[2.0, 1.0], [0.5, 3.0]], dtype=np.float16)
    expected = function(half.astype(np.float32)).astype(np.float16)
    np.testing.assert_array_equal(function(half), expected)


@each_function
def test_mixed_structure_is_no_reason_to_change_the_input(function):
    a = np.array([[[2.0, 1.0], [0.5, 2.0]], [[2.0, 1.0], [0.0, 2.0]], [[2.0, 1.0], [1.0, 2.0]]])
    before = a.copy()
    function(a)
    np.testing.assert_array_equal(a, before)
    empty = np.zeros((0, 2, 2))
    assert function(empty) is not empty


# --- gradients and transformations --------------------------------------------------------------


def _near_identity(seed, n=3):
    a = np.random.default_rng(seed).standard_normal((2, n, n)) / 3 + 1.5 * np.eye(n)
    return a * [[[1.0]], [[30.0]]]


@each_function
def test_gradient_in_torch(function):
    torch = pytest.importorskip("torch")
    a = torch.tensor(_near_identity(0), requires_grad=True)
    assert torch.autograd.gradcheck(function, (a,))
    complex_a = torch.tensor(_near_identity(0) + 0.2j, requires_grad=True)
    assert torch.autograd.gradcheck(function, (complex_a,))
    eye = torch.eye(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (eye,))
    torch.testing.assert_close(
        torch.func.vmap(function)(a.detach()), function(a.detach()), rtol=1e-13, atol=1e-13
    )


@each_function
def test_transformations_of_jax(function):
    jax = pytest.importorskip("jax")
    torch = pytest.importorskip("torch")
    a = jax.numpy.asarray(_near_identity(0))
    eager = function(a)
    bound = 1e-13 * float(abs(eager).max())
    assert float(abs(jax.jit(jax.vmap(function))(a) - eager).max()) <= bound
    gradient = jax.jit(jax.grad(lambda x: (function(x) ** 2).sum()))(a)
    tensor = torch.tensor(_near_identity(0), requires_grad=True)
    (function(tensor) ** 2).sum().backward()
    error = np.abs(np.asarray(gradient) - tensor.grad.numpy()).max()
    assert error <= 1e-12 * max(1.0, float(tensor.grad.abs().max()))
