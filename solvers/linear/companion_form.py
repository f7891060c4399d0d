"""A scalar linear equation as a first-order system."""

from mathcore import _arrays


def companion(coefficients):
    """Companion matrix of y⁽ⁿ⁾ + c_{n−1}(t) y⁽ⁿ⁻¹⁾ + … + c_1(t) y' + c_0(t) y = 0.

    Parameters
    ----------
    coefficients : sequence of n callables, numbers or SymPy expressions
        ``(c_0, c_1, …, c_{n−1})``, the coefficient of y first, that of y⁽ⁿ⁻¹⁾ last and the leading
        coefficient 1 left out; each ``t -> number`` or constant, real or complex.

    Returns
    -------
    callable or sympy.Matrix
        ``t -> (n, n)``, the A of x' = A(t) x for x = (y, y', …, y⁽ⁿ⁻¹⁾); for an array of times
        (...) of any library ``(..., n, n)``, where the coefficients take arrays. A Matrix where
        one of the coefficients is an expression.

    Raises
    ------
    ValueError
        `coefficients` is empty.
    TypeError
        One of them is neither callable nor a number.

    Notes
    -----
    The order is that of ``numpy.polynomial`` (lowest first), not that of ``scipy.linalg.companion``
    (highest first, leading coefficient included), whose matrix is this one turned round.

    Examples
    --------
    Bessel's equation of order 0, y'' + y'/t + y = 0:

    >>> from solvers import companion
    >>> a = companion([1.0, lambda t: 1 / t])
    >>> a(2.0)
    array([[ 0. ,  1. ],
           [-1. , -0.5]])
    """
    coefficients = tuple(coefficients)
    if not coefficients:
        raise ValueError("`coefficients` must hold at least c_0; got none")
    if any(_arrays.library(c) == "sympy" for c in coefficients):
        return _symbolic(coefficients)
    for k, c in enumerate(coefficients):
        if not callable(c) and not isinstance(c, int | float | complex):
            raise TypeError(
                f"`coefficients[{k}]` must be callable or a number; got {type(c).__name__}"
            )
    n = len(coefficients)

    def matrix(t):
        xp, times = _arrays.asarrays(t=t)
        values = [c(t) if callable(c) else c for c in coefficients]
        # Together with the times, so that numbers and integers take their library and dtype.
        named = {f"coefficients[{k}]": value for k, value in enumerate(values)}
        _, _, *values = _arrays.asarrays(t=times, **named)
        last = xp.stack([xp.broadcast_to(c, times.shape) for c in values], axis=-1)
        shift = xp.eye(n, k=1, dtype=last.dtype, device=_arrays.device(last))[: n - 1, :]
        shift = xp.broadcast_to(shift, (*times.shape, n - 1, n))
        return xp.concat([shift, -last[..., None, :]], axis=-2)

    return matrix


def _symbolic(coefficients):
    import sympy

    n = len(coefficients)
    last = [-sympy.sympify(c) for c in coefficients]
    return sympy.Matrix(n, n, lambda i, j: last[j] if i == n - 1 else int(j == i + 1))
