"""How kernels are compiled and kept: every edit is seen, nothing is compiled twice, forks work."""

import collections
import functools
import importlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from mathcore import _compile
from mathcore import compile as compile_command
from mathcore._captured_values import UserFunction
from mathcore._numba_internals import KernelCache

numba = pytest.importorskip("numba")
if numba.config.DISABLE_JIT:
    pytest.skip("nothing is compiled where NUMBA_DISABLE_JIT is set", allow_module_level=True)

KERNELS = {
    "__init__.py": "",
    "_kernels/__init__.py": "",
    "_kernels/parts.py": """
        from mathcore._compile import part

        @part()
        def scaled(x):
            return 2.0 * x
        """,
    "_kernels/sums.py": """
        from mathcore._compile import kernel
        from kept._kernels.parts import scaled

        @kernel()
        def total(x):
            s = 0.0
            for i in range(x.size):
                s += scaled(x[i])
            return s
        """,
}
COUNT = """
    import numpy as np, numba.core.event as event
    with event.install_recorder("numba:compile") as found:
        from kept._kernels.sums import total
        print(total(np.ones(5)))
    print(sum(one.is_start for _, one in found.buffer))
    """


@pytest.fixture
def package(tmp_path):
    """A package `kept` with one kernel of one part, and a cache folder of its own."""
    for name, text in KERNELS.items():
        path = tmp_path / "kept" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def _start(package, code, **environment):
    settings = {"PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(package / "cache")}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **settings, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(package, code, **environment):
    """Lines printed, and what went to stderr."""
    process = _start(package, code, **environment)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out.split(), errors


def _entries(package):
    return sorted((package / "cache").rglob("*.nbc"))


# --- the cache ------------------------------------------------------------------------------------


def test_a_second_process_compiles_nothing(package):
    (value, count), errors = _run(package, COUNT)
    assert (float(value), int(count)) == (10.0, 2)
    assert errors.count("\n") == 1
    assert f"once; cached in {package / 'cache'}" in errors
    assert _run(package, COUNT) == (["10.0", "0"], "")
    assert len(_entries(package)) == 1  # a part is kept in its kernels


def test_an_edit_in_the_file_of_a_part_is_seen(package):
    _run(package, COUNT)
    parts = package / "kept" / "_kernels" / "parts.py"
    text = parts.read_text()
    parts.write_text(text.replace("2.0", "3.0"))
    assert _run(package, COUNT)[0] == ["15.0", "2"]
    parts.write_text(text)
    assert _run(package, COUNT)[0] == ["10.0", "0"]


def test_an_edit_beneath_a_running_process_poisons_nothing(package):
    """A session that imported a part, whose file is edited before a kernel is first called."""
    parts = package / "kept" / "_kernels" / "parts.py"
    edit = f"""
        import pathlib, numpy as np, kept._kernels.parts
        path = pathlib.Path({str(parts)!r})
        path.write_text(path.read_text().replace("2.0", "30.0"))
        from kept._kernels.sums import total
        print(total(np.ones(5)))
        """
    assert _run(package, edit)[0] == ["10.0"]
    assert not _entries(package)
    assert _run(package, COUNT)[0] == ["150.0", "2"]


def test_the_order_of_the_fields_of_an_argument_counts(package):
    (package / "kept" / "_kernels" / "pairs.py").write_text(
        "from mathcore._compile import kernel\n\n@kernel()\ndef first(p):\n    return p.a\n"
    )
    code = """
        import collections
        from kept._kernels.pairs import first
        P = collections.namedtuple("P", {fields!r})
        print(first(P(a=1.0, b=2.0)))
        """
    for fields in ("a b", "b a"):
        assert _run(package, code.format(fields=fields))[0] == ["1.0"]


def test_entries_that_changed_names_count_as_damaged(package):
    _run(package, COUNT.replace("np.ones(5)", "np.ones(5, np.float32)"))
    (one,) = _entries(package)
    _run(package, COUNT)
    (two,) = set(_entries(package)) - {one}
    two.write_bytes(one.read_bytes())
    assert _run(package, COUNT)[0] == ["10.0", "2"]


def test_an_interrupted_compilation_lets_others_compile(package):
    code = """
        import numba.core.compiler as c, numpy as np, sys, time
        from kept._kernels.sums import total
        compile_extra = c.compile_extra
        def interrupted(*args, **options):
            raise KeyboardInterrupt
        c.compile_extra = interrupted
        try:
            total(np.ones(5))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sys.stdin.read()
        """
    first = _start(package, code)
    assert first.stdout.readline() == "interrupted\n"
    start = time.perf_counter()
    assert _run(package, COUNT)[0] == ["10.0", "2"]
    assert time.perf_counter() - start < 30  # not the minute that a lock is waited for
    first.communicate("")


def test_folders_of_other_versions_go_after_a_month_unused(package):
    _run(package, COUNT)
    (entry,) = _entries(package)
    old = [entry.parent, entry.parent.parent / "other" / "inner"]
    old[1].mkdir(parents=True)
    for folder in (*old, old[1].parent):
        os.utime(folder, (0, 0))
    assert _run(package, COUNT)[0] == ["10.0", "0"]
    parts = package / "kept" / "_kernels" / "parts.py"
    parts.write_text(parts.read_text().replace("2.0", "3.0"))
    assert _run(package, COUNT)[0] == ["15.0", "2"]
    assert not old[1].parent.exists()
    assert entry.exists()  # read a moment ago


@pytest.mark.parametrize("damage", [lambda x: b"", lambda x: x[:-9], lambda x: x[:99] + x[98:]])
def test_a_damaged_entry_is_compiled_again(package, damage):
    _run(package, COUNT)
    (entry,) = _entries(package)
    content = entry.read_bytes()
    entry.write_bytes(damage(content))
    assert _run(package, COUNT)[0] == ["10.0", "2"]
    assert entry.read_bytes() != damage(content)


def test_two_processes_with_one_cold_cache_compile_once(package):
    processes = [_start(package, COUNT, MATHCORE_QUIET="1") for _ in range(3)]
    counts = []
    for process in processes:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        counts.append(int(out.split()[1]))
    assert sorted(counts) == [0, 0, 2]
    assert not list((package / "cache").rglob("*.lock"))


def test_where_nothing_can_be_kept_it_is_said_once(package):
    (package / "cache").write_text("a file, not a folder")
    twice = COUNT.rstrip() + "\n    total(np.ones(5, np.float32))\n"
    (value, count), errors = _run(package, twice)
    assert (float(value), int(count)) == (10.0, 2)
    assert errors.count("\n") == 1
    assert "in every process: no folder for compiled code can be written to" in errors


def test_the_line_on_stderr_can_be_silenced(package):
    assert _run(package, COUNT, MATHCORE_QUIET="1")[1] == ""


def test_kernels_work_where_numba_has_other_insides(package):
    code = "    import numba.core.codegen\n    del numba.core.codegen.JITCodeLibrary\n" + COUNT
    assert _run(package, code)[0][0] == "10.0"


# --- functions of the user's ----------------------------------------------------------------------


def _key(source, name="f", **scope):
    exec(textwrap.dedent(source), scope)
    return UserFunction(scope[name]).key


def test_the_key_is_that_of_text_and_captured_values():
    text = "def f(t, y):\n    return (rate * y[0],)"
    assert _key(text, rate=1.0) == _key("\n\n" + text, rate=1.0, unused=5.0)
    others = [
        _key(text, rate=2.0),
        _key(text, rate=1),
        _key(text, rate=np.ones(2)),
        _key(text, rate=np.zeros(2)),
        _key(text.replace("*", "+"), rate=1.0),
        _key(text.replace("[0]", "[1]"), rate=1.0),
        _key(text.replace("y)", "y, more=1.0)"), rate=1.0),
        _key("def make(c):\n    return lambda t, y: (c * y[0],)\nf = make(1.0)"),
        _key("def make(c):\n    return lambda t, y: (c * y[0],)\nf = make(2.0)"),
        _key(text, rate=-0.0),
        _key(text, rate=0.0),
        _key(text, rate=float("nan")),
        _key(text, rate=-float("nan")),
        _key(text, rate=collections.namedtuple("P", "a b")(1.0, 2.0)),
        _key(text, rate=collections.namedtuple("P", "b a")(1.0, 2.0)),
        _key(text, rate=numba.njit(_once)),
        _key(text, rate=numba.njit(_twice)),
        _key(text, rate=numba.njit(locals={"x": numba.float32})(_once)),
    ]
    assert None not in others
    assert len({_key(text, rate=1.0), *others}) == 1 + len(others)


def _once(x):
    return x


def _twice(x):
    return 2 * x


def test_what_cannot_be_told_by_value_has_no_key():
    text = "def f(t, y):\n    return (rate.x * y[0],)"
    assert _key(text, rate=object()) is None
    called = numba.njit(lambda x: x)
    text = "def f(t, y):\n    return (g(y[0]),)"
    assert _key(text, g=called) is not None
    called(1.0)  # from now on it has its globals as they were
    assert _key(text, g=called) is None


def test_what_cannot_be_told_by_value_hides_nothing_else():
    text, large = "def f(t, y):\n    return (table[0] * rate,)", np.zeros(2**20)
    scope = {"table": large, "rate": 1.0}
    exec(text, scope)
    before = UserFunction(scope["f"])
    assert before == UserFunction(scope["f"])
    scope["rate"] = 2.0
    assert before != UserFunction(scope["f"])
    scope |= {"rate": 1.0, "table": large.copy()}
    assert before != UserFunction(scope["f"])


def test_options_of_numba_count():
    assert UserFunction(numba.njit(_once)) != UserFunction(numba.njit(boundscheck=True)(_once))


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="`fun` must be a Python function; got partial"):
        UserFunction(functools.partial(_once, 1))


