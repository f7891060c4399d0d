"""Every method: its true order, the formulas of its paper, its identities and its step table."""

import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from solvers import coefficients, order_of, sample_diffusion, sigmas_karras, sigmas_logsnr
from solvers.diffusion.methods import _METHODS as METHODS
from solvers.diffusion.methods import evaluations
from solvers.diffusion.steps import phi

DETERMINISTIC = [name for name in METHODS if name not in ("ddim", "mean_value")]
CASES = [
    *((name, {}) for name in DETERMINISTIC),
    ("dpmpp_3m", {"variant": "consistent"}),
    *((f"unipc_{p}", {"predict": "eps"}) for p in (1, 2, 3)),
    *((f"unipc_{p}", {"variant": "bh1"}) for p in (1, 2, 3)),
    ("sde_dpmpp_2m", {"variant": "heun"}),
]
NOISY = ("ancestral", "sde_dpmpp_1", "sde_dpmpp_2m")


def rmse(x, y):
    return np.sqrt(np.mean((x - y) ** 2))


def gaussian_denoiser(x, sigma, spread=0.5):
    """Exact denoiser of N(0, spread²)."""
    return spread**2 / (spread**2 + sigma**2) * x


def options_for(method, steps):
    return {"step_table": np.tile([0.5, 1.0], (steps, 1))} if method == "mean_value" else {}


@pytest.mark.parametrize(("method", "options"), CASES)
def test_order_of_convergence(smooth_problem, method, options):
    """Measured over 160 → 320 steps between σ = 10 and 0.1 on mixture A."""
    denoiser, x, exact = smooth_problem

    def error(steps):
        grid = sigmas_logsnr(steps + 1, 0.1, 10.0)
        options_ = {**options, "method": method, "final": "stop"}
        return rmse(sample_diffusion(denoiser, x, grid, **options_).x, exact)

    order = order_of(method, variant=options.get("variant"))
    assert np.log2(error(160) / error(320)) == pytest.approx(order, abs=0.2)


# --- the papers' formulas, written from the papers ----------------------------------------------


def slope_of(denoiser, x, sigma):
    return (x - denoiser(x, sigma)) / sigma


def published_heun(denoiser, x, sigmas):
    """Karras et al. 2022, arXiv 2206.00364, Algorithm 1."""
    for a, b in itertools.pairwise(sigmas):
        d = slope_of(denoiser, x, a)
        x = x + (b - a) * (d + slope_of(denoiser, x + (b - a) * d, b)) / 2
    return x


def published_dpmpp_2m(denoiser, x, sigmas):
    """Lu et al. 2022, arXiv 2211.01095, Algorithm 2, for α = 1."""
    lam, data = -np.log(sigmas), []
    for i, (a, b) in enumerate(itertools.pairwise(sigmas)):
        data.append(denoiser(x, a))
        d, h = data[-1], lam[i + 1] - lam[i]
        if i:
            r = (lam[i] - lam[i - 1]) / h
            d = (1 + 1 / (2 * r)) * d - data[-2] / (2 * r)
        x = b / a * x - np.expm1(-h) * d
    return x


def published_unipc_3(denoiser, x, sigmas):
    """Zhao et al. 2023, arXiv 2302.04867, Algorithms 1 and 2: ε, B(h) = e^h − 1."""
    lam, predicted, eps = -np.log(sigmas), x, []

    def unified(x, i, corrects):
        """The step from i to i + 1, where R_p(h) a B(h) = φ_p(h); UniC, or UniP without the end."""
        h, p = lam[i + 1] - lam[i], min(3, i + 1)
        points = [*(i - m for m in range(1, p)), *([i + 1] if corrects else [])]
        r = np.array([(lam[k] - lam[i]) / h for k in points])
        growth, phi_k, right = mpmath.expm1(h), mpmath.expm1(h) / h, []
        for k in range(1, len(points) + 1):
            phi_k = (phi_k - 1 / mpmath.factorial(k)) / h
            right.append(float(mpmath.factorial(k) * h * phi_k / growth))
        a = [0.5]  # where R_p has one row, whatever p
        if len(points) != 1:
            a = np.linalg.solve([r**k for k in range(len(points))], right) if points else []
        differences = [(eps[k] - eps[i]) / r_k for k, r_k in zip(points, r, strict=True)]
        total = eps[i] + sum(w * d for w, d in zip(a, differences, strict=True))
        return x - sigmas[i + 1] * float(growth) * total

    with mpmath.workdps(40):
        for i, sigma in enumerate(sigmas[:-1]):
            eps.append(slope_of(denoiser, predicted, sigma))
            x = unified(x, i - 1, corrects=True) if i else x
            predicted = unified(x, i, corrects=False)
    return predicted


