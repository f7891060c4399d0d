"""Sinkhorn: closed forms, certificates, edges, errors."""

import math

import numpy as np
import pytest

from mathcore import (
    _arrays,
    entropic_gaussian,
    sinkhorn,
    sinkhorn_cost,
    transport_plan,
)


def _measures(seed=0, n=30, m=20, d=2, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return [v.astype(dtype) for v in (x, y, a / a.sum(), b / b.sum())]


def _costs(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(axis=-1)


def _check_sandwich(result):
    assert result.lower_bound <= result.value <= result.upper_bound
    assert float(result.gap) == float(result.upper_bound - result.lower_bound)


@pytest.mark.parametrize("epsilon", [1.0, 0.1, 1e-2, 1e-3, 1e-8])
def test_two_by_two(epsilon, xp):
    """ε (log 2 − log(1 + e^{−1/ε})); .379885493 at ε = 1."""
    c = xp.asarray([[0.0, 1.0], [1.0, 0.0]], dtype=xp.float64)
    result = sinkhorn_cost(c, epsilon=epsilon)
    exact = epsilon * (math.log(2) - math.log1p(math.exp(-1 / epsilon)))
    assert float(result.value) == pytest.approx(exact, rel=1e-13)
    assert result.converged is True
    assert result.status == "converged"
    _check_sandwich(result)
    assert epsilon != 1.0 or float(result.value) == pytest.approx(0.379885493, abs=5e-10)


@pytest.mark.parametrize("method", ["streamed", "stored", "auto"])
def test_gaussians_on_a_grid(method):
    """N(0, 1) to N(1, 4) on 1500 points over ± 9 σ: 3.224356679871."""
    t = np.linspace(-9, 9, 1500)[:, None]
    weights = np.exp(-(t[:, 0] ** 2) / 2)
    weights /= weights.sum()
    result = sinkhorn(t, 1 + 2 * t, weights, weights, epsilon=1.0, tol=1e-9, method=method)
    assert float(result.value) == pytest.approx(3.224356679871, abs=2e-12)
    assert float(result.value) == pytest.approx(
        float(entropic_gaussian([0.0], [[1.0]], [1.0], [[4.0]], 1.0)), abs=2e-12
    )
    assert result.converged
    _check_sandwich(result)


def test_one_point_each(xp):
    x, y = (xp.asarray([v], dtype=xp.float64) for v in ([0.0, 0.0], [3.0, 4.0]))
    result = sinkhorn(x, y, epsilon=0.1)
    assert float(result.value) == pytest.approx(25.0, rel=1e-15)
    assert float(result.transport_cost) == pytest.approx(25.0, rel=1e-15)


@pytest.mark.parametrize("epsilon", [1.0, 0.02])
def test_certificates_hold_at_every_accuracy(epsilon):
    x, y, a, b = _measures()
    exact = float(sinkhorn(x, y, a, b, epsilon=epsilon, tol=1e-13).value)
    gaps = []
    for tol in (0.5, 1e-1, 1e-2, 1e-4, 1e-6, 1e-9):
        result = sinkhorn(x, y, a, b, epsilon=epsilon, tol=tol)
        assert result.converged
        assert result.lower_bound <= exact <= result.upper_bound
        _check_sandwich(result)
        gaps.append(float(result.gap))
    assert gaps[-1] < 1e-6 < gaps[0]


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_bounds_of_an_unfinished_run(iterations):
    x, y, a, b = _measures()
    exact = float(sinkhorn(x, y, a, b, epsilon=0.02, tol=1e-12).value)
    result = sinkhorn(x, y, a, b, epsilon=0.02, max_iterations=iterations)
    assert (result.iterations, result.converged) == (iterations, False)
    assert result.status == "max_iterations"
    assert result.lower_bound <= exact <= result.upper_bound


def test_the_error_is_that_of_the_plan():
    x, y, a, b = _measures()
    result = sinkhorn(x, y, a, b, epsilon=0.05, tol=1e-3)
    plan = transport_plan(result, x, y, a, b, epsilon=0.05)
    error = np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
    assert float(result.marginal_error) == pytest.approx(error, abs=1e-14)
    assert float(result.transport_cost) == pytest.approx((plan * _costs(x, y)).sum(), rel=1e-12)
    f, g = result.potentials
    assert a @ f == pytest.approx(b @ g, rel=1e-12)


def test_gap_tolerance():
    x, y, a, b = _measures()
    loose = sinkhorn(x, y, a, b, epsilon=0.05, tol=1e-2)
    tight = sinkhorn(x, y, a, b, epsilon=0.05, tol=1e-2, gap_tol=1e-8)
    assert tight.converged
    assert tight.gap <= 1e-8 < loose.gap
    assert tight.iterations > loose.iterations
    unreachable = sinkhorn(x, y, a, b, epsilon=0.05, gap_tol=0.0, max_iterations=300)
    assert not unreachable.converged
    assert unreachable.iterations <= 300
    assert unreachable.status in ("precision_floor", "max_iterations")


@pytest.mark.parametrize("power", [-30, 30])
def test_extreme_units(power):
    x, y, a, b = _measures()
    c, unit = _costs(x, y), 10.0**power
    want = sinkhorn_cost(c, a, b, epsilon=0.1, tol=1e-10)
    for got in (
        sinkhorn_cost(c * unit, a, b, epsilon=0.1 * unit, tol=1e-10),
        sinkhorn(
            x * 10.0 ** (power / 2), y * 10.0 ** (power / 2), a, b, epsilon=0.1 * unit, tol=1e-10
        ),
    ):
        assert got.converged
        assert float(got.value) / unit == pytest.approx(float(want.value), rel=1e-9)
        assert float(got.gap) / unit <= 1e-7


def test_shift_of_the_cost(xp):
    x, y, a, b = _measures()
    c, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (_costs(x, y), a, b))
    first, second = (sinkhorn_cost(v, a, b, epsilon=0.5, tol=1e-11) for v in (c, c - 100.0))
    assert float(second.value) == pytest.approx(float(first.value) - 100, abs=1e-10)
    plans = [
        _arrays.to_numpy(transport_plan(r, a=a, b=b, epsilon=0.5, cost_matrix=v))
        for r, v in ((first, c), (second, c - 100.0))
    ]
    assert np.abs(plans[0] - plans[1]).max() <= 1e-9


def test_forbidden_arcs(xp):
    x, y, a, b = _measures()
    c = _costs(x, y)
    c[3, 4] = c[0, :5] = np.inf
    c, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in (c, a, b))
    result = sinkhorn_cost(c, a, b, epsilon=0.1)
    plan = _arrays.to_numpy(transport_plan(result, a=a, b=b, epsilon=0.1, cost_matrix=c))
    assert result.converged
    assert plan[3, 4] == 0
    assert (plan[0, :5] == 0).all()
    assert np.abs(plan.sum(axis=1) - _arrays.to_numpy(a)).sum() <= 1e-12
    high = xp.where(xp.isinf(c), 1e4, c)
    same = sinkhorn_cost(high, a, b, epsilon=0.1)
    assert float(result.value) == pytest.approx(float(same.value), rel=1e-6)
    _check_sandwich(result)


