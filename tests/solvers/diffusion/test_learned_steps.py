"""Fitted steps and levels, on noise they have not seen."""

import numpy as np
import pytest

from solvers import (
    fit_gits,
    fit_mean_value,
    sample_diffusion,
    sigmas_karras,
    sigmas_logsnr,
)
from solvers.diffusion.learned_steps import _cheapest_path


def training_noise():
    return 80.0 * np.random.default_rng(100).standard_normal((256, 2))


def error(problem, sigmas, **options):
    denoiser, x, exact = problem
    sample = sample_diffusion(denoiser, x, sigmas, final="stop", **options).x
    return np.sqrt(np.mean((sample - exact) ** 2))


def test_fitted_steps_beat_dpm_2_on_held_out_noise(problem_a, tmp_path):
    """Mixture A, 6 evaluations: .495 becomes at most .10."""
    sigmas = sigmas_karras(4, 0.002, 80.0)
    table = fit_mean_value(problem_a[0], training_noise(), sigmas)
    assert table.shape == (3, 2)
    assert np.all(np.abs(table[:, 1] - 1) <= 0.1 + 1e-15)
    np.save(tmp_path / "table.npy", table)
    kept = np.load(tmp_path / "table.npy")
    assert error(problem_a, sigmas, method="dpm_2") == pytest.approx(0.495, abs=0.0005)
    assert error(problem_a, sigmas, method="mean_value", step_table=kept) <= 0.10


def test_a_number_has_an_exact_mean_value():
    """In one dimension c = 1 and some r are exact; the fit reaches the teacher."""
    x = np.array([[7.0]])
    sigmas = [10.0, 1.0, 0.1]

    def denoiser(y, s):
        return y / (1 + s * s)

    table = fit_mean_value(denoiser, x, sigmas, teacher_steps=60)
    fitted = sample_diffusion(
        denoiser, x, sigmas, method="mean_value", step_table=table, final="stop"
    ).x
    assert fitted[0, 0] == pytest.approx(7.0 * np.sqrt(1.01 / 101), rel=1e-6)


def published_gits(denoiser, x, levels, n, gamma):
    """Chen et al. 2024, arXiv 2405.11326: the table of costs, and paths of so many steps."""
    path = sample_diffusion(
        denoiser, x, levels, method="heun", final="stop", return_trajectory=True
    ).trajectory

    def cost(i, j):
        euler = path[i] + (levels[j] - levels[i]) / levels[i] * (path[i] - denoised[i])
        return np.mean(np.linalg.norm(euler - path[j], axis=1))

    denoised = [denoiser(y, sigma) for y, sigma in zip(path[:-1], levels[:-1], strict=True)]
    m = len(levels)
    costs = {(i, j): cost(i, j) for i in range(m) for j in range(i + 1, m)}
    best = {(m - 1, 0): (0.0, [m - 1])}  # of the paths from a node in so many steps
    for k in range(1, n):
        for i in range(m - 1):
            ways = [
                (costs[i, j] + gamma * best[j, k - 1][0], [i, *best[j, k - 1][1]])
                for j in range(i + 1, m)
                if (j, k - 1) in best
            ]
            if ways:
                best[i, k] = min(ways)
    return levels[best[0, n - 1][1]]


