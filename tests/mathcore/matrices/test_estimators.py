"""Stochastic estimators: their laws, textbook formulas, honest errors, counts and edges."""

import math

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from mathcore import _arrays
from mathcore.matrices.diagonal_estimators import diagonal_estimate
from mathcore.matrices.lanczos_quadrature import logdet_estimate
from mathcore.matrices.logdet_series import logdet_identity_plus
from mathcore.matrices.probing import directions, signs
from mathcore.matrices.trace_estimators import trace_estimate
from mathcore.testing import parametrize_with_laws
from mathcore.testing.estimator_laws import (
    diagonal_estimator_laws,
    logdet_estimator_laws,
    trace_estimator_laws,
)
from mathcore.testing.laws import to_backend

METHODS = ("hutchinson", "hutch++", "xtrace", "xnystrace")


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@parametrize_with_laws(trace_estimator_laws)
def test_trace_laws(law, method):
    law(lambda a, k, rng: trace_estimate(a, len(a), num_matvecs=k, method=method, rng=rng))


@parametrize_with_laws(diagonal_estimator_laws)
def test_diagonal_laws(law):
    law(lambda a, k, rng: diagonal_estimate(a, len(a), num_matvecs=k, rng=rng))


@parametrize_with_laws(logdet_estimator_laws)
def test_logdet_laws(law):
    law(lambda a, k, rng: logdet_estimate(a, len(a), num_probes=k, num_steps=18, rng=rng))


@parametrize_with_laws(logdet_estimator_laws)
def test_logdet_laws_of_a_callable(law):
    def estimate(a, k, rng):
        like = np.empty(0, a.dtype)
        return logdet_estimate(
            lambda v: a @ v, len(a), num_probes=k, num_steps=18, rng=rng, like=like
        )

    law(estimate)


# --- every estimator on one matrix ----------------------------------------------------------------


def _with_spectrum(eigenvalues, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    n = len(eigenvalues)
    vectors = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        vectors = vectors + 1j * rng.standard_normal((n, n))
    q = np.linalg.qr(vectors)[0]
    a = (q * eigenvalues) @ np.conj(q.T)
    return ((a + np.conj(a.T)) / 2).astype(dtype)


def _trace(method):
    return lambda a, n, budget=12, **more: trace_estimate(
        a, n, num_matvecs=budget, method=method, **more
    )


def _diagonal(a, n, budget=12, **more):
    return diagonal_estimate(a, n, num_matvecs=budget, **more)


def _logdet(a, n, budget=6, **more):
    return logdet_estimate(a, n, num_probes=budget, num_steps=10, **more)


def _series(a, n, budget=6, **more):
    return logdet_identity_plus(a, n, num_probes=budget, num_terms=4, roulette=0.7, **more)


ESTIMATORS = {
    **{method: _trace(method) for method in METHODS},
    "diagonal": _diagonal,
    "logdet": _logdet,
    "series": _series,
}
EXACT = {
    **dict.fromkeys(METHODS, np.trace),
    "diagonal": np.diagonal,
    "logdet": lambda a: np.linalg.slogdet(a)[1],
    "series": lambda a: np.linalg.slogdet(np.eye(len(a)) + a)[1],
}
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
N = 20


def _matrix(dtype="float64"):
    return _with_spectrum(np.linspace(0.2, 0.8, N), dtype=dtype)


def _same(actual, desired, tolerance):
    for x, y in zip(actual[:2], desired[:2], strict=True):
        np.testing.assert_allclose(_arrays.to_numpy(x), y, rtol=0, atol=tolerance)
    assert actual.num_matvecs == desired.num_matvecs


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@every_estimator
def test_every_library_gives_the_same(name, dtype, xp):
    a = _matrix(dtype)
    found = ESTIMATORS[name](to_backend(xp, a), N, rng=7)
    real = to_backend(xp, a.real)
    assert found.standard_error.dtype == real.dtype
    assert found.value.dtype == (real if name == "logdet" else to_backend(xp, a)).dtype
    _same(found, ESTIMATORS[name](a, N, rng=7), 1e4 * np.finfo(dtype).eps)
    a[2, 3] = a[3, 2] = np.nan
    value = ESTIMATORS[name](to_backend(xp, a), N, rng=7).value
    assert np.any(np.isnan(_arrays.to_numpy(value)))


@every_estimator
def test_products_are_counted(name):
    a, columns = _matrix(), []

    def product(v):
        columns.append(v.shape[1])
        return a @ v

    found = ESTIMATORS[name](product, N, rng=0)
    assert found.num_matvecs == sum(columns) > 0
    columns.clear()
    assert ESTIMATORS[name](product, N, budget=N, rng=0).num_matvecs == sum(columns) == N


@every_estimator
def test_enough_products_are_exact(name):
    a = _matrix()
    found = ESTIMATORS[name](a, N, budget=N + 5, rng=0)
    np.testing.assert_allclose(found.value, EXACT[name](a), rtol=1e-13)
    assert np.all(found.standard_error == 0) and found.num_matvecs == N


@pytest.mark.parametrize("kind", ["csr", "coo with duplicates", "strided", "read-only", "integer"])
@every_estimator
def test_storage_does_not_matter(name, kind):
    a = np.diag(np.full(N, 3.0)) + np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1)
    a = a if kind == "integer" else a / 10
    desired = ESTIMATORS[name](a, N, rng=1)
    if kind == "csr":
        a = scipy.sparse.csr_array(a)
    elif kind == "coo with duplicates":
        rows, columns = np.nonzero(a)
        data = np.concatenate([a[rows, columns] / 4, 3 * a[rows, columns] / 4])
        a = scipy.sparse.coo_array((data, (np.tile(rows, 2), np.tile(columns, 2))), (N, N))
    elif kind == "strided":
        a = np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2]
    elif kind == "read-only":
        a.flags.writeable = False
    else:
        a = a.astype(int)
    tolerance = 1e-9 * np.max(np.abs(desired.value))
    _same(ESTIMATORS[name](a, N, rng=1), desired, tolerance)


