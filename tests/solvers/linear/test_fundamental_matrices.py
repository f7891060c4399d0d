"""The propagator between any two times, in both directions, and Liouville's formula."""

import numpy as np
import pytest
from scipy import special

from mathcore import _arrays, expm
from solvers import fundamental_matrix

SPAN = (-6.0, 2.0)
EPS = np.finfo(float).eps


def airy(t):
    t = np.asarray(t)
    zero = np.zeros_like(t)
    return np.stack([zero, zero + 1, t, zero], axis=-1).reshape(*t.shape, 2, 2)


def airy_propagator(t1, t0):
    def solutions(t):
        ai, aip, bi, bip = special.airy(t)
        return np.stack([ai, bi, aip, bip], axis=-1).reshape(*np.shape(t), 2, 2)

    return solutions(t1) @ np.linalg.inv(solutions(t0))


def markus_yamabe(t):
    c, s = np.cos(t), np.sin(t)
    entries = [-1 + 1.5 * c * c, 1 - 1.5 * s * c, -1 - 1.5 * s * c, -1 + 1.5 * s * s]
    return np.stack(entries, axis=-1).reshape(*np.shape(t), 2, 2)


@pytest.mark.parametrize("span", [SPAN, SPAN[::-1]])
@pytest.mark.parametrize("method", ["magnus4", "magnus6", "cf4"])
def test_any_pair_of_times(method, span):
    phi = fundamental_matrix(airy, span, method=method, rtol=1e-9)
    late, early = np.random.default_rng(0).uniform(*SPAN, (2, 40))
    late[:3], early[:3] = (SPAN[1], SPAN[0], 0.5), (SPAN[0], SPAN[1], 0.5)
    exact = airy_propagator(late, early)
    error = np.abs(phi(late, early) - exact).max(axis=(1, 2))
    assert np.all(error <= 1e-8 * np.abs(exact).max(axis=(1, 2)))
    np.testing.assert_allclose(phi(late[7], early[7]), phi(late, early)[7], rtol=1e-12)


def test_times_broadcast():
    phi = fundamental_matrix(airy, SPAN)
    t = np.linspace(*SPAN, 5)
    assert phi(t, -1.0).shape == (5, 2, 2)
    assert phi(t[:, None], t[None, :]).shape == (5, 5, 2, 2)
    assert phi.log_det(t, -1.0).shape == (5,)
    assert phi(t[:0], 0.0).shape == (0, 2, 2)


@pytest.mark.parametrize("span", [(0.0, 12.0), (12.0, 0.0)])
def test_liouville_to_thirteen_digits(span):
    """∫ tr A = −t/2 for the system of Markus and Yamabe, whatever `rtol`."""
    phi = fundamental_matrix(markus_yamabe, span, rtol=1e-4)
    t = np.linspace(0.0, 12.0, 30)
    np.testing.assert_allclose(phi.log_det(t, 0.0), -t / 2, atol=1e-13)
    oscillating = fundamental_matrix(lambda t: [[np.sin(9 * t), 1.0], [t, np.exp(-t)]], span)
    exact = (1 - np.cos(9 * t)) / 9 + 1 - np.exp(-t)
    np.testing.assert_allclose(oscillating.log_det(t, 0.0), exact, atol=1e-13)


def test_determinant_of_the_matrix():
    phi = fundamental_matrix(markus_yamabe, (0.0, 5.0), rtol=1e-11)
    found = np.linalg.slogdet(phi(5.0, 0.0)).logabsdet
    np.testing.assert_allclose(found, -2.5, atol=1e-10)
    assert phi.error <= 1e-11
    assert phi.message == ""


