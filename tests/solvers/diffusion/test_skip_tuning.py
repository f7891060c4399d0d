"""Factors of skip-tuning."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import scale_skips


def test_factors_run_from_bottom_to_top(xp):
    skips = [xp.ones((2, i + 1), dtype=xp.float32) for i in range(5)]
    scaled = scale_skips(skips, 0.6, 1.4)
    assert [float(skip[0, 0]) for skip in scaled] == pytest.approx([0.6, 0.8, 1.0, 1.2, 1.4])
    assert all(
        a.dtype == b.dtype and a.shape == b.shape for a, b in zip(scaled, skips, strict=True)
    )


def test_the_top_is_one_by_default():
    assert [float(skip) for skip in scale_skips([np.ones(())] * 2, 0.78)] == [0.78, 1.0]


def test_factor_one_changes_no_bit(xp):
    values = np.random.default_rng(0).standard_normal((3, 4))
    skips = [xp.asarray(values.tolist(), dtype=xp.float64)] * 4
    for skip in scale_skips(skips, 1.0):
        assert np.array_equal(_arrays.to_numpy(skip), values)


def test_few_skips():
    assert scale_skips([], 0.5) == []
    assert scale_skips([np.ones(1)], 0.5)[0].tolist() == [0.5]
    assert [skip.tolist() for skip in scale_skips((np.ones(1) for _ in range(2)), 0.0)] == [
        [0],
        [1],
    ]


def test_refusals():
    with pytest.raises(TypeError, match=r"`skips\[1\]` must be an array; got list"):
        scale_skips([np.ones(1), [1.0]], 0.5)
    with pytest.raises(ValueError, match="`rho_bottom` must be finite"):
        scale_skips([np.ones(1)], np.nan)
    with pytest.raises(TypeError, match="`rho_top` must be a real number"):
        scale_skips([np.ones(1)], 0.5, "1")
