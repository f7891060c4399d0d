"""Laws of exact optimal transport, for the cost |x − y|^p.

They are stated for ``solve(x, y, a, b, p) -> (value, plan, f, g)``: the distance
W_p = (min ⟨P, C⟩)^(1/p), an optimal plan (n, m), and potentials (n,), (m,) of the dual. A solver
without potentials returns None for both and breaks the laws `weak_duality` and `strong_duality`
alone::

    import ot  # POT

    def solve(x, y, a, b, p):
        c = ot.dist(x, y, metric="euclidean") ** p
        plan, log = ot.emd(a, b, c, log=True)
        return log["cost"] ** (1 / p), plan, log["u"], log["v"]
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

_SIZE, _OTHER = 4, 3
_EXAMPLES = 8
_ROUNDINGS = 64


def _clouds(dtype):
    return strategies.point_clouds(_SIZE, 2, dtype, bound=2.0)


def _other_clouds(dtype):
    return strategies.point_clouds(_OTHER, 2, dtype, bound=2.0)


def _weights(dtype):
    return strategies.probability_vectors(_SIZE, dtype)


def _other_weights(dtype):
    return strategies.probability_vectors(_OTHER, dtype)


def _positive_weights(dtype):
    return strategies.probability_vectors(_SIZE, dtype, zeros=False)


def _exponents(dtype):
    return st.sampled_from([1.0, 1.5, 2.0, 3.0])


_MEASURES = {
    "x": _clouds,
    "y": _other_clouds,
    "a": _weights,
    "b": _other_weights,
    "p": _exponents,
}


def _host(v):
    return _arrays.to_numpy(v).astype(np.float64)


def _costs(x, y, p):
    return ((_host(x)[:, None] - _host(y)[None]) ** 2).sum(axis=-1) ** (p / 2)


def _cost_tolerance(x, y, p):
    """Rounding of a mean of costs, of potentials and of marginals."""
    return _ROUNDINGS * _arrays.eps(x) * (float(_costs(x, y, p).max()) + 1e-300)


def _distance_tolerance(x, y, p):
    """A p-th root raises a rounding δ near zero to δ^(1/p)."""
    return _cost_tolerance(x, y, p) ** (1 / p)


def _joint(x, y):
    """Both clouds in one, for a tolerance that covers all of their distances."""
    return _arrays.from_numpy(np.concatenate([_host(x), _host(y)]), x)


def _number(v):
    return float(_host(v)) if _arrays.is_array(v) else float(v)


def _check_distance(xp, actual, desired, points, p, what):
    """Two distances agree: as costs, whose rounding is known, or as small numbers."""
    left, right = _number(actual), _number(desired)
    tolerance = 4 * _cost_tolerance(points, points, p)
    check_close(xp, left**p, right**p, tolerance=tolerance, what=what)


@law(max_examples=_EXAMPLES, **_MEASURES)
def marginals(solve, xp, x, y, a, b, p):
    """The plan is non-negative, its rows sum to a and its columns to b."""
    plan = solve(x, y, a, b, p)[1]
    tolerance = _ROUNDINGS * _arrays.eps(x)
    assert _host(plan).min() >= 0, "the plan has a negative entry"
    check_close(xp, xp.sum(plan, axis=1), a, tolerance=tolerance, what="P 1 = a")
    check_close(xp, xp.sum(plan, axis=0), b, tolerance=tolerance, what="P' 1 = b")


@law(max_examples=_EXAMPLES, **_MEASURES)
def value_is_the_cost_of_the_plan(solve, xp, x, y, a, b, p):
    """W_p^p = ⟨P, C⟩."""
    value, plan, *_ = solve(x, y, a, b, p)
    cost = float((_host(plan) * _costs(x, y, p)).sum())
    tolerance = 2 * _cost_tolerance(x, y, p)
    check_close(xp, _number(value) ** p, cost, tolerance=tolerance, what="W^p = <P, C>")


@law(max_examples=_EXAMPLES, **_MEASURES)
def weak_duality(solve, xp, x, y, a, b, p):
    """The potentials are feasible: f_i + g_j ≤ C_ij on every arc, used or not."""
    f, g = _potentials(solve(x, y, a, b, p))
    excess = float((f[:, None] + g - _costs(x, y, p)).max())
    tolerance = _cost_tolerance(x, y, p) + 4 * _arrays.eps(x) * float(np.abs(f).max())
    assert excess <= tolerance, f"f + g exceeds the cost by {excess}"


@law(max_examples=_EXAMPLES, **_MEASURES)
def strong_duality(solve, xp, x, y, a, b, p):
    """W_p^p = ⟨a, f⟩ + ⟨b, g⟩."""
    result = solve(x, y, a, b, p)
    f, g = _potentials(result)
    dual = float(_host(a) @ f + _host(b) @ g)
    tolerance = _cost_tolerance(x, y, p) + 4 * _arrays.eps(x) * float(np.abs(f).max())
    check_close(xp, _number(result[0]) ** p, dual, tolerance=tolerance, what="W^p = <a,f> + <b,g>")


def _potentials(result):
    assert result[2] is not None and result[3] is not None, "no potentials were returned"
    return _host(result[2]), _host(result[3])


@law(max_examples=_EXAMPLES, **_MEASURES)
def value_is_optimal(solve, xp, x, y, a, b, p):
    """W_p^p is the optimum that SciPy's linear programming finds."""
    from scipy.optimize import linprog

    c, (n, m) = _costs(x, y, p), (x.shape[0], y.shape[0])
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    weights = [w / w.sum() for w in (_host(a), _host(b))]
    marginals, totals = np.vstack([rows, columns])[:-1], np.concatenate(weights)[:-1]
    best = linprog(c.ravel(), A_eq=marginals, b_eq=totals).fun
    tolerance = _cost_tolerance(x, y, p) + 1e-7 * float(c.max())  # HiGHS: feasible within 1e-7
    value = _number(solve(x, y, a, b, p)[0])
    check_close(xp, value**p, best, tolerance=tolerance, what="W^p = min <P, C>")


