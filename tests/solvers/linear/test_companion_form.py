"""The matrix of a scalar equation."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import companion


def test_rows_and_order():
    a = companion([2.0, 3.0, 5.0])
    np.testing.assert_array_equal(a(0.0), [[0, 1, 0], [0, 0, 1], [-2, -3, -5]])


def test_first_order():
    np.testing.assert_array_equal(companion([7.0])(1.0), [[-7.0]])


def test_times_of_every_library(xp):
    a = companion([lambda t: t**2, 4, xp.cos])
    t = xp.asarray([[0.0, 1.0], [2.0, 3.0]], dtype=xp.float32)
    values = a(t)
    assert _arrays.result_namespace(values) is xp
    assert values.dtype == xp.float32
    assert tuple(values.shape) == (2, 2, 3, 3)
    host, times = _arrays.to_numpy(values), _arrays.to_numpy(t)
    np.testing.assert_allclose(host[..., 2, 0], -(times**2))
    np.testing.assert_allclose(host[..., 2, 1], -4)
    np.testing.assert_allclose(host[..., 2, 2], -np.cos(times), rtol=1e-6)
    np.testing.assert_allclose(host[..., :2, :], np.broadcast_to(np.eye(3, k=1)[:2], (2, 2, 2, 3)))


def test_complex_coefficients():
    values = companion([lambda t: 1j * t, 2.0])(np.array([1.0, 2.0]))
    assert values.dtype == np.complex128
    np.testing.assert_array_equal(values[:, 1, :], [[-1j, -2], [-2j, -2]])


def test_wrong_inputs():
    with pytest.raises(ValueError, match="at least c_0; got none"):
        companion([])
    with pytest.raises(TypeError, match=r"`coefficients\[1\]` must be callable .* got str"):
        companion([1.0, "t"])
