"""Multipliers and exponents of periodic systems against closed forms and tables."""

import numpy as np
import pytest
from scipy import special

from mathcore import _arrays, expm
from solvers import monodromy


def mathieu(a, q):
    """y'' + (a − 2q cos 2t) y = 0, for arrays of parameters."""
    a, q = np.broadcast_arrays(np.asarray(a, float), np.asarray(q, float))

    def coefficient(t):
        out = np.zeros((*np.shape(t), *a.shape, 2, 2))
        out[..., 0, 1] = 1.0
        out[..., 1, 0] = -a + 2 * q * np.cos(2 * np.reshape(t, (*np.shape(t), *(1,) * a.ndim)))
        return out

    return coefficient


def test_markus_yamabe():
    """Solutions e^{t/2}(−cos t, sin t) and e^{−t}(sin t, cos t), of period π but for signs."""

    def a(t):
        c, s = np.cos(t), np.sin(t)
        return [[-1 + 1.5 * c * c, 1 - 1.5 * s * c], [-1 - 1.5 * s * c, -1 + 1.5 * s * s]]

    found = monodromy(a, np.pi, rtol=1e-12)
    np.testing.assert_allclose(found.multipliers, [-np.exp(np.pi / 2), -np.exp(-np.pi)], rtol=1e-9)
    np.testing.assert_allclose(found.exponents.real, [0.5, -1.0], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.exponents.imag), 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.log_det, -np.pi / 2, atol=1e-13)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_edges_of_the_stability_chart(m):
    """At the characteristic values of Mathieu's equation (DLMF 28.2) the trace is ±2, in one call
    for all q.
    """
    q = np.linspace(0.1, 2.0, 4)
    edges = np.stack([special.mathieu_a(m, q), special.mathieu_b(m, q)])
    found = monodromy(mathieu(edges, q), np.pi, rtol=1e-11)
    trace = np.trace(found.matrix, axis1=-2, axis2=-1)
    np.testing.assert_allclose(trace, 2.0 * (-1) ** m, atol=1e-8)
    assert found.multipliers.shape == (2, 4, 2)
    np.testing.assert_allclose(found.log_det, 0.0, atol=1e-13)


def test_stable_and_unstable_members_of_a_batch():
    q = 0.8
    inside = (special.mathieu_b(2, q) + special.mathieu_a(1, q)) / 2
    outside = (special.mathieu_b(1, q) + special.mathieu_a(1, q)) / 2
    found = monodromy(mathieu([inside, outside], q), np.pi, rtol=1e-10)
    size = np.abs(found.multipliers)
    np.testing.assert_allclose(size[0], 1.0, atol=1e-8)
    assert size[1, 0] > 1.5
    np.testing.assert_allclose(size.prod(axis=-1), 1.0, atol=1e-8)


def test_start_of_the_period_does_not_matter():
    found = [monodromy(mathieu(1.3, 0.9), np.pi, t0=t0, rtol=1e-11) for t0 in (0.0, 0.7)]
    np.testing.assert_allclose(found[0].multipliers, found[1].multipliers, atol=1e-8)
    assert np.abs(found[0].matrix - found[1].matrix).max() > 1e-2


def test_constant_matrix(xp):
    a = xp.asarray([[0.1, 2.0], [-2.0, 0.3]], dtype=xp.float64)
    found = monodromy(a, 0.5)
    assert _arrays.result_namespace(found.multipliers) is xp
    assert found.multipliers.dtype == xp.complex128
    exact = expm(0.5 * _arrays.to_numpy(a))
    np.testing.assert_allclose(_arrays.to_numpy(found.matrix), exact, rtol=1e-13)
    exponents = np.sort_complex(_arrays.to_numpy(found.exponents))
    eigenvalues = np.sort_complex(np.linalg.eigvals(_arrays.to_numpy(a)))
    np.testing.assert_allclose(exponents, eigenvalues, rtol=1e-12)
    np.testing.assert_allclose(float(found.log_det), 0.2, rtol=1e-14)


def test_period_in_another_library():
    torch = pytest.importorskip("torch")
    t0 = torch.tensor(0.0, dtype=torch.float64)

    def a(t):
        return torch.cos(t)[..., None, None] + torch.ones(1, 1, dtype=torch.float64)

    found = monodromy(a, 2 * np.pi, t0=t0, rtol=1e-10)
    assert found.matrix.dtype == torch.float64
    assert found.multipliers[0].real.item() == pytest.approx(np.exp(2 * np.pi), rel=1e-9)


def test_wrong_input():
    with pytest.raises(ValueError, match="`period` must be finite and > 0"):
        monodromy(mathieu(1.0, 0.0), -1.0)
    with pytest.raises(ValueError, match="`a` must be finite"):
        monodromy(lambda t: np.sqrt(1.0 - np.asarray(t))[..., None, None] * np.eye(2, k=1), 2.0)
