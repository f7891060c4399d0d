"""One stage of a diffusion sampler in one pass over memory.

No fused multiply-add: each result is bit for bit that of separate operations, for any batch.
Entries are counted without a sign: numba would look at each index, and make no vector of the loop.
"""

import numpy as np

from mathcore._compile import kernel, launch

CHUNK = 2**15  # entries of a share
_NANOSECONDS = 0.7  # an entry


def kernels_for(size):
    """`combine` and `combine_with_difference` of so many entries."""
    shares = -(-size // CHUNK)
    if shares == 1:  # `launch` would take a tenth of a small step
        return _at_once(combine), _at_once(combine_with_difference)
    return _on_threads(combine, shares, size), _on_threads(combine_with_difference, shares, size)


def _at_once(compiled):
    return lambda *arrays: compiled(0, 1, *arrays)


def _on_threads(compiled, shares, size):
    def whole(*arrays):
        finite = []

        def share(low, high):
            finite.append(compiled(low, high, *arrays))

        launch(share, shares, _NANOSECONDS * size)
        return all(finite)

    return whole


@kernel(fastmath=())
def combine(low, high, out, weights, a, b, c, d, e):
    """out = Σ weights[k]·(a, b, c, d, e)[k], summed in this order; returns whether finite."""
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    largest, bad = np.finfo(out.dtype).max, 0
    for i in range(np.uint64(low * CHUNK), np.uint64(min(high * CHUNK, out.size))):
        value = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i]
        out[i] = value
        bad |= int(not abs(value) <= largest)
    return bad == 0


@kernel(fastmath=())
def combine_with_difference(low, high, out, oldest, weights, x, a, b, point, denoised):
    """The sum over x, oldest, a, b, point − denoised; the last of them then replaces `oldest`.

    Written over what was just read, so that one more stream need not come from memory.
    """
    w0, w1, w2, w3, w4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    largest, bad = np.finfo(out.dtype).max, 0
    for i in range(np.uint64(low * CHUNK), np.uint64(min(high * CHUNK, out.size))):
        e = point[i] - denoised[i]
        value = w0 * x[i] + w1 * oldest[i] + w2 * a[i] + w3 * b[i] + w4 * e
        oldest[i] = e
        out[i] = value
        bad |= int(not abs(value) <= largest)
    return bad == 0
