"""The catalogue: each record holds the two sides of an identity, what they cost, and its proof."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore.identities import symbolic
from mathcore.matrices.determinants import det, slogdet
from mathcore.matrices.exponential import expm


class Identity(NamedTuple):
    """An identity lhs = rhs between functions of the same arguments.

    Attributes
    ----------
    name : str
        Key of `get`.
    statement, domain : str
        LaTeX; where it holds.
    lhs, rhs : callable
        Numeric sides on arrays of any library.
    cost_lhs, cost_rhs : callable
        Floating-point operations from the shapes of the arguments.
    condition : callable
        How many units of rounding, relative to the larger side, the arguments may cost.
    strategy : callable
        ``strategy(strategies, dtype)``: a Hypothesis strategy of argument tuples, drawn from the
        module ``mathcore.testing.strategies``.
    symbolic_sides : callable
        ``n -> (lhs, rhs)`` in SymPy for a generic n × n case.
    reference : str
        Where it is proved.
    """

    name: str
    statement: str
    domain: str
    lhs: Callable
    rhs: Callable
    cost_lhs: Callable
    cost_rhs: Callable
    condition: Callable
    strategy: Callable
    symbolic_sides: Callable
    reference: str

    def residual(self, *args):
        """Largest difference of the two sides relative to the larger (at least one): a float."""
        left, right = (_arrays.to_numpy(side(*args)) for side in (self.lhs, self.rhs))
        scale = max(1.0, float(abs(left).max(initial=0.0)), float(abs(right).max(initial=0.0)))
        return float(abs(left - right).max(initial=0.0)) / scale

    def tolerance(self, *args):
        """Bound on `residual` that rounding alone can reach: eps times `condition`."""
        _, *arrays = _arrays.asarrays(**{f"argument {i}": x for i, x in enumerate(args)})
        return _arrays.eps(arrays[0]) * self.condition(*args)

    def cheapest(self, *shapes):
        """The side, "lhs" or "rhs", that costs fewer operations for arguments of these shapes."""
        return "lhs" if self.cost_lhs(*shapes) < self.cost_rhs(*shapes) else "rhs"

    def symbolic(self, n):
        """The identity for a generic n × n case as an unevaluated ``sympy.Equality``."""
        return symbolic.equation(*self.symbolic_sides(n))

    def prove(self, n):
        """Whether SymPy reduces the difference of the sides to zero for a generic n × n case."""
        return symbolic.vanishes(*self.symbolic_sides(n))


def get(name):
    """The identity called `name`.

    Raises
    ------
    ValueError
        There is none.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import identities
    >>> identity = identities.get("det_exp")
    >>> a = np.array([[1.0, 2.0], [3.0, -1.0]])
    >>> identity.residual(a) <= identity.tolerance(a)
    True
    >>> identity.cheapest((300, 300))
    'rhs'
    """
    for identity in catalogue:
        if identity.name == name:
            return identity
    names = ", ".join(identity.name for identity in catalogue)
    raise ValueError(f"`name` must be one of {names}; got {name!r}")


def _trace(a):
    return _arrays.result_namespace(a).linalg.trace(a)


# --- det exp A = exp tr A -----------------------------------------------------------------------


def _det_of_exp(a):
    return det(expm(a))


def _exp_of_trace(a):
    xp, a = _arrays.asarrays(a=a)
    return xp.exp(_trace(a))


def _norm(a):
    """Largest 2-norm of a stack of matrices."""
    host = _arrays.to_numpy(a)
    return (
        float(np.linalg.norm(host, 2, axis=(-2, -1)).max(initial=0.0))
        if 0 not in host.shape
        else 0.0
    )


def _det_exp_condition(a):
    """δ det X / det X = tr(X⁻¹ δX), with ‖δX‖ ≤ c·n·eps·(1 + ‖A‖)·‖X‖ for X = e^A."""
    return 10 * max(a.shape[-1], 1) * (1 + _norm(a)) * max(1.0, _norm(expm(a)) * _norm(expm(-a)))


# --- det AᴴA = (Π r_ii)² ------------------------------------------------------------------------


def _gram_determinant(a):
    _, a = _arrays.asarrays(a=a)
    return _arrays.real_part(det(_arrays.adjoint(a) @ a))


def _squared_volume(a):
    return _arrays.real_part(det(a)) ** 2 if a.shape[-1] != a.shape[-2] else abs(det(a)) ** 2


def _gram_condition(a):
    """Rounding AᴴA by eps·‖A‖² moves a product of k squared singular values by ≤ k·eps·‖A‖^{2k}."""
    m, k = a.shape[-2:]
    size = float((abs(_arrays.to_numpy(a)) ** 2).sum(axis=(-2, -1)).max(initial=0.0))
    return 10 * max(m, 1) * max(k, 1) ** 2 * max(size, 1e-300) ** k + 1


# --- Liouville: log det Φ(t) = ∫ tr A -----------------------------------------------------------

_SERIES_TERMS = 60


def _log_det_of_propagator(coefficients, t):
    """log|det Φ(t)| from the power series of Φ' = (Σ C_j tʲ) Φ, Φ(0) = I.

    The coefficients obey (k + 1) Φ_{k+1} = Σ_j C_j Φ_{k−j}.
    """
    xp, c = _arrays.asarrays(coefficients=coefficients)
    scaled = [c[j, ...] * t ** (j + 1) for j in range(c.shape[0])]
    terms = [xp.eye(c.shape[-1], dtype=c.dtype, device=_arrays.device(c))]
    for k in range(_SERIES_TERMS):
        products = (scaled[j] @ terms[k - j] for j in range(min(len(scaled), k + 1)))
        terms.append(sum(products, xp.zeros_like(terms[0])) / (k + 1))
    return slogdet(sum(terms[1:], terms[0])).logabsdet


def _integral_of_trace(coefficients, t):
    _, c = _arrays.asarrays(coefficients=coefficients)
    traces = [_trace(c[j, ...]) * (t ** (j + 1) / (j + 1)) for j in range(c.shape[0])]
    return _arrays.real_part(sum(traces[1:], traces[0]))


def _liouville_condition(coefficients, t):
    """‖Φ⁻¹‖·δΦ with ‖Φ^{±1}‖ ≤ exp ∫‖A‖."""
    n = max(coefficients.shape[-1], 1)
    growth = sum(_norm(coefficients[j, ...]) * t ** (j + 1) for j in range(coefficients.shape[0]))
    return 10 * n**2 * _SERIES_TERMS * math.exp(2 * min(growth, 300.0))


catalogue = (
    Identity(
        name="det_exp",
        statement=r"\det e^{A} = e^{\operatorname{tr} A}",
        domain="every square matrix",
        lhs=_det_of_exp,
        rhs=_exp_of_trace,
        cost_lhs=lambda a: (5 * 2 + 2 / 3) * a[-1] ** 3,
        cost_rhs=lambda a: a[-1],
        condition=_det_exp_condition,
        strategy=lambda strategies, dtype: strategies.st.tuples(
            strategies.matrices(dtype=dtype, bound=1.0)
        ),
        symbolic_sides=symbolic.det_exp,
        reference="R. A. Horn & C. R. Johnson, Matrix Analysis, 2nd ed., 2013, problem 5.6.P43",
    ),
    Identity(
        name="gram_volume",
        statement=r"\det A^{*}A = \prod_i r_{ii}^2,\quad A = QR",
        domain="m × n matrices, m ≥ n",
        lhs=_gram_determinant,
        rhs=_squared_volume,
        cost_lhs=lambda a: a[-2] * a[-1] ** 2 + a[-1] ** 3 / 3,
        cost_rhs=lambda a: 2 * a[-2] * a[-1] ** 2 - 2 * a[-1] ** 3 / 3,
        condition=_gram_condition,
        strategy=lambda strategies, dtype: strategies.st.tuples(
            strategies.tall_matrices(dtype=dtype)
        ),
        symbolic_sides=symbolic.gram_volume,
        reference="G. H. Golub & C. F. Van Loan, Matrix Computations, 4th ed., 2013, §5.2",
    ),
    Identity(
        name="liouville",
        statement=r"\log\det \Phi(t) = \int_0^t \operatorname{tr} A(s)\,ds,\quad"
        r"\Phi' = A\Phi,\ \Phi(0) = I",
        domain="continuous A; here polynomial, A(t) = Σ C_j tʲ, given as the array (C_0, C_1, …)",
        lhs=_log_det_of_propagator,
        rhs=_integral_of_trace,
        cost_lhs=lambda c, t=(): _SERIES_TERMS * c[0] * 2 * c[-1] ** 3 + 2 / 3 * c[-1] ** 3,
        cost_rhs=lambda c, t=(): c[0] * c[-1],
        condition=_liouville_condition,
        strategy=lambda strategies, dtype: strategies.st.tuples(
            strategies.matrices(dtype=dtype, n=strategies.sizes(None, 1, 4), batch=(3,), bound=1.0),
            strategies.st.just(0.5),
        ),
        symbolic_sides=symbolic.liouville,
        reference="E. A. Coddington & N. Levinson, Theory of Ordinary Differential Equations, "
        "1955, theorem 1.7.3",
    ),
)
