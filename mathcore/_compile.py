"""How CPU kernels are compiled: the one thing a kernel file imports beside math, numpy, numba.

A *kernel* is called from Python; a *part* is called by kernels and parts, and is compiled as a
piece of each of them. Kernels that work on many matrices, rows or members take ``low, high`` first
and work on the shares from `low` on before `high`; `launch` hands these to threads.
"""

import concurrent.futures
import os

import numba
from numba.np.ufunc import parallel

try:
    from mathcore import _numba_internals as _internals
except (ImportError, AttributeError):  # a numba with other insides: slower to compile, no worse
    _internals = None

# Fused multiply-add, no signed zeros: what vectorisation needs. Never "nnan"/"ninf": a kernel must
# propagate NaN, and log-sum-exp meets −inf.
SAFE_FASTMATH = frozenset({"contract", "nsz"})
_COMPILED = not numba.config.DISABLE_JIT


def kernel(*, fastmath=SAFE_FASTMATH):
    """``numba.njit`` for what Python calls: nogil, no Python errors, kept on disk.

    A read-only installation without a writable home keeps nothing; each process compiles again.
    """

    def compile_(function):
        if _internals is None:
            return _with_numbas_cache(function, fastmath)
        compiled = _jit(function, fastmath, **_internals.KERNEL_OPTIONS)
        if _COMPILED:
            _internals.keep(compiled, function)
        return compiled

    return compile_


def kernel_with(function, key):
    """A kernel that holds a function of the user's; `key` tells which, and what else it holds.

    Kept on disk under the key, or not at all where that is None.
    """
    if _internals is None or not _COMPILED:
        return _jit(function, SAFE_FASTMATH)
    if key is not None:
        _internals.name_by_content(function, key)
    compiled = _jit(function, SAFE_FASTMATH, **_internals.KERNEL_OPTIONS)
    if key is not None:
        _internals.keep(compiled, function, key)
    return compiled


def part(*, fastmath=SAFE_FASTMATH, simplify=False, inlined=False):
    """``numba.njit`` for what kernels call.

    Python cannot call it; a test calls its ``.py_func``, or a kernel around it. `simplify` where it
    loops over lanes: such a loop becomes a vector only before it is inlined. `inlined` where a
    measurement shows that what calls it must see through it, and where it is given a function:
    the address of that would else be in the code, which then is not kept.
    """
    options = {"forceinline": inlined}
    if _internals is not None:
        options |= _internals.SIMPLIFIED_PART_OPTIONS if simplify else _internals.PART_OPTIONS

    def compile_(function):
        if _internals is not None:
            _internals.note_text(function)
        return _jit(function, fastmath, **options)

    return compile_


def callback(function, signature, key):
    """``numba.cfunc`` of a function that holds one of the user's; `key` tells which, and how.

    Kept on disk under the key, or not at all where that is None.
    """
    if _internals is None:
        return numba.cfunc(signature, nogil=True, error_model="numpy")(function)
    return _internals.callback(function, signature, key)


def _jit(function, fastmath, **options):
    usual = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath)}
    return numba.njit(**usual, **options)(function)


def _with_numbas_cache(function, fastmath):
    try:
        return _jit(function, fastmath, cache=True)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return _jit(function, fastmath)


# --- threads --------------------------------------------------------------------------------------

_WORTH_A_THREAD = 100_000  # ns: waking a thread takes 10 µs, on a busy machine more
_POOLS = {}


def launch(compiled, shares, nanoseconds, *arguments):
    """``compiled(low, high, *arguments)`` over all shares, on as many threads as pay.

    Parameters
    ----------
    compiled : kernel
        Works on the shares low … high − 1, whose results depend on no other share.
    shares : int
    nanoseconds : float
        What the whole may take on one thread, to an order of magnitude.
    """
    if nanoseconds < 2 * _WORTH_A_THREAD:
        compiled(0, shares, *arguments)
        return
    threads = min(num_threads(), shares, int(nanoseconds / _WORTH_A_THREAD))
    if threads <= 1:
        compiled(0, shares, *arguments)
        return
    cuts = [shares * k // threads for k in range(threads + 1)]
    pool = _pool(threads)
    try:
        others = [pool.submit(compiled, *cuts[k : k + 2], *arguments) for k in range(1, threads)]
    except RuntimeError:  # the interpreter is ending: no thread begins
        compiled(0, shares, *arguments)
        return
    compiled(0, cuts[1], *arguments)
    for other in others:
        other.result()


def num_threads():
    """Threads a kernel may use: ``numba.set_num_threads``, else ``NUMBA_NUM_THREADS``.

    Asked so that numba's own threads are not started: a process that has them cannot fork.
    """
    return numba.get_num_threads() if parallel._is_initialized else numba.config.NUMBA_NUM_THREADS


def _pool(threads):
    """Kept threads, of this process: after a fork there are none of the parent's."""
    key = (os.getpid(), threads)
    if key not in _POOLS:
        _POOLS[key] = concurrent.futures.ThreadPoolExecutor(threads - 1, "mathcore")
    return _POOLS[key]
