"""``python -m solvers [--out DIR] [--quick]``: the tour, the library's main job on real data."""

import argparse
import sys
import time
from pathlib import Path


def tour(out, *, quick=False):
    """Run every step, print its table, write its figures into `out`.

    Parameters
    ----------
    out : path
        Directory of the PNG figures; made when absent.
    quick : bool, optional
        Fewer samples and steps.

    Returns
    -------
    bool
        Whether every step's own checks hold.
    """
    from solvers.tour import bessel, diffusion, exponentials, mixture, volumes
    from solvers.tour.rows import duration, printer

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    heading, show = printer()
    start, failures = time.perf_counter(), []
    for chapter in (exponentials, volumes, bessel, diffusion, mixture):
        heading(chapter.TITLE, chapter.REMARK)
        for row in chapter.step(out, quick):
            show(row)
            if row.holds is False:
                failures.append(row.quantity)
    figures = ", ".join(sorted(path.name for path in out.glob("*.png")))
    heading("Figures", f"in {out}: {figures}")
    seconds = duration(time.perf_counter() - start)
    print(f"{'FAILED: ' + '; '.join(failures) if failures else 'Every check holds'} ({seconds}).")
    return not failures


def main(arguments=None):
    """Parse the command line and take the tour."""
    parser = argparse.ArgumentParser(prog="python -m solvers", description=__doc__)
    parser.add_argument("--out", default="tour", help="directory of the figures (default: tour)")
    parser.add_argument("--quick", action="store_true", help="fewer samples and steps")
    options = parser.parse_args(arguments)
    try:
        import matplotlib  # noqa: F401
        import rich  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        parser.exit(1, f'the tour needs: pip install "mathcore[demo]" ({error})\n')
    return 0 if tour(options.out, quick=options.quick) else 1


if __name__ == "__main__":
    sys.exit(main())
