"""What is recorded, and how it is compared."""

import functools
import itertools
import re
import warnings
import zipfile

import numpy as np

import mathcore
import solvers
from benchmarks.recorded_results import matrices, samplers, systems, transport

_ROWS = (*matrices.CASES, *transport.CASES, *systems.CASES, *samplers.CASES)
_RESULTS = """
ActionInfo Estimate TransportResult ExactTransport SparsePlan SlicedEstimate KantorovichCritic
GeneralSolution ReducedSystem RecoveredCoefficients RiccatiSolution FundamentalMatrix Monodromy
OdeResult EnsembleResult FlowResult PursuitResult DiffusionResult LogLikelihood TunedSkips
LangevinResult LangevinState Discrepancy
"""
NOT_CALLED = {
    **dict.fromkeys(_RESULTS.split(), "the type of a result, whose fields are recorded"),
    "OdeStep": "what a callback is given; no case has a callback",
    **dict.fromkeys(("skip_tuning", "denoiser_from_diffusers"), "takes torch modules alone"),
}


def flattened(value, name):
    """(name, array) of every array, number and word in a result; functions are left out."""
    value = value._asdict() if hasattr(value, "_asdict") else value
    if isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from flattened(part, f"{name}/{key}")
    elif not callable(value):
        array = np.asarray(str(value) if value is None else value)
        if array.dtype.kind not in "biufcU":
            raise TypeError(f"`value` must hold numbers and words; got {value!r} in {name}")
        yield name, array


def recorded(name, run):
    """The entries of a case as a dictionary of arrays."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return dict(flattened(run(), name))
        except Exception as error:
            line = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            return {f"{name}/raised": np.asarray(line)}


def difference(before, after):
    """What tells two arrays apart, in words; "" where they are the same bit for bit."""
    kind, words = before.dtype.kind, f"{before} became {after}"
    if before.shape != after.shape or before.dtype != after.dtype:
        forms = f"{before.dtype}{before.shape} became {after.dtype}{after.shape}"
        return words if kind == after.dtype.kind == "U" else forms
    if kind not in "fc":
        count = np.count_nonzero(before != after)
        return f"{count} of {before.size}: {words}" if count else ""
    x, y = (np.ravel(v).view(v.real.dtype) for v in (before, after))
    integers = [v.view(f"i{v.itemsize}") for v in (x, y)]
    apart = (integers[0] != integers[1]) & ~(np.isnan(x) & np.isnan(y))
    if not apart.any():
        return ""
    pairs = zip(*(_ordered(v[apart], v.itemsize) for v in integers), strict=True)
    x, y = (v[apart].astype(float) for v in (x, y))
    with np.errstate(all="ignore"):
        relative = np.max(abs(x - y) / np.maximum(abs(x), abs(y)), initial=0.0, where=x != y)
    ulps = max(abs(i - j) for i, j in pairs)
    return f"{x.size} of {apart.size} numbers, by {ulps} ulp, {relative:.1e} relative"


def _ordered(integers, itemsize):
    """Bits of floats as Python integers that differ by one for neighbours."""
    return [i if i >= 0 else -(2 ** (8 * itemsize - 1)) - i for i in integers.tolist()]


def write(path, pattern=""):
    """Record the cases; the exit status."""
    entries = {}
    for name, run in cases(pattern):
        entries.update(recorded(name, run))
    with open(path, "wb") as file:
        np.savez(file, **entries)
    print(f"{len(entries)} entries")
    return 0


def compare(path, pattern=""):
    """Compute the cases again and print what differs; the exit status."""
    same, differ, before, parts = 0, 0, _loaded(path), {}
    for entry in before:
        parts.setdefault(entry.partition("/")[0], []).append(entry)
    for name, run in cases(pattern):
        after = recorded(name, run)
        for entry in dict.fromkeys([*parts.get(name, ()), *after]):
            found = "only recorded" if entry in before else "only computed now"
            if entry in before and entry in after:
                found = difference(before[entry], after[entry])
            same, differ = same + (not found), differ + bool(found)
            if found:
                print(f"{entry}: {found}", flush=True)
    print(f"{same} entries equal bit for bit, {differ} differ")
    return int(differ > 0)


def _loaded(path):
    """The entries, in a dictionary: for each, `numpy.load` would look through all names."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(archive.open(name))
            for name in archive.namelist()
        }


def cases(pattern=""):
    """(name, function of no arguments) of each case in whose name `pattern` is found."""
    for names, call, axes in _ROWS:
        for name, values in itertools.product(names.split(), itertools.product(*axes.values())):
            given = dict(zip(axes, values, strict=True))
            label = f"{name}: " + ", ".join(f"{key}={value}" for key, value in given.items())
            if re.search(pattern, label):
                function = getattr(mathcore, name, None) or getattr(solvers, name)
                yield label, functools.partial(call, function, **given)