@every_estimator
def test_linear_operator_is_a_callable(name):
    a = _matrix()
    found = ESTIMATORS[name](scipy.sparse.linalg.aslinearoperator(a), N, rng=1)
    _same(found, ESTIMATORS[name](lambda v: a @ v, N, rng=1), 1e-13)


@every_estimator
def test_order_one_and_none(name):
    a = np.asarray([[0.5]])
    found = ESTIMATORS[name](a, 1, budget=1, rng=0)
    np.testing.assert_allclose(found.value, EXACT[name](a), rtol=1e-15)
    assert np.all(found.standard_error == 0) and found.num_matvecs == 1
    empty = ESTIMATORS[name](np.zeros((0, 0)), 0, budget=1, rng=0)
    assert np.all(empty.value == 0) and empty.num_matvecs == 0


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "logdet"])
def test_zero_matrix(name):
    found = ESTIMATORS[name](np.zeros((N, N)), N, rng=0)
    assert np.all(found.value == 0) and np.all(found.standard_error == 0)


@every_estimator
def test_exact_values_keep_nan(name):
    a = _matrix()
    a[3, 3] = np.nan
    value = ESTIMATORS[name](a, N, budget=N, rng=0).value
    assert np.any(np.isnan(value))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("method", METHODS)
def test_scale_of_single_precision(method, scale):
    a = _matrix("float32")
    found = trace_estimate(a * np.float32(scale), N, num_matvecs=12, method=method, rng=0)
    assert found.value.dtype == found.standard_error.dtype == np.float32
    desired = trace_estimate(a, N, num_matvecs=12, method=method, rng=0)
    np.testing.assert_allclose(found.value / np.float32(scale), desired.value, rtol=1e-4)


@every_estimator
def test_half_precision_in_and_out(name):
    a = _matrix().astype(np.float16)
    found = ESTIMATORS[name](a, N, rng=0)
    assert found.value.dtype == found.standard_error.dtype == np.float16


# --- textbook formulas, vector by vector ----------------------------------------------------------


def _without(x, j):
    return np.delete(x, j, axis=1)


def _textbook_xtrace(a, omega):
    """Each ω_j on the complement of the range of A Ω_j, its residual on the sphere there."""
    n, m = omega.shape
    terms = []
    for j in range(m):
        q = np.linalg.qr(a @ _without(omega, j))[0]
        u = omega[:, j] - q @ (np.conj(q.T) @ omega[:, j])
        u = u * math.sqrt(n - m + 1) / np.linalg.norm(u)
        terms.append(np.trace(np.conj(q.T) @ a @ q) + np.vdot(u, a @ u))
    return np.asarray(terms)


