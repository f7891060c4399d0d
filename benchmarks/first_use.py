"""What a first call costs: CPU seconds of a fresh process, its compile cache empty, then full.

Imports of NumPy and numba, about half a second, are included. Each row runs in a process of its
own, with a cache folder of its own.
"""

import os
import subprocess
import sys
import tempfile
from typing import NamedTuple


class FirstUse(NamedTuple):
    """A call as a newcomer makes it, and the CPU seconds its first time may take."""

    name: str
    code: str
    target: float


_RANDOM = "rng = np.random.default_rng(0); "
_POINTS = _RANDOM + "x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)); "
_SQUARE = _RANDOM + "a, e = rng.normal(size=(2, 50, 50)); "
_LAPLACIAN = (
    "import scipy.sparse as s; a = s.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], "
    "shape=(100, 100)).tocsr(); "
)
_ENSEMBLE = (
    "from solvers import solve_ensemble; y0 = np.ones((1000, 2)); "
    "run = lambda fun: solve_ensemble(fun, (0.0, 1.0), y0); "
    "run(lambda t, y: (y[1], -y[0])); "
)
_TARGET = (
    "import numba; from solvers import sample_langevin; x0 = np.zeros((4, 3)); "
    "options = dict(step_size=0.1, num_steps=100, rng=0); "
)

ROWS = (
    FirstUse("expm, 3 × 3", "from mathcore import expm; expm(np.ones((3, 3)))", 3.0),
    FirstUse("expm, 100 × 8 × 8", "from mathcore import expm; expm(np.ones((100, 8, 8)))", 4.0),
    FirstUse(
        "check_identities, 50 × 50",
        "from mathcore import check_identities; " + _SQUARE + "check_identities(a / 7)",
        6.0,
    ),
    FirstUse(
        "expm_frechet, 50 × 50",
        "from mathcore import expm_frechet; " + _SQUARE + "expm_frechet(a, e)",
        5.0,
    ),
    FirstUse(
        "expm_multiply, dense 50 × 50",
        "from mathcore import expm_multiply; " + _SQUARE + "expm_multiply(a, e[0])",
        5.0,
    ),
    FirstUse(
        "expm_multiply, sparse 100 × 100",
        "from mathcore import expm_multiply; " + _LAPLACIAN + "expm_multiply(a, np.ones(100))",
        5.0,
    ),
    FirstUse(
        "sinkhorn, 50 × 50",
        "from mathcore import sinkhorn; " + _POINTS + "sinkhorn(x, y, epsilon=0.5)",
        3.5,
    ),
    FirstUse(
        "sinkhorn_divergence, 50 × 50",
        "from mathcore import sinkhorn_divergence; "
        + _POINTS
        + "sinkhorn_divergence(x, y, epsilon=0.5)",
        5.0,
    ),
    FirstUse(
        "barycenter, 2 measures of 50",
        "from mathcore import barycenter; " + _POINTS + "barycenter([x, y], epsilon=2.0)",
        5.0,
    ),
    FirstUse(
        "wasserstein_1d, 2 × 50",
        "from mathcore import wasserstein_1d; " + _POINTS + "wasserstein_1d(x[:, 0], y[:, 0])",
        2.0,
    ),
    FirstUse(
        "sliced_wasserstein, 2 × 50",
        "from mathcore import sliced_wasserstein; " + _POINTS + "sliced_wasserstein(x, y, rng=0)",
        2.5,
    ),
    FirstUse(
        "wasserstein, 2 × 50",
        "from mathcore import wasserstein; " + _POINTS + "wasserstein(x, y)",
        3.0,
    ),
    FirstUse(
        "slogdet, 100 × 8 × 8",
        "from mathcore import slogdet; slogdet(np.ones((100, 8, 8)) + np.eye(8))",
        2.0,
    ),
    FirstUse("solve_ensemble, first ever", _ENSEMBLE, 4.5),
    FirstUse(
        "sample_langevin, NumPy score",
        _TARGET + "sample_langevin(lambda x: -x, x0, method='ula', **options)",
        1.5,
    ),
    FirstUse(
        "sample_langevin, MALA, njit score",
        _TARGET
        + "score = numba.njit(lambda x: -x); level = numba.njit(lambda x: -0.5 * (x * x).sum()); "
        + "sample_langevin(score, x0, log_density=level, method='mala', **options)",
        4.0,
    ),
    FirstUse(
        "solve_linear, constant 2 × 2",
        "from solvers import solve_linear; "
        "solve_linear(np.array([[0.0, 1.0], [-1.0, 0.0]]), (0.0, 1.0), np.ones(2))",
        5.0,
    ),
    FirstUse(
        "logm, 3 × 3",
        "from mathcore import logm; logm(np.array([[2.0, 1, 0], [0, 3, 1], [1, 0, 4]]))",
        6.0,
    ),
)
_NEW_FUNCTION = FirstUse(
    "solve_ensemble, a new right-hand side",
    _ENSEMBLE + "start = time.process_time(); run(lambda t, y: (-y[0], y[0] - y[1]))",
    0.6,
)
_SECOND_PROCESS = FirstUse(
    "solve_ensemble, the same one in a second process",
    "import numba; start = time.process_time(); " + _ENSEMBLE,
    0.5,
)
_MEASURE = (
    "import time; start = 0.0; import numpy as np; {code}\nprint(time.process_time() - start)"
)


def _seconds(row, folder, threads):
    """CPU seconds of the row in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "MATHCORE_QUIET": "1"}
    environment["NUMBA_NUM_THREADS"] = str(threads)
    command = [sys.executable, "-c", _MEASURE.format(code=row.code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _line(row, first, second):
    within = "" if first <= row.target else ", over"
    return f"| {row.name} | {first:.2f} | {row.target:g}{within} | {second} |"


def report(quick, threads=1):
    """Yield the table, row by row; two rows where `quick`."""
    yield "| first call | CPU s, empty cache | target | CPU s, second process |"
    yield "|---|---|---|---|"
    for row in ROWS[:2] if quick else ROWS:
        with tempfile.TemporaryDirectory() as folder:
            first = _seconds(row, folder, threads)
            yield _line(row, first, f"{_seconds(row, folder, threads):.2f}")
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            yield _line(_NEW_FUNCTION, _seconds(_NEW_FUNCTION, folder, threads), "")
            yield _line(_SECOND_PROCESS, _seconds(_SECOND_PROCESS, folder, threads), "")
