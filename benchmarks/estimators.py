"""Stochastic estimators of traces and log-determinants against matfree, at equal products.

The errors of both are printed beside the times: over the seeds of `_SEEDS`, the root mean square of
what is missed and of the standard error claimed. ``python -m benchmarks.estimators`` prints the
errors of XTrace on the matrices of its paper.
"""

import math

import numpy as np
import scipy.sparse

from benchmarks.runner import Case, peer
from mathcore.matrices.lanczos_quadrature import logdet_estimate
from mathcore.matrices.trace_estimators import trace_estimate

_SEEDS = range(5)
_PAPER = {  # test_vectors.m beside Epperly, Tropp & Webber, SIAM J. Matrix Anal. Appl. 45 (2024)
    "flat": np.linspace(1.0, 3.0, 1000),
    "poly": (1.0 + np.arange(1000)) ** -2.0,
    "slowexp": 0.9 ** np.arange(1000),
    "fastexp": 0.7 ** np.arange(1000),
    "smallstep": np.where(np.arange(1000) < 50, 1.0, 1e-3),
    "bigstep": np.where(np.arange(1000) < 50, 1.0, 1e-8),
}


def cases(quick):
    """A grid Laplacian and a random graph of order 20,000; traces of the paper's matrices."""
    yield _logdet_case("grid", *_grid(100, 200))
    if quick:
        return
    yield _logdet_case("random graph", *_random_graph(20_000))
    yield _trace_case("poly")
    yield _trace_case("fastexp")


def _grid(rows, columns):
    def line(k):
        return scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(k, k))

    def angles(k):
        return 2 - 2 * np.cos(np.pi * np.arange(1, k + 1) / (k + 1))

    inner = scipy.sparse.kron(line(rows), scipy.sparse.eye_array(columns))
    outer = scipy.sparse.kron(scipy.sparse.eye_array(rows), line(columns))
    a = (inner + outer + 0.1 * scipy.sparse.eye_array(rows * columns)).tocsr()
    return a, float(np.sum(np.log(angles(rows)[:, None] + angles(columns) + 0.1)))


