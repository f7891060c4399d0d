"""Where an identity holds: shapes by letters, and conditions that arguments can be asked for.

A condition is ``condition(arguments) -> reason``: what is wrong with a dictionary of NumPy arrays,
or "" where nothing is.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.identities.rounding import norm

_MOST_TERMS = 1000
_MOST_MINORS = 10_000


class Domain(NamedTuple):
    """The arguments of an identity, and where it holds.

    Attributes
    ----------
    words : str
    shapes : dict
        Argument to its axes, a letter each: ``{"a": "n n", "u": "n k"}``. A pair of such strings is
        for a matrix that may be given by its diagonal: ``("n n", "n")``.
    conditions : tuple of callable
        Asked in turn, once the shapes fit.
    """

    words: str
    shapes: dict
    conditions: tuple[Callable, ...] = ()

    @property
    def arguments(self):
        """Names of the arguments, in order."""
        return tuple(self.shapes)

    def sizes(self, *shapes):
        """The size of every letter, and ``dense`` = 0 where a diagonal stands for its matrix.

        Raises
        ------
        ValueError
            A shape has too few axes or two axes of one letter differ.
        """
        wanted = tuple(zip(self.shapes.items(), shapes, strict=True))
        batch = min(len(s) - len(form.split()) for (_, form), s in wanted if isinstance(form, str))
        found = {}
        for (name, forms), shape in wanted:
            form = forms
            if not isinstance(forms, str):
                found["dense"] = int(len(shape) - batch == len(forms[0].split()))
                form = forms[1 - found["dense"]]
            letters = form.split()
            if batch < 0 or len(shape) < len(letters):
                raise ValueError(f"`{name}` must have {len(letters)} axes; got shape {shape}")
            for letter, size in zip(letters, shape[len(shape) - len(letters) :], strict=True):
                if found.setdefault(letter, size) != size:
                    raise ValueError(f"`{name}` must have {letter} = {found[letter]}; got {shape}")
        return found

    def reason(self, *arrays):
        """Why single matrices (NumPy arrays, no batch axes) lie outside; "" where they do not."""
        for (name, forms), array in zip(self.shapes.items(), arrays, strict=True):
            allowed = (forms,) if isinstance(forms, str) else forms
            if array.ndim not in {len(form.split()) for form in allowed}:
                return f"{name} has {array.ndim} axes"
        try:
            self.sizes(*(array.shape for array in arrays))
        except ValueError as error:
            return str(error).replace("`", "").replace("must have", "needs")
        if not all(np.isfinite(array).all() for array in arrays):
            return "an entry is NaN or infinite"
        named = dict(zip(self.arguments, arrays, strict=True))
        reasons = (condition(named) for condition in self.conditions)
        return next((reason for reason in reasons if reason), "")


# --- conditions -----------------------------------------------------------------------------------


def hermitian(*names):
    """Equal to the conjugate transpose, to rounding."""
    return _symmetry(names, lambda a: a - np.conj(a.T), "Hermitian")


def skew_hermitian(*names):
    """Equal to minus the conjugate transpose, to rounding."""
    return _symmetry(names, lambda a: a + np.conj(a.T), "skew-Hermitian")


def skew_symmetric(*names):
    """Equal to minus the transpose, without conjugation, to rounding."""
    return _symmetry(names, lambda a: a + a.T, "skew-symmetric")


def _symmetry(names, defect, word):
    def broken(a):
        return abs(defect(a)).max(initial=0.0) > 100 * _arrays.eps(a) * abs(a).max(initial=0.0)

    def condition(arguments):
        found = next((name for name in names if broken(arguments[name])), None)
        return f"{found} is not {word}" if found else ""

    return condition


def invertible(name):
    """Condition number below 1/eps of double precision; a diagonal stands for its matrix."""

    def condition(arguments):
        a = arguments[name]
        sigma = np.sort(abs(a))[::-1] if a.ndim == 1 else np.linalg.svd(a, compute_uv=False)
        singular = sigma.size > 0 and not sigma[-1] > 2.0**-52 * sigma[0]
        return f"{name} is singular to rounding" if singular else ""

    return condition


def spectral_radius_below_one(name):
    """ρ < 1, far enough for the series in powers to end within 1000 terms."""

    def condition(arguments):
        a = arguments[name]
        radius = float(abs(np.linalg.eigvals(a)).max(initial=0.0))
        if radius >= 1:
            return f"{name} has spectral radius {radius:.4g}"
        slow = radius > 0 and math.log(2.0**-52) / math.log(radius) > _MOST_TERMS / 2
        return f"{name} has spectral radius {radius:.4g}: the series is too slow" if slow else ""

    return condition


def shaped(name, fits, reason):
    """A relation between the two sizes of a matrix: ``fits(rows, columns)``."""

    def condition(arguments):
        return "" if fits(*arguments[name].shape) else f"{name} {reason}"

    return condition


def few_minors(name):
    """A wide matrix with at most 10,000 square minors of full height."""

    def condition(arguments):
        m, n = arguments[name].shape
        if m > n:
            return f"{name} has more rows than columns"
        count = math.comb(n, m)
        return f"{name} has {count} minors" if count > _MOST_MINORS else ""

    return condition


def small_or_nilpotent(left, right):
    """‖A‖ + ‖B‖ < log 2, or strictly triangular (on one side) so that five factors vanish."""

    def condition(arguments):
        a, b = arguments[left], arguments[right]
        small = norm(a) + norm(b) < math.log(2)
        return "" if small or vanish_beyond_four(a, b) else f"{left} and {right} are too large"

    return condition


def vanish_beyond_four(a, b):
    """Whether A and B are strictly triangular on one side, of order five at most."""
    upper, lower = (not any(part(x).any() for x in (a, b)) for part in (np.tril, np.triu))
    return a.shape[-1] <= 5 and (upper or lower)


def sums_without_zero(left, right):
    """x_i + y_j ≠ 0 for all i and j."""

    def condition(arguments):
        sums = arguments[left][:, None] + arguments[right]
        return "" if np.all(sums != 0) else f"an entry of {left} is minus one of {right}"

    return condition
