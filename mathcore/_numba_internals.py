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
import sys
import time
import uuid
from pathlib import Path

import numba
from numba.core import serialize
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
_KEPT_DAYS = 30
_MOST_OF_USERS = 256  # compiled functions of the user's that are kept


@functools.cache
def _stamp(module, file):
    """Hash of all that a kernel of this module is made of: no edit is missed."""
    here, package = Path(__file__).parent, Path(file).parents[max(0, module.count(".") - 1)]
    files = {path for root in {here, package} for path in root.rglob("_kernels/*.py")}
    files |= {*here.glob("_compile.py"), *here.glob("_vectors*.py"), Path(__file__), Path(file)}
    digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()}".encode())
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _folders():
    """Where compiled code may lie: the first that can be written to takes what is new."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return (Path(chosen) / "mathcore",)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return (Path(__file__).parent / "__pycache__" / "kernels", Path(home) / "mathcore")


@functools.cache
def _writable_folder():
    """The folder that takes new code, or None."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / uuid.uuid4().hex
            probe.touch()
            probe.unlink()
            _forget_old(folder)
            return folder
    return None


def _forget_old(folder):
    """Remove what earlier versions of the kernels left."""
    limit = time.time() - _KEPT_DAYS * 86400
    for old in folder.iterdir():
        if old.is_dir() and old.stat().st_mtime < limit:
            for entry in old.iterdir():
                entry.unlink(missing_ok=True)
            old.rmdir()


@functools.cache
def _say_that_it_takes_time():
    """One line when the first long compilation of this process begins."""
    if os.environ.get("MATHCORE_QUIET", "0") not in ("", "0"):
        return
    folder = _writable_folder()
    if folder is None:
        line = "compiling, in every process: no folder for compiled code can be written to"
    else:
        line = f"compiling what is called for the first time, once; cached in {folder}"
    print(f"mathcore: {line}", file=sys.stderr, flush=True)


class KernelCache:
    """What numba asks of a cache: one file an entry, named by all that its code depends on.

    An entry that is damaged counts as absent. `key` tells what beside the kernels' files a user's
    function depends on.
    """

    def __init__(self, function, key=None):
        self._function_name = function.__name__
        package = function.__module__.partition(".")[0]
        self._stamp = _stamp(function.__module__, function.__code__.co_filename)
        self._of_user, self._lock = key is not None, None
        self._identity = (self._stamp, key, function.__module__, function.__qualname__)
        self._prefix = f"user.{package}" if self._of_user else function.__module__
        self.cache_path = str(_folders()[0])  # numba's `stats` ask for it

    def load_overload(self, signature, target):
        """The compiled code, or None; a kernel's absence is said, and its compilation locked."""
        target.refresh()
        name = self._entry_name(signature, target.codegen())
        found = self._read(name, target)
        if found is None and not self._of_user:
            if self._wait_for_others(name):
                found = self._read(name, target)
            if found is None:
                _say_that_it_takes_time()
        return found

    def save_overload(self, signature, result):
        """Keep the compiled code, where there is a place and it holds no address."""
        folder = _writable_folder()
        if folder is not None and not result.library.has_dynamic_globals and not result.lifted:
            name = self._entry_name(signature, result.codegen)
            content = serialize.dumps(result._reduce())
            with contextlib.suppress(OSError):  # a full disk keeps nothing
                self._write(folder / self._stamp[:16], name, content)
        self._unlock()

    def holds(self, signature, codegen):
        """Whether there is a file of the compiled code."""
        name = self._entry_name(signature, codegen)
        return any((folder / self._stamp[:16] / name).exists() for folder in _folders())

    def _entry_name(self, signature, codegen):
        text = repr((self._identity, str(signature), codegen.magic_tuple()))
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        return f"{self._prefix}.{self._function_name}-{digest}.nbc"

    def _read(self, name, target):
        for folder in _folders():
            path = folder / self._stamp[:16] / name
            with contextlib.suppress(Exception):  # absent, truncated, from another build
                content = path.read_bytes()
                if hashlib.sha256(content[32:]).digest() == content[:32]:
                    return CompileResult._rebuild(target, *pickle.loads(content[32:]))
        return None

    def _write(self, folder, name, content):
        folder.mkdir(exist_ok=True)
        path, draft = folder / name, folder / f"{uuid.uuid4().hex}.part"
        try:
            draft.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        if self._of_user:
            entries = sorted(folder.glob("user.*"), key=lambda entry: entry.stat().st_mtime)
            for old in entries[:-_MOST_OF_USERS]:
                old.unlink(missing_ok=True)

    def _wait_for_others(self, name):
        """Lock the entry, once nobody else compiles it; whether somebody did."""
        folder = _writable_folder()
        if folder is None or fcntl is None or self._lock is not None:
            return False
        waited, start = False, time.monotonic()
        with contextlib.suppress(OSError):
            (folder / self._stamp[:16]).mkdir(exist_ok=True)
            self._lock = open(folder / self._stamp[:16] / f"{name}.lock", "w")  # noqa: SIM115
            while time.monotonic() - start < _LONGEST_WAIT_S:
                try:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return waited
                except BlockingIOError:
                    waited = True
                    time.sleep(0.02)
        return waited

    def _unlock(self):
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._lock.name)
            self._lock.close()
            self._lock = None
