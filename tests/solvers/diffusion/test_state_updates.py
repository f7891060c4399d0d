"""The one-pass kernels are the definition, bit for bit, and say what is not finite."""

import numpy as np
import pytest

from mathcore import _arrays
from solvers import sample_diffusion, sigmas_karras
from solvers.diffusion._kernels import combinations_cpu as kernels
from solvers.diffusion.plans import planned
from solvers.diffusion.state_updates import weighted_sum
from solvers.diffusion.steps import Stage
from solvers.diffusion.walking import walk


def arrays(count, size, dtype):
    rng = np.random.default_rng(size)
    return [rng.standard_normal(size).astype(dtype) for _ in range(count)]


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_combine_is_the_weighted_sum(dtype):
    terms, weights = arrays(5, 67, dtype), np.array([0.3, -1.7, 2.0, 1e-3, -0.9], dtype)
    out = np.empty_like(terms[0])
    assert kernels.combine(0, 1, out, weights, *terms)
    assert np.array_equal(out, weighted_sum(weights, terms))


@pytest.mark.small
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_difference_replaces_the_oldest(dtype):
    x, oldest, a, b, point, denoised = arrays(6, 67, dtype)
    weights = np.array([0.3, -1.7, 2.0, 1e-3, -0.9], dtype)
    expected = weighted_sum(weights, [x, oldest, a, b, point - denoised])
    out, room = np.empty_like(point), oldest.copy()
    assert kernels.combine_with_difference(0, 1, out, room, weights, x, a, b, point, denoised)
    assert np.array_equal(room, point - denoised)
    assert np.array_equal(out, expected)


@pytest.mark.small
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_reported(bad):
    terms = arrays(5, 67, "float32")
    terms[2][41] = bad
    weights, out = np.ones(5, "float32"), np.empty(67, "float32")
    with np.errstate(invalid="ignore"):  # uncompiled, NumPy's scalars warn
        assert not kernels.combine(0, 1, out, weights, *terms)
        newest = (*terms[1:], terms[1])
        assert not kernels.combine_with_difference(0, 1, out, terms[0], weights, *newest)


def test_chunks_join():
    """Enough for several threads, the last chunk short."""
    size = 12 * kernels.CHUNK + 5
    terms, weights = arrays(6, size, "float32"), np.array([1, 2, 3, 4, 5], "float32")
    combine, combine_with_difference = kernels.kernels_for(size)
    out, oldest = np.empty_like(terms[0]), terms[1].copy()
    assert combine(out, weights, *terms[:5])
    assert np.array_equal(out, weighted_sum(weights, terms[:5]))
    x, _, *others, point, denoised = terms
    assert combine_with_difference(out, oldest, weights, x, *others, point, denoised)
    assert np.array_equal(oldest, point - denoised)
    terms[4][-1] = np.nan
    assert not combine(out, weights, *terms[:5])


