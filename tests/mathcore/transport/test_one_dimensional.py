"""Transport on the line: known values, the exact solver, kernel = definition, gradients, errors."""

import numpy as np
import pytest
import scipy.stats

from mathcore import _arrays
from mathcore.transport.exact import wasserstein
from mathcore.transport.one_dimensional import (
    _sorted_rows,
    costs_by_definition,
    costs_of_rows,
    wasserstein_1d,
)

EPS = 2.0**-52


def _samples(n=30, m=20, batch=(), seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((*batch, n)), 1.1 * rng.standard_normal((*batch, m)) + 0.3
    a, b = rng.random((*batch, n)) + 0.1, rng.random((*batch, m)) + 0.1
    return x, y, a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)


def test_a_million_points():
    """The digits that sorting and pairwise summation give; SciPy has them to 3e-15."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(10**6)
    y = 1.1 * rng.standard_normal(10**6) + 0.3
    assert float(wasserstein_1d(x, y)) == pytest.approx(0.299926821508653, rel=4e-15)


@pytest.mark.parametrize("p", [1, 1.5, 2, 5])
def test_is_exact_transport(p, xp):
    x, y, a, b = _samples()
    want = float(wasserstein(x[:, None], y[:, None], a, b, p=p).value)
    uniform = float(wasserstein(x[:, None], y[:, None], p=p).value)
    x, y, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y, a, b))
    got = wasserstein_1d(x, y, a, b, p=p)
    assert _arrays.result_namespace(got) is xp
    assert float(got) == pytest.approx(want, rel=1e-13)
    assert float(wasserstein_1d(x, y, p=p)) == pytest.approx(uniform, rel=1e-13)


def test_scipys_weighted_distance():
    x, y, a, b = _samples(1000, 700)
    want = scipy.stats.wasserstein_distance(x, y, a, b)
    assert float(wasserstein_1d(x, y, a, b)) == pytest.approx(want, rel=1e-12)
    assert float(wasserstein_1d(x, y)) == pytest.approx(
        scipy.stats.wasserstein_distance(x, y), rel=1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 300])  # one thread, several
def test_sorted_rows_keep_their_weights(batch, dtype):
    rng = np.random.default_rng(1)
    x, y = (rng.integers(0, 50, (batch, n)).astype(dtype) for n in (90, 70))
    a, b = (rng.random(v.shape).astype(dtype) for v in (x, y))
    sorted_x, sorted_a, sorted_y, sorted_b = _sorted_rows(x, a, y, b)
    for before, weights, after, moved in ((x, a, sorted_x, sorted_a), (y, b, sorted_y, sorted_b)):
        assert np.array_equal(after, np.sort(before))
        for row in range(batch):
            pairs = sorted(zip(before[row], weights[row], strict=True))
            assert pairs == sorted(zip(after[row], moved[row], strict=True))
    alone = _sorted_rows(x, a[:, :0], y, b[:, :0])
    assert np.array_equal(alone[0], sorted_x) and np.array_equal(alone[2], sorted_y)


@pytest.mark.small
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 4), (6, 4), (5, 5)])
def test_kernel_is_the_definition(p, sizes):
    xp = _arrays.result_namespace(np.zeros(1))
    x, y, a, b = _samples(*sizes, batch=(2,))
    for weights in ((a, b), (None, None)):
        kernel = costs_of_rows(xp, x, y, *weights, p)
        definition = costs_by_definition(xp, x, y, *weights, p)
        assert kernel == pytest.approx(definition, rel=64 * EPS)


def test_batches_and_axes(xp):
    x, y, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in _samples(7, 5, batch=(3, 2)))
    last = wasserstein_1d(x, y, a, b, p=2, axis=-1)
    assert tuple(last.shape) == (3, 2)
    first = wasserstein_1d(*(xp.moveaxis(v, -1, 0) for v in (x, y, a, b)), p=2)
    assert _arrays.to_numpy(first) == pytest.approx(_arrays.to_numpy(last), rel=1e-14)
    shared = wasserstein_1d(x, y, a[0, 0, :], b[0, 0, :], axis=2)
    single = wasserstein_1d(x[2, 1, :], y[2, 1, :], a[0, 0, :], b[0, 0, :])
    assert float(shared[2, 1]) == pytest.approx(float(single), rel=1e-14)
    empty = wasserstein_1d(xp.zeros((4, 0)), xp.zeros((3, 0)))
    assert tuple(empty.shape) == (0,)


def test_translation_scaling_and_metric():
    x, y, a, b = _samples()
    z, c = _samples(25, seed=4)[0::2][:2]
    for p in (1, 2, 3):
        w = float(wasserstein_1d(x, y, a, b, p=p))
        assert float(wasserstein_1d(y, x, b, a, p=p)) == pytest.approx(w, rel=1e-13)
        assert float(wasserstein_1d(3 * x, 3 * y, a, b, p=p)) == pytest.approx(3 * w, rel=1e-13)
        assert float(wasserstein_1d(x, x + 2, a, a, p=p)) == pytest.approx(2, rel=1e-13)
        assert float(wasserstein_1d(x, x[::-1], a, a[::-1], p=p)) == 0
        over = wasserstein_1d(x, z, a, c, p=p) + wasserstein_1d(z, y, c, b, p=p)
        assert w <= float(over) * (1 + 1e-13)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_gradients_are_difference_quotients(p):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    arrays = _samples(9, 6)
    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    wasserstein_1d(*tensors, p=p).backward()
    gradient = jax.jit(jax.grad(lambda *v: wasserstein_1d(*v, p=p), argnums=(0, 1, 2, 3)))
    in_jax = gradient(*(jax.numpy.asarray(v) for v in arrays))
    rng = np.random.default_rng(3)
    for k, v in enumerate(arrays):
        u = rng.standard_normal(v.shape)
        u = u if k < 2 else 0.1 * (u - u.mean())
        moved = [[w + s * 1e-6 * u if i == k else w for i, w in enumerate(arrays)] for s in (1, -1)]
        want = float(wasserstein_1d(*moved[0], p=p) - wasserstein_1d(*moved[1], p=p)) / 2e-6
        assert (tensors[k].grad.numpy() * u).sum() == pytest.approx(want, rel=1e-6, abs=1e-8)
        assert (np.asarray(in_jax[k]) * u).sum() == pytest.approx(want, rel=1e-6, abs=1e-8)


def test_dtypes():
    x, y, a, b = _samples()
    want = float(wasserstein_1d(x, y, a, b))
    for dtype in ("float16", "float32"):
        got = wasserstein_1d(x.astype(dtype), y.astype(dtype))
        assert got.dtype == dtype
        tolerance = 16 * float(np.finfo(dtype).eps)
        assert float(got) == pytest.approx(float(wasserstein_1d(x, y)), abs=tolerance)
    single = wasserstein_1d(*(v.astype("float32") for v in (x, y, a, b)))
    assert float(single) == pytest.approx(want, rel=1e-5)
    assert float(wasserstein_1d([0, 1, 3], [5, 6, 8])) == 5.0


def test_bad_input():
    x, y, a, b = _samples()
    for arguments, options, message in (
        ((x, y), {"p": 0.9}, "`p` must be"),
        ((x[:0], y), {}, "`x` must have at least one sample"),
        ((x, y), {"axis": 1}, "`axis` must be one of 1 axes"),
        ((np.where(x > 1, np.nan, x), y), {}, "`x` must be finite"),
        ((x, np.where(y > 1, np.inf, y)), {}, "`y` must be finite"),
        ((x, y, -a, b), {}, "`a` must be finite and >= 0"),
        ((x, y, a, 2 * b), {}, "`b` must have the mass"),
        ((x, y, a[1:], b), {}, "`a` must have shape"),
        ((x[:, None], y), {}, "`y` must have the shape of `x`"),
    ):
        with pytest.raises(ValueError, match=message):
            wasserstein_1d(*arguments, **options)
    with pytest.raises(TypeError, match="`x` must be real"):
        wasserstein_1d(x * 1j, y * 1j)
