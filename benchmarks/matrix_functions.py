"""The square root and the logarithm of matrices against SciPy, the one peer that has both.

Then the kernels beside their definitions.
"""

import warnings

import numpy as np
import scipy.linalg

from benchmarks.runner import Case
from mathcore.matrices import matrix_functions, schur_functions
from mathcore.matrices.matrix_functions import logm, signm, sqrtm

SINGLE = (16, 64, 256)
BATCHES = ((1000, 4), (1000, 16), (32, 64))


def cases(quick):
    """Single matrices and batches; well conditioned, then spread over four decades."""
    for n in (64,) if quick else SINGLE:
        for spectrum in (_around_one, _four_decades):
            yield _case("sqrtm", sqrtm, scipy.linalg.sqrtm, spectrum, (), n)
            yield _case("logm", logm, scipy.linalg.logm, spectrum, (), n)
        yield _case("signm", signm, scipy.linalg.signm, _both_sides, (), n)
    for count, n in BATCHES[:1] if quick else BATCHES:
        yield _case("sqrtm", sqrtm, scipy.linalg.sqrtm, _around_one, (count,), n)
        yield _case("logm", logm, scipy.linalg.logm, _around_one, (count,), n)
    if not quick:
        for count, n in ((1, 16), (1, 32), (256, 4), (256, 16)):
            yield _root_kernel_case(count, n)
        for n in (16, 64, 256):
            yield _triangular_kernel_case(n)


def _around_one(rng, shape):
    """Complex eigenvalues about 1.5 within a radius of one."""
    return rng.standard_normal(shape) / np.sqrt(shape[-1]) + 1.5 * np.eye(shape[-1])


def _four_decades(rng, shape):
    """Real eigenvalues 0.01 … 100, well-conditioned eigenvectors; SciPy's Schur form stays real."""
    v = rng.standard_normal(shape) / np.sqrt(shape[-1]) + 2 * np.eye(shape[-1])
    return (v * np.geomspace(0.01, 100, shape[-1])) @ np.linalg.inv(v)


def _both_sides(rng, shape):
    """Real eigenvalues ± 1/4 … 4."""
    v = rng.standard_normal(shape) / np.sqrt(shape[-1]) + 2 * np.eye(shape[-1])
    signs = np.where(np.arange(shape[-1]) % 2, 1.0, -1.0)
    return (v * signs * np.geomspace(0.25, 4, shape[-1])) @ np.linalg.inv(v)


def _case(name, ours, theirs, spectrum, batch, n):
    a = spectrum(np.random.default_rng(0), (*batch, n, n))

    def peer():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SciPy's logm warns at errors of 1000 eps
            return theirs(a)

    shape = f"{batch[0]} × {n}²" if batch else f"{n}²"
    kind = spectrum.__name__.strip("_").replace("_", " ")
    return Case(f"{name} {shape}, {kind}", {"mathcore": lambda: ours(a), "SciPy": peer}, _agree)


def _agree(outputs):
    ours, theirs = outputs["mathcore"], outputs["SciPy"]
    # the condition number of these problems is below 1e4
    bound = 10 * ours.shape[-1] * 2.0**-53 * 1e4
    assert np.abs(ours - theirs).max() <= bound * np.abs(theirs).max()


def _root_kernel_case(count, n):
    a = _around_one(np.random.default_rng(0), (count, n, n))
    a = a[np.isfinite(matrix_functions._fused_square_root(a)[1])]  # the others take the Schur form
    candidates = {
        "mathcore": lambda: matrix_functions._fused_square_root(a)[0],
        "definition": lambda: matrix_functions._scaled_square_root(np, a)[0],
    }
    return Case(f"square root kernel, {len(a)} × {n}²", candidates, _roots_agree(a))


def _triangular_kernel_case(n):
    t = np.triu(scipy.linalg.schur(_four_decades(np.random.default_rng(0), (n, n)))[0])
    candidates = {
        "mathcore": lambda: schur_functions.triangular_square_root(t),
        "definition": lambda: schur_functions.square_root_by_halves(t),
    }
    return Case(f"triangular square root kernel, {n}²", candidates, _roots_agree(t))


def _roots_agree(a):
    def check(outputs):
        for x in outputs.values():
            bound = 1e3 * a.shape[-1] * 2.0**-53 * np.abs(x).max() ** 2
            assert np.abs(x @ x - a).max() <= bound

    return check