def vp_time(sigma):
    """Of the VP process with β from 0.1 to 20: Song et al. 2021, arXiv 2011.13456."""
    return (math.sqrt(0.01 + 39.8 * math.log1p(sigma**2)) - 0.1) / 19.9


def deis_weights(a, b, nodes):
    """∫ ℓ_j(t(σ)) dσ from a to b, by adaptive quadrature in ln σ."""

    def integrand(u, j):
        t = vp_time(math.exp(u))
        others = (vp_time(node) for node in np.delete(nodes, j))
        return math.exp(u) * math.prod((t - o) / (vp_time(nodes[j]) - o) for o in others)

    span, accuracy = (math.log(a), math.log(b)), {"epsabs": 1e-14, "epsrel": 1e-13}
    return [quad(integrand, *span, args=(j,), **accuracy)[0] for j in range(len(nodes))]


def constant_weights(a, b, nodes):
    """Adams and Bashforth's for equal steps, as PNDM has them: Liu et al., arXiv 2202.09778."""
    table = ([1.0], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12])
    return (b - a) * np.array(table[len(nodes) - 1])


def published_adams(weights, order, denoiser, x, sigmas):
    """Zhang & Chen 2023, DEIS, arXiv 2204.13902: the first steps are of lower order."""
    slopes = []
    for i, (a, b) in enumerate(itertools.pairwise(sigmas)):
        slopes.insert(0, slope_of(denoiser, x, a))
        nodes = sigmas[max(0, i + 1 - order) : i + 1][::-1]
        x = x + sum(w * s for w, s in zip(weights(a, b, nodes), slopes, strict=False))
    return x


PUBLISHED = [
    ("euler", {}, functools.partial(published_adams, constant_weights, 1)),
    ("heun", {}, published_heun),
    ("dpmpp_2m", {}, published_dpmpp_2m),
    ("unipc_3", {"predict": "eps"}, published_unipc_3),
    ("deis_3", {}, functools.partial(published_adams, deis_weights, 3)),
    ("ipndm_3", {}, functools.partial(published_adams, constant_weights, 3)),
]


@pytest.mark.parametrize("grid", [sigmas_karras, sigmas_logsnr])
@pytest.mark.parametrize(("method", "options", "published"), PUBLISHED)
def test_states_are_those_of_the_papers(problem_a, method, options, published, grid):
    """Mixture A, 5 to 40 evaluations; the errors of both against the exact flow are one number."""
    denoiser, x, exact = problem_a
    for nfe in (5, 10, 20, 40):
        steps = nfe // evaluations(method)
        sigmas = grid(steps + 1, 0.002, 80.0)
        result = sample_diffusion(denoiser, x, sigmas, method=method, final="stop", **options)
        assert result.nfe == steps * evaluations(method)
        expected = published(denoiser, x, sigmas)
        np.testing.assert_allclose(result.x, expected, rtol=1e-9, atol=1e-9)
        assert rmse(result.x, exact) == pytest.approx(rmse(expected, exact), rel=1e-8)


# --- identities ---------------------------------------------------------------------------------


def sampled(problem, method, n=8, **options):
    denoiser, x, _ = problem
    options = {"rng": 3, **options} if method in NOISY else options
    sigmas = sigmas_karras(n, 0.002, 80.0)
    return sample_diffusion(denoiser, x, sigmas, method=method, final="stop", **options).x


@pytest.mark.parametrize(
    ("method", "other", "options", "other_options"),
    [
        ("euler", "ddim", {}, {}),
        ("euler", "lms_1", {}, {}),
        ("euler", "deis_1", {}, {}),
        ("euler", "ipndm_1", {}, {}),
        ("euler", "ancestral", {}, {}),
        ("euler", "sde_dpmpp_1", {}, {}),
        ("dpmpp_2m", "sde_dpmpp_2m", {}, {}),
        ("ancestral", "sde_dpmpp_1", {"eta": 1.0}, {"eta": 1.0}),
        ("heun", "edm", {}, {}),
        ("dpm_2", "mean_value", {}, {"step_table": np.tile([0.5, 1.0], (7, 1))}),
    ],
)
def test_methods_that_are_one(problem_a, method, other, options, other_options):
    one = sampled(problem_a, method, **options)
    two = sampled(problem_a, other, **other_options)
    assert np.allclose(one, two, rtol=1e-12, atol=1e-12 * 80)


def test_ancestral_is_the_ddpm_posterior():
    """Ho et al. 2020, eq. (7), in their variables: ᾱ = 1/(1 + σ²), x^VP = √ᾱ x."""
    for step in coefficients("ancestral", [9.0, 4.0, 1.0, 0.3], eta=1.0):
        ((a, decay, (weight,), _, noise),) = step
        b = {9.0: 4.0, 4.0: 1.0, 1.0: 0.3}[a]
        bar, bar_last = 1 / (1 + a * a), 1 / (1 + b * b)
        beta = 1 - bar / bar_last
        scale = math.sqrt(bar_last)
        on_x0 = math.sqrt(bar_last) * beta / (1 - bar) / scale
        on_x = math.sqrt(1 - beta) * (1 - bar_last) / (1 - bar) * math.sqrt(bar) / scale
        variance = (1 - bar_last) / (1 - bar) * beta / bar_last
        assert (decay, weight, noise**2) == pytest.approx((on_x, on_x0, variance), rel=1e-12)


