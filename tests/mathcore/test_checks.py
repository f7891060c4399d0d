"""Every check accepts what it should and names what it refuses."""

import numpy as np
import pytest

from mathcore import _checks


def test_numbers():
    assert _checks.check_number(1, "x") == 1.0
    assert _checks.check_number(np.float32(0.5), "x", above=0) == 0.5
    with pytest.raises(ValueError, match="`x` must be finite and > 0; got 0.0"):
        _checks.check_number(0, "x", above=0)
    with pytest.raises(ValueError, match="`x` must be finite and >= 1 and <= 2; got 3.0"):
        _checks.check_number(3, "x", at_least=1, at_most=2)
    with pytest.raises(ValueError, match="`x` must be finite; got nan"):
        _checks.check_number(float("nan"), "x")
    for wrong in ("1", None, True, 1j):
        with pytest.raises(TypeError, match="`x` must be a real number; got"):
            _checks.check_number(wrong, "x")


def test_counts():
    assert _checks.check_count(np.int64(3), "n") == 3
    with pytest.raises(ValueError, match="`n` must be >= 1; got 0"):
        _checks.check_count(0, "n")
    for wrong in (1.0, True, "1"):
        with pytest.raises(TypeError, match="`n` must be an integer; got"):
            _checks.check_count(wrong, "n")


def test_shapes():
    _checks.check_shape(np.zeros((2, 3)), (None, 3), "x")
    for wrong in (np.zeros((2, 4)), np.zeros(3)):
        with pytest.raises(ValueError, match=r"`x` must have shape \(any, 3\); got"):
            _checks.check_shape(wrong, (None, 3), "x")
    with pytest.raises(ValueError, match=r"`a` must be square .*; got shape \(2, 3\)"):
        _checks.check_square(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"`a` must be a matrix .*; got shape \(3,\)"):
        _checks.check_matrix(np.zeros(3))


def test_values():
    _checks.check_finite(np.ones(2), "x")
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="`x` must be finite; got NaN or infinity"):
            _checks.check_finite(np.array([1.0, wrong]), "x")
    with pytest.raises(TypeError, match="`x` must be real; got dtype complex128"):
        _checks.check_real(np.ones(2, complex), "x")
    with pytest.raises(ValueError, match="`method` must be one of 'a', 'b'; got 'c'"):
        _checks.check_choice("c", ("a", "b"), "method")
    with pytest.raises(TypeError, match="`f` must be callable; got int"):
        _checks.check_callable(1, "f")
