"""What leans on numba's insides: code that is emitted once, and a cache that sees every edit.

numba optimises and emits each function by itself, with all that it calls: a function five calls
deep is emitted five times. A *part* here is only linked into what calls it, never optimised or
emitted; a *kernel* is linked from its parts, optimised once and emitted once.

Where a numba of the future lacks what is used here, importing this file fails and `_compile` falls
back to plain ``njit`` with numba's own cache.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import shutil
import sys
import time
import uuid
from pathlib import Path

import numba
from numba.core import serialize, types
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, CompileResult, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.sigutils import normalize_signature
from numba.core.typed_passes import NativeLowering

try:
    import fcntl
except ImportError:  # Windows: two processes may compile the same kernel
    fcntl = None

# --- parts and kernels ----------------------------------------------------------------------------


def _optimize(library, **options):
    found = library._codegen._module_pass_manager(**options)
    manager, *builder = found if isinstance(found, tuple) else (found,)  # numba < 0.62: alone
    manager.run(library._final_module, *builder)


class _PartLibrary(JITCodeLibrary):
    """Linked as it is into what calls it."""

    def _optimize_functions(self, module):
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name):
        return 0  # there is no code to point to

    @property
    def codegen(self):
        return _WithoutEnvironments(self._codegen)


class _SimplifiedPartLibrary(_PartLibrary):
    """A part whose loops over lanes must have become vectors before they are inlined."""

    def _optimize_final_module(self):
        _optimize(self, loop_vectorize=False, slp_vectorize=False, opt=1, cost="cheap")


class _WithoutEnvironments:
    """A code generator that sets no environment: a part has no address to write it to."""

    def __init__(self, codegen):
        self._codegen = codegen

    def __getattr__(self, name):
        return getattr(self._codegen, name)

    def set_env(self, name, environment):
        pass


class _KernelLibrary(JITCodeLibrary):
    """One module of a kernel and its parts, optimised together."""

    def _optimize_final_module(self):
        for function in self._final_module.functions:
            if not function.is_declaration and str(function.linkage).endswith("linkonce_odr"):
                function.linkage = "internal"  # unused ones go, single callers are inlined
        _optimize(self)


def _pass_that_sets(library_class):
    @register_pass(mutates_CFG=True, analysis_only=False)
    class IntoLibrary(LoweringPass):
        _name = f"mathcore{library_class.__name__}"

        def __init__(self):
            LoweringPass.__init__(self)

        def run_pass(self, state):
            state.library = library_class(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return True

    return IntoLibrary


def _compiler_into(library_class):
    """The pipeline of ``njit``, with code going into a library of this class."""
    into_library = _pass_that_sets(library_class)

    class IntoLibraryCompiler(CompilerBase):
        def define_pipelines(self):
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes._finalized = False
            lowering = [one for one, _ in passes.passes].index(NativeLowering)
            passes.passes.insert(lowering, (into_library, "library of parts or kernels"))
            passes.finalize()
            return [passes]

    return IntoLibraryCompiler


KERNEL_OPTIONS = {"pipeline_class": _compiler_into(_KernelLibrary), "no_cfunc_wrapper": True}
_OF_PARTS = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
PART_OPTIONS = {"pipeline_class": _compiler_into(_PartLibrary), **_OF_PARTS}
SIMPLIFIED_PART_OPTIONS = {"pipeline_class": _compiler_into(_SimplifiedPartLibrary), **_OF_PARTS}


def name_by_content(function, key):
    """Give code that is kept for a user's function a symbol of its own.

    It meets code of other processes, whose symbols were numbered there.
    """
    digest = hashlib.sha256(repr(key).encode()).hexdigest()
    function.__qualname__ = f"{function.__name__}_{digest}"


def callback(function, signature, key):
    """``numba.cfunc``, kept on disk under the key of a user's function where there is one."""
    if key is not None:
        name_by_content(function, key)
    found = CFunc(
        function, normalize_signature(signature), {}, {"nogil": True, "error_model": "numpy"}
    )
    if key is not None:
        found._cache = KernelCache(function, key)
    found.compile()
    return found


