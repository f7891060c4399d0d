"""``python .ci/smoke.py EXTRA``: what an extra is for, in an environment with that extra alone.

The extras "demo" and "test" have no lines here: README.md's two commands install and run them.
"""

import subprocess
import sys
import tempfile

import numpy as np


def torch():
    """A gradient, and a network's skips."""
    import torch as library

    from mathcore import expm
    from solvers import skip_tuning

    a = library.zeros(2, 2, dtype=library.float64, requires_grad=True)
    expm(a).sum().backward()
    assert library.equal(a.grad, library.ones_like(a)), a.grad
    assert callable(skip_tuning)


def jax():
    """A compiled gradient."""
    import jax as library

    from mathcore import slogdet

    gradient = library.jit(library.grad(lambda a: slogdet(a).logabsdet))
    np.testing.assert_allclose(gradient(2 * library.numpy.eye(3)), np.eye(3) / 2, rtol=1e-6)


def gpu():
    """An array on the device, where there is one."""
    import cupy
    from array_api_compat import cupy as namespace

    from mathcore import det

    assert namespace.float64 is cupy.float64
    if cupy.is_available():
        assert float(det(2 * cupy.eye(3))) == 8.0
    else:
        print("cupy is installed and finds no GPU: imported only")


def dask():
    """Solutions of an ODE, mapped over workers."""
    import distributed

    from solvers import solve_ivp

    def end(rate):
        return float(solve_ivp(lambda t, y: -rate * y, (0.0, 1.0), np.ones(1), rtol=1e-8).y[0, -1])

    rates = [0.5, 1.0, 2.0]
    options = {"processes": False, "n_workers": 2, "dashboard_address": None}
    with distributed.Client(**options) as client:
        found = client.gather(client.map(end, rates))
    np.testing.assert_allclose(found, np.exp(np.negative(rates)), rtol=1e-6)


def docs():
    """The pages, warnings being errors, and their examples."""
    with tempfile.TemporaryDirectory() as folder:
        for builder in ("html", "doctest"):
            options = ["-W", "--keep-going", "-q", "-b", builder]
            _run("sphinx", *options, "docs", f"{folder}/{builder}")


def bench():
    """One area beside its peers; the tests have the others."""
    _run("benchmarks", "--area", "exact_transport", "--threads", "1", "--quick")


def _run(module, *arguments):
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
