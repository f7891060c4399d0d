"""The network of the worked evaluation: its kept weights denoise, and its four skips are found."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import digits_unet, unet_quality  # noqa: E402
from solvers import skip_tuning  # noqa: E402


@pytest.fixture(scope="module")
def denoiser():
    return digits_unet.trained()


def test_parts_of_the_digits_are_disjoint():
    digits = digits_unet.load()
    rows = np.concatenate([part.reshape(-1, 64) for part in digits])
    assert rows.shape == (1797, 64) and len(np.unique(rows, axis=0)) == 1797
    assert rows.min() == -1 and rows.max() == 1


def test_weights_denoise_digits_not_trained_on(denoiser):
    """EDM's loss is 1 for a network that answers 0, and .342 was measured after the training."""
    x = torch.from_numpy(digits_unet.load().test)
    value = digits_unet.loss(denoiser, x, torch.Generator().manual_seed(0))
    assert 0.25 < float(value) < 0.42


def test_skips_of_the_wrapped_network(denoiser):
    x, seen = torch.ones(2, 1, 8, 8), []
    untouched = denoiser(x, 0.5)

    def rho(sigma):
        seen.append(sigma)
        return 0.8

    with skip_tuning(denoiser, rho, n_skips=digits_unet.N_SKIPS):
        assert not torch.equal(denoiser(x, 0.5), untouched)
    with skip_tuning(denoiser, 1.0, n_skips=digits_unet.N_SKIPS):
        assert torch.equal(denoiser(x, 0.5), untouched)
    assert seen == [0.5]


def test_distances_of_equal_clouds_vanish():
    digits = digits_unet.load().test[:50]
    same = unet_quality.quality(digits.reshape(50, 64).astype(float), digits)
    assert max(same) < 1e-6
