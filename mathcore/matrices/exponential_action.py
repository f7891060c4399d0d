"""e^{tA} b without e^{tA}: Chebyshev, Krylov or Taylor, chosen by structure and norm."""

import functools
import math
from typing import NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_number
from mathcore.matrices.chebyshev_action import Interval, chebyshev_stepper, degree
from mathcore.matrices.exponential import expm
from mathcore.matrices.krylov_action import FULL_BELOW, krylov_stepper
from mathcore.matrices.linear_operators import (
    Operator,
    complex_columns,
    disc_interval,
    examine,
    has_real_entries,
    is_sparse,
    lanczos_interval,
    operator_and_vectors,
    real_columns,
    shifted_norm,
)
from mathcore.matrices.taylor_action import cheapest_degree, estimated_norm, taylor_stepper
from mathcore.matrices.time_marching import march, march_by_columns

STRUCTURES = (None, "general", "hermitian", "skew-hermitian")

_RTOL_IN_EPS = 4.0
_MOST_LANCZOS_STEPS = 512
_LANCZOS_PAYS_FROM = 200  # degree at which tighter bounds may save more products than they cost
_WIDENINGS = (0.0, 0.1, 0.5, 2.0)
_KRYLOV_FROM = 60.0  # ‖tA‖ from which a Krylov space may need fewer products than the series
_MOST_KRYLOV_COLUMNS = 4
_MOST_DENSE_ENTRIES = 20_000_000


class ActionInfo(NamedTuple):
    """What certifies an action.

    Attributes
    ----------
    num_products : int
        Products with `a`.
    error : float
        Estimated relative error.
    method : str
        The method taken.
    """

    num_products: int
    error: float
    method: str


@_arrays.halves_in_float32
def expm_multiply(a, b, t=1.0, *, assume_a=None, rtol=None, return_info=False):
    """Action e^{tA} b of the matrix exponential on one or several vectors, at one or many times.

    Parameters
    ----------
    a : array (n, n), SciPy sparse matrix or array, LinearOperator, or callable
        A callable takes a vector or block of the shape of `b` (columns may come fewer at a time)
        and returns its product with A. Only products are formed: no adjoint, no dense copy.
    b : array (n,) or (n, k)
        Beside a SciPy object a NumPy array.
    t : float or sequence (m,)
        Times in any order and of either sign; zero and repeated times are allowed.
    assume_a : str, optional
        "general", "hermitian" or "skew-hermitian". Of a stored matrix the structure is found;
        an operator is taken as general unless told. Told wrongly, the answer is still checked.
    rtol : float, optional
        Truncation error allowed in each step, relative to the norm of the result; 4 eps of the
        dtype unless given. Rounding errors, which `error` includes, can exceed it.
    return_info : bool
        Also return what certifies the result; estimating how errors of several steps are carried
        on takes about as many products again.

    Returns
    -------
    array (n,) or (n, k), or (m, n) or (m, n, k) for a sequence of times
        In the library and device of `b`, in the common dtype of A and `b`.
    ActionInfo
        Only with ``return_info=True``: ``num_products`` with `a` (a block of columns counts once),
        ``error``, the estimated error of the worst column and time relative to its 2-norm, and
        ``method``: "chebyshev", "krylov", "taylor" or "dense".

    Raises
    ------
    ValueError
        A shape does not fit, a time is not finite, `assume_a` or `rtol` is out of range, or a
        callable returns another shape.
    TypeError
        `b` is not of the library of `a`; `a` is none of the kinds above.

    Notes
    -----
    Hermitian and skew-Hermitian matrices take Chebyshev expansions, one recurrence for all times of
    a sign [1]_; general ones Krylov spaces with incomplete orthogonalisation [2]_ where these keep
    the digits, the shifted Taylor series with early termination [3]_ otherwise; a small dense
    matrix its exponential. Unlike ``scipy.sparse.linalg.expm_multiply``, which always takes [3]_,
    times may have any order and sign, `a` needs no adjoint and the error is estimated.

    Dense arrays differentiate in torch and JAX, in `a` and `b` but not in `t`, and run under
    ``jax.jit``. A callable on torch or JAX arrays runs the Taylor series, in eager mode. NaN in a
    column of `b` stays in its column.

    References
    ----------
    .. [1] H. Tal-Ezer, R. Kosloff, J. Chem. Phys. 81 (1984) 3967–3971.
    .. [2] S. Gaudreault, G. Rainwater, M. Tokman, J. Comput. Phys. 372 (2018) 236–255.
    .. [3] A. H. Al-Mohy, N. J. Higham, SIAM J. Sci. Comput. 33 (2011) 488–511.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from mathcore import expm_multiply
    >>> laplacian = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(99, 99))
    >>> sine = np.sin(np.pi * np.arange(1, 100) / 100)  # an eigenvector
    >>> cooled = expm_multiply(laplacian, sine, [0.0, 100.0, 1000.0])
    >>> (cooled[:, 49]).round(6)
    array([1.      , 0.906025, 0.372738])
    """
    check_choice(assume_a, STRUCTURES, "assume_a")
    times, scalar = _times(t)
    _, b = _arrays.asarrays(b=b)
    split = _arrays.is_complex(b) and has_real_entries(a)
    xp, operator, x = operator_and_vectors(a, real_columns(b) if split else b)
    least = _RTOL_IN_EPS * _arrays.eps(x)
    rtol = least if rtol is None else check_number(rtol, "rtol", above=0)
    if 0 in x.shape or not times.size:
        values, info = xp.zeros((times.size, *x.shape), dtype=x.dtype), ActionInfo(0, 0.0, "taylor")
    else:
        values, info = _evaluate(xp, operator, x, times, assume_a, rtol, return_info)
    values = complex_columns(values, b.shape) if split else values
    values = values[0, ...] if scalar else values
    return (values, info) if return_info else values


