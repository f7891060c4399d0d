"""SymPy statements about structured matrices and products: ``n -> (lhs, rhs)``."""

import itertools

from mathcore.identities.symbolic import generic, skew


def vandermonde(n):
    """The nodes x_1 … x_n."""
    import sympy

    x = _nodes(n, "x")
    matrix = sympy.ImmutableMatrix(n, n, lambda i, j: x[i] ** j)
    return sympy.Determinant(matrix), _differences(x)


def cauchy_determinant(n):
    """The nodes x_1 … x_n and y_1 … y_n."""
    import sympy

    x, y = _nodes(n, "x"), _nodes(n, "y")
    matrix = sympy.ImmutableMatrix(n, n, lambda i, j: 1 / (x[i] + y[j]))
    sums = sympy.Mul(*(p + q for p in x for q in y))
    return sympy.Determinant(matrix), _differences(x) * _differences(y) / sums


def _nodes(n, name):
    import sympy

    return [sympy.Symbol(f"{name}_{i + 1}") for i in range(n)]


def _differences(x):
    import sympy

    return sympy.Mul(*(q - p for p, q in itertools.combinations(x, 2)))


def cayley(n):
    """QᵀQ = (I + A)ᵀ(I − A)⁻ᵀ(I − A)⁻¹(I + A)."""
    import sympy

    a, identity = skew(n), sympy.eye(n)
    q = (identity - a).adjugate() * (identity + a) / (identity - a).det()
    return sympy.MatMul(q.T, q), sympy.ImmutableMatrix(identity)


def kronecker_det(n):
    """B of 2 × 2."""
    import sympy

    a, b = generic(n), generic(2, name="b")
    whole = sympy.ImmutableMatrix(sympy.kronecker_product(a, b))
    return sympy.Determinant(whole), sympy.Determinant(a) ** 2 * sympy.Determinant(b) ** n


def vec_kronecker(n):
    """X of n × 2, B of 2 × 2."""
    import sympy

    a, x, b = generic(n), generic(n, 2, "x"), generic(2, name="b")
    by_columns = (a * x * b).vec()
    whole = sympy.ImmutableMatrix(sympy.kronecker_product(b.T, a))
    return by_columns, sympy.MatMul(whole, x.vec())


def trace_product(n):
    """A of n × (n + 1)."""
    import sympy

    a, b = generic(n, n + 1), generic(n + 1, n, "b")
    entries = sympy.Add(*(a[i, j] * b[j, i] for i in range(n) for j in range(n + 1)))
    return sympy.Trace(sympy.MatMul(a, b)), entries


def trace_expectation(n):
    """The mean over all sign vectors."""
    import sympy

    a = generic(n)
    signs = [sympy.Matrix(z) for z in itertools.product((-1, 1), repeat=n)]
    values = ((z.T * a * z)[0, 0] for z in signs)
    return sympy.Trace(a), sympy.Rational(1, 2**n) * sympy.Add(*values)
