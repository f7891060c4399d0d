"""MMD and KSD against sums written out, and against the spread of many samples."""

import numpy as np
import pytest

from solvers import ksd, mmd2


def gaussian(x, y, scale):
    return np.exp(-np.sum((x - y) ** 2) / (2 * scale**2))


def test_mmd2_is_the_sum_of_gretton(xp):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2)), rng.standard_normal((4, 2)) + 0.3
    pairs = {
        "x": np.mean([gaussian(a, b, 1.5) for i, a in enumerate(x) for b in np.delete(x, i, 0)]),
        "y": np.mean([gaussian(a, b, 1.5) for i, a in enumerate(y) for b in np.delete(y, i, 0)]),
        "xy": np.mean([gaussian(a, b, 1.5) for a in x for b in y]),
    }
    moved = [xp.asarray(z.tolist(), dtype=xp.float64) for z in (x, y)]
    found = mmd2(*moved, length_scale=1.5)
    expected = pairs["x"] + pairs["y"] - 2 * pairs["xy"]
    assert float(found.value) == pytest.approx(expected, rel=1e-12)
    without = [mmd2(np.delete(x, i, 0), y, length_scale=1.5).value for i in range(5)]
    jackknife = 4 / 5 * np.sum((without - np.mean(without)) ** 2)
    without = [mmd2(x, np.delete(y, i, 0), length_scale=1.5).value for i in range(4)]
    jackknife += 3 / 4 * np.sum((without - np.mean(without)) ** 2)
    assert float(found.standard_error) == pytest.approx(np.sqrt(jackknife), rel=1e-10)


def test_ksd_is_the_stein_kernel_written_out(xp):
    """u(x, y) = s·s' k + s·∂_y k + s'·∂_x k + tr ∂_x∂_y k, the derivatives by differences."""
    x, scale, h = np.random.default_rng(1).standard_normal((4, 2)), 0.8, 1e-4

    def k(a, b):
        return (1 + np.sum((a - b) ** 2) / scale**2) ** -0.5

    def u(a, b):
        total = np.dot(-(a**3), -(b**3)) * k(a, b)
        for i in range(2):
            e = h * np.eye(2)[i]
            total += -(a[i] ** 3) * (k(a, b + e) - k(a, b - e)) / (2 * h)
            total += -(b[i] ** 3) * (k(a + e, b) - k(a - e, b)) / (2 * h)
            mixed = k(a + e, b + e) - k(a + e, b - e) - k(a - e, b + e) + k(a - e, b - e)
            total += mixed / (4 * h * h)
        return total

    expected = np.mean([u(x[i], x[j]) for i in range(4) for j in range(4) if i != j])
    moved = xp.asarray(x.tolist(), dtype=xp.float64)
    found = ksd(moved, lambda x: -(x**3), length_scale=scale)
    assert float(found.value) == pytest.approx(expected, abs=1e-6)
    without = [ksd(np.delete(x, i, 0), lambda x: -(x**3), length_scale=scale) for i in range(4)]
    values = np.asarray([each.value for each in without])
    jackknife = 3 / 4 * np.sum((values - values.mean()) ** 2)
    assert float(found.standard_error) == pytest.approx(np.sqrt(jackknife), rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_values_scatter_as_their_standard_errors_say(shift):
    """100 samples of 60: unbiased around zero, and errors neither small nor more than twice."""
    found = {"mmd2": [], "ksd": []}
    for seed in range(100):
        x, y = np.random.default_rng(seed).standard_normal((2, 60, 2))
        found["mmd2"].append(mmd2(x + shift, y, length_scale=1.0))
        found["ksd"].append(ksd(x + shift, lambda x: -x))
    for results in found.values():
        values = np.asarray([r.value for r in results])
        errors = np.sqrt(np.mean([r.standard_error**2 for r in results]))
        assert 0.8 < errors / values.std() < 2.0
        if shift == 0.0:
            assert abs(values.mean()) <= 4.5 * values.std() / 10
        else:
            assert values.mean() > 3 * values.std()


def test_ksd_sees_a_wrong_variance_and_mmd2_a_wrong_shape():
    x = np.random.default_rng(3).standard_normal((400, 2))
    wrong = ksd(1.6 * x, lambda x: -x)
    assert wrong.value > 5 * wrong.standard_error
    other = mmd2(x, np.sign(x) + 0.1 * x, length_scale=0.5)
    assert other.value > 5 * other.standard_error


def test_gradients_in_torch():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0.3], [1.0], [-0.5]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.1], [0.9], [2.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: mmd2(z, y, length_scale=1.0).value, x)
    assert torch.autograd.gradcheck(lambda z: ksd(z, lambda q: -q).value, x)


def test_dtypes_and_refusals():
    x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    for found in (mmd2(x, x + 1), ksd(x, lambda x: -x)):
        assert found.value.dtype == found.standard_error.dtype == np.float32
    with pytest.raises(ValueError, match=r"`y` must have shape \(any, 2\); got \(6, 1\)"):
        mmd2(x, x[:, :1])
    with pytest.raises(ValueError, match="`x` must have at least 3 rows; got 2"):
        ksd(x[:2], lambda x: -x)
    with pytest.raises(ValueError, match="`length_scale` must be finite and > 0"):
        mmd2(x, x, length_scale=0.0)
    with pytest.raises(ValueError, match="`length_scale` must be given where half"):
        mmd2(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"`score\(x\)` must have shape"):
        ksd(x, lambda x: x[:, 0])
    with pytest.raises(TypeError, match="`score` must return an array of the library it is given"):
        ksd(x, lambda x: None)
    with pytest.raises(TypeError, match="`score` must be callable"):
        ksd(x, None)
