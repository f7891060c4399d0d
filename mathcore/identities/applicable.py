"""Which identities apply to given matrices, whether they hold there, and which side to compute."""

import itertools
import math
from typing import NamedTuple

from mathcore import _arrays
from mathcore._checks import check_number
from mathcore.identities.catalogue import catalogue


class IdentityCheck(NamedTuple):
    """One identity on one choice of the matrices.

    Attributes
    ----------
    name : str
    arguments : dict
        The identity's arguments, by the positions (0, 1, …) of the matrices put for them.
    applies : bool
    reason : str
        Why it does not apply, or why its sides were not computed; "" otherwise.
    residual, tolerance : float
        As of `Identity`; NaN where the sides were not computed.
    holds : bool or None
        Whether ``residual <= tolerance``; None where one of them is NaN.
    cheapest : str
        "lhs" or "rhs"; "" where the identity does not apply.
    """

    name: str
    arguments: dict
    applies: bool
    reason: str
    residual: float
    tolerance: float
    holds: bool | None
    cheapest: str

    @property
    def verdict(self):
        """Holds; fails; zero to rounding (no digit of either side is certain); or not computed."""
        if self.holds is None:
            return self.reason or "not finite"
        if not self.holds:
            return "fails"
        return "holds" if self.tolerance < 1 else "zero to rounding"


class IdentityChecks(tuple):
    """A tuple of `IdentityCheck` that prints as a table."""

    __slots__ = ()

    def __repr__(self):
        """Rows for what applies, then what does not, with the reason."""
        lines = [f"{'identity':<46} {'residual':>9} {'tolerance':>9}  cheap  verdict"]
        for one in self:
            if one.applies:
                lines.append(
                    f"{_call(one):<46} {one.residual:9.1e} {one.tolerance:9.1e}  "
                    f"{one.cheapest:<5}  {one.verdict}"
                )
        outside = [f"  {one.name}: {one.reason}" for one in self if not one.applies]
        return "\n".join([*lines, *(["does not apply:"] if outside else []), *outside])


def _call(check):
    given = ", ".join(f"{name}=#{position}" for name, position in check.arguments.items())
    return f"{check.name}({given})"


def check_identities(*matrices, max_flops=1e9):
    """Which identities of the catalogue apply to these matrices, do they hold, which side is cheap.

    Every identity of as many arguments as there are matrices, or fewer, is asked for every choice
    of them, in the order given first and otherwise in the first order that its domain allows.

    Parameters
    ----------
    *matrices : arrays
        Of one library, without batch axes: matrices (m, n), vectors (n,) where an identity speaks
        of nodes or of a diagonal, and for Liouville's coefficients (k, n, n) and a time.
    max_flops : float
        Sides that cost more floating-point operations together are not computed.

    Returns
    -------
    IdentityChecks
        A tuple of `IdentityCheck`, which prints as a table: first the identities that apply, then
        the others, each once, with what their domain misses.

    Raises
    ------
    TypeError
        No matrix is given, or the libraries differ.
    ValueError
        `max_flops` is negative or not finite.

    Notes
    -----
    A residual above the tolerance is not rounding: one of the two computations is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.identities import check_identities
    >>> tall = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]])
    >>> checks = check_identities(tall, tall.T)
    >>> [(one.name, one.holds, one.cheapest) for one in checks if len(one.arguments) == 2][:2]
    [('weinstein_aronszajn', True, 'rhs'), ('cauchy_binet', True, 'lhs')]
    >>> [one.reason for one in checks if one.name == "det_exp"]
    ['a needs n = 3; got (3, 2)']
    """
    max_flops = check_number(max_flops, "max_flops", at_least=0)
    if not matrices:
        raise TypeError("`matrices` must hold one array at least; got none")
    _, *arrays = _arrays.asarrays(**{f"matrix {i}": x for i, x in enumerate(matrices)})
    found = [
        check
        for identity in catalogue
        if len(identity.domain.arguments) <= len(arrays)
        for check in _checks(identity, arrays, max_flops)
    ]
    return IdentityChecks(sorted(found, key=lambda check: not check.applies))


def _checks(identity, arrays, max_flops):
    """A check for every choice of arguments in the domain, or one that says why there is none."""
    hosts = [_arrays.to_numpy(x) for x in arrays]
    names = identity.domain.arguments
    inside, first_reason = [], ""
    for chosen in itertools.combinations(range(len(arrays)), len(names)):
        reasons = (
            (order, identity.domain.reason(*(hosts[i] for i in order)))
            for order in itertools.permutations(chosen)
        )
        for order, reason in reasons:
            first_reason = first_reason or reason
            if not reason:
                inside.append(_compared(identity, order, arrays, max_flops))
                break
    if inside:
        return inside
    nan = math.nan
    return [IdentityCheck(identity.name, {}, False, first_reason, nan, nan, None, "")]


def _compared(identity, order, arrays, max_flops):
    chosen = [arrays[i] for i in order]
    arguments = dict(zip(identity.domain.arguments, order, strict=True))
    shapes = [x.shape for x in chosen]
    cheapest, flops = identity.cheapest(*shapes), sum(identity.costs(*shapes))
    residual = tolerance = math.nan
    reason = f"not computed: {float(flops):.1e} operations" if flops > max_flops else ""
    if not reason:
        residual, tolerance = identity.compare(*chosen)
    known = not math.isnan(residual + tolerance)
    holds = residual <= tolerance if known else None
    return IdentityCheck(
        identity.name, arguments, True, reason, residual, tolerance, holds, cheapest
    )