def test_arcs_that_the_marginals_forbid():
    """Row 1 may use both columns, row 0 needs all of column 0: the second arc carries nothing."""
    result = sinkhorn_cost(np.array([[0.0, np.inf], [1.0, 0.0]]), epsilon=0.1)
    assert result.converged
    assert float(result.value) == pytest.approx(0.1 * math.log(2), rel=1e-6)


def test_zero_weights(xp):
    x, y, a, b = _measures(n=6, m=5)
    a[2] = b[0] = 0
    a, b = a / a.sum(), b / b.sum()
    want = sinkhorn(x[a > 0], y[b > 0], a[a > 0], b[b > 0], epsilon=0.2, tol=1e-11)
    arrays = [xp.asarray(v.tolist(), dtype=xp.float64) for v in (x, y, a, b)]
    got = sinkhorn(*arrays, epsilon=0.2, tol=1e-11)
    f, g = (_arrays.to_numpy(u) for u in got.potentials)
    assert float(got.value) == pytest.approx(float(want.value), rel=1e-13)
    assert np.isfinite(f).all()
    assert np.isfinite(g).all()
    # the soft c-transform: f(x) = −ε log Σ b exp((g − c)/ε) at the dropped point too
    transform = -0.2 * np.log(b @ np.exp((g - _costs(x, y)[2]) / 0.2))
    assert f[2] == pytest.approx(transform, rel=1e-12)