def test_functions_are_equal_by_what_they_capture():
    made = [UserFunction(eval("lambda x: c * x", {"c": c})) for c in (1.0, 1.0, 2.0)]
    assert made[0] == made[1] != made[2]
    assert len(set(made)) == 2
    assert UserFunction(numba.njit(made[0].function)) == made[0]


RECURSIVE = """
    import numba, numpy as np
    from solvers import solve_ensemble
    @numba.njit
    def factorial(n):
        return 1.0 if n <= 1 else n * factorial(n - 1)
    def fun(t, y):
        return (factorial(3),)
    print(solve_ensemble(fun, (0.0, 1.0), np.zeros((1, 1))).y[0, 0])
    """


def test_code_that_calls_itself_by_a_symbol_is_not_kept(package):
    for _ in range(2):
        assert abs(float(_run(package, RECURSIVE)[0][0]) - 6.0) < 1e-9


ENSEMBLE = """
    import numpy as np, numba.core.event as event
    from solvers import solve_ensemble, solve_ivp
    import numba
    rate = {rate}
    def decay(t, y):
        return (-rate * y[0],)
    with event.install_recorder("numba:compile") as found:
        print(float(solve_ensemble(decay, (0.0, 1.0), np.ones((3, 1))).y[0, 0]))
        again = numba.njit(lambda t, y: -rate * y)
        print(float(solve_ivp(again, (0.0, 1.0), np.ones(1), method="tsit5").y[0, -1]))
    print(sum(one.is_start for _, one in found.buffer))
    """


