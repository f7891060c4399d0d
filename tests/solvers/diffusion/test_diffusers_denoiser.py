"""diffusers' networks and schedules under our samplers, beside diffusers' own loop."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from solvers import (  # noqa: E402
    denoiser_from_diffusers,
    guided,
    sample_diffusion,
    skip_tuning,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    net = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(8, 16, 16),
        norm_num_groups=4,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    return net.double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def conditional():
    torch.manual_seed(1)
    net = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 16, 16),
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )
    return net.double().eval().requires_grad_(False)


def ddim(prediction, steps, **options):
    """The peer's scheduler in float64, unclipped; its levels as our sigmas, the first first."""
    scheduler = diffusers.DDIMScheduler(
        prediction_type=prediction, clip_sample=False, timestep_spacing="leading", **options
    )
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    scheduler.final_alpha_cumprod = scheduler.final_alpha_cumprod.double()
    scheduler.set_timesteps(steps)
    alphas = scheduler.alphas_cumprod[scheduler.timesteps].numpy()
    return scheduler, np.sqrt((1 - alphas) / alphas)


def noise(seed=0, batch=2):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((batch, 1, 8, 8)))


def ddim_loop(unet, scheduler, x, **inputs):
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t, **inputs).sample, t, x).prev_sample
    return x


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_ddim_is_that_of_diffusers(unet, prediction):
    calls = []
    scheduler, sigmas = ddim(prediction, 5)
    desired = ddim_loop(unet, scheduler, noise())

    def counted(x, t):
        calls.append(t.tolist())
        return unet(x, t)

    denoiser = denoiser_from_diffusers(counted, scheduler)
    start = noise() * np.hypot(1.0, sigmas[0])
    result = sample_diffusion(denoiser, start, sigmas, method="ddim")
    assert calls == [[t, t] for t in scheduler.timesteps.tolist()]  # integers, to the last bit
    assert result.nfe == len(calls) == 5
    scale = float(desired.abs().max())
    # five steps of a smooth map: rounding grows by the size of σ₀ = 78 at most
    assert float((result.x - desired).abs().max()) <= 1e3 * np.finfo(float).eps * scale


def test_levels_between_timesteps():
    seen = []
    alphas = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)  # σ = 1/3, 1, 3
    scheduler = SimpleNamespace(
        alphas_cumprod=alphas, config=SimpleNamespace(prediction_type="sample")
    )

    def net(x, t):
        seen.append(float(t[0]))
        return SimpleNamespace(sample=x)

    denoiser = denoiser_from_diffusers(net, scheduler)
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    for sigma in (1.0, np.sqrt(3.0), 1 / 3, 0.01, 100.0):
        scaled = denoiser(x, float(sigma))
        assert float(scaled[0, 0, 0, 0]) == pytest.approx(1 / np.hypot(1.0, sigma), rel=1e-14)
    np.testing.assert_allclose(seen, [1.0, 1.5, 0.0, 0.0, 2.0], atol=1e-12)
    assert (denoiser.sigma_min, denoiser.sigma_max) == pytest.approx((1 / 3, 3.0))


def test_fractional_timesteps_reach_the_network(unet):
    """diffusers truncates a Python number to an integer; the adapter hands over an array."""
    scheduler, _ = ddim("epsilon", 5)
    denoiser = denoiser_from_diffusers(unet, scheduler)
    between = [float((scheduler.alphas_cumprod[t] ** -1 - 1) ** 0.5) for t in (500, 501)]
    middle = denoiser(noise(), float(np.sqrt(between[0] * between[1])))
    ends = [denoiser(noise(), sigma) for sigma in between]
    assert not torch.equal(middle, ends[0]) and not torch.equal(middle, ends[1])


def test_half_precision_sees_exact_timesteps():
    seen = []
    scheduler = diffusers.DDIMScheduler(prediction_type="epsilon")

    def net(x, t):
        seen.append((t.dtype, t.tolist()))
        return SimpleNamespace(sample=0 * x)

    denoiser = denoiser_from_diffusers(net, scheduler)
    out = denoiser(torch.ones(2, 1, 2, 2, dtype=torch.bfloat16), denoiser.sigma_max)
    assert seen == [(torch.float32, [999.0, 999.0])] and out.dtype == torch.bfloat16


def test_predicted_variances_are_left_out():
    scheduler = diffusers.DDIMScheduler(prediction_type="sample")
    net = lambda x, t: SimpleNamespace(sample=torch.cat([x, x + 7], dim=1))  # noqa: E731
    x = torch.ones(1, 3, 2, 2)
    assert torch.equal(denoiser_from_diffusers(net, scheduler)(x, 1.0), x / np.hypot(1.0, 1.0))


def test_zero_terminal_snr():
    scheduler = diffusers.DDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    denoiser = denoiser_from_diffusers(lambda x, t: SimpleNamespace(sample=0 * x), scheduler)
    assert np.isfinite(denoiser.sigma_max) and denoiser.sigma_max > 100
    assert torch.isfinite(denoiser(noise(), denoiser.sigma_max)).all()