def test_zero_weight_without_arcs(xp):
    c = xp.asarray([[0.0, 1.0], [np.inf, np.inf], [1.0, 0.0]], dtype=xp.float64)
    a = xp.asarray([0.5, 0.0, 0.5], dtype=xp.float64)
    result = sinkhorn_cost(c, a, epsilon=1.0)
    assert float(result.value) == pytest.approx(0.379885493, abs=5e-10)
    assert float(result.potentials[0][1]) == np.inf


def test_any_mass():
    """Masses of seven: with the divergence Σ P log(P/ab) − ΣP + Σa Σb, a known shift."""
    x, y, a, b = _measures()
    one, seven = (sinkhorn(x, y, k * a, k * b, epsilon=0.3, tol=1e-10) for k in (1, 7))
    shift = 0.3 * (7 * math.log(1 / 7) - 7 + 49)
    assert float(seven.value) == pytest.approx(7 * float(one.value) + shift, rel=1e-11)
    plan = transport_plan(seven, x, y, 7 * a, 7 * b, epsilon=0.3)
    assert np.abs(plan.sum(axis=1) - 7 * a).sum() <= 1e-12
    assert seven.lower_bound <= seven.value <= seven.upper_bound
    assert float(seven.gap) == pytest.approx(0, abs=1e-7)


def test_methods_agree():
    x, y, a, b = _measures(d=9)
    results = [
        sinkhorn(x, y, a, b, epsilon=0.5, tol=1e-10, method=method)
        for method in ("streamed", "stored")
    ]
    assert float(results[0].value) == pytest.approx(float(results[1].value), rel=1e-12)


def test_euclidean_and_callable_costs(xp):
    arrays = [xp.asarray(v.tolist(), dtype=xp.float64) for v in _measures()]
    named = sinkhorn(*arrays, epsilon=0.3, cost="euclidean", tol=1e-10)

    def distance(x, y):
        return xp.sqrt(xp.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=-1))

    called = sinkhorn(*arrays, epsilon=0.3, cost=distance, tol=1e-10)
    assert float(named.value) == pytest.approx(float(called.value), rel=1e-11)
    matrix = sinkhorn_cost(distance(*arrays[:2]), *arrays[2:], epsilon=0.3, tol=1e-10)
    assert float(matrix.value) == pytest.approx(float(called.value), rel=1e-14)


def test_init_resumes():
    x, y, a, b = _measures()
    first = sinkhorn(x, y, a, b, epsilon=0.02)
    again = sinkhorn(x, y, a, b, epsilon=0.02, init=first.potentials)
    assert again.iterations <= 3 < first.iterations
    with pytest.raises(ValueError, match="`init f`"):
        sinkhorn(x, y, a, b, epsilon=0.02, init=first.potentials[::-1])


