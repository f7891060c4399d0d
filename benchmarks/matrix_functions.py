"""The square root and the logarithm of matrices against SciPy, the one peer that has both."""

import warnings

import numpy as np
import scipy.linalg

from benchmarks.runner import Case
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
            return theirs(a) if a.ndim == 2 else np.stack([theirs(member) for member in a])

    shape = f"{batch[0]} × {n}²" if batch else f"{n}²"
    kind = spectrum.__name__.strip("_").replace("_", " ")
    return Case(f"{name} {shape}, {kind}", {"mathcore": lambda: ours(a), "SciPy": peer}, _agree)


def _agree(outputs):
    ours, theirs = outputs["mathcore"], outputs["SciPy"]
    # the condition number of these problems is below 1e4
    bound = 10 * ours.shape[-1] * 2.0**-53 * 1e4
    assert np.abs(ours - theirs).max() <= bound * np.abs(theirs).max()
