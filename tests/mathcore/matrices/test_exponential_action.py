"""The action of the exponential: closed forms, every kind of operator, twins, edges, gradients."""

import math

import mpmath
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from mathcore import _arrays
from mathcore.matrices._kernels.chebyshev_cpu import chebyshev_sums
from mathcore.matrices.chebyshev_action import (
    Interval,
    chebyshev_stepper,
    coefficients,
    degree,
)
from mathcore.matrices.exponential_action import expm_multiply
from mathcore.matrices.linear_operators import (
    Operator,
    disc_interval,
    examine,
    examine_by_definition,
    lanczos_interval,
)
from mathcore.testing import parametrize_with_laws
from mathcore.testing.action_laws import action_laws

_KINDS = {
    "csr": scipy.sparse.csr_array,
    "csc matrix": scipy.sparse.csc_matrix,
    "coo": scipy.sparse.coo_array,
    "linear operator": scipy.sparse.linalg.aslinearoperator,
    "callable": lambda a: lambda v: a @ v,
}


# --- the Laplacian of a chain: eigenvectors are sines ---------------------------------------------


def _chain(n):
    return scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsr()


def _sines(n):
    """Orthonormal eigenvectors and eigenvalues; the angle reduced before it is rounded."""
    j = np.arange(1, n + 1)
    vectors = np.sqrt(2 / (n + 1)) * np.sin(np.pi * (np.outer(j, j) % (2 * n + 2)) / (n + 1))
    return vectors, -4 * np.sin(np.pi * j / (2 * n + 2)) ** 2


def _exact(n, b, t, factor=1.0):
    vectors, values = _sines(n)
    return (vectors * np.exp(factor * t * values)) @ (vectors.T @ b)


def _grid(m):
    chain, identity = _chain(m), scipy.sparse.eye_array(m)
    return (scipy.sparse.kron(chain, identity) + scipy.sparse.kron(identity, chain)).tocsr()


def _relative(x, desired):
    return np.linalg.norm(x - desired) / np.linalg.norm(desired)


@pytest.mark.parametrize("t", [1e-3, 1.0, 100.0, 1e4, -3.0])
@pytest.mark.parametrize("kind", ["csr", "linear operator"])
def test_heat_on_a_chain(kind, t):
    b = np.random.default_rng(0).standard_normal(300)
    word = "hermitian" if kind == "linear operator" else None
    x, info = expm_multiply(_KINDS[kind](_chain(300)), b, t, assume_a=word, return_info=True)
    error = _relative(x, _exact(300, b, t))
    # the result moves by eps·‖tA‖ when A is rounded
    assert error <= 4 * 2.0**-52 * (10 + 4 * abs(t))
    assert error <= info.error <= 1e-12 * (1 + abs(t))
    assert info.method == "chebyshev"
    assert info.num_products <= 20 + 13 * math.sqrt(4 * abs(t))


@pytest.mark.parametrize("t", [1.0, 100.0])
def test_heat_on_a_grid_within_the_target(t):
    b = np.random.default_rng(0).standard_normal((60, 60))
    vectors, values = _sines(60)
    spectrum = np.exp(t * (values[:, None] + values)) * (vectors.T @ b @ vectors)
    x, info = expm_multiply(_grid(60), b.ravel(), t, return_info=True)
    assert _relative(x, (vectors @ spectrum @ vectors.T).ravel()) <= 5e-14
    assert info.num_products < 200


@pytest.mark.parametrize("t", [1.0, 100.0, -1000.0])
def test_schroedinger_on_a_chain_is_unitary(t):
    b = np.random.default_rng(1).standard_normal(300)
    x, info = expm_multiply(1j * _chain(300), b, t, return_info=True)
    tolerance = 4 * 2.0**-52 * (10 + 4 * abs(t))
    assert _relative(x, _exact(300, b, t, factor=1j)) <= tolerance
    assert abs(np.linalg.norm(x) / np.linalg.norm(b) - 1) <= tolerance
    assert info.method == "chebyshev"