@pytest.mark.parametrize("n", [9, 6])
def test_skip_tuning_of_diffusers_networks(unet, conditional, n):
    """ρ = 1 bit for bit; the count; and the factors of definition 3.1 on the decoder's inputs."""
    net, inputs = (
        (unet, {})
        if n == 9
        else (
            conditional,
            {"encoder_hidden_states": noise(3).reshape(2, 8, 8)},
        )
    )
    t, x, joined = torch.tensor([7.0, 7.0]), noise(), []
    untouched = net(x, t, **inputs).sample
    with skip_tuning(net, 1.0, n_skips=n):
        assert torch.equal(net(x, t, **inputs).sample, untouched)
    with skip_tuning(net, 0.5, n_skips=n - 1), pytest.raises(ValueError, match="skips; found"):
        net(x, t, **inputs)
    resnets = [resnet for block in net.up_blocks for resnet in block.resnets]
    hooks = [r.register_forward_pre_hook(lambda _, a: joined.append(a[0])) for r in resnets]
    net(x, t, **inputs)
    plain = joined[:]
    for i in range(n):  # one skip at a time: the first that differs is its own join, by its factor
        joined.clear()
        with skip_tuning(net, tuple(0.5 if i == j else 1.0 for j in range(n))):
            net(x, t, **inputs)
        assert all(torch.equal(a, b) for a, b in zip(joined[:i], plain[:i], strict=True))
        channels = _skip_channels(net, plain, i)
        assert torch.equal(joined[i][:, :-channels], plain[i][:, :-channels])
        assert torch.equal(joined[i][:, -channels:], 0.5 * plain[i][:, -channels:])
    for hook in hooks:
        hook.remove()


def test_skips_altered_on_their_way(conditional):
    """FreeU rescales skips and backbone, ControlNet adds to the skips: they are skips still."""
    t, x, states = torch.tensor([7.0, 7.0]), noise(), noise(3).reshape(2, 8, 8)
    shapes = [(8, 8), (8, 8), (8, 4), (16, 4), (16, 2), (16, 2)]
    random = torch.Generator().manual_seed(0)
    added = [torch.randn(2, c, n, n, generator=random).double() for c, n in shapes]

    def run(**inputs):
        return conditional(x, t, encoder_hidden_states=states, **inputs).sample

    control = {
        "down_block_additional_residuals": added,
        "mid_block_additional_residual": torch.zeros(2, 16, 2, 2).double(),
    }
    zeros = (0.0,) * 6
    with skip_tuning(conditional, zeros):
        assert torch.equal(run(), run(**control))  # what was added is scaled away too
    with skip_tuning(conditional, 1.0, n_skips=6):
        assert not torch.equal(run(), run(**control))
    conditional.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
    try:
        untouched = run()
        with skip_tuning(conditional, 1.0, n_skips=6):
            assert torch.equal(run(), untouched)
        with skip_tuning(conditional, zeros):
            assert not torch.equal(run(), untouched)
    finally:
        conditional.disable_freeu()


def _skip_channels(net, joined, i):
    resnets = [resnet for block in net.up_blocks for resnet in block.resnets]
    before = 16 if i == 0 else resnets[i - 1].conv2.out_channels
    return joined[i].shape[1] - before


def test_tuned_by_noise_level_under_a_sampler(unet):
    """Only σ, not the timestep, decides; a sampler sees the tuned network in the window alone."""
    scheduler, sigmas = ddim("epsilon", 4)
    denoiser = denoiser_from_diffusers(unet, scheduler)
    start = noise() * np.hypot(1.0, sigmas[0])
    plain = sample_diffusion(denoiser, start, sigmas, return_trajectory=True)
    window = (float(sigmas[2]) * 0.99, float(sigmas[1]) * 1.01)
    with skip_tuning(unet, 0.5, 0.5, sigma_range=window, n_skips=9):
        tuned = sample_diffusion(denoiser, start, sigmas, return_trajectory=True)
    same = [torch.equal(a, b) for a, b in zip(plain.trajectory, tuned.trajectory, strict=True)]
    assert same == [True, True, False, False, False]


def test_guidance_of_a_conditional_network(conditional):
    scheduler, sigmas = ddim("epsilon", 3)
    states = [noise(seed).reshape(2, 8, 8) for seed in (4, 5)]
    pair = [
        denoiser_from_diffusers(conditional, scheduler, encoder_hidden_states=state)
        for state in states
    ]
    start = noise() * np.hypot(1.0, sigmas[0])
    result = sample_diffusion(guided(*pair, 3.0), start, sigmas, method="ddim")

    def net(x, t):
        cond, uncond = (conditional(x, t, encoder_hidden_states=state).sample for state in states)
        return SimpleNamespace(sample=uncond + 3.0 * (cond - uncond))

    desired = ddim_loop(net, scheduler, noise())
    assert result.nfe == 6
    scale = float(desired.abs().max())
    assert float((result.x - desired).abs().max()) <= 1e3 * np.finfo(float).eps * scale


def test_refusals():
    scheduler = diffusers.DDIMScheduler()
    with pytest.raises(TypeError, match="`unet` must be callable"):
        denoiser_from_diffusers(3, scheduler)
    with pytest.raises(TypeError, match="must have alphas_cumprod; got FlowMatchEuler"):
        denoiser_from_diffusers(abs, diffusers.FlowMatchEulerDiscreteScheduler())
    wrong = SimpleNamespace(
        alphas_cumprod=scheduler.alphas_cumprod, config=SimpleNamespace(prediction_type="flow")
    )
    with pytest.raises(ValueError, match="prediction_type` must be one of 'epsilon'"):
        denoiser_from_diffusers(abs, wrong)
    denoiser = denoiser_from_diffusers(lambda x, t: SimpleNamespace(sample=x[:, :, 1:]), scheduler)
    with pytest.raises(ValueError, match="`unet` must return the shape"):
        denoiser(torch.ones(1, 1, 4, 4), 1.0)
