"""The law machinery: what it runs, what it reports, what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import array_api_compat.numpy
import numpy as np
import pytest

from mathcore.testing import check_close, expm_laws, law, parametrize_with_laws, strategies
from mathcore.testing.laws import to_backend

pytest_plugins = ["pytester"]


@law(a=lambda dtype: strategies.matrices(dtype=dtype))
def trace_is_invariant(function, xp, a):
    """tr Aᵀ = tr A."""
    check_close(xp, function(a.T), function(a), tolerance=0.0, what="tr A^T = tr A")


def test_a_true_law_passes():
    trace_is_invariant(np.trace)


def test_a_broken_law_reports_the_smallest_example():
    with pytest.raises(AssertionError, match="error .* exceeds 0"):
        trace_is_invariant(lambda a: a[0].sum() if a.size else 0.0)


def test_examples_have_the_dtype_and_cannot_be_written_to():
    seen = []
    trace_is_invariant(lambda a: seen.append(a) or 0.0, dtype="float32", max_examples=5)
    assert {a.dtype for a in seen} == {np.dtype("float32")}
    assert not any(a.base is None and a.flags.writeable for a in seen)


def test_examples_reach_every_library(xp):
    value = to_backend(xp, np.array([[1.0, 2.0]], dtype=np.float32))
    assert value.dtype == xp.float32
    assert value.shape == (1, 2)
    empty = to_backend(xp, np.zeros((0, 3)))
    assert empty.shape == (0, 3)


def test_close_demands_shape_library_and_no_nan():
    xp = array_api_compat.numpy
    check_close(xp, np.array([np.nan, np.inf]), [np.nan, np.inf], tolerance=0.0, what="same")
    with pytest.raises(AssertionError, match="shapes"):
        check_close(xp, np.zeros(2), np.zeros(3), tolerance=1.0, what="shape")
    for wrong in (np.nan, np.inf):
        with pytest.raises(AssertionError, match="exceeds"):
            check_close(xp, np.array([wrong]), [1.0], tolerance=1e300, what="wrong")


def test_check_close_refuses_another_library():
    torch, xp = pytest.importorskip("torch"), array_api_compat.numpy
    with pytest.raises(AssertionError, match="torch array"):
        check_close(xp, torch.zeros(2), np.zeros(2), tolerance=1.0, what="library")


def test_unknown_expected_failure():
    with pytest.raises(ValueError, match="`expected_failures` must name laws among .*'inverze'"):
        parametrize_with_laws(expm_laws, expected_failures={"inverze": "typo"})


USER_TEST = """
    import numpy as np
    from mathcore import expm
    from mathcore.testing import expm_laws, parametrize_with_laws

    laws = [law for law in expm_laws if law.__name__ in ("inverse", "adjoint")]

    @parametrize_with_laws(laws)
    def test_right(law):
        law(lambda a: expm(a), max_examples=3)

    @parametrize_with_laws(laws, expected_failures={"inverse": "first order"})
    def test_first_order(law):
        law(lambda a: np.eye(a.shape[-1], dtype=a.dtype) + a, max_examples=20)
"""


def test_a_users_own_functions(pytester):
    pytester.makepyfile(USER_TEST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3 + 2 * 3, xfailed=3)


def test_backend_option(pytester):
    pytester.makepyfile("def test_one(xp): assert xp.asarray(1.0) is not None")
    plugin = ("-p", "mathcore.testing.plugin", "-p", "no:cacheprovider")
    for names in (["numpy"], ["strict"], ["numpy", "strict"]):
        chosen = [part for name in names for part in ("--backend", name)]
        result = pytester.runpytest_subprocess(*plugin, *chosen)
        result.assert_outcomes(passed=len(names))
    assert pytester.runpytest_subprocess(*plugin, "--backend", "abacus").ret != 0


def test_summary_names_what_was_not_run(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("name", ["abacus", "abacus", "sextant.star"])
        def test_of_a_package(name):
            pytest.importorskip(name)

        def test_that_says_so(xp):
            pytest.skip("needs abacus: not installed")

        def test_of_something_else():
            pytest.skip("no reason")
        """
    )
    plugin = ("-p", "mathcore.testing.plugin", "-p", "no:cacheprovider", "--backend", "numpy")
    lines = pytester.runpytest_subprocess(*plugin).stdout
    lines.fnmatch_lines(
        [
            "array libraries: numpy (not run: strict, torch, jax, cupy)",
            "*what was not run*",
            "array libraries: strict, torch, jax, cupy",
            "for want of abacus: 3 skipped*",
            "for want of sextant: 1 skipped*",
        ]
    )


def test_a_second_run_takes_up_what_the_first_left_out(pytester):
    pytester.makeconftest((Path(__file__).parent.parent / "conftest.py").read_text())
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def breaks_later():
            yield
            raise ValueError

        def test_right(): pass
        def test_wrong(): assert False
        def test_absent(): pytest.importorskip("abacus")
        def test_torn_down(breaks_later): pass

        @pytest.mark.xfail(reason="as expected", strict=True)
        def test_known(): assert False
        """
    )
    plugin = ("-p", "no:cacheprovider", "-n", "2")
    pytester.runpytest_subprocess(*plugin, "--passed-file=passed.txt")
    passed = (pytester.path / "passed.txt").read_text().split()
    assert [name.partition("::")[2] for name in passed] == ["test_known", "test_right"]
    second = pytester.runpytest_subprocess(*plugin, "--not-in=passed.txt")
    second.assert_outcomes(passed=1, failed=1, skipped=1, errors=1)
    second.stdout.fnmatch_lines(["left out: the 2 tests of passed.txt"])


def test_suite_runs_as_a_module_outside_the_checkout(tmp_path):
    command = [sys.executable, "-m", "mathcore.testing", "--backend", "numpy", "-q", "-k"]
    environment = {key: os.environ[key] for key in os.environ if key != "PYTEST_ADDOPTS"}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, "test_expm and inverse"], **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