# --- the cache ------------------------------------------------------------------------------------

_LONGEST_WAIT_S = 60.0  # for another process that compiles the same kernel
_KEPT_DAYS, _DAY_S = 30, 86400.0
_MOST_OF_USERS = 256  # compiled functions of the user's that are kept
_UNRESOLVED = b".numba.unresolved"  # a function that calls itself: found by whoever compiled it


class _Text:
    """The files that kernels of a package are made of, as they were when they were first read."""

    def __init__(self, package, other):
        here = Path(__file__).parent
        files = {path for root in {here, package} for path in root.rglob("_kernels/*.py")}
        files |= {*here.glob("_compile.py"), *here.glob("_vectors*.py"), Path(__file__)}
        self._files = sorted((files | {other}) - {None})
        self._times = self._read_times()
        digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()}".encode())
        for path in self._files:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        self.stamp = digest.hexdigest()

    def _read_times(self):
        return [(x.st_mtime_ns, x.st_size) for x in (os.stat(path) for path in self._files)]

    def is_unchanged(self):
        """Whether the text that was imported, now or before an edit, is what the stamp says."""
        with contextlib.suppress(OSError):
            return self._read_times() == self._times
        return False


_text = functools.cache(_Text)


def note_text(function):
    """Read the files of a function's package, not later than the first of them is imported."""
    file = Path(function.__code__.co_filename)
    package = file.parents[max(0, function.__module__.count(".") - 1)]
    return _text(package, None if file.parent.name == "_kernels" else file)


@functools.cache
def _folders():
    """Where compiled code may lie: the first that can be written to takes what is new."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return (Path(chosen) / "mathcore",)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return (Path(__file__).parent / "__pycache__" / "kernels", Path(home) / "mathcore")


@functools.cache
def writable_folder():
    """The folder that takes new code, or None."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / uuid.uuid4().hex
            probe.touch()
            probe.unlink()
            return folder
    return None


def _forget_unused(folder, stamp):
    """Remove what other versions of the kernels left, once it was not read for a month."""
    limit = time.time() - _KEPT_DAYS * _DAY_S
    for old in folder.iterdir():
        with contextlib.suppress(OSError):
            if old.name != stamp and old.stat().st_mtime < limit:
                shutil.rmtree(old)


def _say(line):
    if sys.stderr is not None and os.environ.get("MATHCORE_QUIET", "0") in ("", "0"):
        with contextlib.suppress(ValueError, OSError):  # closed
            print(f"mathcore: {line}", file=sys.stderr, flush=True)


@functools.cache
def _say_that_it_takes_time():
    """One line when the first long compilation of this process begins."""
    folder = writable_folder()
    if folder is None:
        _say("compiling, in every process: no folder for compiled code can be written to")
    else:
        _say(f"compiling what is called for the first time, once; cached in {folder}")


def keep(compiled, function, key=None):
    """Keep the code of a kernel on disk; `key` tells which function of the user's it holds."""
    cache, compile_ = KernelCache(function, key), compiled._compiler.compile

    def compile_and_unlock(*arguments):
        try:
            return compile_(*arguments)
        except BaseException:  # interrupted, too: others wait for this one
            cache.unlock()
            raise

    compiled._cache, compiled._compiler.compile = cache, compile_and_unlock


def _described(kind):
    """The type of an argument in words; names of fields count, as they do in the code."""
    if isinstance(kind, types.BaseTuple):
        return (getattr(kind, "fields", ()), tuple(_described(x) for x in kind))
    return str(kind)


def _digest(name, content):
    return hashlib.sha256(name.encode() + b"\0" + content).digest()


def _keep_fresh(folder):
    """Let a folder that is only read count as used."""
    with contextlib.suppress(OSError):
        if folder.stat().st_mtime < time.time() - _DAY_S:
            os.utime(folder)


