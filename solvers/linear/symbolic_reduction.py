"""The solutions missing beside fewer than n − 1 in symbols, where a system is simple enough.

That may be x' = A x itself, or what is left of it: with unit vectors E that complete X,
x = X v + E s is a solution where ``[X E] [v'; s'] = A E s``, a system s' = B s of order n − k and
quadratures. Simple is a triangular matrix, or one by which a component obeys an equation with
constant coefficients or Euler's, perhaps at the time ∫ f in place of t.
"""

import itertools

import numpy as np

from solvers.linear.antiderivatives import antiderivative, simplified

_MOST_CHOICES = 2  # of unit vectors
_MOST_OPERATIONS = 40  # of an entry of B or of a root; beyond them nothing simple comes out


def missing_columns(a, x, interval):
    """The n − k columns that complete `x` (n, k) to a fundamental matrix, or None."""
    whole = fundamental_of(a, interval)
    if whole is not None:
        return _completing(x, whole, interval)
    for rows in itertools.islice(_choices(x), _MOST_CHOICES):
        new = _reduced(a, x, rows, interval)
        if new is not None:
            return new
    return None


def _choices(x):
    """Rows (k of n) in which X is invertible, those with few operations first."""
    n, k = x.shape

    def operations(rows):
        return sum(x[i, j].count_ops() for i in rows for j in range(k))

    for rows in sorted(itertools.combinations(range(n), k), key=operations):
        if simplified(x.extract(list(rows), list(range(k))).det()) != 0:
            yield list(rows)


def _reduced(a, x, rows, interval):
    """X v + E s, E the unit vectors but those of the given rows; None where not elementary."""
    n, k = x.shape
    others = [i for i in range(n) if i not in rows]
    known, free = list(range(k)), list(range(n - k))
    ae = a.extract(list(range(n)), others)
    v_rate = x.extract(rows, known).LUsolve(ae.extract(rows, free))
    b = ae.extract(others, free) - x.extract(others, known) * v_rate
    s = fundamental_of(b.applyfunc(simplified), interval)
    v = None if s is None else _integrals((v_rate * s).applyfunc(simplified), interval)
    if v is None:
        return None
    new = x * v
    for i, row in enumerate(others):
        new[row, :] += s[i, :]
    return new.applyfunc(simplified)


def _completing(x, whole, interval):
    """Columns of a fundamental matrix independent of those of `x`, by their values at one time."""
    import sympy

    values = sympy.Matrix.hstack(x, whole).subs(interval.t, interval.inside).evalf()
    values = np.asarray(values.tolist(), dtype=complex)
    values = values / np.linalg.norm(values, axis=0)
    chosen = list(range(x.cols))
    while len(chosen) < x.rows:
        q, _ = np.linalg.qr(values[:, chosen])
        left = np.linalg.norm(values - q @ (np.conj(q.T) @ values), axis=0)
        chosen.append(int(np.argmax(left)))
    return whole.extract(list(range(x.rows)), [j - x.cols for j in sorted(chosen)[x.cols :]])


def _integrals(matrix, interval):
    found = []
    for entry in matrix:
        found.append(antiderivative(entry, interval.t, interval.inside))
        if found[-1] is None:
            return None
    return type(matrix)(*matrix.shape, found)


def fundamental_of(b, interval):
    """An elementary fundamental matrix of s' = B s, or None."""
    if any(entry.count_ops() > _MOST_OPERATIONS for entry in b):
        return None
    for solve in (_triangular, _commuting, _scalar):
        s = solve(b, interval)
        if s is not None:
            return s
    return None


# --- one after the other ------------------------------------------------------------------------


def _triangular(b, interval):
    """Quadratures alone, where an order of the components makes B upper triangular."""
    order = _triangular_order(b)
    s = order and _from_the_last(b.extract(order, order), interval)
    return s and s.extract([order.index(i) for i in range(b.rows)], list(range(b.rows)))


def _triangular_order(b):
    left, order = set(range(b.rows)), []
    while left:
        free = [i for i in sorted(left) if all(b[i, j] == 0 for j in left - {i})]
        if not free:
            return None
        order.insert(0, free[0])
        left.remove(free[0])
    return order


