"""``python -m benchmarks.digits_unet``: a small U-Net with EDM preconditioning, trained on digits.

scikit-learn's handwritten digits, 8 × 8 pixels. Training takes about two minutes of one core; the
weights are kept beside this file in half precision, so that an evaluation needs no training.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WEIGHTS = Path(__file__).with_name("digits_unet.npz")
SIGMA_DATA = 0.8
SIGMA_MIN, SIGMA_MAX = 0.02, 40.0
WIDTHS = (24, 28)
N_SKIPS = 4


class Digits(NamedTuple):
    """Three disjoint parts of the digits, (n, 1, 8, 8) float32 in [−1, 1]."""

    training: Any
    tuning: Any
    test: Any


def load():
    """The digits in a fixed random order: 1197 to train on, 300 to tune ρ, 300 to report."""
    from sklearn.datasets import load_digits

    pixels = load_digits().data.reshape(-1, 1, 8, 8).astype(np.float32) / 8 - 1
    pixels = pixels[np.random.default_rng(0).permutation(len(pixels))]
    return Digits(pixels[:1197], pixels[1197:1497], pixels[1497:])


class Block(nn.Module):
    """Two convolutions with a residual connection; the noise level enters between them."""

    def __init__(self, n_in, n_out, n_noise):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, n_in), nn.GroupNorm(4, n_out)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.noise = nn.Linear(n_noise, n_out)
        self.shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x, noise):
        y = self.conv1(functional.silu(self.norm1(x))) + self.noise(noise)[:, :, None, None]
        return self.shortcut(x) + self.conv2(functional.silu(self.norm2(y)))


class UNet(nn.Module):
    """Two resolutions, four skips; ``forward(x, c_noise)``."""

    def __init__(self, widths=WIDTHS, n_noise=32):
        super().__init__()
        wide, narrow = widths
        self.register_buffer("frequencies", torch.exp(torch.linspace(-1.0, 4.0, n_noise // 2)))
        self.embed = nn.Sequential(nn.Linear(n_noise, n_noise), nn.SiLU())
        self.conv_in = nn.Conv2d(1, wide, 3, padding=1)
        self.encode = nn.ModuleList([Block(wide, wide, n_noise), Block(narrow, narrow, n_noise)])
        self.down = nn.Conv2d(wide, narrow, 3, stride=2, padding=1)
        self.middle = Block(narrow, narrow, n_noise)
        shapes = [
            (2 * narrow, narrow),
            (2 * narrow, narrow),
            (narrow + wide, wide),
            (2 * wide, wide),
        ]
        self.decode = nn.ModuleList([Block(*shape, n_noise) for shape in shapes])
        self.norm, self.conv_out = nn.GroupNorm(4, wide), nn.Conv2d(wide, 1, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x, c_noise):
        angles = c_noise[:, None] * self.frequencies
        noise = self.embed(torch.cat([angles.sin(), angles.cos()], dim=1))
        skips = [self.conv_in(x)]
        skips.append(self.encode[0](skips[-1], noise))
        skips.append(self.down(skips[-1]))
        skips.append(self.encode[1](skips[-1], noise))
        y = self.middle(skips[-1], noise)
        for block in self.decode:
            skip = skips.pop()
            if skip.shape[-1] > y.shape[-1]:
                y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
            y = block(torch.cat([y, skip], dim=1), noise)
        return self.conv_out(functional.silu(self.norm(y)))


class Denoiser(nn.Module):
    """EDM preconditioning (Karras et al. 2022, table 1): ``denoiser(x, sigma) -> x0``."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, x, sigma):
        sigma = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
        variance = sigma**2 + SIGMA_DATA**2
        c_noise = (sigma.log() / 4).flatten().expand(len(x))
        output = self.unet(x / variance.sqrt(), c_noise)
        return SIGMA_DATA**2 / variance * x + sigma * SIGMA_DATA / variance.sqrt() * output


def loss(denoiser, x, generator):
    """EDM's weighted square error, ln σ ~ N(−1, 1.3²)."""
    sigma = torch.exp(-1.0 + 1.3 * torch.randn(len(x), 1, 1, 1, generator=generator))
    noisy = x + sigma * torch.randn(x.shape, generator=generator)
    weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
    return (weight * (denoiser(noisy, sigma.flatten()) - x) ** 2).mean()


def train(steps, *, batch=64, rate=3e-3, seed=0):
    """Adam with a cosine rate; the exponential average of the weights is what is kept."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    data = torch.from_numpy(load().training)
    denoiser = Denoiser(UNet())
    average = {name: value.clone() for name, value in denoiser.state_dict().items()}
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1.0, i / 200) * (1 + math.cos(math.pi * i / steps)) / 2
    )
    start, recent = time.perf_counter(), []
    for step in range(steps):
        picked = torch.randint(len(data), (batch,), generator=generator)
        value = loss(denoiser, data[picked], generator)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        decay = min(0.998, (1 + step) / (10 + step))
        for name, weight in denoiser.state_dict().items():
            average[name].lerp_(weight, 1 - decay)
        recent.append(float(value.detach()))
        if (step + 1) % 250 == 0:
            elapsed = time.perf_counter() - start
            print(
                f"step {step + 1}: loss {np.mean(recent[-250:]):.4f}, {elapsed:.0f} s", flush=True
            )
    denoiser.load_state_dict(average)
    return denoiser


def save(denoiser, path=WEIGHTS):
    """Weights in half precision."""
    weights = denoiser.state_dict()
    np.savez_compressed(path, **{name: w.numpy().astype(np.float16) for name, w in weights.items()})


def trained(path=WEIGHTS):
    """The network with the weights kept in `path`, float32, for evaluation."""
    denoiser = Denoiser(UNet())
    with np.load(path) as kept:
        weights = {name: torch.from_numpy(kept[name].astype(np.float32)) for name in kept}
    denoiser.load_state_dict(weights)
    return denoiser.eval().requires_grad_(False)


def main():
    """Train, report the loss on digits not trained on, keep the weights."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits_unet")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    denoiser = train(options.steps).eval()
    print(f"{sum(p.numel() for p in denoiser.parameters())} parameters")
    digits, generator = load(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, part in digits._asdict().items():
            x = torch.from_numpy(part).repeat(10, 1, 1, 1)
            print(f"loss on the {name} digits: {float(loss(denoiser, x, generator)):.4f}")
    save(denoiser, options.out)


if __name__ == "__main__":
    main()
