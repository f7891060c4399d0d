"""The soft minimum: kernel = definition, known values, −inf and zero weights, precision."""

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest

import mathcore
from mathcore import _arrays, soft_minimum
from mathcore.transport import costs, soft_minima

NUMPY = _arrays.result_namespace(np.empty(0))


def _problem(rng, n, m, d, dtype=np.float64):
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5
    g, b = rng.standard_normal(m), rng.random(m)
    return [v.astype(dtype) for v in (x, y, g, b)]


def _definition(cost, g, b, epsilon):
    return soft_minima.soft_rows_by_definition(NUMPY, cost, g, b, epsilon)


def _tolerance(x, y, g, epsilon):
    """Scores of size (C + |g|)/ε are rounded at every term, the sum over j once per eight lanes."""
    c = ((x[:, None].astype(float) - y[None]) ** 2).sum(axis=-1)
    size = c.max() + np.abs(g[np.isfinite(g)]).max() + epsilon * (1 + np.log2(len(g)))
    return 8 * (1 + x.shape[1] / 8) * _arrays.eps(x) * size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [0, 1, 2, 3, 4, 5, 7, 8, 9])
def test_kernel_equals_definition(dtype, d):
    x, y, g, b = _problem(np.random.default_rng(d), 37, 531, d, dtype)
    for epsilon in (0.05, 3.0):
        ours = soft_minimum(x, y, g, b, epsilon=epsilon)
        assert ours.dtype == dtype
        want = _definition(costs.Points(x, y), g, b, epsilon)
        assert np.abs(ours - want).max() <= _tolerance(x, y, g, epsilon)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrix_kernel_equals_definition(dtype):
    x, y, g, b = _problem(np.random.default_rng(0), 40, 1100, 2, dtype)
    cost = costs.Matrix(costs.rows(NUMPY, costs.Points(x, y), 0, 40))
    ours = soft_minima.soft_rows(NUMPY, cost, g, b, 0.1)
    assert np.abs(ours - _definition(cost, g, b, 0.1)).max() <= _tolerance(x, y, g, 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wrong", [0.0, 0.5, -1e3, 1e3, np.inf, -np.inf, np.nan])
def test_any_guess_gives_the_same(dtype, wrong):
    x, y, g, b = _problem(np.random.default_rng(0), 33, 700, 3, dtype)
    cost = costs.Points(x, y)
    want = _definition(cost, g, b, 0.1)
    got = soft_minima.soft_rows(NUMPY, cost, g, b, 0.1, guess=want + np.asarray(wrong, dtype))
    assert np.abs(got - want).max() <= _tolerance(x, y, g, 0.1)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_result(threads):
    import numba

    x, y, g, b = _problem(np.random.default_rng(0), 400, 401, 3)
    want = soft_minimum(x, y, g, b, epsilon=0.1)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        assert np.array_equal(soft_minimum(x, y, g, b, epsilon=0.1), want)
        assert numba.get_num_threads() == min(threads, before)
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plan_sums_equal_definition(dtype):
    x, y, g, b = _problem(np.random.default_rng(0), 35, 600, 3, dtype)
    cost, v = costs.Points(x, y), np.random.default_rng(1).standard_normal((600, 2)).astype(dtype)
    f = soft_minima.soft_rows(NUMPY, cost, g, b, 0.5)
    density = np.exp((f[:, None] + g - costs.rows(NUMPY, cost, 0, 35)).astype(float) / 0.5)
    got = soft_minima.plan_rows(NUMPY, cost, f, g, b, v, 0.5)
    assert np.abs(got - (density * b) @ v).max() <= 4 * _tolerance(x, y, g, 0.5) / 0.5


def test_equals_30_digits():
    x, y, g, b = _problem(np.random.default_rng(3), 2, 5, 2)
    with mpmath.workdps(30):
        for i, ours in enumerate(soft_minimum(x, y, g, b, epsilon=0.01).tolist()):
            terms = (
                mpmath.mpf(b[j].item())
                * mpmath.exp(
                    (mpmath.mpf(g[j].item()) - sum((mpmath.mpf(s) - t) ** 2 for s, t in pairs))
                    / mpmath.mpf(0.01)
                )
                for j in range(5)
                for pairs in [list(zip(x[i].tolist(), y[j].tolist(), strict=True))]
            )
            exact = -mpmath.mpf(0.01) * mpmath.log(mpmath.fsum(terms))
            assert abs(ours - exact) <= _tolerance(x, y, g, 0.01)


def test_points_left_out(xp):
    x = xp.asarray([[0.0], [1.0]], dtype=xp.float64)
    y = xp.asarray([[0.0], [5.0], [1.0]], dtype=xp.float64)
    g = xp.asarray([0.0, 0.0, -xp.inf], dtype=xp.float64)
    b = xp.asarray([0.5, 0.0, 0.5], dtype=xp.float64)
    got = _arrays.to_numpy(soft_minimum(x, y, g, b, epsilon=1.0))
    assert np.allclose(got, np.array([0.0, 1.0]) + np.log(2), rtol=1e-14)
    nobody = _arrays.to_numpy(soft_minimum(x, y, g, 0.0 * b, epsilon=1.0))
    assert np.array_equal(nobody, [np.inf, np.inf])


def test_a_point_of_weight_zero_cannot_overflow(xp):
    x, y = (xp.asarray(v, dtype=xp.float64) for v in ([[0.0]], [[0.0], [1.0]]))
    g, b = (xp.asarray(v, dtype=xp.float64) for v in ([0.0, 1e6], [1.0, 0.0]))
    assert float(soft_minimum(x, y, g, b, epsilon=1e-3)[0]) == 0.0


def test_nan_stays_in_its_row(xp):
    x = xp.asarray([[0.0], [xp.nan], [1.0]], dtype=xp.float64)
    y, g = xp.asarray([[0.0]], dtype=xp.float64), xp.asarray([0.0], dtype=xp.float64)
    got = _arrays.to_numpy(soft_minimum(x, y, g, epsilon=1.0))
    assert np.isnan(got).tolist() == [False, True, False]
    everywhere = _arrays.to_numpy(soft_minimum(x, y, g + xp.nan, epsilon=1.0))
    assert np.isnan(everywhere).all()


def test_far_from_the_origin_float32():
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-8, 8, (20, 3)).astype(np.float32) for _ in range(2))
    g = np.zeros(20, np.float32)
    near = soft_minimum(x, y, g, epsilon=1.0)
    assert np.abs(soft_minimum(x + 4096, y + 4096, g, epsilon=1.0) - near).max() <= 1e-4


