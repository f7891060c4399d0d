"""The benchmark runner: agreement comes first, ratios are those of the medians."""

import importlib
import time

import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are in the checkout only")

from benchmarks import runner
from benchmarks.__main__ import AREAS, describe, environment
from benchmarks.runner import Case, Timing, measure, peer, table


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the peers
@pytest.mark.parametrize("area", AREAS)
def test_every_area_has_cases(area):
    cases = list(importlib.import_module(f"benchmarks.{area}").cases(quick=True))
    assert cases
    for case in cases:
        assert next(iter(case.candidates)) == "mathcore"
