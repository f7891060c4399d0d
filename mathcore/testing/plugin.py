"""pytest plugin: the ``xp`` fixture over the installed array libraries, and ``--backend``.

The summary names what could not run: the array libraries, and the packages that tests were skipped
for with how many each.
"""

import collections
import importlib
import re

import pytest

_NAMESPACES = {
    "numpy": "array_api_compat.numpy",
    "strict": "array_api_strict",
    "torch": "array_api_compat.torch",
    "jax": "jax.numpy",
    "cupy": "array_api_compat.cupy",
}
_ABSENT = re.compile(r"could not import '([\w.]+)'|needs ([\w.]+): not installed")


def _load(backend):
    """Namespace of `backend`, or None where it cannot run here."""
    try:
        xp = importlib.import_module(_NAMESPACES[backend])
    except ImportError:
        return None
    if backend == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    if backend == "cupy" and not importlib.import_module("cupy").is_available():
        return None
    return xp


def pytest_addoption(parser):
    """Add ``--backend NAME`` (repeatable; default: every one that is installed)."""
    parser.addoption(
        "--backend",
        action="append",
        choices=list(_NAMESPACES),
        help="array library for the xp fixture; repeat for several (default: all installed)",
    )


def pytest_configure(config):
    """Load the chosen libraries once; one asked for by name must be there."""
    asked = config.getoption("--backend")
    loaded = {name: _load(name) for name in asked or _NAMESPACES}
    missing = [name for name, xp in loaded.items() if xp is None]
    if asked and missing:
        raise pytest.UsageError(f"--backend {missing[0]}: not installed or without a device")
    config.stash[_BACKENDS] = {name: xp for name, xp in loaded.items() if xp is not None}


_BACKENDS = pytest.StashKey()


def pytest_report_header(config):
    """Say which libraries the ``xp`` fixture covers."""
    return f"array libraries: {', '.join(config.stash[_BACKENDS])} (not run: {_not_run(config)})"


def pytest_terminal_summary(terminalreporter, config):
    """Name the libraries that were not run, and count the tests skipped for want of a package."""
    terminalreporter.section("what was not run")
    terminalreporter.line(f"array libraries: {_not_run(config)}")
    reasons = (str(report.longrepr[-1]) for report in terminalreporter.getreports("skipped"))
    found = (match[1] or match[2] for match in map(_ABSENT.search, reasons) if match)
    packages = collections.Counter(name.partition(".")[0] for name in found)
    for name, count in packages.most_common():
        terminalreporter.line(f"for want of {name}: {count} skipped (a module counts once)")


def _not_run(config):
    return ", ".join(name for name in _NAMESPACES if name not in config.stash[_BACKENDS]) or "none"


def pytest_generate_tests(metafunc):
    """Run every test that takes ``xp`` on every chosen library."""
    if "xp" in metafunc.fixturenames:
        metafunc.parametrize("xp", list(metafunc.config.stash[_BACKENDS]), indirect=True)


@pytest.fixture
def xp(request):
    """Array namespace of the library under test."""
    return request.config.stash[_BACKENDS][request.param]