def test_decay_far_below_the_size_of_the_vector_keeps_its_digits():
    """One expansion would leave nothing: e^{tA} b is 1e-34 of b at t = 2e4."""
    n, t = 50, 2e4
    slow, fast = _sines(n)[0][:, 0], _sines(n)[0][:, 1]
    x = expm_multiply(_chain(n), slow + fast, t)
    values = _sines(n)[1]
    desired = math.exp(t * values[0]) * slow + math.exp(t * values[1]) * fast
    assert np.linalg.norm(desired) < 1e-30
    assert _relative(x, desired) <= 4 * 2.0**-52 * 4 * t
    underflow = expm_multiply(_chain(n), fast, 1e7)
    np.testing.assert_array_equal(underflow, 0.0)


def test_steep_transport_without_normal_eigenvectors():
    """A Jordan block: e^{t(λ + cN)} b is a polynomial in t times e^{tλ}, summed in 40 digits."""
    n, t, c = 200, 8.0, 3.0
    a = scipy.sparse.diags_array([-2.0, c], offsets=[0, 1], shape=(n, n)).tocsr()
    b = np.random.default_rng(2).standard_normal(n)
    with mpmath.workdps(40):
        weights = [
            mpmath.exp(-2 * t) * mpmath.mpf(c * t) ** k / mpmath.factorial(k) for k in range(n)
        ]
        desired = np.array([float(mpmath.fdot(weights[: n - i], b[i:].tolist())) for i in range(n)])
    for kind in ("csr", "linear operator"):
        x, info = expm_multiply(_KINDS[kind](a), b, t, return_info=True)
        assert _relative(x, desired) <= info.error <= 1e-9, (kind, info)


def test_general_methods_agree_where_they_meet():
    """Convection and diffusion: the Krylov space, the series and the dense exponential."""
    n = 200
    a = scipy.sparse.diags_array([1.2, -2.0, 0.8], offsets=[-1, 0, 1], shape=(n, n)).tocsr()
    b = np.ones(n)
    dense, info = expm_multiply(a.toarray(), b, 40.0, return_info=True)
    krylov, krylov_info = expm_multiply(a, b, 40.0, return_info=True)
    series, series_info = expm_multiply(a, np.stack([b] * 6, axis=1), 40.0, return_info=True)
    assert (info.method, krylov_info.method, series_info.method) == ("dense", "krylov", "taylor")
    assert _relative(krylov, dense) <= 1e-12
    assert _relative(series[:, 5], dense) <= 1e-12
    assert krylov_info.num_products < series_info.num_products


def test_looser_tolerance_takes_fewer_products_and_keeps_its_word():
    b = np.random.default_rng(3).standard_normal(300)
    a = scipy.sparse.diags_array([1.2, -2.0, 0.8], offsets=[-1, 0, 1], shape=(300, 300)).tocsr()
    exact = expm_multiply(a, b, 10.0)
    for matrix, desired in ((_chain(300), _exact(300, b, 10.0)), (a, exact)):
        tight = expm_multiply(matrix, b, 10.0, return_info=True)[1]
        x, loose = expm_multiply(matrix, b, 10.0, rtol=1e-5, return_info=True)
        assert loose.num_products < tight.num_products
        assert _relative(x, desired) <= loose.error <= 1e-4


@pytest.mark.parametrize("word", ["hermitian", "skew-hermitian"])
@pytest.mark.parametrize("kind", ["csr", "linear operator"])
def test_a_false_word_does_not_falsify_the_answer(kind, word):
    n = 300
    a = scipy.sparse.diags_array([1.4, -2.0, 0.1], offsets=[-1, 0, 1], shape=(n, n)).tocsr()
    b = np.ones(n)
    x = expm_multiply(_KINDS[kind](a), b, 20.0, assume_a=word)
    assert _relative(x, expm_multiply(a, b, 20.0, assume_a="general")) <= 1e-11