def _textbook_xnystrace(a, omega):
    n, m = omega.shape
    terms = []
    for j in range(m):
        others, y = _without(omega, j), a @ _without(omega, j)
        nystrom = y @ np.linalg.solve(np.conj(others.T) @ y, np.conj(y.T))
        q = np.linalg.qr(others)[0]
        u = omega[:, j] - q @ (np.conj(q.T) @ omega[:, j])
        residual = np.vdot(omega[:, j], (a - nystrom) @ omega[:, j])
        terms.append(np.trace(nystrom) + (n - m + 1) / np.vdot(u, u) * residual)
    return np.asarray(terms)


def _textbook_xdiag(a, omega):
    terms = []
    for j in range(omega.shape[1]):
        q = np.linalg.qr(a @ _without(omega, j))[0]
        found = q @ (np.conj(q.T) @ a)
        terms.append(np.diag(found) + np.conj(omega[:, j]) * ((a - found) @ omega[:, j]))
    return np.stack(terms, axis=-1)


def _skewed(a):
    return a + 0.3 * np.triu(a, 1)


TEXTBOOK = {
    "xtrace": (_textbook_xtrace, directions, 2, _skewed),
    "xnystrace": (_textbook_xnystrace, directions, 1, lambda a: a),
    "diagonal": (_textbook_xdiag, signs, 2, _skewed),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_formula(name, dtype):
    formula, vectors, products, change = TEXTBOOK[name]
    a = change(_with_spectrum(0.7 ** np.arange(N), dtype=dtype))
    omega = vectors(3, N, 6, a)
    terms = formula(a, omega)
    found = ESTIMATORS[name](a, N, budget=6 * products, rng=3)
    np.testing.assert_allclose(found.value, terms.mean(axis=-1), atol=1e-12)
    if name != "xnystrace":
        error = terms.std(axis=-1, ddof=1) / math.sqrt(6)
        np.testing.assert_allclose(found.standard_error, error, atol=1e-12)


def test_error_of_xnystrace_is_between_spread_and_jackknife():
    a = _with_spectrum(0.7 ** np.arange(N))
    omega = directions(3, N, 6, a)
    spread = _textbook_xnystrace(a, omega).std(ddof=1) / math.sqrt(6)
    means = [_textbook_xnystrace(a, _without(omega, j)).mean() for j in range(6)]
    jackknife = math.sqrt(5) * np.std(means)
    found = trace_estimate(a, N, num_matvecs=6, method="xnystrace", rng=3)
    np.testing.assert_allclose(found.standard_error, math.sqrt(spread * jackknife), rtol=1e-9)


PAPER_SPECTRA = {  # of the experiments in Epperly, Tropp & Webber 2024, at a smaller order
    "flat": np.linspace(1.0, 3.0, 300),
    "poly": (1.0 + np.arange(300)) ** -2.0,
    "exp": 0.7 ** np.arange(300),
    "step": np.where(np.arange(300) < 15, 1.0, 1e-3),
}


@pytest.mark.parametrize("spectrum", PAPER_SPECTRA)
def test_error_decays_as_in_the_paper(spectrum):
    # the estimator turns with the eigenvectors, so a diagonal matrix is as good as any
    eigenvalues = PAPER_SPECTRA[spectrum]
    truth = eigenvalues.sum()
    for m in (10, 20):
        rng, textbook, ours = np.random.default_rng(m), [], []
        for seed in range(60):
            omega = rng.standard_normal((300, m))
            omega *= math.sqrt(300) / np.linalg.norm(omega, axis=0)
            textbook.append(_xtrace_of_diagonal(eigenvalues, omega) - truth)
            found = trace_estimate(
                lambda v: eigenvalues[:, None] * v, 300, num_matvecs=2 * m, rng=seed
            )
            ours.append(found.value - truth)
        # 60 errors with long tails know their mean to a sixth
        assert (
            np.mean(np.abs(ours)) <= 1.5 * (1 + 1 / 3) * np.mean(np.abs(textbook)) + 1e-13 * truth
        )


def _xtrace_of_diagonal(eigenvalues, omega):
    n, m = omega.shape
    terms, y = [], eigenvalues[:, None] * omega
    for j in range(m):
        q = np.linalg.qr(_without(y, j))[0]
        u = omega[:, j] - q @ (q.T @ omega[:, j])
        residual = (n - m + 1) / (u @ u) * (u @ (eigenvalues * u))
        terms.append(np.sum(q * q * eigenvalues[:, None]) + residual)
    return np.mean(terms)


# --- honest standard errors -----------------------------------------------------------------------

M = 60
SPECTRA = {
    "flat": np.linspace(1.0, 3.0, M),
    "power": (1.0 + np.arange(M)) ** -2.0,
    "exponential": np.maximum(0.8 ** np.arange(M), 1e-4),
    "outlier": np.where(np.arange(M) == 0, 100.0, 1.0),
    "rank-deficient": np.where(np.arange(M) < 20, 1.0, 0.0),
}


def _ratio_and_coverage(estimate, truth, seeds=300):
    found = [estimate(seed) for seed in range(seeds)]
    errors = np.abs(np.stack([x.value for x in found]) - truth)
    claimed = np.stack([x.standard_error for x in found])
    return np.sqrt(np.mean(claimed**2) / np.mean(errors**2)), np.mean(errors <= 2 * claimed)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("name", [*METHODS, "diagonal"])
def test_standard_errors_are_honest(name, spectrum):
    a = _with_spectrum(SPECTRA[spectrum])
    ratio, coverage = _ratio_and_coverage(
        lambda seed: ESTIMATORS[name](a, M, budget=16, rng=seed), EXACT[name](a)
    )
    assert 0.6 <= ratio <= 1.6
    assert coverage >= 0.7


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("spectrum", ["flat", "power", "exponential", "outlier"])
def test_standard_errors_of_quadrature_are_honest(spectrum, stored):
    a = _with_spectrum(SPECTRA[spectrum])
    operator = a if stored else lambda v: a @ v
    ratio, coverage = _ratio_and_coverage(
        lambda seed: logdet_estimate(operator, M, num_probes=10, num_steps=30, rng=seed),
        EXACT["logdet"](a),
        seeds=100,
    )
    assert 0.6 <= ratio <= 1.6
    assert coverage >= 0.7


@pytest.mark.parametrize("series", [{}, {"num_terms": 2, "roulette": 0.7}, {"num_terms": 12}])
@pytest.mark.parametrize("kind", ["general", "semidefinite", "skew"])
def test_standard_errors_of_the_series_are_honest(kind, series):
    a = np.random.default_rng(0).standard_normal((M, M))
    a = {"general": a, "semidefinite": a @ a.T, "skew": a - a.T}[kind]
    a = 0.6 * a / np.max(np.abs(np.linalg.eigvals(a)))
    truth = EXACT["series"](a)
    values = []

    def estimate(seed):
        found = logdet_identity_plus(lambda v: a @ v, M, num_probes=8, rng=seed, **series)
        values.append(found.value)
        return found

    ratio, coverage = _ratio_and_coverage(estimate, truth)
    assert 0.6 <= ratio <= 1.6
    assert coverage >= 0.8
    assert abs(np.mean(values) - truth) <= 4 * np.std(values) / math.sqrt(len(values)) + 1e-3


def test_truncation_is_part_of_the_error():
    a = -0.9 * np.eye(50)  # signs see it without noise: all the error is the remainder
    found = logdet_identity_plus(lambda v: a @ v, 50, num_terms=6, num_probes=4, rng=0)
    assert 0.5 <= found.standard_error / abs(found.value - 50 * math.log(0.1)) <= 2
    a = _with_spectrum(np.geomspace(1.0, 1e-3, 200))
    found = logdet_estimate(lambda v: a @ v, 200, num_probes=150, num_steps=6, rng=0)
    assert 0.3 <= found.standard_error / abs(found.value - np.linalg.slogdet(a)[1]) <= 3


def test_a_series_that_diverges_says_so():
    a = 1.2 * _with_spectrum(np.ones(N))
    assert logdet_identity_plus(a, N, num_terms=8, num_probes=4, rng=0).standard_error == math.inf


def test_roulette_lengths_have_the_stated_distribution():
    a, q = np.zeros((3, 3)), 0.6
    costs = [
        logdet_identity_plus(a, 3, num_terms=2, roulette=q, num_probes=2, rng=s).num_matvecs
        for s in range(1500)
    ]
    mean, deviation = 2 * (2 + q / (1 - q)), math.sqrt(2 * q) / (1 - q)
    assert abs(np.mean(costs) - mean) <= 4 * deviation / math.sqrt(1500)
    assert abs(np.std(costs) - deviation) <= 0.15 * deviation


# --- the log-determinant --------------------------------------------------------------------------


def _laplacian(side, shift):
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    eye = scipy.sparse.eye_array(side)
    angles = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
    exact = float(np.sum(np.log(angles[:, None] + angles + shift)))
    total = scipy.sparse.kron(line, eye) + scipy.sparse.kron(eye, line)
    return (total + shift * scipy.sparse.eye_array(side**2)).tocsr(), exact


def test_entries_cut_the_error_at_no_product():
    a, exact = _laplacian(40, 0.1)
    stored = [logdet_estimate(a, 1600, num_probes=8, num_steps=20, rng=s) for s in range(20)]
    products = [
        logdet_estimate(lambda v: a @ v, 1600, num_probes=8, num_steps=20, rng=s) for s in range(20)
    ]
    sizes = [np.sqrt(np.mean([(x.value - exact) ** 2 for x in y])) for y in (stored, products)]
    assert 3 * sizes[0] < sizes[1]
    assert 2 * stored[0].standard_error < products[0].standard_error


def test_bad_scaling_costs_nothing():
    a, exact = _laplacian(20, 0.1)
    d = np.exp(4 * np.random.default_rng(0).standard_normal(400))
    scaled = (scipy.sparse.diags_array(d) @ a @ scipy.sparse.diags_array(d)).tocsr()
    plain = logdet_estimate(a, 400, num_probes=8, num_steps=20, rng=0)
    found = logdet_estimate(scaled, 400, num_probes=8, num_steps=20, rng=0)
    np.testing.assert_allclose(found.value - 2 * np.log(d).sum(), plain.value, rtol=1e-10)
    assert abs(plain.value - exact) <= 4 * plain.standard_error


def test_an_exhausted_space_is_exact():
    """Three distinct eigenvalues take three steps; further ones change nothing."""
    a = np.diag(np.tile([1.0, 2.0, 5.0], 10))
    for steps in (3, 8, 30):
        found = logdet_estimate(lambda v: a @ v, 30, num_probes=4, num_steps=steps, rng=0)
        np.testing.assert_allclose(found.value, 10 * math.log(10.0), rtol=1e-13)
        assert found.standard_error < 1e-11


def test_the_basis_stays_orthogonal():
    from mathcore.matrices.lanczos_quadrature import _lanczos

    a = _with_spectrum(np.geomspace(1.0, 1e-10, 120))
    q = signs(0, 120, 2, a) / math.sqrt(120)
    _, _, basis, _ = _lanczos(lambda v: a @ v, q, a @ q, 60)
    gram = basis @ np.swapaxes(basis, -1, -2)
    assert np.max(np.abs(gram - np.eye(60))) < 1e-12


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "least"), [("hutchinson", 2), ("hutch++", 4), ("xtrace", 4)])
def test_least_budget_of_a_trace(method, least):
    a = np.eye(10)
    with pytest.raises(ValueError, match=f"`num_matvecs` must be >= {least} for '.*'; got"):
        trace_estimate(a, 10, num_matvecs=least - 1, method=method, rng=0)
    found = trace_estimate(a, 10, num_matvecs=least, method=method, rng=0)
    np.testing.assert_allclose(found.value, 10.0, rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: diagonal_estimate(a, N, num_matvecs=3, rng=0), "`num_matvecs` must be >= 4"),
        (lambda a: _logdet(a, N, budget=1, rng=0), "`num_probes` must be >= 2"),
        (
            lambda a: logdet_estimate(a, N, num_probes=4, num_steps=2, rng=0),
            "`num_steps` must be >= 3",
        ),
        (lambda a: _series(a, N, budget=1, rng=0), "`num_probes` must be >= 2"),
        (
            lambda a: logdet_identity_plus(a, N, num_probes=4, num_terms=0, rng=0),
            "`num_terms` must be >= 1",
        ),
        (
            lambda a: logdet_identity_plus(a, N, num_probes=4, roulette=1.0, rng=0),
            "`roulette` must be < 1",
        ),
        (lambda a: _trace("xtrace")(a, N + 1, rng=0), r"must have shape \(21, 21\)"),
        (lambda a: _trace("other")(a, N, rng=0), "`method` must be one of 'hutchinson'"),
        (lambda a: _trace("xtrace")(a, N, rng=0, like=a), "`like` must be None beside a matrix"),
        (lambda a: _trace("xtrace")(lambda v: v[0], N, rng=0), "must return an array of shape"),
        (lambda a: _trace("xnystrace")(-a, N, rng=0), "positive semidefinite"),
        (lambda a: _trace("xnystrace")(a + np.triu(a, 1), N, rng=0), "Hermitian"),
        (lambda a: _logdet(-a, N, rng=0), "positive definite; got .* on its diagonal"),
        (lambda a: _logdet(lambda v: -(a @ v), N, rng=0), "positive definite; got .* Ritz"),
        (lambda a: _logdet(a + np.triu(a, 1), N, rng=0), "Hermitian"),
        (lambda a: _logdet(a + np.triu(a, 1), N, budget=N, rng=0), "Hermitian"),
        (lambda a: _series(-3 * np.eye(3), 3, rng=0), "spectral radius < 1"),
    ],
)
def test_wrong_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(_matrix())