def test_unipc_2_predicts_as_dpmpp_2m_and_corrects():
    """Zhao et al. 2023, algorithms 1 and 2, as the predictor and the corrector they are."""
    x = np.random.default_rng(2).standard_normal((4, 3))
    sigmas = [5.0, 2.0, 0.7, 0.2]
    corrected = predicted = x
    values, levels = [], []
    for a, b in itertools.pairwise(sigmas):
        value = gaussian_denoiser(predicted, a)
        if values:  # corrector of the step that ended in a
            last = levels[-1]
            h = math.log(last / a)
            differences = [((value - values[-1]), 1.0)]
            if len(values) > 1:
                r = math.log(last / levels[-2]) / h
                differences.insert(0, ((values[-2] - values[-1]) / r, r))
            nodes = np.array([r for _, r in differences])
            growth = math.expm1(-h)
            right = [math.factorial(i) * -h * phi(i + 1, -h) / growth for i in (1, 2)]
            rho = [0.5]
            if len(nodes) == 2:
                rho = np.linalg.solve([np.ones(2), nodes], right)
            combined = sum(c * d for c, (d, _) in zip(rho, differences, strict=True))
            corrected = a / last * corrected - growth * values[-1] - growth * combined
        values.append(value)
        levels.append(a)
        d = value
        if len(values) > 1:
            r = math.log(levels[-2] / a) / math.log(a / b)
            d = (1 + 1 / (2 * r)) * value - 1 / (2 * r) * values[-2]
        predicted = b / a * corrected + (1 - b / a) * d
    result = sample_diffusion(gaussian_denoiser, x, sigmas, method="unipc_2", final="stop")
    assert np.allclose(result.x, predicted, rtol=1e-12, atol=1e-13)


def test_lms_is_adams_bashforth_on_equal_steps():
    """Where σ is equidistant LMS has the constants of iPNDM."""
    sigmas = np.linspace(5.0, 1.0, 9)
    for p in (1, 2, 3, 4):
        lms, ipndm = (coefficients(f"{name}_{p}", sigmas) for name in ("lms", "ipndm"))
        for (one,), (two,) in zip(lms, ipndm, strict=True):
            assert one.slopes == pytest.approx(two.slopes, rel=1e-12, abs=1e-14)


def test_deis_weights_are_the_integrals():
    nodes = [0.5, 1.5, 6.0]
    ((stage,),) = coefficients("deis_3", [*reversed(nodes), 0.05])[2:]
    assert stage.slopes == pytest.approx(deis_weights(0.5, 0.05, nodes), rel=1e-11, abs=1e-13)


# --- the step table -----------------------------------------------------------------------------


GRIDS = [
    [*sigmas_karras(30, 0.002, 80.0), 0.0],
    [3.0, 0.0],
    [80.0, 1e-8],
    np.linspace(1.0, 1.0 - 1e-7, 12),
    sigmas_karras(1000, 0.002, 80.0),
]


@pytest.mark.parametrize("grid", range(len(GRIDS)))
@pytest.mark.parametrize(("method", "options"), CASES)
def test_tables_are_finite_and_consistent(method, options, grid):
    """decay + Σ weights = 1, and (decay·a + Σ slopes)² + noise² = b², to rounding."""
    sigmas = GRIDS[grid]
    if method in NOISY:
        options = {**options, "eta": 1.0}
    for step, (a, b) in zip(
        coefficients(method, sigmas, **options), itertools.pairwise(sigmas), strict=True
    ):
        eps = 20 * np.finfo(float).eps
        for stage in step:
            assert np.all(np.isfinite([stage.decay, *stage.weights, *stage.slopes, stage.noise]))
            size = max([1.0, *map(abs, stage.weights), *map(abs, stage.slopes)])
            if stage.weights and not any(stage.slopes):
                assert abs(stage.decay + math.fsum(stage.weights) - 1) <= eps * size
        reached = stage.decay * a + math.fsum(stage.slopes)
        assert math.hypot(reached, stage.noise) == pytest.approx(b, rel=1e-12, abs=eps * size * a)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("final", ["stop", "denoise"])