@pytest.mark.parametrize(
    "clouds",
    ["clusters with mass to cross", "heavy-tailed weights", "duplicates", "far clusters"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hard_problems_converge(clouds, dtype):
    """ε = .005 of the mean cost: unclamped acceleration diverges, plain takes thousands."""
    rng = np.random.default_rng(0)
    n = 300
    x, y = rng.standard_normal((n, 2)), rng.standard_normal((n, 2)) + 0.5
    a = b = np.full(n, 1 / n)
    if clouds == "clusters with mass to cross":
        centres = np.array([[0.0, 0], [10, 0], [0, 10]])
        x = centres[rng.choice(3, n, p=[0.5, 0.3, 0.2])] + 0.3 * x
        y = centres[rng.choice(3, n, p=[0.2, 0.3, 0.5])] + 0.3 * y
    elif clouds == "heavy-tailed weights":
        a, b = (w / w.sum() for w in (rng.pareto(1.1, n), rng.pareto(1.1, n)))
    elif clouds == "duplicates":
        x, y = x[rng.integers(0, 30, n)], y[rng.integers(0, 30, n)]
    else:
        x = np.where(np.arange(n)[:, None] < n // 2, x, x + 100)
        y = np.where(np.arange(n)[:, None] < n // 2, y, y + 100)
    epsilon = 0.005 * float(_costs(x, y).mean())
    x, y, a, b = (v.astype(dtype) for v in (x, y, a, b))
    tol = 1e-6 if dtype == np.float64 else 3e-5
    result = sinkhorn(x, y, a, b, epsilon=epsilon, tol=tol, max_iterations=2000)
    assert result.converged, result._replace(potentials=None)
    _check_sandwich(result)


def test_float32_is_finished_in_double():
    x, y, a, b = _measures(n=200, m=200, dtype=np.float32)
    result = sinkhorn(x, y, a, b, epsilon=0.02, tol=1e-9)
    assert (result.converged, result.status) == (True, "converged")
    assert result.iterations < 1000
    double = (v.astype(np.float64) for v in (x, y, a, b / b.sum(dtype=float) * a.sum(dtype=float)))
    exact = sinkhorn(*double, epsilon=0.02, tol=1e-11).value
    assert result.lower_bound <= exact <= result.upper_bound
    assert float(result.gap) <= 1e-6
    assert all(v.dtype == np.float32 for v in (result.value, result.gap, result.marginal_error))
    plan = transport_plan(result, x, y, a, b, epsilon=0.02)
    assert np.abs(plan.sum(axis=0) / b - 1).max() <= 1e-6
    assert [u.dtype for u in result.potentials] == [np.float64, np.float64]


def test_double_says_where_its_precision_ends():
    result = sinkhorn(*_measures(), epsilon=0.02, tol=1e-18)
    assert (result.converged, result.status) == (False, "precision_floor")
    assert float(result.marginal_error) < 1e-12


def test_callback_and_progress(capsys):
    x, y, a, b = _measures()
    seen = []
    result = sinkhorn(x, y, a, b, epsilon=0.02, callback=lambda *now: seen.append(now))
    assert [i for i, _ in seen] == list(range(1, result.iterations + 1))
    assert all(isinstance(error, float) for _, error in seen)
    stopped = sinkhorn(x, y, a, b, epsilon=0.02, callback=lambda i, error: i == 3)
    assert (stopped.iterations, stopped.status, stopped.converged) == (3, "stopped", False)
    assert capsys.readouterr().err == ""
    sinkhorn(x, y, a, b, epsilon=0.02, progress=True)
    assert "sinkhorn" in capsys.readouterr().err


def test_read_only_strided_and_integers():
    x, y, a, b = _measures()
    want = float(sinkhorn(x, y, a, b, epsilon=0.2).value)
    strided = np.asfortranarray(x), np.repeat(y, 2, axis=0)[::2], a[::-1].copy()[::-1], b
    for v in strided:
        v.flags.writeable = False
    assert float(sinkhorn(*strided, epsilon=0.2).value) == pytest.approx(want, rel=1e-13)
    integers = np.array([[0], [1]])
    assert float(sinkhorn(integers, integers, epsilon=1.0).value) == pytest.approx(0.379885493)


def test_no_dimension_and_large_dimension():
    assert float(sinkhorn(np.zeros((3, 0)), np.zeros((2, 0)), epsilon=1.0).value) == 0.0
    wide = np.zeros((2, 1000))
    wide[1] = 1.0
    assert float(sinkhorn(wide, wide, epsilon=1.0).value) == pytest.approx(math.log(2), rel=1e-14)


def _bad(xp, **changes):
    measures = [xp.asarray(v.tolist(), dtype=xp.float64) for v in _measures(n=3, m=2)]
    arrays = dict(zip("xyab", measures, strict=True))
    options = {"epsilon": 1.0}
    for name, value in changes.items():
        (arrays if name in arrays else options)[name] = value
    return sinkhorn(*arrays.values(), **options)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("`x` must be finite", {"x": [[0.0, np.nan]] * 3}),
        ("`y` must be finite", {"y": [[0.0, np.inf]] * 2}),
        ("`a` must be finite and >= 0", {"a": [0.5, 0.6, -0.1]}),
        ("`b` must be finite and >= 0", {"b": [np.nan, 1.0]}),
        ("`a` must have a positive sum", {"a": [0.0, 0.0, 0.0]}),
        ("`b` must have the mass of `a`", {"b": [0.5, 0.51]}),
        ("`b` must have the mass of `a`", {"b": [0.5, 0.500002]}),
        ("`b` must have shape", {"b": [0.5, 0.25, 0.25]}),
        ("dimension", {"y": [[0.0]] * 2}),
        ("`x` must have shape", {"x": [0.0, 1.0, 2.0]}),
    ],
)
def test_bad_arrays(message, changes, xp):
    arrays = {name: xp.asarray(value, dtype=xp.float64) for name, value in changes.items()}
    with pytest.raises(ValueError, match=message):
        _bad(xp, **arrays)


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (ValueError, "`epsilon` must be finite and > 0", {"epsilon": 0.0}),
        (ValueError, "`epsilon`", {"epsilon": float("nan")}),
        (TypeError, "`epsilon` must be a real number", {"epsilon": "small"}),
        (ValueError, "`method` must be one of", {"method": "online"}),
        (ValueError, "`cost` must be one of", {"cost": "cosine"}),
        (ValueError, "`tol`", {"tol": -1.0}),
        (ValueError, "`gap_tol`", {"gap_tol": -1.0}),
        (ValueError, "`max_iterations`", {"max_iterations": 0}),
        (TypeError, "`callback` must be callable", {"callback": 3}),
        (ValueError, "`cost` must return", {"cost": lambda x, y: y}),
        (ValueError, "finite or \\+inf", {"cost": lambda x, y: np.full((3, 2), np.nan)}),
    ],
)
def test_bad_options(error, message, changes):
    with pytest.raises(error, match=message):
        _bad(_arrays.result_namespace(np.empty(0)), **changes)


