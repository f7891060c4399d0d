"""Agreement first, then interleaved timing, then ratios.

A case names candidates (ours first) that do the same work, and a check that raises AssertionError
unless their outputs agree. Rounds alternate between the candidates, so that a machine that slows
down slows all of them.
"""

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_SHORTEST_ROUND_S = 5e-2  # a faster candidate is repeated within a round: warm, as in use
_PAUSE_S = 0.1  # for the threads of the candidate before, which spin on a while


class Case(NamedTuple):
    """One piece of work and who does it."""

    name: str
    candidates: dict[str, Callable[[], Any]]
    check: Callable[[dict[str, Any]], None]


class Timing(NamedTuple):
    """Median seconds of each candidate of one case."""

    case: str
    seconds: dict[str, float]


def peer(module):
    """The imported module, or None when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def measure(case, *, rounds=7, budget_s=20.0):
    """Check that the candidates agree, then time them in turn.

    Parameters
    ----------
    case : Case
    rounds : int
        Rounds of the median.
    budget_s : float
        No new round is begun after this time, three rounds apart.

    Returns
    -------
    Timing
    """
    case.check({name: run() for name, run in case.candidates.items()})
    repeats = {name: _repeats(run) for name, run in case.candidates.items()}
    seconds = {name: [] for name in case.candidates}
    start = time.perf_counter()
    for turn in range(rounds):
        if turn >= 3 and time.perf_counter() - start > budget_s:
            break
        for name, run in case.candidates.items():
            time.sleep(_PAUSE_S)
            if repeats[name] > 1:
                run()
            seconds[name].append(_timed(run, repeats[name]))
    return Timing(case.name, {name: statistics.median(times) for name, times in seconds.items()})


def _repeats(run):
    once = _timed(run, 1)
    return max(1, round(_SHORTEST_ROUND_S / max(once, 1e-9)))


def _timed(run, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def table(timings):
    """Markdown rows: ours in ms, then the others, each in ms and in multiples of ours."""
    rows = ["| case | mathcore, ms | peers, ms (times mathcore's) |", "|---|---|---|"]
    for timing in timings:
        (_, ours), *others = timing.seconds.items()
        peers = "; ".join(
            f"{name} {1e3 * seconds:.3g} ({seconds / ours:.2f}×)" for name, seconds in others
        )
        rows.append(f"| {timing.case} | {1e3 * ours:.3g} | {peers} |")
    return "\n".join(rows)