def test_layouts_and_read_only():
    x, y, g, b = _problem(np.random.default_rng(0), 9, 8, 3)
    want = soft_minimum(x, y, g, b, epsilon=0.3)
    strided = np.asfortranarray(x), np.repeat(y, 2, axis=0)[::2], g[::-1].copy()[::-1], b
    for v in strided:
        v.flags.writeable = False
    assert np.array_equal(soft_minimum(*strided, epsilon=0.3), want)
    assert soft_minimum(x[:0], y, g, b, epsilon=0.3).shape == (0,)


def test_blocks_bound_the_memory(monkeypatch):
    x, y, g, b = _problem(np.random.default_rng(0), 11, 6, 2)
    want = _definition(costs.Points(x, y), g, b, 0.3)
    monkeypatch.setattr(costs, "_BLOCK_ENTRIES", 14)
    assert [stop - start for start, stop in costs.row_blocks(costs.Points(x, y))] == [2] * 5 + [1]
    assert np.array_equal(_definition(costs.Points(x, y), g, b, 0.3), want)


def test_errors(xp):
    x, y = xp.zeros((2, 3), dtype=xp.float64), xp.zeros((4, 3), dtype=xp.float64)
    g = xp.zeros(4, dtype=xp.float64)
    with pytest.raises(ValueError, match="`epsilon`"):
        soft_minimum(x, y, g, epsilon=0.0)
    with pytest.raises(ValueError, match="`potential`"):
        soft_minimum(x, y, g[:2], epsilon=1.0)
    with pytest.raises(ValueError, match="`b`"):
        soft_minimum(x, y, g, g[:2], epsilon=1.0)
    with pytest.raises(ValueError, match="dimension"):
        soft_minimum(x, y[:, :2], g, epsilon=1.0)
    with pytest.raises(ValueError, match="at least one point"):
        soft_minimum(x, y[:0, :], g[:0], epsilon=1.0)
    with pytest.raises(ValueError, match="`x` must have shape"):
        soft_minimum(x[:, 0], y, g, epsilon=1.0)


def test_half_precision_is_computed_in_single():
    torch = pytest.importorskip("torch")
    x = torch.linspace(0, 1, 6, dtype=torch.bfloat16)[:, None]
    got = soft_minimum(x, x, torch.zeros(6, dtype=torch.bfloat16), epsilon=0.1)
    assert got.dtype == torch.bfloat16
    want = soft_minimum(x.float(), x.float(), torch.zeros(6), epsilon=0.1)
    assert torch.equal(got, want.bfloat16())


def test_kernels_run_without_compilation():
    code = """if True:
        import numpy as np
        from mathcore import soft_minimum
        rng = np.random.default_rng(0)
        for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-13)):
            x, y = (rng.standard_normal((n, 5)).astype(dtype) for n in (3, 4))
            g, b = rng.standard_normal(4).astype(dtype), np.array([0.5, 0, 0.25, 0.25], dtype)
            c = ((x[:, None] - y[None]) ** 2).sum(axis=-1).astype(float)
            want = -0.5 * np.log((b * np.exp((g - c) / 0.5)).sum(axis=1))
            assert np.abs(soft_minimum(x, y, g, b, epsilon=0.5) - want).max() <= tolerance
    """
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = os.path.dirname(os.path.dirname(mathcore.__file__))
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
