"""Optimal transport."""

import numpy as np

import mathcore
from benchmarks.recorded_results.inputs import REAL, normal, of_kind, row

_SHAPES = ((1, 1, 1), (7, 5, 2), (33, 48, 3), (64, 64, 5), (40, 29, 9), (150, 130, 24))
_MANY = ((400, 410, 2), (390, 400, 10))  # above what makes threads worthwhile


def clouds(shape, dtype, weighted=True, batch=()):
    """x, y and with `weighted` their weights, some of them zero."""
    x, y = (normal(*batch, k, shape[2], dtype=dtype, seed=k) for k in shape[:2])
    weights = [abs(normal(k, seed=1)) * (np.arange(k) % 7 != 3) for k in shape[:2]]
    return x, y + x.dtype.type(0.3), *((w / w.sum()).astype(dtype) for w in weights if weighted)


def cost_matrix(shape, dtype, allowed=np.inf):
    x, y, a, b = clouds(shape, dtype)
    c = abs(x[:, None] - y).sum(axis=-1)
    return np.where(normal(*c.shape) < allowed, c, np.inf).astype(dtype), a, b


def _values(f, n, k, p, batch=(), crowded=False, weighted=False, dtype="f8"):
    x, y, *weights = clouds((n, k, 1), dtype, weighted, batch)
    x, y = (np.round(v, 1) ** 9 if crowded else v for v in (x, y))
    weights = [np.tile(w, (*batch, 1)) if batch else w for w in weights]
    return f(x[..., 0], y[..., 0], *weights, p=p, axis=-1)


CASES = (
    row(
        "soft_minimum",
        lambda f, epsilon, **g: f(
            *clouds(**g)[:2],
            normal(g["shape"][1], dtype=g["dtype"]),
            clouds(**g)[3],
            epsilon=epsilon,
        ),
        shape=(*_SHAPES, *_MANY),
        dtype=REAL,
        epsilon=(1.0, 0.01, 1e-4),
    ),
    row(
        "sinkhorn",
        lambda f, epsilon, method, penalty, **g: f(
            *clouds(**g),
            epsilon=epsilon,
            method=method,
            marginal_penalty=penalty,
            max_iterations=40,
        ),
        shape=_SHAPES,
        dtype=REAL,
        weighted=(False, True),
        epsilon=(1.0, 0.05),
        method=("streamed", "stored"),
        penalty=(None, 0.5),
    ),
    row(
        "sinkhorn",
        lambda f, method, **g: f(*clouds(**g), epsilon=0.1, method=method, max_iterations=15),
        shape=_MANY,
        dtype=REAL,
        method=("streamed", "stored"),
    ),
    row(
        "sinkhorn",
        lambda f, cost, **g: f(
            *clouds(**g), epsilon=0.1, cost=cost, gap_tol=1e-3, max_iterations=50
        ),
        shape=_SHAPES[:4],
        dtype=REAL,
        batch=((), (3,)),
        weighted=(False,),
        cost=("euclidean", "sqeuclidean"),
    ),
    row(
        "sinkhorn_cost",
        lambda f, penalty, **g: f(
            *cost_matrix(**g), epsilon=0.1, marginal_penalty=penalty, max_iterations=40
        ),
        shape=(*_SHAPES[1:], _MANY[0]),
        dtype=REAL,
        allowed=(1.5, np.inf),
        penalty=(None, 0.5),
    ),
    row(
        "sinkhorn_divergence",
        lambda f, epsilon, **g: f(*clouds(**g), epsilon=epsilon, max_iterations=80),
        shape=_SHAPES,
        dtype=REAL,
        batch=((), (3,)),
        weighted=(False,),
        epsilon=(1.0, 0.05),
    ),
    row(
        "barycenter",
        lambda f, dtype, **g: f(
            [*zip(clouds((7, 9, 2), dtype)[:2], clouds((7, 9, 2), dtype)[2:], strict=True)],
            epsilon=0.2,
            max_iterations=20,
            **{"support": normal(12, 2, dtype=dtype)} if g["fixed"] else {},
        ),
        fixed=(True, False),
        dtype=REAL,
    ),
    row(
        "transport_plan barycentric_map",
        lambda f, **g: f(mathcore.sinkhorn(*clouds(**g), epsilon=0.5), *clouds(**g), epsilon=0.5),
        shape=_SHAPES[1:],
        dtype=REAL,
    ),
    row(
        "apply_plan",
        lambda f, columns, **g: f(
            mathcore.sinkhorn(*clouds(**g), epsilon=0.1, max_iterations=20),
            normal(g["shape"][1], *columns, dtype=g["dtype"]),
            *clouds(**g),
            epsilon=0.1,
        ),
        shape=(*_SHAPES[1:], _MANY[0]),
        columns=((), (3,)),
        dtype=REAL,
    ),
    row(
        "wasserstein",
        lambda f, p, **g: f(*clouds(**g), p=p),
        shape=(*_SHAPES, (90, 80, 1), *_MANY),
        dtype=REAL,
        weighted=(False, True),
        p=(1, 2, 3),
    ),
    row(
        "emd",
        lambda f, **g: f(*cost_matrix(**g)),
        shape=(*_SHAPES, _MANY[0]),
        dtype=REAL,
        allowed=(1.5, np.inf),
    ),
    row(
        "wasserstein_1d",
        _values,
        n=(1, 2, 37, 1000),
        k=(1, 37, 1000),
        p=(1, 2, 2.5),
        batch=((), (4,)),
        crowded=(False, True),
        weighted=(False, True),
        dtype=REAL,
    ),
    row(
        "wasserstein_1d",
        _values,
        n=(9000,),
        k=(9000, 7000),
        p=(1, 2),
        weighted=(False, True),
        dtype=REAL,
    ),
    row(
        "sliced_wasserstein",
        lambda f, p, **g: f(*clouds(**g), p=p, rng=0),
        shape=(*_SHAPES, _MANY[1]),
        dtype=REAL,
        weighted=(False, True),
        p=(1, 2),
    ),
    row(
        "kantorovich_critic",
        lambda f, **g: (
            f(*clouds(**g)),
            f(*clouds(**g))(normal(9, g["shape"][2], dtype=g["dtype"])),
        ),
        shape=_SHAPES,
        dtype=REAL,
    ),
    row(
        "bures_wasserstein",
        lambda f, n: f(np.zeros(n), of_kind("positive", n, "f8"), np.ones(n), np.eye(n)),
        n=(1, 2, 5, 17),
    ),
    row(
        "entropic_gaussian",
        lambda f, n: f(np.zeros(n), of_kind("positive", n, "f8"), np.ones(n), np.eye(n), 0.5),
        n=(1, 2, 5, 17),
    ),
)
