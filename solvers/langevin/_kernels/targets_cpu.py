"""A user's compiled score and log density as one machine address.

Only this small function is compiled anew for a new target; the chains, compiled once and cached on
disk, call its address.
"""

import numba
import numpy as np

from mathcore._compile import SAFE_FASTMATH, part
from mathcore._vectors import COMPILED


def target_function(score, log_density, dtype, *, takes_sigma, writes):
    """``(x, sigma, out) -> log π(x)``, ∇log π(x) written to out.

    Parameters
    ----------
    score, log_density : functions of numba's, or None for the second
        ``score(x)``; with `takes_sigma` ``score(x, sigma)``; with `writes` the result is its last
        argument.
    dtype : numpy.dtype

    Returns
    -------
    tuple
        What must be kept alive while it is called, and what to call.
    """
    fill = _fill(score, takes_sigma, writes)
    level = log_density if log_density is not None else part()(_nowhere)
    if not COMPILED:

        def plain(x, sigma, out):
            fill(x, sigma, out)
            return level(x)

        return plain, plain

    from numba import types

    element = types.CPointer(numba.from_dtype(dtype))

    def evaluate(x, sigma, out, n):
        x, out = numba.carray(x, (n,)), numba.carray(out, (n,))
        try:
            fill(x, sigma, out)
            value = level(x)
        except Exception:  # numba would print it and go on with what `out` held
            for i in range(n):
                out[i] = np.nan
            value = np.nan
        return value

    signature = types.float64(element, types.float64, element, types.intp)
    options = {"error_model": "numpy", "nogil": True, "fastmath": set(SAFE_FASTMATH)}
    compiled = numba.cfunc(signature, **options)(evaluate)
    return compiled, np.int64(compiled.address)


def _nowhere(x):
    return 0.0


def _fill(score, takes_sigma, writes):
    def copy(values, out):
        for i in range(out.shape[0]):
            out[i] = values[i]

    copy = part()(copy)
    variants = {
        (False, False): lambda x, sigma, out: copy(score(x), out),
        (True, False): lambda x, sigma, out: copy(score(x, sigma), out),
        (False, True): lambda x, sigma, out: score(x, out),
    }
    if takes_sigma and writes:
        return score
    return part()(variants[takes_sigma, writes])


def _make_call():
    """``call_target(address, x, sigma, out, row)``: one state, its log density returned.

    `x` and `out` are vectors (row 0), or matrices of C order: a view of a row is dearer than that.
    """
    if not COMPILED:
        return lambda target, x, sigma, out, row: target(
            np.atleast_2d(x)[row], sigma, np.atleast_2d(out)[row]
        )
    from numba import types
    from numba.core.cgutils import ir
    from numba.extending import intrinsic

    @intrinsic
    def call_target(context, address, x, sigma, out, row):
        def generate(context, builder, signature, arguments):
            place, level, row = arguments[0], arguments[2], arguments[4]
            array, written = (
                context.make_array(signature.args[k])(context, builder, arguments[k])
                for k in (1, 3)
            )
            count = builder.extract_value(array.shape, signature.args[1].ndim - 1)
            skipped = builder.mul(row, count)
            data, target = (builder.gep(each.data, [skipped]) for each in (array, written))
            kinds = [data.type, level.type, target.type, count.type]
            kind = ir.FunctionType(ir.DoubleType(), kinds).as_pointer()
            function = builder.inttoptr(place, kind)
            return builder.call(function, [data, level, target, count])

        return types.float64(address, x, sigma, out, types.intp), generate

    return call_target


call_target = _make_call()