@law(max_examples=_EXAMPLES, **_MEASURES)
def symmetry(solve, xp, x, y, a, b, p):
    """W(a, b) = W(b, a)."""
    forth, back = solve(x, y, a, b, p)[0], solve(y, x, b, a, p)[0]
    _check_distance(xp, forth, back, _joint(x, y), p, "W(a, b) = W(b, a)")


@law(max_examples=_EXAMPLES, **_MEASURES, z=_clouds, c=_weights)
def triangle_inequality(solve, xp, x, y, a, b, z, c, p):
    """W(a, b) ≤ W(a, c) + W(c, b)."""
    direct = _number(solve(x, y, a, b, p)[0])
    over = _number(solve(x, z, a, c, p)[0]) + _number(solve(z, y, c, b, p)[0])
    points = _joint(_joint(x, y), z)
    assert direct <= over + 3 * _distance_tolerance(points, points, p), f"{direct} > {over}"


@law(max_examples=_EXAMPLES, x=_clouds, a=_weights, p=_exponents)
def zero_on_equal_measures(solve, xp, x, a, p):
    """W(a, a) = 0, the points in any order."""
    order = xp.asarray([2, 0, 3, 1])
    value = solve(x, xp.take(x, order, axis=0), a, xp.take(a, order, axis=0), p)[0]
    _check_distance(xp, value, 0.0, x, p, "W(a, a) = 0")


@law(max_examples=_EXAMPLES, **_MEASURES)
def at_least_the_distance_of_the_means(solve, xp, x, y, a, b, p):
    """W_p ≥ |E_a x − E_b y|: Jensen's inequality, so that other means are another measure."""
    value = _number(solve(x, y, a, b, p)[0])
    apart = float(np.linalg.norm(_host(a) @ _host(x) - _host(b) @ _host(y)))
    size = float(np.abs(np.concatenate([_host(x), _host(y)])).max())
    tolerance = _distance_tolerance(x, y, p) + _ROUNDINGS * _arrays.eps(x) * size
    assert value >= apart - tolerance, f"W = {value} below the distance {apart} of the means"