@pytest.mark.parametrize("nfe", [5, 10, 20])
def test_gits_levels_are_the_papers_and_beat_every_fixed_grid(problem_a, nfe):
    """At the paper's γ; then at that γ, of seven, with which iPNDM-3 ends nearest the teacher."""
    denoiser, noise, teacher = problem_a[0], training_noise(), sigmas_karras(61, 0.002, 80.0)
    by_gamma = [
        published_gits(denoiser, noise, teacher, nfe + 1, gamma)
        for gamma in (0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
    ]
    at_published = fit_gits(denoiser, noise, teacher, nfe + 1, gamma=1.15)
    assert at_published.tolist() == by_gamma[5].tolist()
    sigmas = fit_gits(denoiser, noise, teacher, nfe + 1)
    end = sample_diffusion(denoiser, noise, teacher, method="heun", final="stop").x

    def distance(levels):
        x = sample_diffusion(denoiser, noise, levels, method="ipndm_3", final="stop").x
        return np.mean(np.linalg.norm(x - end, axis=1))

    assert sigmas.tolist() == min(by_gamma, key=distance).tolist()
    for grid in (sigmas_karras, sigmas_logsnr):
        assert error(problem_a, sigmas) < error(problem_a, grid(nfe + 1, 0.002, 80.0))


def test_the_cheapest_path_is_the_best_of_all():
    """Against every path through six nodes."""
    import itertools

    rng = np.random.default_rng(0)
    costs = np.where(np.triu(np.ones((6, 6)), 1) > 0, rng.random((6, 6)), np.inf)
    for n, gamma in itertools.product((2, 3, 4, 6), (0.8, 1.0, 1.3)):
        paths = ([0, *inner, 5] for inner in itertools.combinations(range(1, 5), n - 2))

        def total(path, gamma=gamma):
            return sum(gamma**k * costs[i, j] for k, (i, j) in enumerate(itertools.pairwise(path)))

        assert _cheapest_path(costs, n, gamma) == min(paths, key=total)


def test_torch_noise(problem_a, parameters_a):
    torch = pytest.importorskip("torch")
    from solvers import gaussian_mixture_denoiser

    denoiser = gaussian_mixture_denoiser(*map(torch.from_numpy, parameters_a))
    x, sigmas = training_noise()[:16], sigmas_karras(4, 0.002, 80.0)
    table = fit_mean_value(denoiser, torch.from_numpy(x), sigmas)
    assert np.allclose(table, fit_mean_value(problem_a[0], x, sigmas), rtol=1e-4)
    teacher = sigmas_karras(31, 0.002, 80.0)
    chosen = fit_gits(denoiser, torch.from_numpy(x), teacher, 6)
    assert np.array_equal(chosen, fit_gits(problem_a[0], x, teacher, 6))


def test_refusals(problem_a):
    denoiser, x, _ = problem_a
    with pytest.raises(ValueError, match="`n` must be <= 3"):
        fit_gits(denoiser, x, [3.0, 2.0, 1.0], 4)
    with pytest.raises(ValueError, match="`sigmas_teacher` must stay above 0"):
        fit_gits(denoiser, x, [3.0, 2.0, 0.0], 2)
    with pytest.raises(ValueError, match="`gamma` must be"):
        fit_gits(denoiser, x, [3.0, 2.0, 1.0], 2, gamma=0.0)
    with pytest.raises(ValueError, match="`sigmas` must stay above 0"):
        fit_mean_value(denoiser, x, [3.0, 0.0])
    with pytest.raises(ValueError, match="`teacher_steps` must be >= 1"):
        fit_mean_value(denoiser, x, [3.0, 1.0], teacher_steps=0)
    for fit, options in ((fit_mean_value, {}), (fit_gits, {"n": 2})):
        with pytest.raises(ValueError, match="`x` must hold at least one sample"):
            fit(denoiser, x[:0], [3.0, 1.0], **options)


def test_fits_to_halves_are_made_in_float32():
    torch, seen = pytest.importorskip("torch"), set()

    def denoiser(x, sigma):
        seen.add(x.dtype)
        return x / (1 + sigma**2)

    x, sigmas = 5 * np.random.default_rng(0).standard_normal((20, 2)), sigmas_karras(9, 0.1, 5.0)
    half = torch.from_numpy(x).to(torch.bfloat16)
    assert np.array_equal(fit_gits(denoiser, half, sigmas, 4), fit_gits(denoiser, x, sigmas, 4))
    table = fit_mean_value(denoiser, half, sigmas[::4], teacher_steps=4)
    assert torch.float32 not in seen
    options = {"method": "mean_value", "final": "stop", "step_table": table}
    reached = sample_diffusion(denoiser, x, sigmas[::4], **options).x
    exact = x * np.sqrt((1 + 0.1**2) / (1 + 5.0**2))
    assert np.max(np.abs(reached - exact)) <= torch.finfo(torch.bfloat16).eps * np.max(
        np.abs(exact)
    )
