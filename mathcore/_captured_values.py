"""Two functions of the user's are one where their text and what they capture are equal.

numba reads globals and closures once, when it compiles. Code kept for a function must therefore be
asked for by what the function captures: after a global has changed, it is another function.
"""

import builtins
import functools
import hashlib
import struct
import sys
import sysconfig
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import numpy as np

_LARGEST_ARRAY = 2**22  # bytes of a captured array that are worth reading at every call


class UserFunction:
    """A function, equal to another with the same text, captured values and options.

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
        if not hasattr(self.function, "__code__"):
            raise TypeError(f"`fun` must be a Python function; got {type(function).__name__}")
        self.options = _options(function)
        reader = _Reader()
        self._identity = (_told(self.options), reader.function(self.function))
        self._held, self._by_value = reader.held, reader.by_value

    @functools.cached_property
    def key(self):
        """What compiled code is kept by, or None."""
        if not self._by_value:
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


class _Reader:
    """What functions depend on, as nested tuples; each function is read once.

    What cannot be told by value is told by what it is, and held so that nothing else becomes it.
    """

    def __init__(self):
        self._seen, self.held, self.by_value = {}, [], True

    def function(self, function):
        """Text, defaults, closure and the globals that are named."""
        if id(function) in self._seen:
            return ("again", self._seen[id(function)])
        self._seen[id(function)] = len(self._seen)
        names, scope = _names(function.__code__), function.__globals__
        keywords = sorted((function.__kwdefaults__ or {}).items())
        return (
            _text(function.__code__),
            self.value(function.__defaults__, names),
            tuple((name, self.value(x, names)) for name, x in keywords),
            tuple(self._contents(cell, names) for cell in function.__closure__ or ()),
            tuple((name, self._global(scope, name, names)) for name in names),
        )

    def value(self, x, names):
        """`x` by value; of a module what is `names`."""
        if x is None or type(x) in (bool, int, str, bytes):
            return (type(x).__name__, repr(x))
        if type(x) in (float, complex):  # -0.0 and both signs of NaN are told apart
            return (type(x).__name__, struct.pack("2d", complex(x).real, complex(x).imag))
        if isinstance(x, np.generic) and type(x).__module__ == "numpy" and x.dtype.kind in "biufc":
            return (x.dtype.str, x.tobytes())
        if isinstance(x, tuple):
            kind = (type(x).__module__, type(x).__qualname__, getattr(x, "_fields", ()))
            return (kind, tuple(self.value(y, names) for y in x))
        if isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.nbytes <= _LARGEST_ARRAY:
            layout = (x.flags.c_contiguous, x.flags.f_contiguous, x.flags.aligned)
            return (x.dtype.str, x.shape, layout, hashlib.sha256(x.tobytes()).hexdigest())
        if isinstance(x, ModuleType):
            return self._module(x, names)
        if hasattr(x, "py_func") and hasattr(x, "targetoptions"):
            return self._of_numba(x)
        named = isinstance(x, BuiltinFunctionType | np.ufunc | type)
        if named and _is_stable(sys.modules.get(getattr(x, "__module__", None) or "builtins")):
            return (x.__module__ if isinstance(x, type) else "", x.__name__)
        return self._itself(x)

    def _itself(self, x):
        self.by_value = False
        self.held.append(x)
        return ("object", id(x))

    def _global(self, scope, name, names):
        if name in scope:
            return self.value(scope[name], names)
        return self.value(getattr(builtins, name, None), names)

    def _contents(self, cell, names):
        try:
            return self.value(cell.cell_contents, names)
        except ValueError:  # not filled yet
            return self._itself(cell)

    def _module(self, module, names):
        """Its version, and of what is named there all but the functions of a stable one."""
        found = [(name, getattr(module, name)) for name in names if hasattr(module, name)]
        if _is_stable(module):
            found = [(name, x) for name, x in found if not callable(x)]
        version = str(getattr(module, "__version__", ""))
        return (module.__name__, version, tuple((name, self.value(x, names)) for name, x in found))

    def _of_numba(self, x):
        """A compiled function that is called; its own signatures are all it is compiled for."""
        self.by_value &= not x.signatures
        own = () if x._can_compile else tuple(map(str, x.signatures))
        return (_told(_options(x)), own, self.function(x.py_func))


def _options(function):
    """What ``njit`` was told."""
    told = getattr(function, "targetoptions", {}).items()
    options = {name: value for name, value in told if value is not None and name != "nopython"}
    if getattr(function, "locals", None):
        options["locals"] = function.locals
    return options


def _told(options):
    """Options in words that are the same in every process."""
    return tuple(
        (name, str(sorted(value)) if isinstance(value, set | frozenset) else str(value))
        for name, value in sorted(options.items())
    )


def _is_stable(module):
    """Whether the version, or the Python, tells what the module holds."""
    root = module.__name__.partition(".")[0] if module is not None else ""
    if root in ("numpy", "numba"):
        return True
    file = getattr(module, "__file__", None)
    in_python = file is None or file.startswith(sysconfig.get_paths()["stdlib"])
    return root in sys.stdlib_module_names - {"__main__"} and in_python


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
    return tuple(sorted({*code.co_names, *inner}))
