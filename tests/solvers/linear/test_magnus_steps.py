"""Orders of the Magnus methods, their error estimate, and the meshes that rest on it."""

import numpy as np
import pytest

from solvers.linear import magnus, meshes
from solvers.linear.magnus import GAUSS_2, GAUSS_3
from solvers.linear.step_products import StepSequence

MATRICES = np.random.default_rng(5).standard_normal((3, 4, 4))


def coefficient(t, scale=1.0, matrices=MATRICES):
    t = np.asarray(t)[..., None, None]
    return scale * (matrices[0] + np.cos(2 * t) * matrices[1] + np.sin(3 * t) * matrices[2])


def propagator(method, steps, stop=2.0):
    nodes = np.linspace(0.0, stop, steps + 1)
    return StepSequence(nodes, lambda *times: magnus.propagators(coefficient, method, *times))


@pytest.mark.parametrize(("method", "order"), magnus.ORDER.items())
def test_measured_order(method, order):
    whole = (np.asarray([2.0]), np.asarray([0.0]))
    truth = propagator("magnus6", 2000).between(*whole)[0]
    counts = (60, 120, 240) if order == 4 else (20, 40, 80)
    errors = [np.abs(propagator(method, n).between(*whole)[0] - truth).max() for n in counts]
    measured = np.log2(np.asarray(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(measured, order, atol=0.1)


def test_two_nodes_are_the_formulas_of_the_paper():
    """For A(t) = A0 + t A1 on [0, h]: Ω of order 4 is h A0 + h²/2 A1 − h³/12 [A0, A1]."""
    a0, a1 = MATRICES[:2]
    h = 0.3
    values = [a0 + h * c * a1 for c in GAUSS_2]
    desired = h * a0 + h**2 / 2 * a1 - h**3 / 12 * (a0 @ a1 - a1 @ a0)
    np.testing.assert_allclose(magnus.omega_4(h, *values), desired, atol=1e-14)


def test_constant_matrix_is_one_exponential():
    h = np.asarray([0.3])
    for method in magnus.METHODS:
        found = magnus.propagators(lambda t: np.stack([MATRICES[0]] * t.size), method, 0 * h, h)
        exact = magnus.expm(h * MATRICES[0])
        np.testing.assert_allclose(found[0], exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("method", ["magnus4", "magnus6"])
def test_estimate_is_close_above_the_error(method, skew):
    matrices = MATRICES - np.swapaxes(MATRICES, 1, 2) if skew else MATRICES

    def a(t):
        return coefficient(t, 10.0, matrices)

    start = np.linspace(0.0, 2.0, 40)
    stop = start + 0.01
    estimates, noise = magnus.local_errors(a, method, start, stop).T
    coarse = magnus.propagators(a, method, start, stop)
    fine = np.eye(4)
    for i in range(4):
        ends = start + 0.0025 * i
        fine = magnus.propagators(a, "magnus6", ends, ends + 0.0025) @ fine
    errors = magnus.norm1(np, coarse - fine) / magnus.norm1(np, fine)
    assert np.all(noise < 1e-14)
    assert np.median(estimates / errors) < 30
    assert np.all(estimates > 0.5 * errors)


def test_quadrature_errors_of_commuting_matrices_are_seen():
    """Where all commutators vanish, the difference of the two rules is the estimate."""
    identity = np.eye(2)

    def a(t):
        return np.cos(20 * np.asarray(t))[..., None, None] * identity

    start, stop = np.zeros(1), np.asarray([0.5])
    estimate = magnus.local_errors(a, "magnus6", start, stop)[0, 0]
    found = magnus.propagators(a, "magnus6", start, stop)[0, 0, 0]
    error = abs(found / np.exp(np.sin(10.0) / 20) - 1)
    assert 1e-4 < error < estimate


def test_skew_matrices_give_orthogonal_steps():
    matrices = MATRICES - np.swapaxes(MATRICES, 1, 2)
    start = np.linspace(0.0, 1.0, 20)
    for method in magnus.METHODS:
        x = magnus.propagators(lambda t: coefficient(t, 5.0, matrices), method, start, start + 0.1)
        np.testing.assert_allclose(x @ np.swapaxes(x, 1, 2), np.eye(4) + 0 * x, atol=1e-14)


# --- meshes ---------------------------------------------------------------------------------------


def exact_errors(start, stop):
    """A local error of h⁵ times a weight with a peak at 0.3."""
    h, middle = np.abs(stop - start), (start + stop) / 2
    return np.stack([h**5 / ((middle - 0.3) ** 2 + 1e-4), 0 * h], axis=-1)


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 0.0)])
def test_mesh_shares_the_tolerance(span):
    mesh = meshes.adaptive_mesh(exact_errors, span, rtol=1e-6, order=4, breaks=(0.71,))
    assert (mesh.nodes[0], mesh.nodes[-1]) == span
    assert np.all(np.diff(mesh.nodes) * (span[1] - span[0]) > 0)
    assert 0.71 in mesh.nodes
    assert 1e-8 < mesh.error <= 1e-6
    lengths, middles = np.abs(np.diff(mesh.nodes)), (mesh.nodes[1:] + mesh.nodes[:-1]) / 2
    assert lengths[np.argmin(np.abs(middles - 0.3))] < lengths[np.argmin(np.abs(middles - 0.9))] / 4
    assert mesh.message == ""


@pytest.mark.parametrize(("span", "side"), [((0.0, 1.0), -1), ((1.0, 0.0), 1)])
def test_mesh_ends_before_what_cannot_be_resolved(span, side):
    def errors(start, stop):
        low, high = np.minimum(start, stop), np.maximum(start, stop)
        return np.stack([np.where((low <= 0.4) & (high >= 0.4), np.nan, 0.0), 0 * low], axis=-1)

    mesh = meshes.adaptive_mesh(errors, span, rtol=1e-6, order=4)
    assert mesh.nodes[0] == span[0]
    assert abs(mesh.nodes[-1] - 0.4) < 1e-8
    assert np.sign(mesh.nodes[-1] - 0.4) in (side, 0)
    assert "t = 0.4" in mesh.message or "t = 0.39999" in mesh.message


def test_mesh_gives_up_on_too_many_steps():
    mesh = meshes.adaptive_mesh(exact_errors, (0.0, 1.0), rtol=1e-12, order=4, most_steps=100)
    assert "no step is short enough" in mesh.message
    assert mesh.nodes.size <= 101


def test_rounds_of_a_fixed_length():
    seen = []

    def function(start, stop):
        seen.append(start.size)
        return stop - start

    start = np.arange(10.0)
    for padded, lengths in ((True, [4, 4, 4]), (False, [4, 4, 2])):
        seen.clear()
        lengths_found = meshes.in_rounds(function, 4, padded=padded)(start, start + 2.0)
        np.testing.assert_array_equal(lengths_found, np.full(10, 2.0))
        assert seen == lengths


def test_power_of_two_steps():
    nodes = meshes.power_of_two_steps(np.asarray([3.0, 2.0, 1.5, 1.0, 0.0, -4.0]))
    np.testing.assert_array_equal(nodes, [3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0, -2.0, -4.0])


def test_three_nodes_integrate_degree_five():
    t = GAUSS_3 * 2.0
    values = [np.full((1, 1), s**5 - 3 * s**4) for s in t]
    omega = magnus.omega_6(2.0, *values)
    np.testing.assert_allclose(omega, 2.0**6 / 6 - 3 * 2.0**5 / 5, rtol=1e-14)