# --- laws on operators; dense arrays are in the law suite -----------------------------------------


@pytest.mark.parametrize("kind", _KINDS)
@parametrize_with_laws(action_laws)
def test_laws_on_operators(law, kind):
    law(lambda a, b, t: expm_multiply(_KINDS[kind](a), b, t), max_examples=5)


@pytest.mark.parametrize("word", ["general", "hermitian", "skew-hermitian"])
def test_every_method_on_every_library(xp, word):
    a = np.random.default_rng(4).standard_normal((60, 60)) / 60
    a = {"general": a, "hermitian": a + a.T, "skew-hermitian": a - a.T}[word]
    b = np.random.default_rng(5).standard_normal((60, 2))
    times = [0.5, -0.25, 0.0]
    matrix, block = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (a, b))
    x, info = expm_multiply(matrix, block, times, return_info=True)
    assert info.method == ("taylor" if word == "general" else "chebyshev")
    assert _arrays.result_namespace(x) is _arrays.result_namespace(block)
    host = _arrays.to_numpy(x)
    for t, value in zip(times, host, strict=True):
        term = total = b
        for k in range(1, 25):
            term = t / k * (a @ term)
            total = total + term
        np.testing.assert_allclose(value, total, rtol=0, atol=1e-14)
    products = expm_multiply(lambda v: matrix @ v, block, times, assume_a=word)
    np.testing.assert_allclose(_arrays.to_numpy(products), host, rtol=0, atol=1e-14)


def test_complex_vectors_beside_a_real_matrix():
    b = np.random.default_rng(6).standard_normal((40, 2)) * (1 + 2j)
    x = expm_multiply(_chain(40), b, [1.0, 2.0])
    assert x.shape == (2, 40, 2) and x.dtype == np.complex128
    np.testing.assert_allclose(x[1], _exact(40, b, 2.0), rtol=0, atol=1e-14)
    single = expm_multiply(_chain(40).astype(np.float32), b.astype(np.complex64), 2.0)
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, x[1], rtol=0, atol=1e-5)


# --- twins ----------------------------------------------------------------------------------------


def _sparse_example(dtype, n=30):
    rng = np.random.default_rng(7)
    a = scipy.sparse.random_array((n, n), density=0.15, random_state=rng, format="csr").astype(
        dtype
    )
    if np.dtype(dtype).kind == "c":
        a = a + 1j * scipy.sparse.random_array((n, n), density=0.1, random_state=rng, format="csr")
    return scipy.sparse.csr_array(a.astype(dtype))


@pytest.mark.small
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_chebyshev_kernel_is_its_definition(dtype, columns):
    a = _sparse_example(dtype)
    a = scipy.sparse.csr_array(a + a.conj().T)
    b = np.random.default_rng(8).standard_normal((30, columns)).astype(dtype)
    interval = Interval(*disc_interval(examine(a), skew=False), False)
    gaps = [0.3, 0.5, 2.0]
    steps = [
        chebyshev_stepper(operator, interval, direction=1, rtol=1e-6)(b, gaps)
        for operator in (Operator(lambda v: a @ v, a), Operator(lambda v: a @ v, None))
    ]
    assert steps[0].num_products == steps[1].num_products
    for kernel, definition in zip(steps[0].values, steps[1].values, strict=True):
        assert kernel.dtype == definition.dtype == np.dtype(dtype)
        size = np.abs(definition).max()
        tolerance = 50 * steps[0].num_products * np.finfo(dtype).eps * size
        np.testing.assert_allclose(kernel, definition, rtol=0, atol=tolerance)