class KernelCache:
    """What numba asks of a cache: one file an entry, named by all that its code depends on.

    An entry that is damaged counts as absent. `key` tells what beside the kernels' files a user's
    function depends on.
    """

    def __init__(self, function, key=None):
        self._function_name = function.__name__
        package = function.__module__.partition(".")[0]
        self._text = note_text(function)
        self._stamp = self._text.stamp
        self._of_user, self._lock = key is not None, None
        self._identity = (self._stamp, key, function.__module__, function.__qualname__)
        self._prefix = f"user.{package}" if self._of_user else function.__module__
        self.cache_path = str(_folders()[0])  # numba's `stats` ask for it

    def load_overload(self, signature, target):
        """The compiled code, or None; a kernel's absence is said, and its compilation locked."""
        target.refresh()
        if not self._text.is_unchanged():  # edited since it was imported: neither old nor new
            return None
        name = self._entry_name(signature, target.codegen())
        found = self._read(name, target)
        if found is not None or self._of_user:
            return found
        if self._wait_for_others(name):
            found = self._read(name, target)
        if found is None:
            _say_that_it_takes_time()
        else:
            self.unlock()
        return found

    def save_overload(self, signature, result):
        """Keep the compiled code, where there is a place and it needs nothing of this process."""
        folder, holds_addresses = writable_folder(), result.library.has_dynamic_globals
        if folder is not None and self._text.is_unchanged() and not holds_addresses:
            name = self._entry_name(signature, result.codegen)
            content = serialize.dumps(result._reduce())
            try:
                if _UNRESOLVED not in content:
                    self._write(folder, name, content)
            except OSError as error:
                _say(f"compiled code is not kept: {error}")
        self.unlock()

    def holds(self, signature, codegen):
        """Whether there is a file of the compiled code."""
        name = self._entry_name(signature, codegen)
        return any((folder / self._stamp[:16] / name).exists() for folder in _folders())

    def _entry_name(self, signature, codegen):
        kinds = normalize_signature(signature)[0]
        described = tuple(_described(kind) for kind in kinds)
        text = repr((self._identity, described, codegen.magic_tuple()))
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        return f"{self._prefix}.{self._function_name}-{digest}.nbc"

    def _read(self, name, target):
        for folder in _folders():
            path = folder / self._stamp[:16] / name
            with contextlib.suppress(Exception):  # absent, truncated, from another build
                content = path.read_bytes()
                if _digest(name, content[32:]) == content[:32]:
                    found = CompileResult._rebuild(target, *pickle.loads(content[32:]))
                    _keep_fresh(path.parent)
                    return found
        return None

    def _write(self, parent, name, content):
        folder = self._own_folder(parent)
        path, draft = folder / name, folder / f"{uuid.uuid4().hex}.part"
        try:
            draft.write_bytes(_digest(name, content) + content)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        if self._of_user:
            entries = sorted(folder.glob("user.*"), key=lambda entry: entry.stat().st_mtime)
            for old in entries[:-_MOST_OF_USERS]:
                old.unlink(missing_ok=True)

    def _own_folder(self, parent):
        """The folder of this version; when it is new, those of old ones may go."""
        folder = parent / self._stamp[:16]
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            _forget_unused(parent, folder.name)
        return folder

    def _wait_for_others(self, name):
        """Lock the entry, once nobody else compiles it; whether somebody did."""
        folder = writable_folder()
        if folder is None or fcntl is None or self._lock is not None:
            return False
        waited, start = False, time.monotonic()
        with contextlib.suppress(OSError):
            place = self._own_folder(folder) / f"{name}.lock"
            self._lock = open(place, "w")  # noqa: SIM115
            while time.monotonic() - start < _LONGEST_WAIT_S:
                try:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return waited
                except BlockingIOError:
                    waited = True
                    time.sleep(0.02)
        return waited

    def unlock(self):
        """Let others compile what this process does not."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._lock.name)
            self._lock.close()
            self._lock = None