def test_constant_matrices_in_a_batch():
    a = np.random.default_rng(1).standard_normal((3, 4, 4))
    phi = fundamental_matrix(a, (0.0, 2.0))
    np.testing.assert_allclose(phi(0.5, 2.0), expm(-1.5 * a), rtol=1e-12, atol=1e-12)
    trace = np.trace(a, axis1=1, axis2=2)
    np.testing.assert_allclose(phi.log_det(0.5, 2.0), -1.5 * trace, rtol=1e-14)
    moving = fundamental_matrix(lambda t: a + 0 * np.asarray(t)[..., None, None, None], (0.0, 2.0))
    np.testing.assert_allclose(moving(0.5, 2.0), phi(0.5, 2.0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(moving.log_det(0.5, 2.0), -1.5 * trace, atol=1e-13)


def test_fast_rotation_stays_orthogonal():
    """‖A‖ = 10⁴: the propagator over thousands of turns."""
    rng = np.random.default_rng(2)
    skew = rng.standard_normal((2, 4, 4))
    skew = skew - np.swapaxes(skew, 1, 2)
    skew /= np.linalg.norm(skew[0], 2)

    def a(t):
        return 1e4 * (skew[0] + 0.3 * np.cos(2 * np.asarray(t))[..., None, None] * skew[1])

    loose, tight = (fundamental_matrix(a, (0.0, 1.0), rtol=rtol)(1.0, 0.0) for rtol in (1e-3, 1e-7))
    np.testing.assert_allclose(loose.T @ loose, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(loose, tight, atol=1e-6)


def test_samples_on_a_grid():
    grid = np.linspace(*SPAN, 9)
    phi = fundamental_matrix((grid, airy(grid)), SPAN, rtol=1e-10)  # linear in t: cubics are exact
    exact = airy_propagator(1.7, -5.3)
    np.testing.assert_allclose(phi(1.7, -5.3), exact, rtol=1e-9)
    assert set(grid) <= set(phi.t)


def test_gradient_with_respect_to_samples():
    """d/dα of the propagator of x' = α(t) x is Φ times the integral of the cubic's weight."""
    torch = pytest.importorskip("torch")
    grid = np.linspace(0.0, 1.0, 5)
    samples = torch.linspace(1.0, 2.0, 5, dtype=torch.float64)[:, None, None].requires_grad_()
    phi = fundamental_matrix((grid, samples), (0.0, 1.0), rtol=1e-10)
    value = phi(1.0, 0.0)[0, 0]
    (slope,) = torch.autograd.grad(value, samples)
    assert value.item() == pytest.approx(np.exp(1.5), rel=1e-12)
    assert slope.sum().item() == pytest.approx(np.exp(1.5), rel=1e-12)
    logs = phi.log_det(1.0, 0.0)
    (slope,) = torch.autograd.grad(logs, samples)
    assert slope.sum().item() == pytest.approx(1.0, rel=1e-12)


def test_library_and_precision_of_the_interval(xp):
    if _arrays.is_jax_namespace(xp):
        a = xp.asarray([[0.0, 1.0], [-1.0, 0.0]], dtype=xp.float32)  # functions: law_suite
    else:

        def a(t):
            zero = xp.zeros_like(t)
            rows = [xp.stack([zero, zero + 1], axis=-1), xp.stack([zero - 1, zero], axis=-1)]
            return xp.stack(rows, axis=-2)

    phi = fundamental_matrix(a, xp.asarray([0.0, 3.0], dtype=xp.float32), rtol=1e-5)
    matrix = phi(3.0, 1.0)
    assert _arrays.result_namespace(matrix) is xp
    assert matrix.dtype == phi.log_det(3.0, 1.0).dtype == phi.t.dtype == xp.float32
    exact = [[np.cos(2), np.sin(2)], [-np.sin(2), np.cos(2)]]
    np.testing.assert_allclose(_arrays.to_numpy(matrix), exact, atol=1e-5)


def test_complex_coefficient():
    phi = fundamental_matrix(lambda t: [[1j * t]], (0.0, 3.0), rtol=1e-12)
    assert phi(3.0, 1.0)[0, 0] == pytest.approx(np.exp(4j), rel=1e-11)
    assert phi.log_det(3.0, 1.0) == pytest.approx(4j, abs=1e-13)


def test_wrong_input():
    with pytest.raises(ValueError, match="`a` must be square"):
        fundamental_matrix(lambda t: [1.0, t], (0.0, 1.0))
    with pytest.raises(ValueError, match="`t_span` must be finite times, not equal"):
        fundamental_matrix(airy, (1.0, 1.0))
    with pytest.raises(ValueError, match="`t_span` must be two real times"):
        fundamental_matrix(airy, (1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="`method`"):
        fundamental_matrix(airy, SPAN, method="expm")
    with pytest.raises(ValueError, match="times must lie within"):
        fundamental_matrix(airy, SPAN)(3.0, 0.0)
    grid = np.linspace(0.0, 1.0, 6)
    with pytest.raises(ValueError, match="`t_span` must lie within the times of `a`"):
        fundamental_matrix((grid, airy(grid)), (0.0, 2.0))
    with pytest.raises(ValueError, match="at least 4 increasing times"):
        fundamental_matrix((grid[::-1], airy(grid)), (0.0, 1.0))
    with pytest.raises(ValueError, match="the trace of `a` must be integrable; .* at t = 0.4999"):
        fundamental_matrix(lambda t: [[1 / (t - 0.5) ** 2]], (0.0, 1.0))
