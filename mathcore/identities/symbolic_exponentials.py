"""SymPy statements about the exponential: ``n -> (lhs, rhs)``.

The series are exact to every power of the formal parameter t that they hold.
"""

from mathcore.identities.symbolic import (
    exponential_series,
    generic,
    product,
    series,
    times,
    triangular,
)

_ORDER = 4


def det_exp(n):
    """Both sides for an upper triangular A."""
    import sympy

    a = triangular(n)
    return sympy.Matrix(a).exp().det(), sympy.exp(a.trace())


def liouville(n):
    """d/dt det Φ and tr A · det Φ for a generic Φ(t) with Φ' = AΦ; the logarithm's derivative."""
    import sympy

    t = sympy.Symbol("t")
    phi = sympy.Matrix(n, n, lambda i, j: sympy.Function(f"phi_{i + 1}{j + 1}")(t))
    a = generic(n)
    rates = {phi[i, j].diff(t): (a * phi)[i, j] for i in range(n) for j in range(n)}
    return phi.det().diff(t).subs(rates), a.trace() * phi.det()


def kronecker_sum_exp(n):
    """exp(tA ⊕ tB) and exp(tA) ⊗ exp(tB), B of 2 × 2."""
    import sympy

    a, b = generic(n), generic(2, name="b")
    kron = sympy.kronecker_product
    whole = kron(a, sympy.eye(2)) + kron(sympy.eye(n), b)
    left = exponential_series(sympy.ImmutableMatrix(whole), _ORDER)
    of_a, of_b = (exponential_series(x, _ORDER) for x in (a, b))
    right = [
        sum((kron(of_a[i], of_b[k - i]) for i in range(1, k + 1)), kron(of_a[0], of_b[k]))
        for k in range(_ORDER + 1)
    ]
    return series(left), series(right)


def golden_thompson(n):
    """Difference of the two traces up to t⁴, and the squares that it is."""
    import sympy

    a, b = (_symmetric(n, name) for name in "ab")
    both = times(exponential_series(a, _ORDER), exponential_series(b, _ORDER))
    of_sum = exponential_series(sympy.ImmutableMatrix(a + b), _ORDER)
    traces = [(x - y).trace() for x, y in zip(both, of_sum, strict=True)]
    bracket = a * b - b * a
    t = sympy.Symbol("t")
    squares = sympy.Add(*(entry**2 for entry in bracket))
    return series(traces), t**4 * squares / 24


def _symmetric(n, name):
    import sympy

    a = generic(n, name=name)
    return sympy.ImmutableMatrix(n, n, lambda i, j: a[min(i, j), max(i, j)])


def duhamel(n):
    """∫ exp((1 − s)tA) E exp(stA) ds, integrated, and the block of exp t[A E; 0 A] over t."""
    import sympy

    a, e = generic(n), generic(n, name="e")
    order = _ORDER - 1
    of_a = exponential_series(a, order)
    terms = []
    for k in range(order + 1):
        parts = (  # ∫ (1 − s)ⁱ sʲ ds = i! j! / (i + j + 1)!
            of_a[i] * e * of_a[k - i] / ((k + 1) * sympy.binomial(k, i)) for i in range(k + 1)
        )
        terms.append(sum(parts, sympy.zeros(n)).expand())
    block = sympy.ImmutableMatrix(sympy.BlockMatrix([[a, e], [sympy.zeros(n), a]]).as_explicit())
    return series(terms), _block_over_t(block, n, order)


def phi_block(n):
    """Σ tᵏAᵏ/(k + 1)! and the block of exp t[A I; 0 0] over t."""
    import sympy

    a = generic(n)
    left = [term / (k + 1) for k, term in enumerate(exponential_series(a, _ORDER))]
    block = sympy.BlockMatrix([[a, sympy.eye(n)], [sympy.zeros(n), sympy.zeros(n)]])
    return series(left), _block_over_t(sympy.ImmutableMatrix(block.as_explicit()), n, _ORDER)


def _block_over_t(block, n, order):
    terms = exponential_series(block, order + 1)[1:]
    return series([term[:n, n:] for term in terms])


def bch(n):
    """log(exp(tA) exp(tB)) and the brackets, up to t⁴; B diagonal."""
    import sympy

    a = generic(n)
    b = sympy.ImmutableMatrix(sympy.diag(*(sympy.Symbol(f"b_{i + 1}") for i in range(n))))
    both = times(exponential_series(a, _ORDER), exponential_series(b, _ORDER))
    small = [sympy.zeros(n), *both[1:]]
    power, logarithm = small, small
    for k in range(2, _ORDER + 1):  # log(I + P) = P − P²/2 + P³/3 − …
        power = times(power, small)
        logarithm = [x + (-1) ** (k + 1) * y / k for x, y in zip(logarithm, power, strict=True)]
    ab = _bracket(a, b)
    aab = _bracket(a, ab)
    brackets = [
        sympy.zeros(n),
        a + b,
        ab / 2,
        (aab - _bracket(b, ab)) / 12,
        -_bracket(b, aab) / 24,
    ]
    return series(logarithm), series(brackets)


def _bracket(a, b):
    return product(a, b) - product(b, a)
