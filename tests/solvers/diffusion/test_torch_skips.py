"""Skip-tuning of torch U-Nets as they stand: which joins, which factors, when and where."""

import copy
import pickle
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from solvers import (  # noqa: E402
    encode_diffusion,
    fit_gits,
    fit_mean_value,
    log_likelihood,
    sample_diffusion,
    scale_skips,
    skip_tuning,
)
from solvers.diffusion import torch_skips  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class Net(nn.Module):
    """Three skips; `rho` scales them in the code itself, as a network of one's own would."""

    def __init__(self, skip_first=False, width=4):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.skip_first = skip_first
        self.inward = nn.Conv2d(2, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.ModuleList([nn.Conv2d(2 * width, width, 3, padding=1) for _ in range(3)])
        self.outward = nn.Conv2d(width, 2, 1)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.5, generator=generator)

    def forward(self, x, sigma=0.0, rho=(1.0, 1.0, 1.0), condition=None):
        level = torch.cat([torch.sin(torch.ones(1)), torch.cos(torch.ones(1))])
        if condition is not None:
            x = torch.cat([x, condition], dim=1)[:, :2] + condition.mean()
        skips = [self.inward(x) + level[0]]
        skips.append(torch.tanh(self.second(skips[-1])))
        skips.append(self.down(skips[-1]))
        y = functional.silu(self.deep(skips[-1]))
        for factor, conv in zip(rho, self.up, strict=True):
            d = skips.pop()
            if y.shape[-1] < d.shape[-1]:
                y = functional.interpolate(y, scale_factor=2.0)
            d = d if factor == 1.0 else factor * d
            y = torch.tanh(conv(torch.cat([d, y] if self.skip_first else [y, d], dim=-3)))
        return self.outward(y)


@pytest.fixture
def net():
    return Net().requires_grad_(False)


@pytest.fixture
def x():
    return torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("skip_first", [False, True])
def test_factors_are_those_of_the_definition(x, skip_first):
    net = Net(skip_first).requires_grad_(False)
    for rho in ((0.5, 0.75, 1.0), (1.3, 1.0, 0.9), (1.0, 0.0, 1.0)):
        with skip_tuning(net, rho):
            assert torch.equal(net(x), net.__class__.forward(net, x, rho=rho))
    with skip_tuning(net, 0.6, 1.4):
        tuned = net(x)
    factors = [float(f) for f in scale_skips([np.ones(())] * 3, 0.6, 1.4)]
    assert torch.equal(tuned, net(x, rho=factors))


def test_factor_one_changes_no_bit(net, x):
    untouched = net(x)
    for rho in (1.0, (1.0, 1.0, 1.0), lambda sigma: 1.0):
        with skip_tuning(net, rho):
            assert torch.equal(net(x, sigma=0.3), untouched)


def test_scaling_one_skip_changes_that_one_only(net, x):
    """The decoder's first input: of its eight channels the four of the skip, by the factor."""
    seen = []
    watch = [conv.register_forward_pre_hook(lambda _, a: seen.append(a[0])) for conv in net.up]
    net(x)
    with skip_tuning(net, (0.5, 1.0, 1.0)):
        net(x)
    for hook in watch:
        hook.remove()
    plain, tuned = seen[0], seen[3]
    assert torch.equal(tuned[:, :4], plain[:, :4])
    assert torch.equal(tuned[:, 4:], 0.5 * plain[:, 4:])
    assert all(torch.equal(a[:, 4:], b[:, 4:]) for a, b in zip(seen[1:3], seen[4:], strict=True))


def test_a_condition_is_no_skip(net, x):
    condition = torch.ones(2, 1, 6, 6)
    with skip_tuning(net, (0.5, 0.5, 0.5), n_skips=3):
        assert torch.equal(
            net(x, condition=condition),
            Net.forward(net, x, rho=(0.5, 0.5, 0.5), condition=condition),
        )


