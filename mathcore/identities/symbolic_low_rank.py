"""SymPy statements about low-rank updates and blocks: ``n -> (lhs, rhs)``."""

from mathcore.identities.symbolic import generic


def logdet_series(n):
    """d/dt det(I + tA) and tr A adj(I + tA), which is det(I + tA) · tr A(I + tA)⁻¹."""
    import sympy

    t, a = sympy.Symbol("t"), generic(n)
    whole = sympy.eye(n) + t * a
    derivative = sympy.Derivative(whole.det(), t)
    return derivative, sympy.Trace(sympy.MatMul(a, whole.adjugate()))


def matrix_determinant_lemma(n):
    """U and V of n × max(n − 1, 1)."""
    import sympy

    k = max(n - 1, 1)
    a, u, v = generic(n), generic(n, k, "u"), generic(n, k, "v")
    inside = sympy.MatAdd(sympy.eye(k), sympy.MatMul(v.T, sympy.Inverse(a), u))
    return sympy.Determinant(a + u * v.T), sympy.Determinant(inside) * sympy.Determinant(a)


def weinstein_aronszajn(n):
    """A of n × (n + 1)."""
    import sympy

    a, b = generic(n, n + 1), generic(n + 1, n, "b")
    return tuple(
        sympy.Determinant(sympy.MatAdd(sympy.eye(x.rows), sympy.MatMul(x, y)))
        for x, y in ((a, b), (b, a))
    )


def woodbury(n):
    """U and V of one column."""
    a, u, v = generic(n), generic(n, 1, "u"), generic(n, 1, "v")
    inverse = a.adjugate() / a.det()
    inside = 1 + (v.T * inverse * u)[0, 0]
    right = inverse - inverse * u * v.T * inverse / inside
    whole = a + u * v.T
    return whole.adjugate() / whole.det(), right


def schur_determinant(n):
    """D of 1 × 1, or of 2 × 2 beside an A of 1 × 1."""
    import sympy

    q = 2 if n == 1 else 1
    a, b = generic(n), generic(n, q, "b")
    c, d = generic(q, n, "c"), generic(q, name="d")
    whole = sympy.ImmutableMatrix(sympy.BlockMatrix([[a, b], [c, d]]).as_explicit())
    complement = sympy.MatAdd(d, sympy.MatMul(-1, c, sympy.Inverse(a), b))
    return sympy.Determinant(whole), sympy.Determinant(a) * sympy.Determinant(complement)
