"""The matrix exponential and its derivative against SciPy, torch and JAX."""

import numpy as np
import scipy.linalg

import mathcore
from benchmarks.runner import Case, peer

SHAPES = [(100_000, 2), (100_000, 4), (10_000, 8), (10_000, 16), (1_000, 64)]
SINGLE = [16, 64, 256, 1024]
NORMS = [0.04, 3.0, 1000.0]
GRADIENTS = [(10_000, 4), (10_000, 8), (1_000, 16), (1_000, 64), (1, 16), (1, 64), (1, 256)]


def cases(quick):
    """`expm` of batches and of one matrix, with and without its gradient."""
    for batch, n in SHAPES[2:3] if quick else SHAPES:
        yield _expm_case(batch, n, 3.0)
    for n in SINGLE[:1] if quick else SINGLE:
        for norm in NORMS[1:2] if n < 256 else NORMS:
            yield _expm_case(1, n, norm)
    for batch, n in GRADIENTS[-3:-2] if quick else GRADIENTS:
        yield _gradient_case(batch, n)


def _matrices(batch, n, norm):
    a = np.random.default_rng(0).standard_normal((batch, n, n))
    a -= np.swapaxes(a, -1, -2) * (1 if norm > 100 else 0)  # skew: the result stays of size one
    a *= norm / np.abs(a).sum(axis=-2).max(axis=-1)[:, None, None]
    return a[0] if batch == 1 else a


def _expm_case(batch, n, norm):
    a = _matrices(batch, n, norm)
    candidates = {"mathcore": lambda: mathcore.expm(a), "SciPy": lambda: scipy.linalg.expm(a)}
    if torch := peer("torch"):
        tensor = torch.from_numpy(a)
        candidates["torch"] = lambda: torch.linalg.matrix_exp(tensor).numpy()
    if jax := peer("jax"):
        array = jax.numpy.asarray(a)
        compiled = jax.jit(jax.scipy.linalg.expm)
        candidates["JAX"] = lambda: np.asarray(compiled(array).block_until_ready())
    return Case(f"expm {batch:,} × {n}², norm {norm:g}", candidates, _agree_for(norm))


def _gradient_case(batch, n):
    a = _matrices(batch, n, 3.0)
    g = np.ones_like(a)
    candidates = {
        "mathcore": lambda: mathcore.expm_vjp(a, g),
        "mathcore, value alone": lambda: mathcore.expm(a, assume_a="general"),
    }
    if torch := peer("torch"):
        tensor, cotangent = torch.from_numpy(a).requires_grad_(), torch.from_numpy(g)

        def in_torch(expm):
            return torch.autograd.grad(expm(tensor), tensor, cotangent)[0].numpy()

        candidates["torch's"] = lambda: in_torch(torch.linalg.matrix_exp)
        candidates["mathcore in torch"] = lambda: in_torch(mathcore.expm)
    if jax := peer("jax"):
        array = jax.numpy.asarray(a)

        def in_jax(expm):
            gradient = jax.jit(jax.grad(lambda x: expm(x).sum()))  # the cotangent is one throughout
            return lambda: np.asarray(gradient(array).block_until_ready())

        candidates["JAX's"] = in_jax(jax.scipy.linalg.expm)
        candidates["mathcore in JAX"] = in_jax(mathcore.expm)
    return Case(f"value and gradient {batch:,} × {n}²", candidates, _gradients_agree)


def _agree_for(norm):
    def agree(outputs):
        (_, ours), *others = outputs.items()
        for name, theirs in others:
            # the peers' own errors grow with the norm; torch's and JAX's fastest
            bound = 1e-13 * max(1.0, norm) * np.abs(theirs).max()
            assert np.abs(ours - theirs).max() <= bound, name

    return agree


def _gradients_agree(outputs):
    _agree_for(10.0)({name: x for name, x in outputs.items() if name != "mathcore, value alone"})
