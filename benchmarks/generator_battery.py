"""The noise of chains as a stream of 32-bit words, for a battery of statistical tests.

``python -m benchmarks.generator_battery LAYOUT [--seed N] | dieharder -g 200 -a``

Layouts say what runs fastest in the stream. "steps", "chains", "seeds": the four words of one
counter, then those of the next step, chain or seed. "run": the words behind 10 coordinates of 64
chains, step after step, as a sampler draws them. "normals": the normal draws of that run through
their distribution function: this tests what the kernel makes of the words.
"""

import argparse
import itertools
import sys

import numpy as np

from mathcore._random import normals_of_steps, philox

CHUNK, CHAINS, DIM = 2**14, 64, 10  # counters written at a time


def _words(block, step, chain, seed):
    """Four words for each counter, the counters in the C order of the broadcast arguments."""
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    block, step, chain, seed = np.broadcast_arrays(
        *(np.asarray(part, np.uint64) for part in (block, step, chain, seed))
    )
    words = philox((block, step & low, chain, step >> high), (seed & low, seed >> high))
    return np.stack(words, axis=-1).astype("<u4")


def _steps(first, seed):
    return _words(0, first + np.arange(CHUNK), 0, seed)


def _chains(first, seed):
    return _words(0, first // 2**32, first % 2**32 + np.arange(CHUNK), seed)


def _seeds(first, seed):
    return _words(0, 0, 0, seed + first + np.arange(CHUNK))


def _run(first, seed):
    steps = first // CHAINS + np.arange(CHUNK // CHAINS)
    blocks, chains = np.arange(DIM // 2), np.arange(CHAINS)
    return _words(blocks, steps[:, None, None], chains[:, None], seed)


def _normals(first, seed):
    from scipy.special import ndtr

    steps, chains = CHUNK // CHAINS, np.arange(CHAINS)
    draws = normals_of_steps(seed, chains, first // CHAINS, steps, DIM)
    return np.minimum(ndtr(draws) * 2.0**32, 2.0**32 - 1).astype("<u4")


LAYOUTS = {
    "steps": _steps,
    "chains": _chains,
    "seeds": _seeds,
    "run": _run,
    "normals": _normals,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        for first in itertools.count(0, CHUNK):
            sys.stdout.buffer.write(LAYOUTS[options.layout](first, options.seed).tobytes())
    except BrokenPipeError:  # the battery has read enough
        sys.stderr.close()


if __name__ == "__main__":
    main()
