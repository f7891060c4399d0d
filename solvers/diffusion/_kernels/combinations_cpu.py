"""One stage of a diffusion sampler in one pass over memory.

No fused multiply-add: each result is bit for bit that of separate operations, for any batch.
"""

import numpy as np
from numba import get_num_threads, prange

from mathcore._compile import kernel

CHUNK = 2**15  # entries that a thread takes at a time
_LARGE = 2**16  # entries from which on threads share the work


def kernels_for(size):
    """`combine` and `combine_with_difference`, on several threads where that pays."""
    if size >= _LARGE and get_num_threads() > 1:
        return combine_chunks, combine_chunks_with_difference
    return combine, combine_with_difference


@kernel(fastmath=())
def combine(out, weights, a, b, c, d, e):
    """out = Σ weights[k]·(a, b, c, d, e)[k], summed in this order; returns whether it is finite."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    largest, bad = np.finfo(out.dtype).max, 0
    for i in range(out.size):
        value = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i]
        out[i] = value
        bad |= int(not abs(value) <= largest)
    return bad == 0


@kernel(fastmath=())
def combine_with_difference(out, oldest, weights, x, a, b, point, denoised):
    """The sum over x, oldest, a, b, point − denoised; the last of them then replaces `oldest`.

    Written over what was just read, so that one more stream need not come from memory.
    """
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    largest, bad = np.finfo(out.dtype).max, 0
    for i in range(out.size):
        e = point[i] - denoised[i]
        value = w0 * x[i] + w1 * oldest[i] + w2 * a[i] + w3 * b[i] + w4 * e
        oldest[i] = e
        out[i] = value
        bad |= int(not abs(value) <= largest)
    return bad == 0


@kernel(parallel=True, fastmath=())
def combine_chunks(out, weights, a, b, c, d, e):
    """`combine` on several threads."""
    chunks = (out.size + CHUNK - 1) // CHUNK
    finite = np.ones(chunks, dtype=np.bool_)
    for k in prange(chunks):
        s = slice(k * CHUNK, min((k + 1) * CHUNK, out.size))
        finite[k] = combine(out[s], weights, a[s], b[s], c[s], d[s], e[s])
    return finite.all()


@kernel(parallel=True, fastmath=())
def combine_chunks_with_difference(out, oldest, weights, x, a, b, point, denoised):
    """`combine_with_difference` on several threads."""
    chunks = (out.size + CHUNK - 1) // CHUNK
    finite = np.ones(chunks, dtype=np.bool_)
    for k in prange(chunks):
        s = slice(k * CHUNK, min((k + 1) * CHUNK, out.size))
        finite[k] = combine_with_difference(
            out[s], oldest[s], weights, x[s], a[s], b[s], point[s], denoised[s]
        )
    return finite.all()
