"""The array layer: what comes in, what is refused, loops under tracing, kernels' views, seeds."""

import array_api_compat.numpy
import array_api_strict
import numpy as np
import pytest

from mathcore import _arrays, det


def test_lists_take_the_dtype_of_the_arrays_beside_them(xp):
    x = xp.asarray([1.0, 2.0], dtype=xp.float32)
    _, x, y, absent = _arrays.asarrays(x=x, y=[0.5, 0.5], absent=None)
    assert y.dtype == x.dtype == xp.float32
    assert absent is None


def test_dtypes_are_promoted(xp):
    single, double = (xp.ones(2, dtype=dtype) for dtype in (xp.float32, xp.float64))
    _, x, y = _arrays.asarrays(x=single, y=double)
    assert x.dtype == y.dtype == xp.float64
    _, x, y = _arrays.asarrays(x=single, y=xp.ones(2, dtype=xp.complex64))
    assert x.dtype == y.dtype == xp.complex64


def test_integers_become_the_default_float(xp):
    _, x = _arrays.asarrays(x=xp.asarray([1, 2]))
    assert x.dtype == xp.asarray(1.0).dtype


def test_plain_numbers_are_numpy():
    xp, x = _arrays.asarrays(x=[1, 2])
    assert xp is array_api_compat.numpy
    assert x.dtype == np.float64
    assert _arrays.asarrays(x=np.float32(1))[1].dtype == np.float32
    assert _arrays.asarrays(x=[1, 2j])[1].dtype == np.complex128


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ("word", TypeError, "`x` must be an array; got str"),
        ({1: 2}, TypeError, "`x` must be an array; got dict"),
        ([[1], [1, 2]], ValueError, "`x` must be rectangular; got a ragged sequence"),
        (np.array(["a"]), TypeError, "`x` must be numeric, double at most; got dtype <U1"),
        (np.ones(2, np.longdouble), TypeError, "`x` must be numeric, double at most; got dtype"),
    ],
)
def test_refused(x, error, message):
    with pytest.raises(error, match=message):
        _arrays.asarrays(x=x)


def test_mixed_libraries_are_refused(xp):
    other = np.zeros(2) if xp is not array_api_compat.numpy else None
    if other is None:
        other = array_api_strict.zeros(2)
    with pytest.raises(TypeError, match="`y` must be an array of the same library as `x`"):
        _arrays.asarrays(x=xp.zeros(2), y=other)


def test_to_numpy_is_a_copy(xp):
    x = xp.asarray([1.0, 2.0])
    host = _arrays.to_numpy(x)
    host[0] = 5.0
    assert float(x[0]) == 1.0
    back = _arrays.from_numpy(host, x)
    assert back.dtype == x.dtype
    assert _arrays.result_namespace(back) is xp


def test_complex_parts(xp):
    x = xp.asarray([[1.0 + 2.0j, 3.0]], dtype=xp.complex128)
    adjoint = _arrays.to_numpy(_arrays.adjoint(x))
    np.testing.assert_array_equal(adjoint, [[1.0 - 2.0j], [3.0]])
    real = xp.asarray([1.0])
    assert _arrays.conj(real) is real
    assert _arrays.real_part(real) is real


def test_repeat(xp):
    count = xp.asarray(5)
    total = _arrays.repeat(count, lambda i, s: s + i, xp.asarray(0.0), at_most=3)
    assert float(total) == 0 + 1 + 2


def test_repeat_and_while_loop_under_jit():
    jax = pytest.importorskip("jax")

    @jax.jit
    def powers(count, x):
        return _arrays.repeat(count, lambda i, s: s * x, x, at_most=10)

    assert float(powers(jax.numpy.asarray(3), 2.0)) == 2.0**4
    assert float(jax.grad(lambda x: powers(jax.numpy.asarray(3), x))(2.0)) == 4 * 2.0**3

    def doubled_until(limit):
        return _arrays.while_loop(
            lambda state: state[0] < limit, lambda state: (2 * state[0],), (jax.numpy.asarray(1.0),)
        )[0]

    assert float(jax.jit(doubled_until)(100.0)) == 128.0 == float(doubled_until(100.0))


def test_kernel_views():
    a = np.arange(6.0).reshape(2, 3)
    transposed = a.T
    (view,) = _arrays.kernel_views(transposed)
    assert view.flags.c_contiguous
    np.testing.assert_array_equal(view, transposed)
    assert _arrays.kernel_views(a)[0] is a
    for ineligible in (a.astype(">f8"), a.astype("f2"), a.astype("c16"), a.astype("g")):
        assert _arrays.kernel_views(ineligible) is None
    assert _arrays.kernel_views(a, a.astype("f4")) is None
    assert _arrays.kernel_views(array_api_strict.zeros(2)) is None


def test_kernel_views_of_torch_share_memory():
    torch = pytest.importorskip("torch")
    x = torch.zeros(3)
    (view,) = _arrays.kernel_views(x)
    view[0] = 1.0
    assert float(x[0]) == 1.0
    assert _arrays.kernel_views(x.clone().requires_grad_()) is None
    back = _arrays.from_kernel(view, x)
    assert back.data_ptr() == x.data_ptr()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's
def test_tangents_of_torch_are_kept():
    """Forward-mode differentiation takes the definition: a kernel would drop the tangent."""
    torch = pytest.importorskip("torch")
    a = torch.tensor([[2.0, 1.0], [0.5, 3.0]], dtype=torch.float64)
    with torch.autograd.forward_ad.dual_level():
        assert _arrays.kernel_views(a) is not None
        dual = torch.autograd.forward_ad.make_dual(a, torch.eye(2, dtype=torch.float64))
        assert _arrays.kernel_views(a, dual) is None
        tangent = torch.autograd.forward_ad.unpack_dual(det(dual)).tangent
    assert float(tangent) == pytest.approx(5.0)  # tr adj A


def test_seeds():
    assert _arrays.seed_of(7) == _arrays.seed_of(np.int64(7)) == 7
    generator = np.random.default_rng(0)
    assert _arrays.seed_of(generator) != _arrays.seed_of(generator)
    assert _arrays.seed_of(np.random.default_rng(0)) == _arrays.seed_of(np.random.default_rng(0))
    assert _arrays.seed_of(None) != _arrays.seed_of(None)
    for wrong, error in (
        (-1, ValueError),
        (2**64, ValueError),
        ("0", TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match="`rng` must be"):
            _arrays.seed_of(wrong)


def test_seeds_of_torch_and_jax():
    torch = pytest.importorskip("torch")
    seeds = [_arrays.seed_of(torch.Generator().manual_seed(3)) for _ in range(2)]
    assert seeds[0] == seeds[1]
    jax = pytest.importorskip("jax")
    old, new = jax.random.PRNGKey(3), jax.random.key(3)
    assert _arrays.seed_of(old) == _arrays.seed_of(new) == 3
    assert _arrays.seed_of(jax.random.fold_in(new, 1)) != 3
    with pytest.raises(TypeError, match="`rng` must be a concrete JAX key"):
        jax.jit(_arrays.seed_of)(new)


def test_half_precision_results_are_mapped_through_tuples():
    @_arrays.halves_in_float32
    def pair(x, *, y):
        assert x.dtype == y.dtype == np.float32
        return x + y, {"kept": x}

    total, kept = pair(np.ones(2, np.float16), y=np.ones(2, np.float16))
    assert total.dtype == np.float16
    assert kept["kept"].dtype == np.float32
