"""SymPy statements about minors, volumes and bounds: ``n -> (lhs, rhs)``."""

import itertools

from mathcore.identities.symbolic import generic, skew, triangular


def cauchy_binet(n):
    """A of n × (n + 1)."""
    import sympy

    a, b = generic(n, n + 1), generic(n + 1, n, "b")
    minors = (
        sympy.Determinant(a[:, list(chosen)]) * sympy.Determinant(b[list(chosen), :])
        for chosen in itertools.combinations(range(n + 1), n)
    )
    return sympy.Determinant(sympy.MatMul(a, b)), sympy.Add(*minors)


def gram_volume(n):
    """A of (n + 1) × n, real; R by Gram–Schmidt."""
    import sympy

    a = generic(n + 1, n)
    columns = []
    for j in range(n):
        v = a[:, j]
        for q in columns:
            v = v - q * (q.dot(a[:, j]) / q.dot(q))
        columns.append(v)
    return sympy.Determinant(sympy.MatMul(a.T, a)), sympy.prod([q.dot(q) for q in columns])


def jacobi_formula(n):
    """The derivative taken by SymPy."""
    import sympy

    t, a, e = sympy.Symbol("t"), generic(n), generic(n, name="e")
    derivative = sympy.Subs(sympy.Derivative((a + t * e).det(), t), t, 0)
    return derivative, sympy.Trace(sympy.MatMul(a.adjugate(), e))


def adjugate(n):
    """A times the transposed matrix of its signed minors."""
    import sympy

    a = generic(n)
    return sympy.MatMul(a, a.adjugate()), sympy.MatMul(sympy.Determinant(a), sympy.eye(n))


def generalized_cross(n):
    """The signed minors of an (n + 1) × n matrix against y."""
    import sympy

    a, y = generic(n + 1, n), generic(n + 1, 1, "y")
    terms = []
    for i in range(n + 1):
        rows = [k for k in range(n + 1) if k != i]
        minor = sympy.Determinant(a[rows, :]) if n else sympy.S.One
        terms.append((-1) ** (i + n) * minor * y[i, 0])
    return sympy.Add(*terms), sympy.Determinant(sympy.ImmutableMatrix(a.row_join(y)))


def pfaffian_square(n):
    """A of 2n × 2n."""
    import sympy

    a = skew(2 * n)
    return sympy.Pow(_pfaffian(a, tuple(range(2 * n))), 2), sympy.Determinant(a)


def _pfaffian(a, rows):
    """Expansion along the first row: Σ_k (−1)^k a_{1k} Pf(A without 1 and k)."""
    import sympy

    if not rows:
        return sympy.S.One
    first, *rest = rows
    return sympy.Add(
        *(
            (-1) ** k * a[first, j] * _pfaffian(a, tuple(i for i in rest if i != j))
            for k, j in enumerate(rest)
        )
    )


def hadamard_bound(n):
    """Π_j Σ_i r_ij² and (Π r_jj)² plus the squares of all other products."""
    import sympy

    r = triangular(n)
    norms = sympy.Mul(*(sympy.Add(*(r[i, j] ** 2 for i in range(j + 1))) for j in range(n)))
    diagonal = tuple(range(n))
    choices = itertools.product(*(range(j + 1) for j in range(n)))
    others = (
        sympy.Mul(*(r[i, j] for j, i in enumerate(rows))) ** 2
        for rows in choices
        if rows != diagonal
    )
    return norms, sympy.Pow(sympy.Determinant(r), 2) + sympy.Add(*others)
