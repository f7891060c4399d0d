"""The exponential on every matrix of the gallery, in every dtype, within its condition number."""

import mpmath
import numpy as np
import pytest

from mathcore import expm, expm_cond
from mathcore.testing import gallery

NAMES = sorted(gallery.matrices())
ROTATED = 0.6 + 0.8j  # |·| = 1: a complex matrix of the same norm
DTYPES = ["float32", "float64", "complex64", "complex128"]


def _exact(a):
    with mpmath.workdps(60 + min(300, int(np.abs(a).sum(axis=0).max()))):
        rows = [[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()]
        values = mpmath.expm(mpmath.matrix(rows), method="taylor").tolist()
    return np.array([[complex(x) for x in row] for row in values])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_relative_error_is_within_the_condition_number(name, dtype):
    is_complex = dtype.startswith("complex")
    # i·rotation is Hermitian with eigenvalues ±1e4, whose exponential is no float: it stays real
    factor = ROTATED if is_complex and name != "rotation" else 1.0
    a = (factor * gallery.matrices()[name]).astype(dtype)
    exact = _exact(a)
    error, size = (np.linalg.norm(x, 1) for x in (expm(a) - exact, exact))
    wide = a.astype("complex128" if is_complex else "float64")
    condition = float(expm_cond(wide)) if size > 0 else 1.0
    relative = 5 * len(a) * float(np.finfo(dtype).eps) * max(1.0, condition)
    # κ is of first order: followed along A + tE, a relative change δ moves e^A by e^{κδ} − 1
    underflow = len(a) ** 2 * float(np.finfo(dtype).smallest_subnormal)
    assert error <= np.expm1(min(30.0, relative)) * size + underflow


def test_there_are_enough_and_they_are_copies():
    assert len(NAMES) >= 45
    gallery.matrices()["ones"][:] = 0
    assert gallery.matrices()["ones"].all()
    assert all(np.isfinite(a).all() for a in gallery.matrices().values())