def test_no_nan_for_any_number_of_steps(method, final):
    x = np.random.default_rng(5).standard_normal((2, 2)) * 80.0
    for n in (1, 2, 3, 4, 5, 16, 61):
        if n == 1 and final == "stop":
            continue
        sigmas = sigmas_karras(n, 0.002, 80.0) if n > 1 else [80.0]
        options = options_for(method, n - 1)
        if method in NOISY:
            options = {"eta": 1.0, "rng": 0}
        result = sample_diffusion(
            gaussian_denoiser, x, sigmas, method=method, final=final, **options
        )
        assert result.status == 0
        assert np.all(np.isfinite(result.x))
        assert result.nfe == (n - 1) * evaluations(method) + (final == "denoise")


@pytest.mark.parametrize(("method", "options"), CASES)
def test_the_table_is_what_the_sampler_does(method, options):
    sigmas = sigmas_karras(8, 0.01, 10.0)
    x = expected = np.random.default_rng(4).standard_normal((3, 2))
    data, slopes = [], []
    for stages in coefficients(method, sigmas, **options):
        point = expected
        for stage in stages:
            data.insert(0, gaussian_denoiser(point, stage.sigma))
            slopes.insert(0, (point - data[0]) / stage.sigma)
            point = stage.decay * expected
            point = point + sum(w * d for w, d in zip(stage.weights, data, strict=False))
            point = point + sum(w * d for w, d in zip(stage.slopes, slopes, strict=False))
        expected = point
    options = {**options, "method": method, "final": "stop"}
    result = sample_diffusion(gaussian_denoiser, x, sigmas, **options)
    assert np.allclose(result.x, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", [name for name in METHODS if name[-1:].isdigit()])
def test_one_evaluation_tables_stack(method):
    if evaluations(method) > 1:
        return
    table = coefficients(method, [9.0, 5.0, 2.0, 1.0, 0.4, 0.1, 0.0])
    shapes = {(len(stage.weights), len(stage.slopes)) for (stage,) in table}
    assert len(shapes) == 1


def test_phi_functions():
    for n, z in itertools.product((0, 1, 2, 3, 4), (-20.0, -1.0, -0.3, -1e-9, 1e-3, 0.999, 7.0)):
        with mpmath.workdps(60):
            exact = mpmath.nsum(lambda k, z=z, n=n: mpmath.mpf(z) ** k / mpmath.factorial(k + n),
                                [0, 160], method="direct")  # fmt: skip
        tolerance = 1e-15 * max(1.0, abs(z)) * 4
        assert phi(n, z) == pytest.approx(float(exact), rel=20 * tolerance)


# --- words --------------------------------------------------------------------------------------


def test_orders():
    orders = {name: order_of(name) for name in METHODS}
    assert orders == {
        **dict.fromkeys(("euler", "ddim", "ancestral", "sde_dpmpp_1"), 1),
        **dict.fromkeys(("heun", "dpm_2", "dpmpp_2s", "dpmpp_2m", "dpmpp_3m"), 2),
        **dict.fromkeys(("sde_dpmpp_2m", "edm", "mean_value"), 2),
        **{f"unipc_{p}": p + 1 for p in (1, 2, 3)},
        **{f"deis_{p}": p for p in (1, 2, 3)},
        **{f"lms_{p}": p for p in (1, 2, 3, 4)},
        **{f"ipndm_{p}": min(p, 2) for p in (1, 2, 3, 4)},
        "dpm_3": 3,
    }
    assert order_of("dpmpp_3m", variant="consistent") == 3


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("dpmpp_2m", {"predict": "eps"}, "`predict` must be 'x0' for method='dpmpp_2m'"),
        ("unipc_2", {"predict": "v"}, "`predict` must be one of"),
        ("euler", {"variant": "bh1"}, "`variant` must be None"),
        ("unipc_2", {"variant": "bh3"}, "`variant` must be one of 'bh2', 'bh1'"),
        ("euler", {"eta": 1.0}, "`eta` must not be given"),
        ("ancestral", {"eta": -1.0}, "`eta` must be finite and >= 0"),
        ("heun", {"churn": 1.0}, "`churn` must not be given"),
        ("edm", {"churn": (1, 2, 3, 4, 5)}, "`churn` must be"),
        ("edm", {"churn": -1.0}, "`churn.s_churn` must be"),
        ("mean_value", {}, "`step_table` must be given"),
        ("mean_value", {"step_table": [[0.5, 1.0]]}, r"must be \(2, 2\).*got shape \(1, 2\)"),
        ("mean_value", {"step_table": [[0.5, np.nan]] * 2}, "`step_table` must be finite"),
        ("euler", {"step_table": [[0.5, 1.0]] * 2}, "`step_table` must not be given"),
    ],
)
def test_arguments_that_do_not_fit(method, options, message):
    with pytest.raises(ValueError, match=message):
        sample_diffusion(
            gaussian_denoiser, np.ones((1, 1)), [4.0, 2.0, 1.0], method=method, **options
        )