@pytest.mark.small
def test_chebyshev_kernel_ends_each_time_at_its_degree():
    a = _chain(5)
    before, now = np.ones(5), np.full(5, 2.0)
    factors, degrees = np.ones((2, 5)), np.array([2, 4])
    out = np.zeros((2, 5))
    older, newer = chebyshev_sums(
        a.indptr, a.indices, a.data, 0.5, -2.0, -1.0, factors, degrees, 1, before, now, out
    )
    u, v, total = np.ones(5), np.full(5, 2.0), np.zeros(5)
    for k in range(2, 5):
        u, v = v, (a @ v + 2.0 * v) - u
        total += v
        if k == 2:
            np.testing.assert_allclose(out[0], total, rtol=1e-15)
    np.testing.assert_allclose(out[1], total, rtol=1e-14)
    np.testing.assert_allclose((older, newer), (u, v), rtol=1e-14)


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_entries_kernel_is_its_definition(dtype):
    a = _sparse_example(dtype)
    empty = scipy.sparse.csr_array((4, 4), dtype=dtype)
    one_sided = scipy.sparse.csr_array(np.eye(4, k=1, dtype=dtype))
    lone_below = scipy.sparse.csr_array(np.eye(4, k=-1, dtype=dtype))
    for matrix in (a, a + a.conj().T, a - a.conj().T, empty, one_sided, lone_below):
        canonical = scipy.sparse.csr_array(matrix)
        canonical.sum_duplicates()
        kernel, definition = examine(canonical), examine_by_definition(canonical)
        assert kernel.symmetry == definition.symmetry
        np.testing.assert_allclose(kernel.diagonal, definition.diagonal)
        np.testing.assert_allclose(kernel.row_sums, definition.row_sums, rtol=1e-5)
    assert examine(scipy.sparse.csr_array(a + a.conj().T)).symmetry == "hermitian"
    assert examine(scipy.sparse.csr_array(a - a.conj().T)).symmetry == "skew-hermitian"
    assert examine(a).symmetry == examine(one_sided).symmetry == "general"


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("z", [1e-8, 0.5, 7.0, 300.0])
def test_coefficients_and_degree(z, skew):
    for tolerance in (1e-6, 1e-15):
        last = degree(z, tolerance, skew=skew)
        c = coefficients([z], last, skew=skew)[0]
        with mpmath.workdps(30):
            bessel = mpmath.besselj if skew else lambda k, x: mpmath.exp(-x) * mpmath.besseli(k, x)
            exact = [(1 if k == 0 else 2) * bessel(k, z) for k in range(last + 40)]
        np.testing.assert_allclose(
            c,
            np.array(exact[: last + 1], dtype=float),
            rtol=0,
            atol=2e-16 * (4 + z * skew) + tolerance,
        )
        assert float(sum(abs(term) for term in exact[last + 1 :])) <= tolerance
        # no more terms than a tail a hundred times smaller would need
        assert float(sum(abs(term) for term in exact[max(last - 8, 0) :])) >= tolerance / 100


def test_lanczos_interval_holds_the_spectrum():
    for word, factor in (("hermitian", 1.0), ("skew", 1j)):
        a = factor * _chain(200)
        low, high = lanczos_interval(
            lambda v, a=a: a @ v, np.ones(200, dtype=a.dtype), skew=word == "skew", longest=10.0,
            most_steps=64,
        )  # fmt: skip
        values = _sines(200)[1]
        assert low <= values.min() and values.max() <= high
        assert high - low <= 4.5


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("shape", [(), (2,), (0,)])
def test_smallest_orders(n, shape):
    b = np.ones((n, *shape))
    for a in (np.full((n, n), -2.0), scipy.sparse.csr_array(np.full((n, n), -2.0).reshape(n, n))):
        for t in (3.0, [3.0], []):
            x = expm_multiply(a, b, t)
            desired = np.broadcast_to(math.exp(-6.0), (*np.shape(t), n, *shape))
            assert x.shape == desired.shape
            np.testing.assert_allclose(x, desired, rtol=4e-15)


def test_nothing_to_do():
    b = np.arange(4.0)
    for a in (np.zeros((4, 4)), scipy.sparse.csr_array((4, 4)), lambda v: 0 * v):
        np.testing.assert_array_equal(expm_multiply(a, b, 7.0), b)
    a = np.random.default_rng(9).standard_normal((4, 4))
    np.testing.assert_array_equal(expm_multiply(a, b, 0.0), b)
    np.testing.assert_array_equal(expm_multiply(scipy.sparse.csr_array(a), 0 * b, 3.0), 0 * b)


