"""Small calls that together compile every kernel of `mathcore`; see `mathcore.compile`."""

import numpy as np

import mathcore


def _square(dtype, *batch, n=3):
    return np.random.default_rng(0).normal(size=(*batch, n, n)).astype(dtype)


def _points(dtype, n=20):
    return np.random.default_rng(n).normal(size=(n, 3)).astype(dtype)


def _expm(dtype):
    mathcore.expm(_square(dtype))


def _expm_batch(dtype):
    mathcore.expm(_square(dtype, 40))


def _expm_derivative(dtype):
    mathcore.expm_frechet(_square(dtype), _square(dtype))


def _expm_derivative_batch(dtype):
    mathcore.expm_frechet(_square(dtype, 40), _square(dtype, 40))


def _expm_multiply(dtype):
    mathcore.expm_multiply(_square(dtype, n=30), np.ones(30, dtype), 0.1)


def _expm_multiply_sparse(dtype):
    import scipy.sparse

    a = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(100, 100))
    for t in (0.1, 100.0):
        mathcore.expm_multiply(a.tocsr().astype(dtype), np.ones(100, dtype), t)


def _expm_large(dtype):
    mathcore.expm(_square(dtype, n=150) / 9)


def _expm_multiply_by_products(dtype):
    a = np.random.default_rng(0).normal(size=(100, 100)).astype(dtype)
    mathcore.expm_multiply(lambda x: a @ x, np.ones(100, dtype), 0.1)


def _roots(dtype):
    a = _square(dtype, 20) / 9 + np.eye(3, dtype=dtype)
    for x in (a, a.astype(np.result_type(a, 1j))):
        mathcore.sqrtm(x)
        mathcore.logm(x)
    mathcore.sqrtm(np.array([[1, 2, 0], [-2, 1, 1], [0, 0, 1e-9]], dtype))  # by its Schur form


def _determinants(dtype):
    mathcore.det(_square(dtype, 20))
    mathcore.slogdet(_square(dtype, 20))


def _sinkhorn(dtype):
    x, y = _points(dtype), _points(dtype, 24)
    result = mathcore.sinkhorn(x, y, epsilon=0.5)
    mathcore.apply_plan(result, y, x, y, epsilon=0.5)


def _sinkhorn_cost(dtype):
    cost = _points(dtype) ** 2
    result = mathcore.sinkhorn_cost(cost, epsilon=0.5)
    mathcore.apply_plan(result, np.ones((3, 2), dtype), cost_matrix=cost, epsilon=0.5)


def _exact(dtype):
    mathcore.wasserstein(_points(dtype), _points(dtype, 24))
    mathcore.emd(_points(dtype) ** 2)


def _one_dimensional(dtype):
    x, weights = _points(dtype)[:, 0], np.linspace(1, 2, 20).astype(dtype)
    mathcore.wasserstein_1d(x, x + 1)
    mathcore.wasserstein_1d(x, x + 1, weights / weights.sum(), weights[::-1] / weights.sum())


AREAS = {
    "matrices": (
        _expm,
        _expm_batch,
        _expm_derivative,
        _expm_derivative_batch,
        _expm_multiply,
        _expm_multiply_sparse,
        _expm_multiply_by_products,
        _expm_large,
        _roots,
    ),
    "determinants": (_determinants,),
    "transport": (_sinkhorn, _sinkhorn_cost, _exact, _one_dimensional),
}
