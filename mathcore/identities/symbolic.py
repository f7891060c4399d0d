"""SymPy equations: how they are written and how their proofs are checked.

SymPy is loaded when a statement is asked for, not before.
"""


def equation(lhs, rhs):
    """``lhs = rhs`` without evaluating either side to a truth value."""
    import sympy

    return sympy.Eq(lhs, rhs, evaluate=False)


def vanishes(lhs, rhs):
    """Whether SymPy reduces lhs − rhs, scalars or matrices, to zero.

    Rational functions are compared in their exact field of fractions, where `simplify` would take
    minutes; everything else is simplified.
    """
    import sympy

    left, right = (_with_determinants(side).doit() for side in (lhs, rhs))
    if not getattr(left, "is_Matrix", False):
        return _scalars_agree(left, right)
    if left.shape != right.shape:
        return False
    pairs = zip(sympy.Matrix(left), sympy.Matrix(right), strict=True)
    return all(_scalars_agree(*pair) for pair in pairs)


def _with_determinants(expression):
    """Determinants taken without division (Bareiss), in the ring or field of their entries."""
    import sympy
    from sympy.polys.matrices import DomainMatrix

    def determinant(node):
        matrix = sympy.Matrix(node.arg.doit())
        entries = DomainMatrix.from_Matrix(matrix)
        return entries.domain.to_sympy(entries.det())

    return expression.replace(lambda node: isinstance(node, sympy.Determinant), determinant)


def _scalars_agree(left, right):
    import sympy
    from sympy.core.function import AppliedUndef

    unknowns = {f: sympy.Dummy() for f in (left - right).atoms(AppliedUndef)}
    left, right = left.xreplace(unknowns), right.xreplace(unknowns)
    symbols = sorted(left.free_symbols | right.free_symbols, key=str)
    if not symbols or not _rational(left, symbols) or not _rational(right, symbols):
        return sympy.simplify(left - right) == 0
    polynomial = left.is_polynomial(*symbols) and right.is_polynomial(*symbols)
    domain = (sympy.QQ.poly_ring if polynomial else sympy.QQ.frac_field)(*symbols)
    return domain.from_sympy(left) == domain.from_sympy(right)


def _rational(expression, symbols):
    return expression.is_rational_function(*symbols)


def generic(rows, columns=None, name="a"):
    """A matrix of independent symbols, ``a_11``, ``a_12``, …"""
    import sympy

    columns = rows if columns is None else columns
    return sympy.ImmutableMatrix(rows, columns, lambda i, j: sympy.Symbol(f"{name}_{i + 1}{j + 1}"))


def triangular(n):
    """A generic upper triangular matrix."""
    import sympy

    a = generic(n)
    return sympy.ImmutableMatrix(n, n, lambda i, j: a[i, j] if j >= i else 0)


def skew(n):
    """A generic skew-symmetric matrix."""
    import sympy

    a = generic(n)
    return sympy.ImmutableMatrix(
        n, n, lambda i, j: a[i, j] if i < j else -a[j, i] if j < i else sympy.S.Zero
    )


# --- power series in t with matrix coefficients: lists, constant term first ----------------------


def product(left, right):
    """The product of two matrices of polynomials, expanded."""
    import sympy
    from sympy.polys.matrices import DomainMatrix

    x, y = (DomainMatrix.from_Matrix(sympy.Matrix(part)) for part in (left, right))
    x, y = x.unify(y)
    return (x * y).to_Matrix()


def exponential_series(a, order):
    """Coefficients of exp(tA) up to t to the `order`."""
    import sympy

    terms = [sympy.eye(a.shape[0])]
    for k in range(1, order + 1):
        terms.append(product(terms[-1], a) / k)
    return terms


def times(left, right):
    """Product of two series of the same order."""
    out = []
    for k in range(len(left)):
        first, *others = (product(left[i], right[k - i]) for i in range(k + 1))
        out.append(sum(others, first))
    return out


def series(terms):
    """The polynomial in t with these coefficients, scalars or matrices."""
    import sympy

    t = sympy.Symbol("t")
    return sum((t**k * term for k, term in enumerate(terms[1:], 1)), terms[0])
