"""The exponential on every matrix of the gallery, real and complex, within its condition number."""

import mpmath
import numpy as np
import pytest

from mathcore import expm, expm_cond
from mathcore.testing import gallery

NAMES = sorted(gallery.matrices())
ROTATED = 0.6 + 0.8j  # |·| = 1: a complex matrix of the same norm
CASES = [(name, factor) for name in NAMES for factor in (1.0, ROTATED)]
CASES.remove(("rotation", ROTATED))  # e^8000 is not a float


def _exact(a):
    with mpmath.workdps(300):
        rows = [[mpmath.mpmathify(complex(x)) for x in row] for row in a]
        values = mpmath.expm(mpmath.matrix(rows), method="taylor").tolist()
    return np.array([[complex(x) for x in row] for row in values])


@pytest.mark.parametrize(("name", "factor"), CASES)
def test_relative_error_is_within_the_condition_number(name, factor):
    a = factor * gallery.matrices()[name]
    exact = _exact(a)
    error, size = (np.linalg.norm(x, 1) for x in (expm(a) - exact, exact))
    condition = float(expm_cond(a)) if size > 0 else 1.0
    assert error <= 10 * len(a) * 2.0**-53 * max(1.0, condition) * size


def test_there_are_enough_and_they_are_copies():
    assert len(NAMES) >= 37
    gallery.matrices()["ones"][:] = 0
    assert gallery.matrices()["ones"].all()
    assert all(np.isfinite(a).all() for a in gallery.matrices().values())