def test_a_function_of_the_users_is_kept_by_its_captured_values(package):
    def run(rate):
        (first, second, count), _ = _run(package, ENSEMBLE.format(rate=rate))
        np.testing.assert_allclose([float(first), float(second)], np.exp(-rate), rtol=1e-5)
        return int(count)

    assert run(1.0) > 0
    assert run(1.0) <= 4  # what numba itself types to load them
    assert run(2.0) > 0


def test_a_captured_value_that_changes_is_seen():
    from solvers import solve_ensemble

    scope = {"rate": 1.0}
    exec("def decay(t, y):\n    return (-rate * y[0],)", scope)
    for rate in (1.0, 2.0, 1.0):
        scope["rate"] = rate
        y = solve_ensemble(scope["decay"], (0.0, 1.0), np.ones((3, 1))).y
        np.testing.assert_allclose(y, np.exp(-rate), rtol=1e-5)


# --- threads --------------------------------------------------------------------------------------


@_compile.kernel()
def _squares(low, high, x, out):
    for i in range(low, high):
        out[i] = x[i] * x[i]


@pytest.mark.parametrize("shares", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("nanoseconds", [0.0, 1e12])
def test_every_share_is_worked_on_once(shares, nanoseconds):
    x, out = np.arange(shares, dtype=float), np.full(shares, np.nan)
    _compile.launch(_squares, shares, nanoseconds, x, out)
    np.testing.assert_array_equal(out, x * x)


def test_no_parallel_loop_of_numbas_is_left():
    """Its threads do not survive a fork, and a loop of its costs seconds to compile."""
    for package in ("mathcore", "solvers"):
        for path in Path(importlib.import_module(package).__file__).parent.rglob("*.py"):
            text = path.read_text()
            assert "prange" not in text and "parallel=True" not in text, path


PARALLEL = """
    import os, numpy as np, sys
    import mathcore, numba
    from mathcore import _compile
    import solvers
    _compile._WORTH_A_THREAD = 1e-9
    rng = np.random.default_rng(0)
    x, y, a = rng.normal(size=(90, 3)), rng.normal(size=(70, 3)), rng.normal(size=(64, 4, 4))
    work = {
        "sinkhorn": lambda: mathcore.sinkhorn(x, y, epsilon=0.5).value,
        "wasserstein": lambda: mathcore.wasserstein(x, y).value,
        "wasserstein_1d": lambda: mathcore.wasserstein_1d(x, x[::-1] + 1.0).sum(),
        "sliced": lambda: mathcore.sliced_wasserstein(x, y, rng=0).value,
        "expm": lambda: mathcore.expm(a).sum(),
        "expm_frechet": lambda: mathcore.expm_frechet(a, a)[1].sum(),
        "slogdet": lambda: mathcore.slogdet(np.tile(a, (40, 1, 1)))[1].sum(),
        "sqrtm": lambda: mathcore.sqrtm(a @ a.swapaxes(1, 2)).sum(),
        "ensemble": lambda: solvers.solve_ensemble(
            lambda t, y: (-y[0],), (0.0, 1.0), np.ones((90, 1))).y.sum(),
        "langevin": lambda: solvers.sample_langevin(
            lambda x: -x, np.zeros((64, 3)), method="ula", step_size=.1, num_steps=20, rng=0
        ).draws.sum(),
        "compiled langevin": lambda: solvers.sample_langevin(
            numba.njit(lambda x: -x), np.zeros((64, 3)), method="ula", step_size=.1, num_steps=20,
            rng=0).draws.sum(),
        "diffusion": lambda: solvers.sample_diffusion(
            lambda x, s: x / (1 + s * s), np.ones((600, 64)), np.geomspace(5, .1, 5)).x.sum(),
    }
    before = {name: float(call()) for name, call in work.items()}
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        after = {name: float(call()) for name, call in work.items()}
        os._exit(0 if after == before else 3)
    assert os.waitpid(child, 0)[1] == 0
    print(len(before), len(_compile._POOLS))
    """


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_works_after_every_parallel_function():
    root = str(Path(importlib.import_module("mathcore").__file__).parents[1])
    code = textwrap.dedent(PARALLEL)
    settings = {**os.environ, "PYTHONPATH": root, "NUMBA_NUM_THREADS": "2", "MATHCORE_QUIET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["12", "1"]


# --- all at once ----------------------------------------------------------------------------------


def _kernels():
    """Names and dispatchers of all kernels."""
    for package in ("mathcore", "solvers"):
        root = Path(importlib.import_module(package).__file__).parent
        for path in sorted(root.rglob("_kernels/*.py")):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            for attribute, value in vars(importlib.import_module(name)).items():
                if isinstance(getattr(value, "_cache", None), KernelCache):
                    yield f"{name}.{attribute}", value


def test_the_first_calls_compile_and_keep_every_kernel():
    for area in compile_command.areas():
        for call in compile_command.calls(area):
            compile_command.make(call)
    kernels = dict(_kernels())
    assert len(kernels) >= 25
    assert not [name for name, kernel in kernels.items() if not kernel.signatures]
    assert not [
        (name, signature)
        for name, kernel in kernels.items()
        for signature in kernel.signatures
        if not kernel._cache.holds(signature, kernel.targetctx.codegen())
    ]


def test_an_area_is_compiled_by_the_command(capfd):
    assert compile_command.main(["--area", "diffusion", "--processes", "2"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == len(compile_command.calls("diffusion"))
    for wrong in (["--area", "absent"], ["--processes", "0"]):
        with pytest.raises(SystemExit):
            compile_command.main(wrong)


def test_the_command_says_that_nothing_can_be_kept(package):
    (package / "cache").write_text("a file, not a folder")
    process = _start(package, "from mathcore.compile import main\nprint(main([]))")
    assert process.communicate()[0].endswith("can be written to; NUMBA_CACHE_DIR names one\n1\n")
