"""Identity losses on Gaussians, where every expectation has a closed form."""

import numpy as np
import pytest

from solvers import fgm_loss, identity_losses, sid_loss

SIGMA, MEAN, SPREAD = 0.8, 0.7, 0.5**0.5  # the generator N(MEAN, SPREAD²); the teacher N(0, 1)


def quadrature():
    """Nodes and weights for (x₀, noise), both standard normal: exact for these polynomials."""
    z, w = np.polynomial.hermite_e.hermegauss(4)
    w = w / w.sum()
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), -1).reshape(-1, 2)
    return grid, np.multiply.outer(w, w).ravel()


def predictions(library, mean, *, fixed_mean=None):
    """ε_φ, ε_ψ and the noise as columns weighted so that their mean is the expectation."""
    grid, weights = quadrature()
    z, noise = (library.asarray(grid[:, i]) for i in (0, 1))
    own_mean = mean if fixed_mean is None else fixed_mean
    x = mean + SPREAD * z + SIGMA * noise
    teacher = SIGMA * x / (1 + SIGMA**2)
    generator = SIGMA * (x - own_mean) / (SPREAD**2 + SIGMA**2)
    scale = library.asarray(np.sqrt(weights * len(weights)))
    return [(part * scale)[:, None] for part in (teacher, generator, noise)]


def exact_l1(mean):
    """E(ε_φ − ε_ψ)² for x ~ N(mean, SPREAD² + σ²), ε linear in x."""
    v = SPREAD**2 + SIGMA**2
    slope = SIGMA / (1 + SIGMA**2) - SIGMA / v
    at_mean = SIGMA * mean / (1 + SIGMA**2)
    return at_mean**2 + slope**2 * v


def test_both_sides_agree():
    losses = identity_losses(*predictions(np, MEAN))
    assert float(losses.squared) == pytest.approx(exact_l1(MEAN), rel=1e-13)
    assert float(losses.projected) == pytest.approx(exact_l1(MEAN), rel=1e-13)
    assert float(losses.squared) == pytest.approx(0.16878, abs=5e-6)


def test_fgm_has_the_true_gradient_and_the_naive_loss_has_not():
    """d/dm with ψ fixed: 2 L2 − L1 gives dL1/dm = 2 m σ²/(1 + σ²)², L1 alone the wrong sign."""
    torch = pytest.importorskip("torch")

    def gradient(loss):
        mean = torch.tensor(MEAN, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(loss(*predictions(torch, mean, fixed_mean=MEAN)), mean)[0].item()

    true = 2 * MEAN * SIGMA**2 / (1 + SIGMA**2) ** 2
    assert gradient(fgm_loss) == pytest.approx(true, rel=1e-12)
    assert gradient(lambda *eps: sid_loss(*eps, weight=0.5)) == pytest.approx(true / 2, rel=1e-12)
    assert gradient(lambda *eps: identity_losses(*eps).squared) < 0 < true


def test_sid_is_the_weighted_difference(xp):
    rng = np.random.default_rng(0)
    arrays = [xp.asarray(rng.standard_normal((3, 2, 2)).tolist()) for _ in range(3)]
    losses = identity_losses(*arrays)
    expected = float(losses.projected) - 1.2 * float(losses.squared)
    assert float(sid_loss(*arrays, weight=1.2)) == pytest.approx(expected, rel=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="must have one shape"):
        identity_losses(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="batch >= 1"):
        fgm_loss(np.ones((0, 3)), np.ones((0, 3)), np.ones((0, 3)))
    with pytest.raises(TypeError, match="`weight` must be"):
        sid_loss(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3)), weight="1")
