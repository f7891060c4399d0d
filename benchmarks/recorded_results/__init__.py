"""Every public function on fixed inputs, recorded once and compared bit for bit later.

``python -m benchmarks.recorded_results write FILE.npz [--only PATTERN]`` keeps every number of
every result; ``compare FILE.npz [--only PATTERN]`` computes them again, prints what differs, and
exits with 1 if anything does: it holds a change of how kernels are compiled to the old results.

Parameters
----------
FILE.npz : path
    An array for each entry, ``function: case/part of the result``.
PATTERN : regular expression, optional
    Only the cases in whose names it is found.

Notes
-----
A row of an area's `CASES` is a function, how it is called, and the values of each argument, all
of whose combinations are cases. Sizes lie below and above what the kernels' vectors and threads
take, norms below and above what they scale. A record is for one machine and one set of libraries.
BLAS has one thread, since its sums depend on their number; numba's threads are as they are, since
no result may depend on them. NaN equals NaN; 0.0 and -0.0 differ. A case that raises is recorded by
its error. `recorder.NOT_CALLED` are the public names without a case, each with the reason;
tests/test_recorded_results.py asserts that there are no others.
"""

import os
import sys

if "numpy" not in sys.modules:
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
