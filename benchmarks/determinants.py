"""Determinants of batches, volumes and the gradient of det against NumPy, torch and JAX."""

import numpy as np

import mathcore
from benchmarks.runner import Case, peer

SHAPES = [(100_000, 2), (100_000, 4), (10_000, 8), (10_000, 16), (1_000, 32), (1_000, 64)]
VOLUMES = [(100, 512, 64), (1000, 32, 8), (1, 2000, 500)]


def cases(quick):
    """`slogdet` of square and rectangular batches, `det` with its gradient."""
    for dtype in ("float64",) if quick else ("float64", "float32"):
        for batch, n in SHAPES[2:3] if quick else SHAPES:
            yield _slogdet_case(batch, n, dtype)
    for batch, m, n in VOLUMES[1:2] if quick else VOLUMES:
        yield _volume_case(batch, m, n)
    for batch, n in [(1000, 8)] if quick else [(10_000, 4), (10_000, 8), (1, 256)]:
        yield from _gradient_cases(batch, n)


def _slogdet_case(batch, n, dtype):
    a = np.random.default_rng(0).standard_normal((batch, n, n)).astype(dtype)
    candidates = {
        "mathcore": lambda: mathcore.slogdet(a).logabsdet,
        "NumPy": lambda: np.linalg.slogdet(a).logabsdet,
    }
    if torch := peer("torch"):
        tensor = torch.from_numpy(a)
        candidates["torch"] = lambda: np.asarray(torch.linalg.slogdet(tensor).logabsdet)
    if jax := peer("jax"):
        array, compiled = jax.numpy.asarray(a), jax.jit(jax.numpy.linalg.slogdet)
        candidates["JAX"] = lambda: np.asarray(compiled(array)[1].block_until_ready())
    exact = np.linalg.slogdet(a.astype("float64")).logabsdet
    tolerance = 4 * n * np.finfo(dtype).eps * np.linalg.cond(a.astype("float64"))

    def agree(outputs):
        for name, x in outputs.items():
            assert (np.abs(x - exact) <= tolerance).all(), name

    return Case(f"slogdet {batch:,} × {n}² {dtype}", candidates, agree)


def _volume_case(batch, m, n):
    a = np.random.default_rng(0).standard_normal((batch, m, n))

    def by_singular_values():
        return np.log(np.linalg.svd(a, compute_uv=False)).sum(axis=-1)

    candidates = {
        "mathcore": lambda: mathcore.slogdet(a).logabsdet,
        "NumPy SVD": by_singular_values,
    }
    if torch := peer("torch"):
        tensor = torch.from_numpy(a)
        candidates["torch SVD"] = lambda: torch.linalg.svdvals(tensor).log().sum(-1).numpy()
    return Case(f"log-volume {batch:,} × {m} × {n}", candidates, _agree)


def _gradient_cases(batch, n):
    """Regular matrices: at singular ones the peers are wrong."""
    a = np.random.default_rng(0).standard_normal((batch, n, n))
    a /= np.abs(np.linalg.det(a))[:, None, None] ** (1 / n)
    if torch := peer("torch"):
        leaf = torch.from_numpy(a).requires_grad_()

        def in_torch(det):
            return torch.autograd.grad(det(leaf).sum(), leaf)[0].numpy()

        candidates = {
            "mathcore": lambda: in_torch(mathcore.det),
            "torch": lambda: in_torch(torch.linalg.det),
        }
        yield Case(f"gradient of det in torch {batch:,} × {n}²", candidates, _agree_in_gradient)
    if jax := peer("jax"):
        array = jax.numpy.asarray(a)
        ours, theirs = (
            jax.jit(jax.grad(lambda x, det=det: jax.numpy.sum(det(x))))
            for det in (mathcore.det, jax.numpy.linalg.det)
        )
        candidates = {
            "mathcore": lambda: np.asarray(ours(array)),
            "JAX": lambda: np.asarray(theirs(array)),
        }
        yield Case(f"gradient of det in JAX {batch:,} × {n}²", candidates, _agree_in_gradient)


def _agree(outputs):
    ours, *others = outputs.values()
    for theirs in others:
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


def _agree_in_gradient(outputs):
    ours, theirs = outputs.values()
    size = np.abs(theirs).max(axis=(-2, -1), keepdims=True)
    assert (np.abs(ours - theirs) <= 1e-6 * size).all()  # the peers' errors grow with κ
