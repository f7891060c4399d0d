"""``python -m benchmarks.accuracy``: errors of the exponential on the gallery beside the peers'.

The error of one matrix is partly luck: naha95 moves by a factor of a thousand with its last bit. So
each entry is the largest error over the matrix and a few multiples of it.
"""

import warnings

import mpmath
import numpy as np
import scipy.linalg

import mathcore
from benchmarks.runner import peer
from mathcore.testing import gallery

MULTIPLES = (1.0, 63 / 64, 31 / 32)
ROTATED = 0.6 + 0.8j  # |·| = 1: complex matrices of the same norms
DTYPES = ("float64", "float32", "complex128", "complex64")


def exact(a):
    """e^a to far more than double precision, rounded; infinite where it overflows."""
    with mpmath.workdps(60 + min(300, int(np.abs(a).sum(axis=0).max()))):
        rows = [[mpmath.mpmathify(complex(x)) for x in row] for row in a.tolist()]
        values = mpmath.expm(mpmath.matrix(rows), method="taylor").tolist()
    return np.array([[complex(x) for x in row] for row in values])


def error_bound(a, size):
    """10·n·u·max(1, κ), and what underflow adds; from 1 on the input's rounding leaves no digit."""
    wide = a.astype(np.result_type(a.dtype, np.float64))
    condition = float(mathcore.expm_cond(wide)) if size > 0 else 1.0
    info = np.finfo(a.dtype)
    relative = 5 * len(a) * float(info.eps) * max(1.0, condition)
    return relative + len(a) ** 2 * float(info.smallest_subnormal) / max(size, 1e-323)


def candidates():
    """Name to function, ours first."""
    found = {"mathcore": mathcore.expm, "SciPy": scipy.linalg.expm}
    if torch := peer("torch"):
        found["torch"] = lambda a: torch.linalg.matrix_exp(torch.from_numpy(a)).numpy()
    if jax := peer("jax"):
        jax.config.update("jax_enable_x64", True)
        found["JAX"] = lambda a: np.asarray(jax.scipy.linalg.expm(jax.numpy.asarray(a)))
    return found


def errors(functions, a):
    """Relative error in the 1-norm of each function on one matrix, and the bound."""
    desired = exact(a)
    size = np.linalg.norm(desired, 1)
    found = []
    for f in functions.values():
        x = f(a).astype(complex)
        finite = np.isfinite(x).all()
        found.append(np.linalg.norm(x - desired, 1) / max(size, 1e-323) if finite else np.inf)
    return [error_bound(a, size), *found]


def _rows(functions, dtype):
    factor = ROTATED if dtype.startswith("complex") else 1.0
    for name, a in sorted(gallery.matrices().items()):
        members = [(factor * multiple * a).astype(dtype) for multiple in MULTIPLES]
        if (name, factor) != ("rotation", ROTATED):  # e^8000 is no float
            yield name, np.max([errors(functions, member) for member in members], axis=0)


def main():
    """Print a Markdown table for each dtype, then where ours is not the rule's."""
    warnings.simplefilter("ignore", RuntimeWarning)
    functions = candidates()
    for dtype in DTYPES:
        print(f"### {dtype}\n\n| matrix | bound | {' | '.join(functions)} |")
        print(f"|---|---|{'---|' * len(functions)}")
        exceptions = []
        for name, (bound, ours, *others) in _rows(functions, dtype):
            print(f"| {name} | {' | '.join(f'{x:.0e}' for x in (bound, ours, *others))} |")
            allowed = min(bound, 10 * max(min(others), np.finfo(dtype).eps / 2))
            if bound < 1 and ours > allowed:
                exceptions.append(name)
        print(f"\nAbove the bound or 10 times the best peer: {', '.join(exceptions) or 'none'}.\n")


if __name__ == "__main__":
    main()
