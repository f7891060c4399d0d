"""The matrix exponential and the log-volume against SciPy, torch, JAX and NumPy."""

import numpy as np
import scipy.linalg

import mathcore
from benchmarks.runner import Case, peer

SIZES = [(1, 256), (10_000, 8), (1_000, 64)]


def cases(quick):
    """`expm` at three shapes; the volume of rectangular batches."""
    for batch, n in SIZES[:1] if quick else SIZES:
        yield _expm_case(batch, n)
    for batch, m, n in [(10, 512, 64)] if quick else [(10, 512, 64), (1000, 32, 8), (1, 2000, 500)]:
        yield _volume_case(batch, m, n)


def _expm_case(batch, n):
    a = np.random.default_rng(0).standard_normal((batch, n, n))
    a *= 3 / np.abs(a).sum(axis=-2).max(axis=-1)[:, None, None]
    a = a[0] if batch == 1 else a
    candidates = {"mathcore": lambda: mathcore.expm(a), "SciPy": lambda: scipy.linalg.expm(a)}
    if torch := peer("torch"):
        tensor = torch.from_numpy(a)
        candidates["torch"] = lambda: torch.linalg.matrix_exp(tensor).numpy()
    if jax := peer("jax"):
        array = jax.numpy.asarray(a)
        compiled = jax.jit(jax.scipy.linalg.expm)
        candidates["JAX"] = lambda: np.asarray(compiled(array).block_until_ready())
    return Case(f"expm {batch} × {n}², float64, 1-norm 3", candidates, _agree)


def _volume_case(batch, m, n):
    a = np.random.default_rng(0).standard_normal((batch, m, n))

    def by_singular_values():
        return np.log(np.linalg.svd(a, compute_uv=False)).sum(axis=-1)

    candidates = {
        "mathcore": lambda: mathcore.slogdet(a).logabsdet,
        "NumPy SVD": by_singular_values,
    }
    return Case(f"log-volume {batch} × {m} × {n}, float64", candidates, _agree)


def _agree(outputs):
    (_, ours), *others = outputs.items()
    for name, theirs in others:
        scale = np.abs(theirs).max()
        # the peers' own exponential errs by up to 2e-15·n (matrices of norm 3)
        assert np.abs(ours - theirs).max() <= 1e-14 * ours.shape[-1] * scale, name
