"""Exact transport: oracles, certificates, gradients, edges, errors."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from mathcore import _arrays
from mathcore.transport import ground_costs, minimum_cost, short_lists
from mathcore.transport.exact import emd, wasserstein

EPS = 2.0**-52


def _measures(n=30, m=20, d=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return x, y, a / a.sum(), b / b.sum()


def _check(result, c, a, b, scale=None):
    """The certificate, recomputed from what was returned."""
    rows, columns, mass = result.plan
    f, g = result.potentials
    scale = np.abs(c[np.isfinite(c)]).max() if scale is None else scale
    assert len(mass) <= np.sum(a > 0) + np.sum(b > 0) - 1
    assert mass.min() > 0
    assert np.abs(np.bincount(rows, mass, len(a)) - a).max() <= 8 * EPS * a.sum()
    assert np.abs(np.bincount(columns, mass, len(b)) - b).max() <= 8 * EPS * a.sum()
    assert (f[:, None] + g - c).max() <= 256 * EPS * scale
    used = a[a > 0] @ f[a > 0] + b[b > 0] @ g[b > 0]
    assert abs(mass @ c[rows, columns] - used) <= 512 * EPS * scale * a.sum()
    assert abs(result.gap) <= 512 * EPS * scale * a.sum()


@pytest.mark.parametrize("n", [1, 2, 5, 60, 65, 300])
@pytest.mark.parametrize("d", [1, 3, 40])
def test_uniform_is_the_assignment(n, d):
    x, y, *_ = _measures(n, n, d)
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    result = emd(c)
    i, j = linear_sum_assignment(c)
    assert result.value == pytest.approx(c[i, j].mean(), rel=1e-13)
    assert np.array_equal(np.sort(result.plan.rows), np.arange(n))
    assert result.plan.mass == pytest.approx(np.full(n, 1 / n), rel=1e-15)
    _check(result, c, *np.full((2, n), 1 / n))
    assert wasserstein(x, y).value ** 2 == pytest.approx(float(result.value), rel=1e-13)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (40, 90), (90, 70)])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 4.0])
def test_weighted_is_the_linear_program(shape, p):
    x, y, a, b = _measures(*shape, seed=1)
    c = ((x[:, None] - y[None]) ** 2).sum(-1) ** (p / 2)
    n, m = shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    best = linprog(c.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([a, b]))
    result = wasserstein(x, y, a, b, p=p)
    assert result.transport_cost == pytest.approx(best.fun, rel=1e-9)
    assert result.value == pytest.approx(float(result.transport_cost) ** (1 / p), rel=1e-15)
    _check(result, c, a, b)


@pytest.mark.parametrize(
    "name", ["clusters", "duplicates", "integers", "grid", "pareto", "constant", "line", "same"]
)
def test_hard_clouds(name):
    """Where bases degenerate, ties abound or the entropic start tells nothing."""
    rng = np.random.default_rng(2)
    x, y, a, b = _measures(150, 120, 2, seed=3)
    if name == "clusters":
        x, y = x * 1e-3 + 100 * (np.arange(150) % 3)[:, None], y * 1e-3
        y += 100 * (np.arange(120) % 3)[:, None]
    elif name == "duplicates":
        x, y = x[rng.integers(0, 8, 150)], y[rng.integers(0, 8, 120)]
    elif name == "integers":
        x, y = rng.integers(0, 4, (150, 2)) * 1.0, rng.integers(0, 4, (150, 2)) * 1.0
        a = b = np.full(150, 1 / 150)
    elif name == "grid":
        x = np.stack(np.meshgrid(range(12), range(12)), axis=-1).reshape(-1, 2) * 1.0
        y, a, b = x, rng.random(144) ** 4, rng.random(144) ** 4
        b *= a.sum() / b.sum()
    elif name == "pareto":
        a, b = rng.pareto(0.3, 150), rng.pareto(0.3, 120)
        b *= a.sum() / b.sum()
    elif name == "constant":
        x, y = np.ones((150, 2)), np.zeros((120, 2))
    elif name == "line":
        x[:, 1] = y[:, 1] = 0
    elif name == "same":
        y, b = x[::-1], a[::-1]
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    for result in (wasserstein(x, y, a, b), emd(c, a, b)):
        _check(result, c, a, b, scale=max(c.max(), 1.0))
    if name in ("constant", "same"):
        assert result.value == pytest.approx(2.0 if name == "constant" else 0.0, rel=1e-15)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_scale_and_shift_of_the_cost(factor, shift):
    """C + k: the value k more; s·C: s times the value; the plan is the same."""
    x, y, a, b = _measures(100, 80)
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    plain, moved = emd(c, a, b), emd((c + shift) * factor, a, b)
    assert _same_plan(plain.plan, moved.plan)
    scale = 1 + shift
    assert moved.value / factor - shift == pytest.approx(float(plain.value), abs=64 * EPS * scale)
    _check(moved, (c + shift) * factor, a, b)


def _same_plan(one, other):
    orders = [np.lexsort((plan.columns, plan.rows)) for plan in (one, other)]
    pairs = [[v[order] for v in plan] for plan, order in zip((one, other), orders, strict=True)]
    return all(np.allclose(u, v, rtol=1e-12) for u, v in zip(*pairs, strict=True))


def test_zero_weights_split_points_and_masses():
    x, y, a, b = _measures(90, 70)
    plain = wasserstein(x, y, a, b)
    padded = wasserstein(np.vstack([x, 9 + x[:5]]), y, np.concatenate([a, np.zeros(5)]), b)
    assert padded.value == pytest.approx(float(plain.value), rel=1e-14)
    c = ((np.vstack([x, 9 + x[:5]])[:, None] - y[None]) ** 2).sum(-1)
    _check(padded, c, np.concatenate([a, np.zeros(5)]), b)
    split = wasserstein(np.vstack([x, x]), y, np.concatenate([a, a]) / 2, b)
    assert split.value == pytest.approx(float(plain.value), rel=1e-13)
    heavy = wasserstein(x, y, 5 * a, 5 * b)
    assert heavy.transport_cost == pytest.approx(5 * float(plain.transport_cost), rel=1e-14)


def test_forbidden_arcs():
    """One infinite cost is an arc less; where the rest cannot carry the weights that is said."""
    x, y, a, b = _measures(70, 80, seed=5)
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    free = emd(c, a, b)
    c[free.plan.rows[0], free.plan.columns[0]] = np.inf
    result = emd(c, a, b)
    assert free.value < result.value < np.inf
    _check(result, c, a, b)
    band = np.where(np.abs(np.arange(80)[:, None] - np.arange(80)) <= 1, 1.0, np.inf)
    band[0, 0] = band[1, 0] = np.inf
    with pytest.raises(ValueError, match="an allowed arc to every point"):
        emd(band)
    band[0, 0] = 0.0
    band[0, 1] = band[2, 1] = np.inf  # rows 1 and 2 share column 1 … no longer
    assert emd(band).value > 0
    blocks = np.where((np.arange(80)[:, None] < 39) == (np.arange(80) < 40), 1.0, np.inf)
    with pytest.raises(ValueError, match="able to carry the weights"):
        emd(blocks)
    only = np.full((100, 100), np.inf)
    np.fill_diagonal(only, np.arange(100.0))
    only[np.arange(99), np.arange(99) + 1] = -1e3  # cheap arcs that no plan can use
    assert emd(only).value == pytest.approx(49.5, rel=1e-14)


def test_unused_points_without_arcs():
    result = emd([[1.0, np.inf], [np.inf, np.inf]], [1.0, 0.0], [1.0, 0.0])
    assert float(result.value) == 1.0
    assert result.potentials[0][1] == result.potentials[1][1] == np.inf


@pytest.mark.parametrize("kind", ["points", "stored"])
def test_kernel_finds_the_least_arcs(kind):
    x, y, _, _ = _measures(37, 700, 3)
    g = np.random.default_rng(1).standard_normal(700)
    for p in (1.0, 2.0, 3.0):
        cost = ground_costs.Powers(x, y, p)
        if kind == "stored":
            cost = ground_costs.Stored(ground_costs.table(cost))
        reduced = ground_costs.table(cost) - g
        values, columns = ground_costs.least_arcs(cost, g, 9)
        assert values == pytest.approx(np.sort(reduced, axis=1)[:, :9], rel=1e-14, abs=1e-14)
        assert np.take_along_axis(reduced, columns, axis=1) == pytest.approx(values, abs=1e-13)
        f = reduced[:, 0]
        values, rows = ground_costs.least_arcs_of_columns(cost, f, 5)
        back = (reduced + g - f[:, None]).T
        assert np.take_along_axis(back, rows, axis=1) == pytest.approx(values, abs=1e-13)
        assert values == pytest.approx(np.sort(back, axis=1)[:, :5], rel=1e-13, abs=1e-13)


@pytest.mark.small
def test_small_problem_in_plain_python():
    """The kernels on a case that fits on a page: greedy start, pivots, both kinds of cost."""
    c = np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]])
    result = emd(c)
    assert float(result.value) == pytest.approx(5 / 3, rel=1e-15)
    _check(result, c, *np.full((2, 3), 1 / 3))
    x, y, a, b = _measures(6, 5)
    result = wasserstein(x, y, a, b)
    _check(result, ((x[:, None] - y[None]) ** 2).sum(-1), a, b)


def test_whole_masses_agree_in_sum():
    for n, m in ((3, 7), (1000, 999), (1, 5)):
        supply, demand = minimum_cost.whole_masses(np.full(n, 1 / n), np.full(m, 1 / m))
        assert supply.sum() == demand.sum()
        assert supply.min() > 0
        for masses, size in ((supply, n), (demand, m)):
            assert np.abs(masses * size / masses.sum() - 1).max() <= 8 * EPS


def test_short_lists_reach_every_point():
    x, y, a, b = _measures(300, 200, 3)
    f, g, rows, columns = short_lists.short_lists(ground_costs.Powers(x, y, 2.0), a, b)
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    assert (f[:, None] + g - c).max() <= 64 * EPS * c.max()
    assert set(rows) == set(range(300))
    assert set(columns) == set(range(200))
    assert np.all(np.diff(rows) >= 0)


def test_named_and_callable_costs(xp):
    x, y, a, b = (xp.asarray(v.tolist(), dtype=xp.float64) for v in _measures())
    squared = wasserstein(x, y, a, b, cost="sqeuclidean")
    assert float(squared.value) == pytest.approx(float(wasserstein(x, y, a, b).value), rel=1e-15)
    straight = wasserstein(x, y, a, b, p=1, cost="euclidean")
    assert float(straight.value) == pytest.approx(
        float(wasserstein(x, y, a, b, p=1).value), rel=1e-15
    )
    manhattan = wasserstein(x, y, a, b, p=1, cost=_manhattan)
    assert float(straight.value) < float(manhattan.value) < 2**0.5 * float(straight.value)
    assert _arrays.result_namespace(manhattan.value) is xp


def _manhattan(x, y):
    xp = _arrays.result_namespace(x)
    return xp.sum(xp.abs(x[:, None, :] - y[None, :, :]), axis=-1)


# --- derivatives ----------------------------------------------------------------------------------


def _directions():
    """One for every argument; those of the weights keep the mass."""
    rng = np.random.default_rng(1)
    for v in _measures():
        u = rng.standard_normal(v.shape)
        yield u if v.ndim == 2 else 0.1 * (u - u.mean())


def _slope(function, arrays, k, u, h=1e-6):
    moved = [[v + sign * h * u if i == k else v for i, v in enumerate(arrays)] for sign in (1, -1)]
    return float(function(*moved[0]) - function(*moved[1])) / (2 * h)


@pytest.mark.parametrize("options", [{}, {"p": 1}, {"p": 3}, {"p": 1, "cost": _manhattan}])
def test_gradients_are_difference_quotients(options):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")

    def value(*arrays):
        return wasserstein(*arrays, **options).value

    arrays = _measures()
    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    value(*tensors).backward()
    in_jax = jax.grad(value, argnums=(0, 1, 2, 3))(*(jax.numpy.asarray(v) for v in arrays))
    for k, u in enumerate(_directions()):
        want = _slope(value, arrays, k, u)
        assert (tensors[k].grad.numpy() * u).sum() == pytest.approx(want, rel=1e-6, abs=1e-8)
        assert np.asarray(in_jax[k]) == pytest.approx(tensors[k].grad.numpy(), abs=1e-12)


def test_gradient_in_the_cost_is_the_plan():
    torch = pytest.importorskip("torch")
    x, y, a, b = _measures()
    c = torch.tensor(((x[:, None] - y[None]) ** 2).sum(-1), requires_grad=True)
    result = emd(c, torch.tensor(a), torch.tensor(b))
    result.value.backward()
    assert c.grad.numpy().sum() == pytest.approx(1.0, rel=1e-14)
    plan = result.plan
    assert torch.equal(c.grad[plan.rows, plan.columns], plan.mass)


def test_gradient_is_finite_at_distance_zero():
    torch = pytest.importorskip("torch")
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    for p in (1, 2, 3):
        wasserstein(x, x.detach(), p=p).value.backward()
        assert torch.equal(x.grad, torch.zeros_like(x))


def test_values_must_be_known():
    jax = pytest.importorskip("jax")
    x = jax.numpy.ones((3, 2))
    with pytest.raises(TypeError, match="must know the values"):
        jax.jit(lambda v: wasserstein(v, v).value)(x)


# --- dtypes and errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_and_layouts(dtype):
    x, y, *_ = _measures()
    plain = wasserstein(x, y)
    strided = np.asfortranarray(x.astype(dtype))
    strided.flags.writeable = False
    result = wasserstein(strided, y.astype(dtype))
    assert {v.dtype for v in (result.value, result.gap, *result.potentials)} == {np.dtype(dtype)}
    assert float(result.value) == pytest.approx(
        float(plain.value), rel=64 * float(np.finfo(dtype).eps)
    )
    assert emd(np.ones((2, 2), dtype=int)).value == 1.0


def test_bad_input():
    x, y, a, b = _measures()
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    bad = c.copy()
    bad[3, 4] = np.nan
    for arguments, message in (
        ((bad,), "finite or [+]inf"),
        ((np.where(c > 1, -np.inf, c),), "finite or [+]inf"),
        ((c, -a, b), "`a` must be finite and >= 0"),
        ((c, a, 1.1 * b), "`b` must have the mass"),
        ((c, a[1:], b), "`a` must have shape"),
        ((c[0],), "`cost_matrix` must have shape"),
        ((c[:, :0],), "`cost_matrix` must have"),
    ):
        with pytest.raises(ValueError, match=message):
            emd(*arguments)
    with pytest.raises(TypeError, match="`cost_matrix` must be real"):
        emd(c * 1j)
    with pytest.raises(ValueError, match="`p` must be"):
        wasserstein(x, y, p=0.5)
    with pytest.raises(ValueError, match="`cost` must be one of"):
        wasserstein(x, y, cost="cosine")
    with pytest.raises(ValueError, match="`cost` must be >= 0"):
        wasserstein(x, y, cost=lambda x, y: -np.ones((len(x), len(y))))
    with pytest.raises(ValueError, match="`x` must have at least one point"):
        wasserstein(x[:0], y)
    with pytest.raises(ValueError, match="`y` must have points of the dimension"):
        wasserstein(x, y[:, :1])
    for wrong in (np.nan, np.inf):
        x[2, 1] = wrong
        with pytest.raises(ValueError, match="`x` must be finite"):
            wasserstein(x, y)
