"""Numbers with exact derivatives: what a right-hand side in Python turns into its Jacobian.

A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
"""


class Dual:
    """A value and its derivatives by direction, those that are 0 left out.

    Values may be of any kind that has ``+ - * /``. What follows only one side of a branch has no
    meaning here: comparisons, and functions that want a float, raise TypeError.
    """

    __array_ufunc__ = None  # NumPy's numbers leave their operators to this class
    __hash__ = None

    def __init__(self, value, slopes):
        self.value, self.slopes = value, slopes

    def __add__(self, other):
        other = _dual(other)
        return Dual(self.value + other.value, _sum(self.slopes, other.slopes))

    def __neg__(self):
        return Dual(-self.value, {j: -slope for j, slope in self.slopes.items()})

    def __sub__(self, other):
        return self + -_dual(other)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        other = _dual(other)
        slopes = _sum(_scaled(self.slopes, other.value), _scaled(other.slopes, self.value))
        return Dual(self.value * other.value, slopes)

    def __truediv__(self, other):
        other = _dual(other)
        value, inverse = self.value / other.value, 1.0 / other.value
        slopes = _sum(self.slopes, _scaled(other.slopes, -value))
        return Dual(value, _scaled(slopes, inverse))

    def __rtruediv__(self, other):
        return _dual(other) / self

    def __pow__(self, exponent):
        if not isinstance(exponent, int):
            raise TypeError(f"an exponent must be a whole number; got {exponent}")
        if exponent < 0:
            return 1.0 / self**-exponent
        if exponent < 2:
            return self if exponent else _dual(1.0)
        half = self ** (exponent // 2)
        return half * half * self if exponent % 2 else half * half

    def __eq__(self, other):
        raise TypeError("a number with derivatives cannot be compared")

    def __bool__(self):
        raise TypeError("a number with derivatives is neither true nor false")

    __radd__, __rmul__ = __add__, __mul__


def _dual(x):
    return x if isinstance(x, Dual) else Dual(x, {})


def _sum(one, other):
    both = {j: slope + other[j] for j, slope in one.items() if j in other}
    return {**one, **other, **both}


def _scaled(slopes, factor):
    return {j: slope * factor for j, slope in slopes.items()}


def jacobian(fun, t, y, args):
    """Rows {j: ∂fᵢ/∂yⱼ}, ∂fᵢ/∂t behind; None where `fun` is not made of ``+ - * /`` and powers."""
    state = tuple(Dual(x, {j: 1.0}) for j, x in enumerate(y))
    fixed = [tuple(map(_dual, x)) if isinstance(x, tuple) else _dual(x) for x in args]
    try:
        found = fun(Dual(t, {len(y): 1.0}), state, *fixed)
        return [_dual(x).slopes for x in (found if isinstance(found, tuple) else (found,))]
    except Exception:  # whatever a user's function does with a number it does not know
        return None
