"""Arrays for the cases, each a function of its arguments."""

import numpy as np

REAL, ALL = ("f4", "f8"), ("f4", "f8", "c8", "c16")


def row(names, call, **axes):
    return names, call, axes


def normal(*shape, dtype="f8", seed=0):
    rng = np.random.default_rng([seed, *shape])
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def matrices(n, batch=(), norm=1.0, dtype="f8", seed=0):
    """Of 1-norm `norm`; "mixed": from 1e-3 to 1e3 in a batch; "nan": as the last entry."""
    a, size = normal(*batch, n, n, dtype=dtype, seed=seed), 1.0 if norm == "nan" else norm
    if norm == "mixed":
        size = np.geomspace(1e-3, 1e3, int(np.prod(batch))).reshape(batch)
    a *= (size / abs(a).sum(axis=-2).max(axis=-1, initial=1e-30))[..., None, None].astype(dtype)
    a[..., -1:, -1:] += np.nan if norm == "nan" else 0
    return a


def on_matrices(count):
    """Called with as many matrices."""
    return lambda f, **given: f(*(matrices(**given, seed=seed) for seed in range(count)))


def of_kind(kind, n, dtype, batch=()):
    """For roots, logarithms and signs: by the iteration, by eigenvalues, by Schur forms."""
    x, eye = matrices(n, batch, 1.0, dtype), np.eye(n, dtype=dtype)
    return {
        "near": lambda: x / 2 + eye,
        "positive": lambda: x @ np.conj(np.swapaxes(x, -1, -2)) + eye / 10,
        "far": lambda: x + 30 * np.triu(x, 1) * np.arange(n, dtype=dtype) + 2 * eye,
        "upper": lambda: np.triu(x) + eye,
        "any": lambda: x,
    }[kind]()
