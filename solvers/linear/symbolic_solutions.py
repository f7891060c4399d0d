"""The same algebra on SymPy expressions: closed forms where elementary, else an integral.

With a unit vector e_i and the generalized cross product c of X, ``x_n = X v + w e_i`` is a solution
where ``w = e^τ / c_i`` and ``[X e_i] [v'; w'] = A e_i w``. These integrands are simpler than those
of the formula q + X u, and have poles where c_i = 0: nothing to an antiderivative. Where one is not
elementary, q + X u is written down with its integrals unevaluated.
"""

from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from solvers.linear.antiderivatives import antiderivative, simplified
from solvers.linear.symbolic_reduction import missing_columns

_SAMPLES = 9
_AGREEMENT = 1e-6  # between the expression and the numbers, relative


class GivenExpressions(NamedTuple):
    """``functions``: a, solutions, b for numbers; ``a``, ``x``: Matrices (or None) in ``t``."""

    functions: tuple
    a: Any
    x: Any
    t: Any


def given_expressions(a, solutions, b, t_span, kind):
    """What was given as SymPy objects, also as functions for numbers; None where nothing was."""
    given = solutions if isinstance(solutions, list | tuple) else []
    if not any(_is_symbolic(one) for one in (a, b, *given)):
        return None
    if any(_arrays.is_array(t) and not _arrays.is_numpy(t) for t in (t_span, *_listed(t_span))):
        raise TypeError("`t_span` must be numbers or NumPy's beside SymPy expressions")
    t = _time([one for one in (a, b, *given) if _is_symbolic(one)])
    shape = getattr(a, "shape", ())
    order = shape[0] if _is_symbolic(a) and shape else None
    given = [_as_vector(one, order, t) for one in given]
    functions = (_function(a, t, column=False), *(_function(one, t) for one in (b, *given)))
    symbolic = order is not None and given and all(_is_symbolic(one) for one in given)
    x = None
    if symbolic and kind == "homogeneous" and all(one.shape == (order, 1) for one in given):
        import sympy

        x = sympy.Matrix.hstack(*given)
    return GivenExpressions((functions[0], list(functions[2:]), functions[1]), a, x, t)


def fundamental_expression(given, t_span, *, elementary=True):
    """The fundamental matrix in symbols, or None; with integrals where not `elementary`."""
    import sympy

    if given.x is None or given.x.cols == given.x.rows:
        return given.x
    t0, t1 = (sympy.nsimplify(float(t)) for t in t_span)
    time = sympy.Symbol(given.t.name, real=True, positive=True if t0 > 0 else None)
    a, x = (one.subs(given.t, time) for one in (given.a, given.x))
    interval = _Interval(time, t0, (t0 + t1) / 2)
    if x.cols < x.rows - 1:
        new = missing_columns(a, x, interval) if elementary else None
    else:
        new = _last_column(a, x, interval, elementary)
    return None if new is None else given.x.row_join(new.subs(time, given.t))


def _last_column(a, x, interval, elementary):
    import sympy

    size = sympy.simplify(sympy.exp(_integral(a.trace(), interval)))
    minors = _minors(x)
    new = _elementary(a, x, minors, size, interval) if elementary else None
    return _with_integrals(a, x, minors, size, interval) if new is None else new


class _Interval(NamedTuple):
    """The time as a real symbol, where integrals start, and a time inside."""

    t: Any
    t0: Any
    inside: Any


def _minors(x):
    """The generalized cross product: c·y = det[X, y]."""
    n = x.rows
    rows = [[j for j in range(n) if j != i] for i in range(n)]
    columns = list(range(n - 1))
    return [(-1) ** (i + n - 1) * x.extract(rows[i], columns).det() for i in range(n)]


