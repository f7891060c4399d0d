"""SymPy statements of the identities for a generic n × n case, and their proofs.

SymPy is loaded when a statement is asked for, not before.
"""


def equation(lhs, rhs):
    """``lhs = rhs`` without evaluating either side to a truth value."""
    import sympy

    return sympy.Eq(lhs, rhs, evaluate=False)


def vanishes(lhs, rhs):
    """Whether SymPy reduces lhs − rhs to zero.

    Rational functions are compared in their exact field of fractions, where `simplify` would take
    minutes; everything else is simplified.
    """
    import sympy
    from sympy.core.function import AppliedUndef

    left, right = lhs.doit(), rhs.doit()
    unknowns = {f: sympy.Dummy() for f in (left - right).atoms(AppliedUndef)}
    left, right = left.xreplace(unknowns), right.xreplace(unknowns)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if symbols and left.is_rational_function(*symbols) and right.is_rational_function(*symbols):
        field = sympy.QQ.frac_field(*symbols)
        return field.from_sympy(left) == field.from_sympy(right)
    return sympy.simplify(left - right) == 0


def _generic(n, name="a", rows=None):
    import sympy

    rows = n if rows is None else rows
    return sympy.Matrix(rows, n, lambda i, j: sympy.Symbol(f"{name}_{i + 1}{j + 1}"))


def det_exp(n):
    """Both sides for an upper triangular A: by Schur, every square matrix is similar to one."""
    import sympy

    a = _generic(n)
    upper = sympy.Matrix(n, n, lambda i, j: a[i, j] if j >= i else 0)
    return upper.exp().det(), sympy.exp(upper.trace())


def gram_volume(n):
    """Both sides for a generic (n + 1) × n matrix of real symbols; R by Gram–Schmidt."""
    import sympy

    a = _generic(n, rows=n + 1)
    columns = []
    for j in range(n):
        v = a[:, j]
        for q in columns:
            v = v - q * (q.dot(a[:, j]) / q.dot(q))
        columns.append(v)
    return (a.T * a).det(), sympy.prod([q.dot(q) for q in columns])


def liouville(n):
    """d/dt det Φ and tr A · det Φ for a generic Φ(t) with Φ' = AΦ; the logarithm's derivative."""
    import sympy

    t = sympy.Symbol("t")
    phi = sympy.Matrix(n, n, lambda i, j: sympy.Function(f"phi_{i + 1}{j + 1}")(t))
    a = _generic(n)
    rates = {phi[i, j].diff(t): (a * phi)[i, j] for i in range(n) for j in range(n)}
    return phi.det().diff(t).subs(rates), a.trace() * phi.det()
