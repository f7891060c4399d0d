"""What every test needs, and two options by which a second run does only what a first could not."""

import os
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"  # for tests that import JAX themselves, whatever --backend says


def pytest_addoption(parser):
    """Add ``--passed-file`` and ``--not-in``."""
    group = parser.getgroup("two runs")
    group.addoption("--passed-file", metavar="FILE", help="write the ids of the tests that passed")
    group.addoption("--not-in", metavar="FILE", help="leave out the tests whose ids FILE holds")


def pytest_configure(config):
    """Keep the list where the reports arrive, which is not in xdist's workers."""
    path = config.getoption("--passed-file")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_PassedFile(path))


def pytest_report_header(config):
    """Say how many tests are left out: xdist counts no deselected ones."""
    if path := config.getoption("--not-in"):
        return f"left out: the {len(_ids(path))} tests of {path}"


def pytest_collection_modifyitems(config, items):
    """Deselect the tests of ``--not-in``, the same in every worker."""
    if path := config.getoption("--not-in"):
        done = _ids(path)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in done])
        items[:] = [item for item in items if item.nodeid not in done]


def _ids(path):
    return set(Path(path).read_text().splitlines())


class _PassedFile:
    """Ids of the tests that passed or failed as expected, in setup, call and teardown."""

    def __init__(self, path):
        self.path, self.ran, self.failed = Path(path), set(), set()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and (report.passed or hasattr(report, "wasxfail")):
            self.ran.add(report.nodeid)

    def pytest_sessionfinish(self):
        self.path.write_text("".join(f"{name}\n" for name in sorted(self.ran - self.failed)))