def aligned(expression, fundamental, given, span):
    """Coefficients (n, n − k) of the expression's new columns in those of `fundamental`.

    None where they are not constant: an antiderivative jumps inside the interval.
    """
    import sympy

    lo, hi = _arrays.to_numpy(span)
    t = np.linspace(lo, hi, _SAMPLES + 2)[1:-1]
    new = expression[:, given.x.cols :]
    if new.has(sympy.Integral):
        return _aligned_at_start(new, fundamental, given, lo)
    with np.errstate(all="ignore"):
        values = np.asarray(_function(new, given.t, column=False)(t))
    if not np.all(np.isfinite(values)):
        return None
    phi = fundamental(t)
    c = np.linalg.solve(phi, values)
    best = int(np.argmin(np.linalg.cond(phi)))
    error = np.abs(phi @ c[best] - values).max(axis=-2) / np.abs(values).max(axis=-2)
    return c[best] if error.max() <= _AGREEMENT else None


def _aligned_at_start(columns, fundamental, given, t0):
    """The same from the first time, where all integrals are 0."""
    import sympy

    start = columns.replace(lambda one: isinstance(one, sympy.Integral), lambda one: sympy.S.Zero)
    value = np.asarray(_function(start, given.t, column=False)(t0))
    return np.linalg.solve(fundamental(np.asarray(t0)), value)


def _listed(t_span):
    return t_span if isinstance(t_span, list | tuple) else ()


def _is_symbolic(one):
    return _arrays.library(one) == "sympy"


def _time(expressions):
    import sympy

    symbols = set().union(*(one.free_symbols for one in expressions))
    if len(symbols) > 1:
        names = sorted(str(symbol) for symbol in symbols)
        raise ValueError(f"SymPy expressions must hold one symbol, the time; got {names}")
    return symbols.pop() if symbols else sympy.Symbol("t")


def _as_vector(one, order, t):
    """A column; of a scalar solution with its derivatives where their number is known."""
    import sympy

    if not _is_symbolic(one):
        return one
    if isinstance(one, sympy.MatrixBase):
        return sympy.Matrix(one).reshape(len(one), 1)
    if order is None:
        return one
    return sympy.Matrix([sympy.diff(one, t, i) for i in range(order)])


def _function(one, t, column=True):
    """A vectorised function of time of an expression; other things as they are."""
    import sympy

    if not _is_symbolic(one):
        return one
    shape = getattr(one, "shape", ())
    shape = shape[:1] if shape[1:] == (1,) and column else shape
    entries = list(one) if shape else [one]
    call = sympy.lambdify(t, entries, modules=["scipy", "numpy"])

    def function(times):
        times = np.asarray(times)
        values = [np.broadcast_to(value, times.shape) for value in call(times)]
        return np.reshape(np.stack(values, axis=-1), (*times.shape, *shape))

    return function


def _elementary(a, x, minors, size, interval):
    """X v + w e_i with v elementary for the first i for which it is; None where there is none."""
    import sympy

    minors = [sympy.simplify(minor) for minor in minors]
    for i in sorted(range(a.rows), key=lambda i: minors[i].count_ops()):
        if minors[i] == 0:
            continue
        w = size / minors[i]
        unit = sympy.Matrix([int(j == i) for j in range(a.rows)])
        rates = x.row_join(unit).LUsolve(a * unit * w)[: x.cols]
        v = [antiderivative(rate, interval.t, interval.inside) for rate in rates]
        if all(one is not None for one in v):
            new = x * sympy.Matrix(v) + unit * w
            return new.applyfunc(sympy.simplify)
    return None


def _with_integrals(a, x, minors, size, interval):
    """Q + X u with definite integrals from t0."""
    import sympy

    square = sympy.simplify(sum(one * one.conjugate() for one in minors))
    q = size * sympy.Matrix(minors).conjugate() / square
    rates = (x.H * x).LUsolve(x.H * (a + a.H) * q)
    return q + x * sympy.Matrix([_integral(rate, interval, closed=False) for rate in rates])


def _integral(f, interval, *, closed=True):
    """An elementary antiderivative, or the integral from t0 unevaluated."""
    import sympy

    f = simplified(f)
    if f == 0:
        return f
    found = antiderivative(f, interval.t, interval.inside) if closed else None
    if found is not None:
        return found
    s = sympy.Dummy("s", real=True, positive=interval.t.is_positive)
    return sympy.Integral(f.subs(interval.t, s), (s, interval.t0, interval.t))
