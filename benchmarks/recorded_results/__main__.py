"""``python -m benchmarks.recorded_results``."""

import argparse
import sys

from benchmarks.recorded_results.recorder import compare, write


def main(arguments=None):
    """Parse the command line and do what it says; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded_results")
    parser.add_argument("action", choices=("write", "compare"))
    parser.add_argument("file")
    parser.add_argument("--only", default="", metavar="PATTERN")
    given = parser.parse_args(arguments)
    return (write if given.action == "write" else compare)(given.file, given.only)


if __name__ == "__main__":
    sys.exit(main())
