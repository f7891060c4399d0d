"""``python -m mathcore.compile``: fill the compile cache, as when a container image is built.

    python -m mathcore.compile [--area NAME ...] [--processes N]

Makes small calls that compile every kernel, several processes at a time. Areas are those that
installed packages name under the entry point ``mathcore.first_calls``: a module whose ``AREAS``
hold functions of a dtype.
"""

import argparse
import concurrent.futures
import importlib
import multiprocessing
import os
import sys
import time
from importlib.metadata import entry_points

_DTYPES = ("float64", "float32")


def areas():
    """Names of the areas, each with the modules whose calls it has."""
    found = {}
    for entry in entry_points(group="mathcore.first_calls"):
        for name in importlib.import_module(entry.value).AREAS:
            found.setdefault(name, []).append(entry.value)
    return found


def calls(area):
    """Every call of one area, as (module, area, number, dtype)."""
    return [
        (module, area, number, dtype)
        for module in areas()[area]
        for number in range(len(importlib.import_module(module).AREAS[area]))
        for dtype in _DTYPES
    ]


def make(call):
    """Make one call; its name and the seconds it took."""
    module, area, number, dtype = call
    function = importlib.import_module(module).AREAS[area][number]
    start = time.perf_counter()
    function(dtype)
    return f"{area}: {function.__name__.strip('_')}, {dtype}", time.perf_counter() - start


def main(arguments=None):
    """Compile what was asked for; 0, or 1 where a call failed or nothing could be kept."""
    from mathcore._numba_internals import writable_folder

    known = areas()
    parser = argparse.ArgumentParser(prog="python -m mathcore.compile")
    parser.add_argument("--area", choices=sorted(known), action="append", help="default: all")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: all cores")
    options = parser.parse_args(arguments)
    if options.processes < 1:
        parser.error(f"--processes must be at least 1; got {options.processes}")
    if writable_folder() is None:
        print("no folder for compiled code can be written to; NUMBA_CACHE_DIR names one")
        return 1
    wanted = [call for area in options.area or sorted(known) for call in calls(area)]
    os.environ.setdefault("MATHCORE_QUIET", "1")  # for the children; each call says what it is
    failures = 0
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.processes, context) as pool:
        pending = {pool.submit(make, call): call for call in wanted}
        for done in concurrent.futures.as_completed(pending):
            try:
                name, seconds = done.result()
                print(f"{seconds:6.1f} s  {name}", flush=True)
            except Exception as error:
                failures += 1
                print(f"failed: {pending[done]}: {error!r}", file=sys.stderr, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