def _times(t):
    host = _arrays.to_numpy(t) if _arrays.is_array(t) else np.asarray(t)
    if host.dtype.kind not in "biuf":
        raise TypeError(f"`t` must be real numbers; got {type(t).__name__} of dtype {host.dtype}")
    if host.ndim > 1:
        raise ValueError(f"`t` must be a number or one sequence; got shape {host.shape}")
    host = host.astype(np.float64)
    if not np.all(np.isfinite(host)):
        raise ValueError(f"`t` must be finite; got {host}")
    return np.atleast_1d(host), host.ndim == 0


# --- choice ---------------------------------------------------------------------------------------


def _evaluate(xp, operator, x, times, assume_a, rtol, want_error):
    """All times, by the first method that does not decline."""
    longest = float(np.max(np.abs(times)))
    if longest == 0:
        return xp.stack([x] * times.size), ActionInfo(0, 0.0, "taylor")
    for name, method in _methods(xp, operator, x, longest, assume_a, times.size):
        if name == "dense":
            return _dense(xp, operator.matrix, x, times, method, want_error)
        found = _both_directions(xp, name, method, x, times, rtol, want_error)
        if found is not None:
            return found
    raise AssertionError("the Taylor series never declines")


def _methods(xp, operator, x, longest, assume_a, num_times):
    """Names and steppers, ``method(direction=..., rtol=...)``, the most promising first."""
    matrix = operator.matrix
    dense = matrix is not None and not is_sparse(matrix)
    if dense and _arrays.concrete(xp.max(xp.abs(matrix)) + xp.max(xp.abs(x))) is None:
        yield "dense", None
        return
    entries = None if matrix is None else examine(matrix)
    structure = assume_a or ("general" if entries is None else entries.symmetry)
    if structure != "general":
        skew = structure == "skew-hermitian"
        for interval, hasty in _intervals(operator, entries, x, longest, skew):
            radius = (interval.high - interval.low) / 2
            products = degree(longest * radius, _arrays.eps(x), skew=interval.skew)
            norm = max(abs(interval.low), abs(interval.high)) * longest
            if dense and _exponential_pays(x, products, norm, num_times):
                yield "dense", norm
            yield "chebyshev", functools.partial(chebyshev_stepper, operator, interval, hasty=hasty)
    if matrix is None:
        shift, norm = 0.0, estimated_norm(operator.apply, x)
    else:
        shift, norm = shifted_norm(entries)
        if not math.isfinite(norm):  # NaN or infinity in A: no entry of the result is known
            operator, shift, norm = Operator(lambda v: math.nan * v, None), 0.0, 0.0
            yield "taylor", functools.partial(taylor_stepper, operator, norm, shift)
    size = norm * longest
    if dense and _exponential_pays(x, math.prod(cheapest_degree(size, 64)), size, num_times):
        yield "dense", size
    if _may_take_krylov(operator, x, size):
        yield "krylov", functools.partial(krylov_stepper, operator)
    yield "taylor", functools.partial(taylor_stepper, operator, norm, shift)


