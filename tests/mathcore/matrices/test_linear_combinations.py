"""The pass of the kernel is the definition."""

import numpy as np
import pytest

from mathcore.matrices import linear_combinations
from mathcore.matrices.linear_combinations import combination, combinations
from mathcore.matrices.scaling import norm1

ROWS = [(1, 0.5, 0, -2.0), (0, 0, 3.0, 0.25, 1), (0, -1.5, 0, 0, 1, 2.0)]


def _terms(dtype, shape):
    return [np.random.default_rng(k).standard_normal(shape).astype(dtype) for k in range(4)]


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 17, 17)])
def test_one_pass_is_the_definition(dtype, shape):
    terms = _terms(dtype, shape)
    terms[0].flags.writeable = False
    fused, plain = linear_combinations._in_one_pass(terms, ROWS), combinations(terms, *ROWS)
    for x, y in zip(fused, plain, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=0, atol=40 * np.finfo(dtype).eps)


def test_unused_terms_are_not_read():
    x, broken = np.ones((200, 200)), np.full((200, 200), np.nan)
    np.testing.assert_array_equal(combination((2.0, 0), x, broken), 2 * x)
    assert np.isnan(combination((2.0, 1e-9), x, broken)).all()


def test_rows_use_the_sums_before_them(xp):
    x = xp.eye(2)
    total, twice = combinations((x, x), (1, 2.0), (0, 0, 2.0))
    assert bool(xp.all(total == 3 * x)) and bool(xp.all(twice == 6 * x))


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -np.inf])
def test_norm_of_a_large_matrix(bad):
    a = np.random.default_rng(0).standard_normal((70, 70))
    a[3, 5] = bad
    np.testing.assert_allclose(norm1(np, a), np.linalg.norm(a, 1), rtol=1e-13)
