"""Two functions of the user's are one where their text and what they capture are equal.

numba reads globals and closures once, when it compiles. Code kept for a function must therefore be
asked for by what the function captures: after a global has changed, it is another function.
"""

import builtins
import functools
import hashlib
import sys
from types import CodeType, FunctionType, ModuleType

import numpy as np

_LARGEST_ARRAY = 2**22  # bytes of a captured array that are worth reading at every call


class UserFunction:
    """A function, equal to another with the same text and captured values.

    Attributes
    ----------
    function : function
        Of numba's, its Python function.
    options : dict
        What numba was told to compile it with; empty for a Python function.
    key : str or None
        By which compiled code can be kept from one process to the next; None where something
        captured cannot be told by value, or where numba compiled it before and so knows its globals
        as they were then.
    """

    def __init__(self, function):
        self.function = getattr(function, "py_func", function)
        options = getattr(function, "targetoptions", {})
        self.options = {name: value for name, value in options.items() if name != "nopython"}
        reader = _Reader()
        try:
            self._identity = reader.function(self.function)
        except _Unknown:
            self._identity = None
        self._known = self._identity is not None and not reader.compiled_before
        if self._identity is None:
            self._identity = self.function

    @functools.cached_property
    def key(self):
        """What compiled code is kept by, or None."""
        if not self._known:
            return None
        return hashlib.sha256(repr(self._identity).encode()).hexdigest()

    def __eq__(self, other):
        return self._identity == other._identity

    def __hash__(self):
        return hash(self._identity)

    def in_module(self, name):
        """The function as one of module `name`: kept code asks for the module of its function."""
        function = self.function
        scope = {**function.__globals__, "__name__": name}
        copy = FunctionType(
            function.__code__, scope, "user_function", function.__defaults__, function.__closure__
        )
        copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, name
        copy.__qualname__ = f"user_function_{self.key or id(function)}"
        return copy


class _Unknown(Exception):
    """Something captured has no value to tell it by."""


class _Reader:
    """What functions depend on, as nested tuples; each function is read once."""

    def __init__(self):
        self._seen, self.compiled_before = {}, False

    def function(self, function):
        """Text, defaults, closure and the globals that are named."""
        if id(function) in self._seen:
            return ("again", self._seen[id(function)])
        self._seen[id(function)] = len(self._seen)
        names = _names(function.__code__)
        scope = function.__globals__
        return (
            _text(function.__code__),
            self.value(function.__defaults__, names),
            tuple(
                sorted(
                    (k, self.value(v, names)) for k, v in (function.__kwdefaults__ or {}).items()
                )
            ),
            tuple(self.value(_contents(cell), names) for cell in function.__closure__ or ()),
            tuple((name, self.value(scope[name], names)) for name in names if name in scope),
        )

    def _keyword_defaults(self, function, names):
        found = sorted((function.__kwdefaults__ or {}).items())
        return tuple((name, self.value(x, names)) for name, x in found)

    def value(self, x, names):
        """`x` by value; of a module what is `names`."""
        if x is None or isinstance(x, bool | int | float | complex | str | bytes | np.generic):
            return (type(x).__name__, repr(x))
        if isinstance(x, tuple):
            kind = (type(x).__module__, type(x).__qualname__)
            return (kind, tuple(self.value(y, names) for y in x))
        if isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.nbytes <= _LARGEST_ARRAY:
            layout = (x.flags.c_contiguous, x.flags.f_contiguous, x.flags.aligned)
            return (x.dtype.str, x.shape, layout, hashlib.sha256(x.tobytes()).hexdigest())
        if isinstance(x, ModuleType):
            return self._module(x, names)
        if isinstance(x, FunctionType):
            return self.function(x)
        if hasattr(x, "py_func") and hasattr(x, "targetoptions"):
            self.compiled_before |= bool(x.signatures)
            return (_told(x.targetoptions), self.function(x.py_func))
        if isinstance(x, np.ufunc | type) or type(x).__name__ == "builtin_function_or_method":
            return self._named(x)
        raise _Unknown

    def _module(self, module, names):
        version = str(getattr(module, "__version__", ""))
        if _is_stable(module):
            return (module.__name__, version)
        found = ((name, getattr(module, name)) for name in names if hasattr(module, name))
        return (module.__name__, version, tuple((name, self.value(x, names)) for name, x in found))

    def _named(self, x):
        module = sys.modules.get(getattr(x, "__module__", None) or "builtins", builtins)
        if not _is_stable(module):
            raise _Unknown
        return (module.__name__, getattr(x, "__qualname__", x.__name__))


def _told(options):
    """Options of ``njit`` in words that are the same in every process."""
    return tuple(
        (name, str(sorted(value)) if isinstance(value, set | frozenset) else str(value))
        for name, value in sorted(options.items())
    )


def _is_stable(module):
    """Whether the version, or the Python, tells what the module holds."""
    root = module.__name__.partition(".")[0]
    return root in ("numpy", "numba") or root in sys.stdlib_module_names - {"__main__"}


@functools.lru_cache(maxsize=1024)
def _text(code):
    inner = (_text(x) if isinstance(x, CodeType) else _constant(x) for x in code.co_consts)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return (code.co_code, code.co_exceptiontable, code.co_flags, code.co_argcount, names, *inner)


def _constant(x):
    return ("frozenset", *sorted(map(repr, x))) if isinstance(x, frozenset) else repr(x)


@functools.lru_cache(maxsize=1024)
def _names(code):
    inner = (name for x in code.co_consts if isinstance(x, CodeType) for name in _names(x))
    return sorted({*code.co_names, *inner})


def _contents(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        raise _Unknown from None