@pytest.mark.parametrize("matrix", [_chain(30), _chain(30).toarray() + np.eye(30, k=3)])
def test_nan_stays_in_its_column(matrix):
    b = np.ones((30, 2))
    clean = expm_multiply(matrix, b, 50.0)
    b[7, 0] = np.nan
    x, info = expm_multiply(matrix, b, 50.0, return_info=True)
    assert np.isnan(x[:, 0]).all()
    np.testing.assert_allclose(x[:, 1], clean[:, 1], rtol=1e-13)
    assert math.isnan(info.error) or info.method == "dense"


def test_nan_and_infinity_in_the_matrix_give_no_number():
    for bad in (np.nan, np.inf):
        a = np.array([[bad, 1.0], [0.0, 1.0]])
        for matrix in (a, scipy.sparse.csr_array(a)):
            assert not np.isfinite(expm_multiply(matrix, np.ones(2))).any()


def test_enormous_times_norm():
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((6, 6)), rng.standard_normal(6)
    np.testing.assert_array_equal(expm_multiply(-1e12 * (a @ a.T), b), 0.0)
    skew = 1e5 * (a - a.T)
    for matrix in (skew, scipy.sparse.csr_array(skew)):
        x = expm_multiply(matrix, b)
        assert abs(np.linalg.norm(x) / np.linalg.norm(b) - 1) <= 1e-16 * 1e5 * 100
    decaying = scipy.sparse.csr_array(1e9 * (a - 6 * np.eye(6)))
    np.testing.assert_array_equal(expm_multiply(decaying, b), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(expm_multiply(scipy.sparse.csr_array(1e4 * np.eye(2)), b[:2])).any()


@pytest.mark.parametrize("exponent", [-500.0, 500.0])
def test_results_whose_squares_leave_the_range(exponent):
    """e^{±500} is a float64, its square is not; in several steps and in one."""
    a = scipy.sparse.diags_array([1.0, 0.5], offsets=[0, 1], shape=(3, 3)).tocsr()
    for matrix in (a - a.T + scipy.sparse.eye_array(3), (a + a.T) / 2.5):  # both normal
        t = exponent / 2
        half = expm_multiply(matrix, np.ones(3), t)
        whole = expm_multiply(matrix, half, t)
        direct = expm_multiply(matrix, np.ones(3), exponent)
        assert np.isfinite(direct).all() and (direct != 0).any()
        assert np.abs(direct - whole).max() <= 1e-11 * np.abs(whole).max()


def test_read_only_and_non_contiguous_arguments():
    a = np.asfortranarray(_chain(20).toarray())[::-1, ::-1]
    b = np.random.default_rng(11).standard_normal((20, 6))[:, ::2]
    a.flags.writeable = b.flags.writeable = False
    sparse = scipy.sparse.csr_array(a)
    sparse.data.flags.writeable = sparse.indices.flags.writeable = False
    for matrix in (a, sparse):
        kept = b.copy()
        np.testing.assert_allclose(expm_multiply(matrix, b, 2.0), _exact(20, b, 2.0), atol=1e-14)
        np.testing.assert_array_equal(b, kept)


def test_repeated_and_unsorted_entries_are_summed():
    rows, columns = [0, 0, 1, 1, 0], [1, 0, 0, 1, 1]
    a = scipy.sparse.coo_array(([0.5, -2.0, 1.0, -2.0, 0.5], (rows, columns)), shape=(2, 2))
    unsorted = scipy.sparse.csr_array(([1.0, -2.0, 1.0, -2.0], [1, 0, 0, 1], [0, 2, 4]))
    for matrix in (a, unsorted):
        np.testing.assert_allclose(expm_multiply(matrix, np.ones(2)), math.exp(-1.0), rtol=4e-15)


def test_a_sparse_matrix_is_never_made_dense(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise AssertionError("densified")

    for kind in ("csr_array", "csc_array", "csr_matrix"):
        monkeypatch.setattr(getattr(scipy.sparse, kind), "toarray", refuse)
        monkeypatch.setattr(getattr(scipy.sparse, kind), "todense", refuse)
    n = 200_000  # 40 GB when dense
    general = scipy.sparse.diags_array([0.5, -1.0], offsets=[-1, 0], shape=(n, n)).tocsr()
    for a in (_chain(n), general):
        assert expm_multiply(a, np.ones(n), 0.5).shape == (n,)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda a, b: expm_multiply(a[:2], b), "`a` must be square"),
        (lambda a, b: expm_multiply(a[None], b), "`a` must be one square matrix"),
        (lambda a, b: expm_multiply(scipy.sparse.csr_array(a[:2]), b), "`a` must be one square"),
        (lambda a, b: expm_multiply(a, b[:2]), r"`b` must have shape \(3,\) or \(3, k\)"),
        (lambda a, b: expm_multiply(a, a[None]), "`b` must have shape"),
        (lambda a, b: expm_multiply(a, b, [[1.0]]), "`t` must be a number or one sequence"),
        (lambda a, b: expm_multiply(a, b, np.inf), "`t` must be finite"),
        (lambda a, b: expm_multiply(a, b, assume_a="symmetric"), "`assume_a` must be one of"),
        (lambda a, b: expm_multiply(a, b, rtol=0.0), "`rtol` must be finite and > 0"),
        (lambda a, b: expm_multiply(lambda v: v[:2], b), r"`a` must return an array of shape \(3,"),
    ],
)
def test_wrong_values(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.eye(3), np.ones(3))


