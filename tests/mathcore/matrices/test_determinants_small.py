"""Kernel against definition, and against mpmath where the peers lose digits."""

import math

import mpmath
import numpy as np
import pytest

from mathcore import det, slogdet
from mathcore.matrices import determinants


def _random(*shape, dtype="float64"):
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def _exact(a):
    with mpmath.workdps(60):
        return [mpmath.det(mpmath.matrix(member.tolist())) for member in a]


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_kernel_is_the_definition(n, dtype):
    a = _random(19, n, n, dtype=dtype)
    sign, logabsdet = slogdet(a)
    reference = np.linalg.slogdet(a.astype("float64"))
    np.testing.assert_array_equal(sign, reference.sign)
    tolerance = 4 * n * np.finfo(dtype).eps * np.linalg.cond(a.astype("float64"))
    assert (np.abs(logabsdet - reference.logabsdet) <= tolerance).all()
    volume = np.abs(np.linalg.det(a.astype("float64")))
    assert (np.abs(det(a) - reference.sign * volume) <= tolerance * volume).all()
    assert det(a).dtype == sign.dtype == logabsdet.dtype == a.dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [8, 16, 17, 32])
def test_kernel_is_the_definition_at_larger_orders(n, dtype):
    a = _random(101, n, n, dtype=dtype)
    sign, logabsdet = slogdet(a)
    reference = determinants._square_slogdet(np, a.astype("float64"))
    np.testing.assert_array_equal(sign, reference.sign)
    tolerance = 4 * n * np.finfo(dtype).eps * np.linalg.cond(a.astype("float64"))
    assert (np.abs(logabsdet - reference.logabsdet) <= tolerance).all()


@pytest.mark.small
def test_two_by_two_keeps_the_digits_that_cancel():
    a = _random(50, 2, 2)
    a[:, 1] = a[:, 0] * (1 + 1e-9 * _random(50, 1))  # nearly dependent rows
    exact = _exact(a)
    sign, logabsdet = slogdet(a)
    for value, s, log, desired in zip(det(a), sign, logabsdet, exact, strict=True):
        assert abs(value - desired) <= 3 * 2.0**-52 * abs(desired)
        assert s == mpmath.sign(desired)
        assert abs(log - mpmath.log(abs(desired))) <= 4 * 2.0**-52 * abs(log) + 3 * 2.0**-52
    by_lu = np.linalg.det(a)
    assert max(abs(x - y) / abs(y) for x, y in zip(by_lu, exact, strict=True)) > 1e-10


def test_two_by_two_where_the_closed_form_of_a_peer_fails():
    jax = pytest.importorskip("jax")
    a = np.array([[[1.0, 1.0 + 2.0**-30], [1.0 - 2.0**-30, 1.0]], [[1e200, 1.0], [1.0, 1e200]]])
    with np.errstate(all="ignore"):
        theirs = np.asarray(jax.numpy.linalg.slogdet(jax.numpy.asarray(a)).logabsdet)
    exact = [float(mpmath.log(abs(x))) for x in _exact(a)]
    np.testing.assert_allclose(slogdet(a).logabsdet, exact, rtol=1e-15)
    assert not np.isclose(theirs, exact, rtol=1e-9).any()


@pytest.mark.small
@pytest.mark.parametrize("n", [2, 3, 4])
def test_entries_at_both_ends_of_the_range(n):
    for size in (1e300, 1e-300, 5e-324):
        a = size * np.eye(n)
        sign, logabsdet = slogdet(np.stack([a, a[::-1]]))
        np.testing.assert_allclose(logabsdet, n * math.log(size), rtol=1e-15)
        np.testing.assert_array_equal(sign, [1, -1] if n < 4 else [1, 1])
    mixed = np.diag([1e300, 1e-300, 1e300, 1e-300][:n])
    assert abs(det(mixed[None])[0] - (1e300 if n == 3 else 1.0)) <= 1e-15 * (1e300 if n == 3 else 1)


@pytest.mark.small
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_singular_and_special_members_stay_alone(n):
    a = np.stack([np.eye(n), np.zeros((n, n)), np.full((n, n), np.nan), -np.eye(n)])
    sign, logabsdet = slogdet(a)
    np.testing.assert_array_equal(sign, [1, 0, np.nan, (-1) ** n])
    np.testing.assert_array_equal(logabsdet, [0, -np.inf, np.nan, 0])
    np.testing.assert_array_equal(det(a), [1, 0, np.nan, (-1) ** n])


@pytest.mark.small
def test_logarithm_is_accurate_near_one_and_everywhere():
    x = np.concatenate([1 + np.linspace(-1e-3, 1e-3, 51), np.geomspace(1e-300, 1e300, 101)])
    exact = np.array([float(mpmath.log(mpmath.mpf(value))) for value in x])
    np.testing.assert_allclose(slogdet(x[:, None, None]).logabsdet, exact, rtol=2e-16 * 4)


def test_shares_do_not_change_the_result():
    n = 3
    a = _random(5_000, n, n)  # a dozen shares, on as many threads as there are
    whole, alone = slogdet(a), [slogdet(member) for member in a[-7:]]
    np.testing.assert_array_equal(whole.logabsdet[-7:], [one.logabsdet for one in alone])
    np.testing.assert_array_equal(det(a)[-7:], [det(member) for member in a[-7:]])


def test_torch_takes_the_kernel_too():
    torch = pytest.importorskip("torch")
    a = _random(7, 4, 4)
    sign, logabsdet = slogdet(torch.from_numpy(a))
    np.testing.assert_array_equal(logabsdet.numpy(), slogdet(a).logabsdet)
    np.testing.assert_array_equal(sign.numpy(), slogdet(a).sign)
    assert slogdet(torch.eye(3)).sign.shape == ()