def _from_the_last(b, interval):
    import sympy

    m, s = b.rows, sympy.zeros(b.rows, b.rows)
    rates = _integrals(b.diagonal(), interval)
    if rates is None:
        return None
    size = [simplified(sympy.exp(rate)) for rate in rates]
    for j in range(m):
        s[j, j] = size[j]
        for i in reversed(range(j)):
            source = sum(b[i, l] * s[l, j] for l in range(i + 1, j + 1)) / size[i]
            found = antiderivative(simplified(source), interval.t, interval.inside)
            if found is None:
                return None
            s[i, j] = simplified(size[i] * found)
    return s


# --- by a scalar equation -----------------------------------------------------------------------


def _commuting(b, interval):
    """B = f(t) B₀: the solutions of s' = B₀ s at the time ∫ f."""
    import sympy

    f = next(entry for entry in b if entry != 0)
    constant = (b / f).applyfunc(simplified)
    if constant.has(interval.t):
        return None
    later = antiderivative(f, interval.t, interval.inside)
    s = _scalar(constant, interval)
    if later is None or s is None:
        return None
    return s.subs(interval.t, sympy.expand(later))


def _scalar(b, interval):
    """Through a component y: y, y', … = K s, and y⁽ᵐ⁾ + c_{m−1} y⁽ᵐ⁻¹⁾ + … = 0."""
    import sympy

    m, t = b.rows, interval.t
    for i in range(m):
        rows = [sympy.Matrix(1, m, lambda _, j, i=i: int(j == i))]
        for _ in range(m):
            rows.append((rows[-1].diff(t) + rows[-1] * b).applyfunc(simplified))
        k = sympy.Matrix.vstack(*rows[:-1])
        if simplified(k.det()) == 0:
            continue
        c = (-(rows[-1] * k.inv())).applyfunc(simplified)
        known = _simple_solutions(list(c), interval)
        if known is not None:
            values = sympy.Matrix(m, m, lambda j, q, known=known: known[q].diff(t, j))
            return (k.inv() * values).applyfunc(simplified)
    return None


def _simple_solutions(c, interval):
    """Those of y⁽ᵐ⁾ + Σ c_j y⁽ʲ⁾ = 0 with constant c_j, or of Euler's equation; else None."""
    import sympy

    t, m, r = interval.t, len(c), sympy.Dummy("r")
    if not any(one.has(t) for one in c):
        roots = _roots(r**m + sum(c[j] * r**j for j in range(m)), r, m)
        return roots and _of_roots(roots, t, lambda root: sympy.exp(root * t))
    scaled = [simplified(one * t ** (m - j)) for j, one in enumerate(c)]
    if any(one.has(t) for one in scaled):
        return None
    # The operator t^j d^j/dt^j multiplies t^r by r (r − 1) … (r − j + 1)
    polynomial = sum(one * sympy.ff(r, j) for j, one in enumerate([*scaled, 1]))
    roots = _roots(sympy.expand_func(polynomial), r, m)
    size = -t if interval.inside < 0 else t
    return roots and _of_roots(roots, sympy.log(size), lambda root: size**root)


def _roots(polynomial, r, m):
    """Roots with their multiplicities, or None where they are not found or not simple."""
    import sympy

    found = sympy.roots(sympy.Poly(sympy.expand(polynomial), r))
    if sum(found.values()) != m or any(root.count_ops() > _MOST_OPERATIONS for root in found):
        return None
    return found


def _of_roots(roots, time, power):
    """τ^q e^{rτ} for each root and q below its multiplicity, in real form for conjugate pairs."""
    import sympy

    solutions = []
    for root in sorted(roots, key=sympy.default_sort_key):
        real, imaginary = root.as_real_imag()
        if imaginary == 0 or roots.get(sympy.conjugate(root)) != roots[root]:
            kinds = [power(root)]
        elif imaginary.is_positive:
            kinds = [power(real) * f(imaginary * time) for f in (sympy.cos, sympy.sin)]
        else:
            continue
        solutions += [simplified(one * time**q) for q in range(roots[root]) for one in kinds]
    return solutions