def test_wrong_kinds(xp):
    with pytest.raises(TypeError, match="`t` must be real numbers"):
        expm_multiply(np.eye(3), np.ones(3), 1j)
    with pytest.raises(TypeError, match="`a` must be an array; got str"):
        expm_multiply("laplacian", np.ones(3))
    b = xp.asarray([1.0, 2.0, 3.0])
    if not _arrays.is_numpy(b):
        with pytest.raises(TypeError, match="`b` must be an array of the same library as `a`"):
            expm_multiply(_chain(3), b)


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["general", "hermitian", "skew-hermitian"])
def test_torch_gradients(word):
    torch = pytest.importorskip("torch")
    a = torch.randn(80, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 80
    a = {"general": a, "hermitian": a + a.T, "skew-hermitian": a - a.T}[word]
    a.requires_grad_()
    b = torch.linspace(-1, 1, 80, dtype=torch.float64, requires_grad=True)
    value, info = expm_multiply(a, b, 0.5, return_info=True)
    assert info.method == ("taylor" if word == "general" else "chebyshev")
    weights = torch.cos(torch.arange(80.0, dtype=torch.float64))
    ours = torch.autograd.grad(value @ weights, (a, b))
    dense = torch.linalg.matrix_exp(0.5 * a) @ b
    theirs = torch.autograd.grad(dense @ weights, (a, b))
    products = torch.autograd.grad(expm_multiply(lambda v: a @ v, b, 0.5) @ weights, (a, b))
    for x, y, z in zip(ours, theirs, products, strict=True):
        assert float((x - y).abs().max()) <= 1e-13 * float(y.abs().max())
        assert float((z - y).abs().max()) <= 1e-13 * float(y.abs().max())


def test_jax_gradient_and_jit():
    jax = pytest.importorskip("jax")
    a = jax.numpy.asarray(np.random.default_rng(12).standard_normal((5, 5)))
    b = jax.numpy.ones(5)
    ours = jax.jit(jax.grad(lambda x: expm_multiply(x, b, 0.5).sum()))(a)
    theirs = jax.grad(lambda x: (jax.scipy.linalg.expm(0.5 * x) @ b).sum())(a)
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-12)
