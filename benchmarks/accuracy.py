"""``python -m benchmarks.accuracy``: errors of the exponential on the gallery beside the peers'."""

import warnings

import mpmath
import numpy as np
import scipy.linalg

import mathcore
from benchmarks.runner import peer
from mathcore.testing import gallery


def _exact(a):
    with mpmath.workdps(300):
        values = mpmath.expm(mpmath.matrix(a.tolist()), method="taylor").tolist()
    return np.array([[float(x) for x in row] for row in values])


def candidates():
    """Name to function, ours first."""
    found = {"mathcore": mathcore.expm, "SciPy": scipy.linalg.expm}
    if torch := peer("torch"):
        found["torch"] = lambda a: torch.linalg.matrix_exp(torch.from_numpy(a)).numpy()
    if jax := peer("jax"):
        jax.config.update("jax_enable_x64", True)
        found["JAX"] = lambda a: np.asarray(jax.scipy.linalg.expm(jax.numpy.asarray(a)))
    return found


def main():
    """Print a Markdown table of relative errors in the 1-norm."""
    warnings.simplefilter("ignore", RuntimeWarning)
    functions = candidates()
    print(f"| matrix | κ | {' | '.join(functions)} |\n|---|---|{'---|' * len(functions)}")
    for name, a in sorted(gallery.matrices().items()):
        exact = _exact(a)
        size = np.linalg.norm(exact, 1)
        errors = (np.linalg.norm(f(a) - exact, 1) / max(size, 1e-323) for f in functions.values())
        condition = float(mathcore.expm_cond(a)) if size > 0 else float("nan")
        print(f"| {name} | {condition:.1e} | {' | '.join(f'{e:.0e}' for e in errors)} |")


if __name__ == "__main__":
    main()
