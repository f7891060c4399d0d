"""A row of the tour's table, and how it is printed."""

import sys
import time
from typing import NamedTuple


class Row(NamedTuple):
    """One measured figure.

    Attributes
    ----------
    quantity, value : str
        What was measured, and the figure.
    beside : str
        What it is to be compared with.
    holds : bool or None
        The step's own check of it; None where the figure is there to be read, not to be checked.
    """

    quantity: str
    value: str
    beside: str = ""
    holds: bool | None = None


def printer():
    """Return ``(heading, show)``: functions that print a step's title and one row."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 114, highlight=False)
    marks = {True: "[green]holds[/green]", False: "[bold red]FAILS[/bold red]", None: ""}

    def heading(title, remark):
        console.print(f"\n[bold]{title}[/bold]")
        console.print(f"[dim]{remark}[/dim]\n")

    def show(row):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=44)
        grid.add_column(width=22, justify="right")
        grid.add_column(width=36)
        grid.add_column(width=5)
        grid.add_row(row.quantity, row.value, f"[dim]{row.beside}[/dim]", marks[row.holds])
        console.print(grid)

    return heading, show


def timed(function):
    """Value of ``function()`` and the shortest of three times, in seconds."""
    shortest = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        value = function()
        shortest = min(shortest, time.perf_counter() - start)
    return value, shortest


def duration(seconds):
    """Seconds in the unit a reader expects."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