def _random_graph(n):
    """A weighted Laplacian plus a diagonal of many sizes; exact by sparse LU."""
    from scipy.sparse.linalg import splu

    rng = np.random.default_rng(0)
    i, j = rng.integers(0, n, (2, n // 2))
    weights = scipy.sparse.coo_array((rng.random(n // 2), (i, j)), shape=(n, n)).tocsr()
    weights = weights + weights.T
    degrees = np.asarray(weights.sum(axis=1)).ravel()
    shift = np.exp(rng.standard_normal(n))
    a = (scipy.sparse.diags_array(degrees + shift) - weights).tocsr()
    factors = splu(a.tocsc())
    return a, float(np.sum(np.log(np.abs(factors.U.diagonal()))))


def _logdet_case(name, a, exact):
    n, num_probes, num_steps = a.shape[0], 20, 30

    def ours(seed):
        return logdet_estimate(a, n, num_probes=num_probes, num_steps=num_steps, rng=seed)[:2]

    def products_only(seed):
        return logdet_estimate(
            lambda v: a @ v, n, num_probes=num_probes, num_steps=num_steps, rng=seed
        )[:2]

    estimates = {"mathcore": ours, "mathcore, products only": products_only}
    matfree = _matfree_logdet(a, num_probes, num_steps)
    if matfree:
        estimates["matfree"] = matfree
    return _case(f"logdet, {name}, n = {n}, {num_probes} × {num_steps}", estimates, exact)


def _matfree_logdet(a, num_probes, num_steps):
    jax, matfree = peer("jax"), peer("matfree")
    if jax is None or matfree is None:
        return None
    from jax.experimental import sparse
    from matfree import decomp, funm, stochtrace

    stored = sparse.BCOO.from_scipy_sparse(a)
    integrand = funm.monte_carlo_funm_sym_logdet(decomp.tridiag_sym(num_steps))
    sampler = stochtrace.sampler_signs(jax.numpy.ones(a.shape[0]), num=num_probes)
    estimate = stochtrace.estimator_monte_carlo_mean_and_sem(integrand, sampler=sampler)
    compiled = jax.jit(lambda key: estimate(lambda v: stored @ v, key))
    return lambda seed: jax.block_until_ready(compiled(jax.random.PRNGKey(seed)))


def _trace_case(spectrum):
    eigenvalues, num_matvecs = _PAPER[spectrum], 60
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((1000, 1000)))[0]
    a = (q * eigenvalues) @ q.T

    def ours(seed):
        return trace_estimate(a, 1000, num_matvecs=num_matvecs, rng=seed)[:2]

    estimates = {"mathcore": ours}
    jax, matfree = peer("jax"), peer("matfree")
    if jax and matfree:
        from matfree import stochtrace

        stored = jax.numpy.asarray(a)
        sampler = stochtrace.sampler_sphere(jax.numpy.ones(1000), num=num_matvecs // 2)
        estimate = stochtrace.estimator_leave_one_out_mean_and_sem(
            stochtrace.leave_one_out_xtrace(), sampler=sampler
        )
        compiled = jax.jit(lambda key: estimate(lambda v: stored @ v, key))
        estimates["matfree"] = lambda seed: jax.block_until_ready(
            compiled(jax.random.PRNGKey(seed))
        )
    exact = float(eigenvalues.sum())
    return _case(f"XTrace, {spectrum}, n = 1000, {num_matvecs} products", estimates, exact)


def _case(name, estimates, exact):
    """Candidates estimate once; the check repeats them over seeds and prints their errors."""

    def check(_):
        for who, estimate in estimates.items():
            found = np.asarray([estimate(seed) for seed in _SEEDS], dtype=np.float64)
            error, claimed = np.sqrt(np.mean((found - [exact, 0.0]) ** 2, axis=0))
            print(f"{name}, {who}: error {error:.3g}, standard error {claimed:.3g} of {exact:.6g}")
            assert error <= 4 * claimed + 1e-12 * abs(exact), who

    candidates = {
        who: (lambda estimate=estimate: estimate(0)) for who, estimate in estimates.items()
    }
    return Case(name, candidates, check)


# --- the decay of the paper -----------------------------------------------------------------------


def textbook_xtrace(eigenvalues, omega):
    """Leave one vector out at a time, with a QR factorisation for each."""
    n, m = omega.shape
    y = eigenvalues[:, None] * omega
    terms = []
    for j in range(m):
        q = np.linalg.qr(np.delete(y, j, axis=1))[0]
        u = omega[:, j] - q @ (q.T @ omega[:, j])
        residual = (n - m + 1) / (u @ u) * (u @ (eigenvalues * u))
        terms.append(np.sum(q * q * eigenvalues[:, None]) + residual)
    return np.mean(terms)


def decay(num_seeds=100):
    """Mean relative errors of ours and of the textbook's XTrace with test vectors of its own."""
    for name, eigenvalues in _PAPER.items():
        truth = eigenvalues.sum()
        for m in (10, 20, 40):
            rng = np.random.default_rng(m)
            ours, textbook = [], []
            for seed in range(num_seeds):
                omega = rng.standard_normal((1000, m))
                omega *= math.sqrt(1000) / np.linalg.norm(omega, axis=0)
                textbook.append(abs(textbook_xtrace(eigenvalues, omega) - truth))
                found = trace_estimate(
                    lambda v, e=eigenvalues: e[:, None] * v, 1000, num_matvecs=2 * m, rng=seed
                )
                ours.append(abs(found.value - truth))
            pair = [np.mean(x) / truth for x in (ours, textbook)]
            print(f"{name:10s} {2 * m:3d} products: {pair[0]:.2e}, textbook {pair[1]:.2e}")


if __name__ == "__main__":
    decay()