def _intervals(operator, entries, x, longest, skew):
    """Intervals for the spectrum, each with whether another may serve better.

    Discs first where the degree is small, else Ritz values: they cost products, and are checked.
    """
    real = skew and not _arrays.is_complex(x)  # then symmetric about zero
    column = x if x.ndim == 1 else x[:, :1]
    lanczos = functools.partial(
        lanczos_interval, operator.apply, column, skew=skew, longest=longest
    )
    if entries is None:
        ritz = lanczos(most_steps=min(_MOST_LANCZOS_STEPS, x.shape[0]))
        for share in _WIDENINGS if ritz else ():
            low, high = ritz
            margin = share * (high - low)
            yield _interval(low - margin, high + margin, skew, real), False
        return
    low, high = disc_interval(entries, skew=skew)
    if not math.isfinite(high - low):
        return
    terms = degree(longest * (high - low) / 2, _arrays.eps(x), skew=skew)
    if terms <= _LANCZOS_PAYS_FROM:
        yield _interval(low, high, skew, real), True
    steps = min(max(terms // 8, 32), _MOST_LANCZOS_STEPS, x.shape[0])
    ritz = lanczos(most_steps=steps)
    if ritz:
        yield _interval(max(low, ritz[0]), min(high, ritz[1]), skew, real), False
    yield _interval(low, high, skew, real), False


def _interval(low, high, skew, real):
    if real:
        high = max(abs(low), abs(high))
        low = -high
    return Interval(low, high, skew)


def _exponential_pays(x, products, norm, num_times):
    """Whether the dense exponential costs less than the products; seconds of one common core."""
    n, k = x.shape[0], math.prod(x.shape[1:])
    if num_times * n * n > _MOST_DENSE_ENTRIES:
        return False
    product = 1.5e-5 + 5e-10 * n * n * (1 + k / 4)
    squarings = math.log2(max(norm, 1.0))
    return num_times * (1e-4 + (8 + squarings) * 6e-11 * n**3) < products * product


def _may_take_krylov(operator, x, size):
    if not _arrays.is_numpy(x):
        return False
    if operator.matrix is None or (x.shape[0] <= FULL_BELOW and size > _KRYLOV_FROM):
        return True
    few = math.prod(x.shape[1:]) <= _MOST_KRYLOV_COLUMNS
    return is_sparse(operator.matrix) and few and size > _KRYLOV_FROM


# --- running a method over the times --------------------------------------------------------------


def _dense(xp, matrix, x, times, norm, want_error):
    real = xp.real(matrix) if _arrays.is_complex(matrix) else matrix
    exponentials = expm(_arrays.from_numpy(times, real)[:, None, None] * matrix)
    block = x if x.ndim == 2 else x[:, None]
    values = exponentials @ block
    error = math.nan if norm is None else 0.0
    if want_error and norm is not None:
        sizes = xp.max(xp.sum(xp.abs(exponentials), axis=-1), axis=-1)[:, None]
        bounds = sizes * xp.max(xp.abs(block), axis=0)
        after = xp.max(xp.abs(values), axis=-2)
        ratios = _arrays.to_numpy(bounds / xp.where(after > 0, after, math.inf))
        error = _arrays.eps(x) * (math.sqrt(x.shape[0]) + norm) * float(np.max(ratios))
    values = values if x.ndim == 2 else values[..., 0]
    return values, ActionInfo(times.size, error, "dense")


def _both_directions(xp, name, method, x, times, rtol, want_error):
    values, error, num_products = {0.0: x}, 0.0, 0
    for direction in (1, -1):
        ahead = np.unique(times[direction * times > 0] * direction).tolist()
        if not ahead:
            continue
        run = march_by_columns if name == "krylov" else march
        stepper = functools.partial(method, direction=direction)
        found = run(stepper, x, ahead, rtol=rtol, want_error=want_error)
        if found is None:
            return None
        values.update(zip([direction * h for h in ahead], found.values, strict=True))
        error = float(np.maximum(error, found.error))  # keeps NaN
        num_products += found.num_products
    stacked = xp.stack([values[h] for h in times.tolist()])
    return stacked, ActionInfo(num_products, error, name)
