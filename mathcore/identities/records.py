"""What a record of the catalogue holds, and how it compares its two sides."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.identities import symbolic
from mathcore.identities.domains import Domain


class Agreement(NamedTuple):
    """How far the two sides of an identity differ, and how far rounding may part them."""

    residual: float
    tolerance: float


class Identity(NamedTuple):
    """An identity lhs = rhs, or a bound lhs ≤ rhs, between functions of the same arguments.

    Attributes
    ----------
    name : str
        Key of `get`.
    statement : str
        LaTeX.
    domain : Domain
        Where it holds: in words, and as conditions that can be asked of arguments.
    lhs, rhs : callable
        Numeric sides on arrays of any library; batch axes lead.
    cost_lhs, cost_rhs : callable
        Operations from the sizes that `domain` names, ``cost_lhs(n=3)``, in units of one
        floating-point operation of a large matrix product.
    rounding : callable
        ``rounding(eps, *args)``: how far lhs and rhs may be apart, one bound for each member of the
        batch, when both are computed in an arithmetic of that eps; on NumPy double arrays.
    strategy : callable
        ``strategy(strategies, dtype)``: a Hypothesis strategy of argument tuples, drawn from the
        module ``mathcore.testing.strategies``.
    symbolic_sides : callable
        ``n -> (lhs, rhs)`` in SymPy for a generic n × n case.
    proves : str
        What `prove` verifies.
    reference : str
        Where it is proved.
    relation : str
        "=", or "≤" for a bound.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import identities
    >>> swap = identities.get("weinstein_aronszajn")  # det(I + AB) = det(I + BA)
    >>> a, b = np.ones((2, 5)), np.ones((5, 2))
    >>> float(swap.lhs(a, b)).__round__(12), float(swap.rhs(a, b)).__round__(12)
    (11.0, 11.0)
    >>> swap.residual(a, b) <= swap.tolerance(a, b)
    True
    >>> swap.cheapest((2, 5), (5, 2)), swap.cheapest((5, 2), (2, 5))
    ('lhs', 'rhs')
    >>> swap.prove(2)
    True
    """

    name: str
    statement: str
    domain: Domain
    lhs: Callable
    rhs: Callable
    cost_lhs: Callable
    cost_rhs: Callable
    rounding: Callable
    strategy: Callable
    symbolic_sides: Callable
    proves: str
    reference: str
    relation: str = "="

    def compare(self, *args):
        """Difference of the sides and what rounding allows, both relative to the larger side.

        Of a batch, the member for which the first is largest beside the second. The tolerance is
        one or more where rounding leaves no digit of the result certain.

        Returns
        -------
        Agreement
            ``residual`` and ``tolerance``, floats. Of a bound, the residual is the excess of lhs.
        """
        _, *arrays = _arrays.asarrays(**dict(zip(self.domain.arguments, args, strict=True)))
        left, right = (_in_double(side(*args)) for side in (self.lhs, self.rhs))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            hosts = (_in_double(x) for x in arrays)
            bound = np.asarray(self.rounding(_arrays.eps(arrays[0]), *hosts))
            axes = tuple(range(bound.ndim, left.ndim))
            excess = left - right if self.relation == "≤" else abs(left - right)
            excess = np.where(left == right, 0.0, excess).max(axis=axes, initial=0.0)
            size = np.maximum(*(abs(x).max(axis=axes, initial=0.0) for x in (left, right)))
            worst = np.argmax(np.where(excess > 0, excess / bound, excess))  # NaN is the worst
            return _relative(excess.flat[worst], bound.flat[worst], size.flat[worst])

    def residual(self, *args):
        """Largest difference of the two sides relative to the larger: a float."""
        return self.compare(*args).residual

    def tolerance(self, *args):
        """Bound on `residual` that rounding alone can reach, from eps and conditioning: a float."""
        return self.compare(*args).tolerance

    def costs(self, *shapes):
        """Operations of lhs and of rhs for arguments of these shapes."""
        sizes = self.domain.sizes(*shapes)
        return self.cost_lhs(**sizes), self.cost_rhs(**sizes)

    def cheapest(self, *shapes):
        """The side, "lhs" or "rhs", that costs less for arguments of these shapes."""
        lhs, rhs = self.costs(*shapes)
        return "lhs" if lhs <= rhs else "rhs"

    def symbolic(self, n):
        """What `prove` verifies for n, as an unevaluated ``sympy.Equality``."""
        return symbolic.equation(*self.symbolic_sides(n))

    def prove(self, n):
        """Whether SymPy reduces the difference of the sides of ``symbolic(n)`` to zero."""
        return symbolic.vanishes(*self.symbolic_sides(n))


def _in_double(x):
    host = _arrays.to_numpy(x)
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)


def _relative(excess, bound, size):
    if size == 0:  # both sides vanish
        return Agreement(0.0, float("inf") if bound > 0 else 0.0)
    return Agreement(float(excess / size), float(bound / size))
