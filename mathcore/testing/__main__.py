"""``python -m mathcore.testing [--backend NAME] [pytest arguments]``: the laws on this library."""

import os
import sys
from pathlib import Path

import pytest


def main(arguments):
    """Run the law suites of both packages, also from an installed wheel outside a checkout."""
    options = [
        "-c",
        os.devnull,  # not the configuration of the directory it is started from
        f"--rootdir={Path(__file__).parent}",
        "--import-mode=importlib",
        "-p",
        "mathcore.testing.plugin",
        "-p",
        "no:cacheprovider",
    ]
    suites = ["--pyargs", "mathcore.testing.law_suite", "solvers.law_suite"]
    return pytest.main([*options, *arguments, *suites])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
