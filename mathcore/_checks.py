"""Argument checks shared by every public function: `name` must ...; got ..."""

import math
from numbers import Integral, Real

from mathcore import _arrays


def check_matrix(a, name="a"):
    """At least two axes."""
    if a.ndim < 2:
        raise ValueError(f"`{name}` must be a matrix (..., m, n); got shape {tuple(a.shape)}")


def check_square(a, name="a"):
    """Square in the last two axes."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"`{name}` must be square (..., n, n); got shape {tuple(a.shape)}")


def check_shape(x, shape, name):
    """Exactly `shape`; None in `shape` stands for any length."""
    fits = x.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(x.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        comma = "," if len(shape) == 1 else ""
        raise ValueError(f"`{name}` must have shape ({wanted}{comma}); got {tuple(x.shape)}")


def check_finite(x, name):
    """No NaN or infinity; looked at only where it costs no device synchronisation."""
    if _arrays.is_numpy(x) and not _arrays.result_namespace(x).all(
        _arrays.result_namespace(x).isfinite(x)
    ):
        raise ValueError(f"`{name}` must be finite; got NaN or infinity")


def check_real(x, name):
    """Real dtype."""
    if _arrays.is_complex(x):
        raise TypeError(f"`{name}` must be real; got dtype {x.dtype}")


def check_choice(value, choices, name):
    """One of the words in `choices`."""
    if value not in choices:
        words = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {words}; got {value!r}")


def check_number(value, name, *, above=None, at_least=None, at_most=None):
    """A finite Python real number in the given range, returned as a float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a real number; got {type(value).__name__}")
    value = float(value)
    fits = (
        math.isfinite(value)
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (at_most is None or value <= at_most)
    )
    if not fits:
        raise ValueError(f"`{name}` must be {_range(above, at_least, at_most)}; got {value}")
    return value


def _range(above, at_least, at_most):
    words = ["finite"]
    if above is not None:
        words.append(f"> {above:g}")
    if at_least is not None:
        words.append(f">= {at_least:g}")
    if at_most is not None:
        words.append(f"<= {at_most:g}")
    return " and ".join(words)


def check_count(value, name, *, at_least=1):
    """A Python integer, returned as an int."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"`{name}` must be an integer; got {type(value).__name__}")
    if value < at_least:
        raise ValueError(f"`{name}` must be >= {at_least}; got {value}")
    return int(value)


def check_callable(value, name):
    """A callable."""
    if not callable(value):
        raise TypeError(f"`{name}` must be callable; got {type(value).__name__}")