@law(max_examples=_EXAMPLES, x=_clouds, a=_weights, p=_exponents)
def translate_is_its_distance(solve, xp, x, a, p):
    """W(a, a moved by t) = |t|."""
    t = xp.asarray([3.0, -4.0], dtype=x.dtype)
    _check_distance(xp, solve(x, x + t, a, a, p)[0], 5.0, _joint(x, x + t), p, "W(a, a + t) = |t|")


@law(max_examples=_EXAMPLES, **_MEASURES)
def translation(solve, xp, x, y, a, b, p):
    """Moving both clouds together changes nothing."""
    t = xp.asarray([1.0, -2.0], dtype=x.dtype)
    moved = solve(x + t, y + t, a, b, p)[0]
    _check_distance(
        xp, moved, solve(x, y, a, b, p)[0], _joint(x + t, y + t), p, "W(a + t, b + t) = W(a, b)"
    )


@law(max_examples=_EXAMPLES, **_MEASURES)
def permutation(solve, xp, x, y, a, b, p):
    """Points in another order are the same measure."""
    order = xp.asarray([2, 0, 3, 1])
    other = solve(xp.take(x, order, axis=0), y, xp.take(a, order, axis=0), b, p)[0]
    _check_distance(xp, other, solve(x, y, a, b, p)[0], _joint(x, y), p, "W of points reordered")


@law(max_examples=_EXAMPLES, **_MEASURES, s=lambda dtype: st.sampled_from([2.0**-20, 2.0**20]))
def scaling(solve, xp, x, y, a, b, p, s):
    """Points times s are s times as far apart: tolerances must follow the scale of the cost."""
    scaled = _number(solve(x * s, y * s, a, b, p)[0]) / s
    _check_distance(xp, scaled, solve(x, y, a, b, p)[0], _joint(x, y), p, "W(s a, s b) = s W(a, b)")


@law(max_examples=_EXAMPLES, x=_clouds, y=_other_clouds, a=_positive_weights, b=_other_weights)
def split_points(solve, xp, x, y, a, b):
    """A point given twice with half of its weight is the point."""
    twice = xp.concat([x[:-1, :], x[:1, :]])
    head, rest = a[:1] / 2, a[1:-1]
    split = xp.concat([head, rest, head]) / (1 - a[-1])
    merged = xp.concat([a[:1], rest, xp.zeros_like(a[:1])]) / (1 - a[-1])
    values = [solve(twice, y, w, b, 2.0)[0] for w in (split, merged)]
    _check_distance(xp, *values, _joint(x, y), 2.0, "W of points split")


@law(max_examples=_EXAMPLES, x=_clouds, y=_other_clouds, a=_positive_weights, b=_other_weights)
def zero_weights_are_absent_points(solve, xp, x, y, a, b):
    """A point of weight zero changes nothing."""
    without = xp.concat([xp.zeros_like(a[:1]), a[1:] / xp.sum(a[1:])])
    values = [
        solve(x, y, without, b, 2.0)[0],
        solve(x[1:, :], y, without[1:], b, 2.0)[0],
    ]
    _check_distance(xp, *values, _joint(x, y), 2.0, "W without a point of weight zero")


@law(max_examples=_EXAMPLES, **_MEASURES)
def grows_with_the_exponent(solve, xp, x, y, a, b, p):
    """W_p ≤ W_q for p ≤ q."""
    values = [_number(solve(x, y, a, b, q)[0]) for q in (p, p + 1)]
    tolerance = _distance_tolerance(x, y, p) + _distance_tolerance(x, y, p + 1)
    assert values[0] <= values[1] + tolerance, f"W_p = {values[0]} > W_(p + 1) = {values[1]}"


wasserstein_laws = (
    marginals,
    value_is_the_cost_of_the_plan,
    weak_duality,
    strong_duality,
    value_is_optimal,
    symmetry,
    triangle_inequality,
    zero_on_equal_measures,
    at_least_the_distance_of_the_means,
    translate_is_its_distance,
    translation,
    permutation,
    scaling,
    split_points,
    zero_weights_are_absent_points,
    grows_with_the_exponent,
)
