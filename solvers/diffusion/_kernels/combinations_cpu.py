"""One stage of a diffusion sampler in one pass over memory.

No fused multiply-add: each result is bit for bit that of separate operations, for any batch.
"""

import numpy as np
from numba import prange

from mathcore._compile import kernel

CHUNK = 2**15  # entries that a thread takes at a time


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
def combine_with_difference(out, difference, weights, a, b, c, d, point, denoised):
    """The same for e = `difference` = point − denoised, which is computed and kept."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    largest, bad = np.finfo(out.dtype).max, 0
    for i in range(out.size):
        e = point[i] - denoised[i]
        difference[i] = e
        value = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e
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
def combine_chunks_with_difference(out, difference, weights, a, b, c, d, point, denoised):
    """`combine_with_difference` on several threads."""
    chunks = (out.size + CHUNK - 1) // CHUNK
    finite = np.ones(chunks, dtype=np.bool_)
    for k in prange(chunks):
        s = slice(k * CHUNK, min((k + 1) * CHUNK, out.size))
        finite[k] = combine_with_difference(
            out[s], difference[s], weights, a[s], b[s], c[s], d[s], point[s], denoised[s]
        )
    return finite.all()
