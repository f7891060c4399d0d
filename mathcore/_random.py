"""Counter-based noise: a draw is a function of (seed, member, step), of nothing else.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
and the Box–Muller transform. Chains and samples keyed this way do not depend on how many run
together, in which order, or where a run was resumed.
"""

import numpy as np

from mathcore._checks import check_shape

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(counter, key):
    """Ten rounds of Philox4x32 on broadcastable uint64 arrays holding 32-bit words.

    Parameters
    ----------
    counter : tuple of 4 arrays
    key : tuple of 2 int

    Returns
    -------
    tuple of 4 uint64 arrays, each word below 2**32
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product_0, product_1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            product_1 >> _32 ^ c1 ^ np.uint64(k0),
            product_1 & _LOW,
            product_0 >> _32 ^ c3 ^ np.uint64(k1),
            product_0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL_0) % 2**32, (k1 + _WEYL_1) % 2**32
    return c0, c1, c2, c3


def uniforms(seed, members, step, size, *, stream=0):
    """Uniform draws in (0, 1], float64 of shape ``(len(members), size)``."""
    blocks = -(-size // 2)
    counter = (
        np.arange(blocks, dtype=np.uint64) | np.uint64(stream << 24),
        np.asarray(step & 0xFFFFFFFF, dtype=np.uint64),
        np.asarray(members, dtype=np.uint64)[:, None],
        np.asarray(step >> 32, dtype=np.uint64),
    )
    w0, w1, w2, w3 = philox(np.broadcast_arrays(*counter), (seed & 0xFFFFFFFF, seed >> 32))
    pairs = np.stack([_to_unit(w0, w1), _to_unit(w2, w3)], axis=-1)
    return pairs.reshape(pairs.shape[0], 2 * blocks)[:, :size]


def _to_unit(high, low):
    return ((high << _32 | low) >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-53


def normals(seed, members, step, size, *, stream=0):
    """Standard normal draws, float64 of shape ``(len(members), size)``.

    Parameters
    ----------
    seed : int
        Below 2**64.
    members : array of int (m,)
        Chain or sample numbers, below 2**32.
    step : int
        Below 2**64.
    size : int
        Draws for each member, below 2**25.
    stream : int, optional
        Which of 256 independent uses within a step.
    """
    even = size + size % 2
    u = uniforms(seed, members, step, even, stream=stream)
    radius, angle = np.sqrt(-2.0 * np.log(u[:, 0::2])), 2.0 * np.pi * u[:, 1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(u.shape)[:, :size]


def normals_of_steps(seed, members, first, count, size, *, stream=0):
    """`normals` of the steps first … first + count − 1, ``(count, len(members), size)``."""
    return _draw(seed, members, first, (count, len(members), size), stream, logarithm=False)


def log_uniforms_of_steps(seed, members, first, count, *, stream=0):
    """Logarithm of the first of the `uniforms` of each step, ``(count, len(members), 1)``."""
    return _draw(seed, members, first, (count, len(members), 1), stream, logarithm=True)


def _draw(seed, members, first, shape, stream, *, logarithm):
    from mathcore._kernels import normals_cpu

    out = np.empty(shape)
    members = np.ascontiguousarray(members, dtype=np.uint64)
    if out.size:
        normals_cpu.draw(seed, members, first, stream, out, logarithm=logarithm)
    return out


def member_numbers(numbers, count, name):
    """What keys the noise of `count` members: 0, 1, … or the argument `name`, checked."""
    if numbers is None:
        return np.arange(count)
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must be integers; got dtype {numbers.dtype}")
    check_shape(numbers, (count,), name)
    if np.any(numbers < 0) or np.any(numbers >= 2**32):
        raise ValueError(f"`{name}` must be in [0, 2**32); got {numbers.tolist()}")
    return numbers