def test_bad_matrices_and_clouds():
    with pytest.raises(ValueError, match="`x` must have at least one point"):
        sinkhorn(np.zeros((0, 2)), np.zeros((3, 2)), epsilon=1.0)
    with pytest.raises(ValueError, match="`y` must have at least one point"):
        sinkhorn(np.zeros((3, 2)), np.zeros((0, 2)), epsilon=1.0)
    with pytest.raises(ValueError, match="`cost_matrix` must have rows and columns"):
        sinkhorn_cost(np.zeros((0, 3)), epsilon=1.0)
    with pytest.raises(ValueError, match="allowed arc"):
        sinkhorn_cost(np.array([[np.inf, np.inf], [0.0, 1.0]]), epsilon=1.0)
    with pytest.raises(ValueError, match="NaN or -inf"):
        sinkhorn_cost(np.array([[0.0, -np.inf], [0.0, 1.0]]), epsilon=1.0)
    with pytest.raises(TypeError, match="`x` must be real"):
        sinkhorn(np.zeros((3, 2)) * 1j, np.zeros((3, 2)), epsilon=1.0)


def test_mixed_libraries():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="`y` must be an array of the same library as `x`"):
        sinkhorn(np.zeros((3, 2)), torch.zeros((3, 2)), epsilon=1.0)