def test_wrong_kinds_are_refused(xp):
    a = _matrix()
    if xp.__name__ != "array_api_compat.numpy":
        other = to_backend(xp, a)

        def product(v):
            return xp.matmul(other, to_backend(xp, v))

        with pytest.raises(TypeError, match="pass `like`"):
            trace_estimate(product, N, num_matvecs=8, rng=0)
    with pytest.raises(TypeError, match="`like` must be complex"):
        trace_estimate(lambda v: 1j * v, N, num_matvecs=8, rng=0)
    with pytest.raises(TypeError, match="`operator` must be callable"):
        trace_estimate(None, N, num_matvecs=8, rng=0)
    with pytest.raises(TypeError, match="`rng` must be"):
        trace_estimate(a, N, num_matvecs=8, rng="seed")


def test_like_decides_for_a_callable(xp):
    a = to_backend(xp, _matrix("float32"))
    found = trace_estimate(lambda v: a @ v, N, num_matvecs=8, rng=0, like=a)
    assert found.value.dtype == a.dtype
    stored = trace_estimate(a, N, num_matvecs=8, rng=0)
    assert float(found.value) == float(stored.value)


# --- test vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [signs, directions])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_test_vectors(make, dtype):
    like = np.empty(0, dtype)
    omega = make(5, 7, 4000, like)
    assert omega.dtype == like.dtype
    np.testing.assert_allclose(np.linalg.norm(omega, axis=0), math.sqrt(7), rtol=1e-14)
    assert np.array_equal(omega[:, :9], make(5, 7, 9, like))
    assert not np.array_equal(omega[:, :9], make(6, 7, 9, like))
    mean = omega @ np.conj(omega.T) / 4000
    np.testing.assert_allclose(mean, np.eye(7), atol=4.5 / math.sqrt(4000))
    if dtype == "complex128":
        np.testing.assert_allclose(omega @ omega.T / 4000, 0, atol=4.5 / math.sqrt(4000))


def test_far_from_normal_the_adjoint_pays():
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((80, 80)))[0] for _ in range(2))
    a = (u * 0.6 ** np.arange(80)) @ v.T
    without = diagonal_estimate(lambda x: a @ x, 80, num_matvecs=30, rng=0)
    with_it = diagonal_estimate(
        lambda x: a @ x, 80, num_matvecs=30, adjoint=lambda x: a.T @ x, rng=0
    )
    stored = diagonal_estimate(scipy.sparse.csr_array(a), 80, num_matvecs=30, rng=0)
    np.testing.assert_allclose(with_it.value, stored.value, atol=1e-14)
    sizes = [np.linalg.norm(x.value - np.diag(a)) for x in (with_it, without)]
    assert 20 * sizes[0] < sizes[1]