class Refused(nn.Module):
    """A dense block, parallel branches, or an operation torch does not show, before the joins."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.unet = kind, Net()
        self.one, self.two = nn.Conv2d(2, 1, 1), nn.Conv2d(2, 1, 1)

    def forward(self, x):
        if self.kind == "dense":
            x = torch.cat([self.one(x), x], dim=1)[:, 1:]
        elif self.kind == "parallel":
            x = torch.cat([self.one(x), self.two(x)], dim=1)
        elif self.kind == "three":
            x = torch.cat([x, self.one(x), self.two(x)], dim=1)[:, :2]
        else:
            x = torch.cat([_Hidden.apply(x), self.one(x)], dim=1)[:, :2]
        return self.unet(x)


class _Hidden(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(x.numpy().copy())

    @staticmethod
    def backward(ctx, g):
        return g


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dense", "reverse of the order"),
        ("parallel", "one skip that the backbone was computed from"),
        ("three", "got 3 maps"),
        ("hidden", "an operation that torch does not show"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(x, kind, message):
    net = Refused(kind).requires_grad_(False)
    untouched = net(x)
    with skip_tuning(net, 0.5, 0.5), pytest.raises(ValueError, match=message):
        net(x)
    with skip_tuning(net.unet, 0.5, 0.5, n_skips=3):  # the U-Net within it is fine
        assert not torch.equal(net(x), untouched)


def test_wrong_number_of_skips(net, x):
    for n in (2, 4):
        with skip_tuning(net, 0.5, n_skips=n), pytest.raises(ValueError, match=f"must have {n} "):
            net(x)
    with skip_tuning(net, (0.5, 1.0)), pytest.raises(ValueError, match="must have 2 skips"):
        net(x)
    flat = nn.Conv2d(2, 2, 1)
    with skip_tuning(flat, 0.5), pytest.raises(ValueError, match="found no such join"):
        flat(x)


def test_off_again_after_an_exception(net, x):
    untouched = net(x)
    with pytest.raises(KeyboardInterrupt), skip_tuning(net, 0.5):
        net(x)
        raise KeyboardInterrupt
    with skip_tuning(net, 0.5):
        with pytest.raises(RuntimeError):
            net(x[:, :1])  # torch's own, in mid-forward
        assert not torch.equal(net(x), untouched)
    assert torch.equal(net(x), untouched)
    assert "forward" not in net.__dict__
    assert not torch.overrides._get_current_function_mode_stack()


def test_nested_blocks_multiply(net, x):
    with skip_tuning(net, 0.5, 0.5), skip_tuning(net, (0.8, 1.0, 2.0)):
        assert torch.equal(net(x), Net.forward(net, x, rho=(0.4, 0.5, 1.0)))
        with skip_tuning(net, 1.0):
            assert torch.equal(net(x), Net.forward(net, x, rho=(0.4, 0.5, 1.0)))
    assert "forward" not in net.__dict__


def test_threads_do_not_see_each_other(net, x):
    factors = (0.5, 0.8, 1.0, 1.2)
    desired = [net(x, rho=(rho,) * 3) for rho in factors]
    barrier, wrong = threading.Barrier(len(factors)), []

    def work(rho, expected):
        barrier.wait()
        for _ in range(5):
            if rho == 1.0:  # no block at all
                wrong.append(not torch.equal(net(x), expected))
                continue
            with skip_tuning(net, rho, rho, n_skips=3):
                wrong.append(not torch.equal(net(x), expected))

    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(factors, desired, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 20 and not any(wrong)
    assert "forward" not in net.__dict__


def test_factors_by_noise_level(net, x):
    untouched, halved = net(x), net(x, rho=(0.5,) * 3)
    with skip_tuning(net, 0.5, 0.5, sigma_range=(0.1, 1.0)):
        assert torch.equal(net(x, 0.1), halved)
        assert torch.equal(net(x, sigma=torch.full((2,), 1.0)), halved)
        assert torch.equal(net(x, 1.001), untouched)
        with pytest.raises(ValueError, match="must be one noise level for the batch; got 2"):
            net(x, torch.tensor([0.1, 0.2]))
    with skip_tuning(net, lambda sigma: (0.5, sigma, 1.0)):
        assert torch.equal(net(x, 0.25), net.__class__.forward(net, x, rho=(0.5, 0.25, 1.0)))
    with skip_tuning(net, lambda sigma: sigma, lambda sigma: sigma):
        assert torch.equal(net(x, 0.5), halved)


class Blind(Net):
    """Is not told the noise level."""

    def forward(self, x, c_noise):
        return super().forward(x)


def test_every_sampler_announces_its_noise_level(x):
    net, sigmas, seen = Blind().requires_grad_(False), [2.0, 1.0, 0.5], []

    def rho(sigma):
        seen.append(sigma)
        return 0.8

    with skip_tuning(net, rho), pytest.raises(ValueError, match="depends on the noise level"):
        net(x, 0.0)
    for method, evaluations in (("dpmpp_2m", 3), ("heun", 5), ("unipc_2", 3)):
        seen.clear()
        with skip_tuning(net, rho):
            result = sample_diffusion(lambda x, s: 0.1 * net(x, 0.0), x, sigmas, method=method)
        assert set(sigmas) <= set(seen) and len(seen) == result.nfe == evaluations


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # its own
@pytest.mark.parametrize(
    "consumer",
    [
        lambda denoiser, x, sigmas: encode_diffusion(denoiser, x, sigmas).x,
        lambda denoiser, x, sigmas: (
            log_likelihood(denoiser, x, sigmas, trace="hutchinson", rng=0).value
        ),
        lambda denoiser, x, sigmas: fit_mean_value(denoiser, x, sigmas, teacher_steps=1),
        lambda denoiser, x, sigmas: fit_gits(denoiser, x, sigmas, 2),
    ],
    ids=["encode_diffusion", "log_likelihood", "fit_mean_value", "fit_gits"],
)
def test_what_is_no_sampler_announces_it_too(x, consumer):
    """A factor that looks at σ and always answers .8 does what the number .8 does."""
    net, sigmas, seen = Blind().requires_grad_(False), [2.0, 1.0, 0.5], []

    def denoiser(x, sigma):
        return 0.1 * net(x, 0.0)

    def rho(sigma):
        seen.append(sigma)
        return 0.8

    with skip_tuning(net, rho, 0.8):
        announced = consumer(denoiser, x, sigmas)
    with skip_tuning(net, 0.8, 0.8):
        fixed = consumer(denoiser, x, sigmas)
    assert set(sigmas[:2]) <= set(seen)
    assert np.array_equal(np.asarray(announced), np.asarray(fixed))


def test_gradients_pass_through(net, x):
    x = x.requires_grad_()
    with skip_tuning(net, 0.5, 0.5):
        (tuned,) = torch.autograd.grad(net(x).sum(), x)
    (desired,) = torch.autograd.grad(net(x, rho=(0.5,) * 3).sum(), x)
    assert torch.equal(tuned, desired)


def test_counting_leaves_the_random_state_alone(x):
    net = nn.Sequential(nn.Dropout(0.5), Net()).train().requires_grad_(False)
    torch.manual_seed(3)
    with skip_tuning(net, 1.0, n_skips=3):
        desired = net(x)
    torch.manual_seed(3)
    with skip_tuning(net, 0.8):
        net(x)
    after = torch.rand(())
    torch.manual_seed(3)
    net(x)
    assert torch.rand(()) == after and torch.isfinite(desired).all()


def test_half_precision_and_autocast(net, x):
    with skip_tuning(net, 0.5, 0.5), torch.autocast("cpu", dtype=torch.bfloat16):
        tuned = net(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(tuned, net(x, rho=(0.5,) * 3))
    net = net.to(torch.bfloat16)
    with skip_tuning(net, 0.5, 0.5):
        assert torch.equal(net(x.bfloat16()), Net.forward(net, x.bfloat16(), rho=(0.5,) * 3))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_models_are_tuned_too(net, x, backend):
    compiled = torch.compile(net, backend=backend)
    compiled(x)
    desired = net(x, rho=(0.5,) * 3)
    for model in (compiled, net):  # the block may name either
        with skip_tuning(model, 0.5, 0.5):
            assert torch.equal(compiled(x), desired)
            assert torch.equal(net(x), desired)
    torch.testing.assert_close(compiled(x), net(x))
    from torch._dynamo import eval_frame

    assert eval_frame._stance.stance == "default"


def test_copies_made_within_are_not_tuned(net, x):
    untouched = net(x)
    with skip_tuning(net, 0.5):
        copies = copy.deepcopy(net), pickle.loads(pickle.dumps(net))
        assert all(torch.equal(twin(x), untouched) for twin in copies)


def test_a_patched_forward_is_put_back(net, x):
    def patched(x):
        return 2.0 * Net.forward(net, x)

    net.forward = patched
    with skip_tuning(net, 0.5, 0.5):
        assert torch.equal(net(x), 2.0 * Net.forward(net, x, rho=(0.5,) * 3))
    assert net.forward is patched


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_refusals(net, x):
    with pytest.raises(TypeError, match="`model` must be a torch module"):
        skip_tuning(lambda x: x, 0.5)
    with pytest.raises(TypeError, match="not scripted"):
        skip_tuning(torch.jit.trace(nn.Conv2d(2, 2, 1), x), 0.5)
    with pytest.raises(ValueError, match="`rho_bottom` must be finite"):
        skip_tuning(net, np.inf)
    with pytest.raises(ValueError, match="must hold 3 factors; got 2"):
        skip_tuning(net, (0.5, 1.0), n_skips=3)
    with pytest.raises(ValueError, match="must hold at least one"):
        skip_tuning(net, ())
    with pytest.raises(TypeError, match="`n_skips` must be an integer"):
        skip_tuning(net, 0.5, n_skips=2.0)
    with pytest.raises(ValueError, match=r"`sigma_range\[1\]` must be finite and >= 2"):
        skip_tuning(net, 0.5, sigma_range=(2.0, 1.0))
    with skip_tuning(net, 0.5), pytest.raises(ValueError, match="sample of at least four axes"):
        net(torch.ones(2, 6, 6))


def test_memory_is_not_kept(net, x):
    """The maps of a pass die with it; a network that is dropped leaves no count behind."""
    with skip_tuning(net, 0.5):
        net(x)
    assert net in torch_skips._COUNTS
    count = len(torch_skips._COUNTS)
    twin = Net()
    with skip_tuning(twin, 0.5):
        twin(x)
    del twin
    import gc

    gc.collect()
    assert len(torch_skips._COUNTS) <= count


def test_a_changed_network_is_counted_again(net, x):
    with skip_tuning(net, 0.5):
        net(x)
    fewer = nn.Sequential(net)
    fewer.forward = lambda x: net.outward(net.up[2](torch.cat([net.second(net.inward(x))] * 2, 1)))
    torch_skips._COUNTS[fewer] = 3
    with skip_tuning(fewer, 0.5):
        with pytest.raises(ValueError, match="must have 3 skips; found 1"):
            fewer(x)
        assert fewer(x).shape == x.shape


def test_a_task_outliving_the_block_is_not_tuned(net, x):
    import contextvars

    with skip_tuning(net, 0.5):
        context = contextvars.copy_context()
    with skip_tuning(net, 1.0):
        assert torch.equal(context.run(net, x), Net.forward(net, x))
