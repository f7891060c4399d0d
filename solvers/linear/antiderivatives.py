"""Elementary antiderivatives of SymPy expressions, by the methods that come to an end."""

_TABULATED = 30  # operations, beyond which rules of thumb are tried without end
_SIMPLE = 200  # operations; what is longer is left as it is


def simplified(f):
    """In fewer words, where that is found soon."""
    import sympy

    return sympy.simplify(f) if f.count_ops() < _SIMPLE else f


def antiderivative(f, t, inside):
    """An antiderivative real at t = `inside`, or None; only methods that end are tried."""
    import sympy
    from sympy.integrals.manualintegrate import manualintegrate
    from sympy.integrals.risch import risch_integrate

    f = simplified(f)
    functions = f.atoms(sympy.Function)
    if f.is_rational_function(t):
        found = sympy.integrate(f, t)
    elif f.count_ops() > _SIMPLE or not all(isinstance(g, _elementary_kinds()) for g in functions):
        return None
    elif all(isinstance(g, sympy.exp | sympy.log) for g in functions) and _is_transcendental(f):
        found = risch_integrate(f, t)
    elif f.count_ops() > _TABULATED or (f.has(sympy.exp) and any(map(_is_reciprocal, _powers(f)))):
        return None  # e^t over cosines has rules without end, and no elementary integral
    else:
        found = manualintegrate(_without_reciprocals(f), t)
    return None if found.has(sympy.Integral) else _real_logarithms(found, t, inside)


def _elementary_kinds():
    import sympy

    return (sympy.exp, sympy.log, sympy.sin, sympy.cos, sympy.tan)


def _is_transcendental(f):
    """No roots: a case that Risch's algorithm decides."""
    import sympy

    return all(power.exp.is_integer or power.base == sympy.E for power in f.atoms(sympy.Pow))


def _without_reciprocals(f):
    """1/cos² and 1/sin² as sec² and csc², whose rules are known."""
    import sympy

    def turned(power):
        other = sympy.sec if power.base.func is sympy.cos else sympy.csc
        return other(power.base.args[0]) ** -power.exp

    return f.replace(_is_reciprocal, turned)


def _powers(f):
    import sympy

    return f.atoms(sympy.Pow)


def _is_reciprocal(one):
    """Whether it is a whole power of 1/cos or 1/sin."""
    import sympy

    trigonometric = one.is_Pow and isinstance(one.base, sympy.cos | sympy.sin)
    return trigonometric and one.exp.is_integer and one.exp.is_negative


def _real_logarithms(f, t, inside):
    """log(−g) for log(g) where g is negative at t = `inside`: another constant."""
    import sympy

    def turned(g):
        value = g.subs(t, inside)
        return sympy.log(-g) if value.is_real and value.is_negative else sympy.log(g)

    return f.replace(sympy.log, turned)
