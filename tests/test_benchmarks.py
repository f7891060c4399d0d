"""The benchmark runner: agreement comes first, ratios are those of the medians."""

import ast
import functools
import importlib.util
import time
from pathlib import Path
from unittest import mock

import pytest

from benchmarks import first_use, runner
from benchmarks.__main__ import AREAS, describe, environment
from benchmarks.runner import Case, Timing, measure, peer, table

FOLDER = Path(runner.__file__).parent


def _agree(outputs):
    assert len(set(outputs.values())) == 1, outputs


def test_disagreement_is_never_timed():
    calls = []
    case = Case("case", {"mathcore": lambda: calls.append("ours") or 1, "peer": lambda: 2}, _agree)
    with pytest.raises(AssertionError, match="'mathcore': 1, 'peer': 2"):
        measure(case)
    assert calls == ["ours"]


def test_candidates_take_turns(monkeypatch):
    monkeypatch.setattr(runner, "_SHORTEST_ROUND_S", 1e-3)
    monkeypatch.setattr(runner, "_PAUSE_S", 0.0)
    calls = []

    def candidate(name):
        def run():
            calls.append(name)
            time.sleep(0.003)
            return 0

        return run

    timing = measure(Case("case", {name: candidate(name) for name in "ab"}, _agree), rounds=3)
    assert "".join(calls[4:]) == "ababab"
    assert all(seconds >= 0.003 for seconds in timing.seconds.values())


def test_ratios():
    rows = table([Timing("case", {"mathcore": 0.002, "SciPy": 0.005})]).splitlines()
    assert rows[-1] == "| case | 2 | SciPy 5 (2.50×) |"


def test_absent_peer():
    assert peer("no_such_peer") is None
    assert peer("math") is importlib.import_module("math")


def test_threads_are_fixed_before_the_libraries_load():
    assert environment(1)["OPENBLAS_NUM_THREADS"] == "1"
    assert "false" in environment(1)["XLA_FLAGS"]


def test_machine_is_described():
    text = "\n".join(describe(1))
    for word in ("machine:", "threads: 1", "numpy", "BLAS:"):
        assert word in text


def _peers(area):
    """Modules that an area looks for by ``peer("NAME")``."""
    calls = (
        node
        for node in ast.walk(ast.parse((FOLDER / f"{area}.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "peer"
    )
    return sorted({call.args[0].value for call in calls if call.args})


def _check_cases(area, find_peer):
    """A fresh copy of the area, for which `peer` is `find_peer`, has cases, ours first."""
    with mock.patch.object(runner, "peer", find_peer):
        spec = importlib.util.spec_from_file_location(f"benchmarks.{area}", FOLDER / f"{area}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases = list(module.cases(quick=True))
    assert cases
    for case in cases:
        assert next(iter(case.candidates)) == "mathcore"


COMPARISONS = [area for area in AREAS if area != "first_use"]  # that is a table of its own


@pytest.mark.parametrize("area", COMPARISONS)
def test_every_area_has_cases_without_its_peers(area):
    _check_cases(area, lambda module: None)


@functools.cache
def _peers_asked_for(area):
    asked = set()
    _check_cases(area, lambda module: asked.add(module) or peer(module))
    return asked


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the peers
@pytest.mark.parametrize(("area", "name"), [(a, name) for a in COMPARISONS for name in _peers(a)])
def test_every_area_has_cases_with_its_peers(area, name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"needs {name}: not installed")
    assert name in _peers_asked_for(area)


def test_first_calls_are_timed_in_processes_of_their_own(monkeypatch):
    code = "from mathcore import wasserstein_1d; wasserstein_1d(np.ones(3), np.zeros(3))"
    monkeypatch.setattr(first_use, "ROWS", (first_use.FirstUse("a call", code, 1e-3),))
    header, _, row = first_use.report(quick=True)
    assert header.count("|") == row.count("|") == 5
    assert row.startswith("| a call | ") and "over |" in row
