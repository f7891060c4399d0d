"""``python -m benchmarks --area NAME [--threads 1 2] [--quick]``.

Thread counts are fixed before the libraries load, so each count runs in a process of its own.
"""

import argparse
import importlib
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_NO_AREAS = (
    *("__init__", "__main__", "runner", "accuracy", "recorded_results"),
    *("diffusion_errors", "digits_unet", "generator_battery", "unet_quality"),
)
AREAS = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NO_AREAS
)
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_VERSIONS = (
    "numpy",
    "scipy",
    "numba",
    "torch",
    "jax",
    "POT",
    "ott-jax",
    "blackjax",
    "diffusers",
    "matfree",
)


def environment(threads):
    """Environment of a child process limited to `threads` threads."""
    limits = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    xla = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
    return {**os.environ, **limits, "XLA_FLAGS": xla, "JAX_ENABLE_X64": "1"}


def describe(threads):
    """Machine, versions, BLAS and its core type, one line each."""
    yield f"machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}"
    yield f"threads: {threads}"
    found = []
    for name in _VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    yield f"versions: Python {platform.python_version()}, " + ", ".join(found)
    yield f"BLAS: {_blas()}"


def _processor():
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    lines = cpuinfo.read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))


def _blas():
    try:
        import threadpoolctl
    except ImportError:
        return "unknown (pip install threadpoolctl)"
    import numpy.linalg  # noqa: F401
    import scipy.linalg  # noqa: F401

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return "; ".join(
        f"{pool['internal_api']} {pool['version']}, core {pool.get('architecture')}, "
        f"{pool['num_threads']} threads"
        for pool in pools
    )


def run(area, *, threads, quick):
    """Measure one area in this process and print its table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    from benchmarks.runner import measure, table

    for line in describe(threads):
        print(line)
    module = importlib.import_module(f"benchmarks.{area}")
    if hasattr(module, "report"):  # an area that is no comparison
        print("\n" + "\n".join(module.report(quick, threads)) + "\n")
        return
    cases = module.cases(quick)
    print(f"\n{table([measure(case, rounds=3 if quick else 7) for case in cases])}\n")


def main():
    """Parse the command line; run every area and thread count asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--area", choices=AREAS, action="append", help="default: all")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and all cores")
    parser.add_argument("--quick", action="store_true", help="one size, three rounds")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    areas = options.area or AREAS
    if options.in_process:
        run(areas[0], threads=options.threads[0], quick=options.quick)
        return 0
    failures = 0
    for area in areas:
        for threads in options.threads or sorted({1, len(os.sched_getaffinity(0))}):
            print(f"## {area}, {threads} thread{'s' * (threads > 1)}\n", flush=True)
            command = [sys.executable, "-m", "benchmarks", "--in-process", "--area", area]
            command += ["--threads", str(threads), *["--quick"] * options.quick]
            failures += subprocess.run(command, env=environment(threads)).returncode != 0
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
