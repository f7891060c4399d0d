"""How CPU kernels are compiled: the one thing a kernel file imports beside math, numpy, numba."""

import numba

# Fused multiply-add, no signed zeros: what vectorisation needs. Never "nnan"/"ninf": a kernel must
# propagate NaN, and log-sum-exp meets −inf.
SAFE_FASTMATH = frozenset({"contract", "nsz"})


def kernel(*, parallel=False, fastmath=SAFE_FASTMATH, inline="never", cache=True):
    """``numba.njit`` as this library uses it: cached where it can be, nogil, no Python errors.

    A read-only installation without a writable home cannot cache; it compiles each process instead.
    A kernel that takes a user's function must not: the cache would ask for it again by its name.
    """

    def compile_(function):
        options = {
            "nogil": True,
            "error_model": "numpy",
            "parallel": parallel,
            "fastmath": set(fastmath),
            "inline": inline,
        }
        try:
            return numba.njit(cache=cache, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return numba.njit(**options)(function)

    return compile_