@pytest.mark.parametrize("method", ["dpmpp_2m", "ipndm_4", "heun", "sde_dpmpp_2m"])
def test_a_model_with_parameters_stops_the_sharing(method):
    """torch without gradients, torch with them (operation by operation) and NumPy agree."""
    torch = pytest.importorskip("torch")
    weight = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x, sigmas = 9 * np.random.default_rng(0).standard_normal((3, 2)), sigmas_karras(7, 0.1, 9.0)
    options = {"method": method, **({"eta": 1.0, "rng": 2} if method[:3] == "sde" else {})}

    def sample(x, weight):
        return sample_diffusion(lambda y, s: weight * y / (weight + s * s), x, sigmas, **options).x

    tracked = sample(torch.from_numpy(x), weight)
    assert tracked.requires_grad
    free = sample(torch.from_numpy(x), weight.detach())
    assert not free.requires_grad
    for one in (tracked.detach(), free):
        assert np.allclose(one.numpy(), sample(x, 0.5), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("method", ["dpmpp_3m", "lms_4", "dpm_3"])
def test_sharing_stops_on_the_way(method):
    """The history found in shared memory serves the definition from there on."""
    torch = pytest.importorskip("torch")
    one, count = torch.tensor(1.0, dtype=torch.float64, requires_grad=True), iter(range(99))
    x = torch.from_numpy(9 * np.random.default_rng(0).standard_normal((3, 2)))
    sigmas = sigmas_karras(7, 0.1, 9.0)

    def tracked_from_the_fifth(y, sigma):
        denoised = y / (1 + sigma * sigma)
        return one * denoised if next(count) >= 4 else denoised

    partly = sample_diffusion(tracked_from_the_fifth, x, sigmas, method=method).x
    plain = sample_diffusion(lambda y, s: y / (1 + s * s), x, sigmas, method=method).x
    assert partly.requires_grad and not plain.requires_grad
    assert np.allclose(partly.detach().numpy(), plain.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    "table",
    [
        [[Stage(2.0, 1.0, (0.5,), (-0.25,))], [Stage(1.0, 1.0, (0.2, 0.1), (-0.25, 0.1))]],
        [[Stage(2.0, 1.0, (), (-1.0,), 0.5)], [Stage(1.0, 1.0, (), (0.0, -0.5), 0.5)]],
        [[Stage(2.0, 1.0, (), (-0.1,))]] * 4 + [[Stage(1.0, 1.0, (), (-0.1, 0, 0, 0, 0.1))]] * 2,
        [[Stage(2.0, 1.0, (), (-0.1,))], [Stage(1.0, 1.0, (), (0.0, -0.5))]],
        [[Stage(2.0, 1.0, (), (0.0,)), Stage(1.0, 1.0, (), (-0.5, 0.0))]],
    ],
    ids=["data and differences", "noise and differences", "long memory", "not the newest", "zero"],
)
def test_tables_the_kernels_cannot_do(table):
    """What no method has yet is summed as the table says, in NumPy as elsewhere."""
    plan, x = planned(table), np.array([[3.0, -1.0]])
    xi = np.array([[0.7, 0.1]])
    walked = walk(lambda y, s: y / (1 + s), x, [2.0] * 9, plan, draw=lambda step, like: xi)
    data, slopes = [], []
    for stages in table:
        point = x
        for stage in stages:
            data.insert(0, point / (1 + stage.sigma))
            slopes.insert(0, (point - data[0]) / stage.sigma)
            point = stage.decay * x + stage.noise * xi
            point = point + sum(w * d for w, d in zip(stage.weights, data, strict=False))
            point = point + sum(s * e for s, e in zip(stage.slopes, slopes, strict=False))
        x = point
    assert np.allclose(walked.x, x, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("method", ["dpmpp_2m", "lms_4"])
def test_libraries_agree(xp, method):
    x, sigmas = 9 * np.random.default_rng(1).standard_normal((3, 2)), sigmas_karras(9, 0.1, 9.0)

    def sample(x):
        return sample_diffusion(lambda y, s: y / (1 + s * s), x, sigmas, method=method).x

    here = _arrays.to_numpy(sample(xp.asarray(x.tolist(), dtype=xp.float64)))
    assert np.allclose(here, sample(x), rtol=1e-12, atol=1e-13)


def test_large_states_take_the_threads():
    x = np.random.default_rng(2).standard_normal((2**19 + 3, 1)).astype("float32")
    sigmas = sigmas_karras(5, 0.1, 9.0)
    whole = sample_diffusion(lambda y, s: y / (1 + s * s), x, sigmas).x
    part = sample_diffusion(lambda y, s: y / (1 + s * s), x[-5:], sigmas).x
    assert np.array_equal(whole[-5:], part)


def test_a_state_that_overflows_is_an_error():
    """D is finite; the extrapolation of it is not."""
    x = np.full((1, 1), 1.0, dtype=np.float32)
    values = iter([3e38, -3e38, 3e38])
    with pytest.raises(FloatingPointError, match="left the range of float32 in step 1"):
        sample_diffusion(
            lambda y, s: np.full_like(y, next(values)), x, [4.0, 1.0, 0.2], method="dpmpp_2m"
        )
