"""How much an ODE's flow stretches volume: the density of continuous normalizing flows."""

import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays, _gradients, _random
from mathcore._checks import check_callable, check_choice, check_count
from solvers.ode.integrate import solve_ivp

_DIVERGENCES = ("exact", "hutchinson")
_METHODS = ("tsit5", "dop853")
_COMPLEX_STEP = 1e-30


class FlowResult(NamedTuple):
    """Where the flow takes points, and the logarithm of its volume factor.

    Attributes
    ----------
    x : array (..., n)
        x(t₁); NaN where the flow cannot be followed that far.
    logdet : array (...)
        log |det ∂x(t₁)/∂x(t₀)|.
    """

    x: Any
    logdet: Any


def flow_logdet(
    fun,
    t_span,
    x0,
    *,
    divergence="exact",
    num_probes=1,
    rng=None,
    method="dop853",
    rtol=1e-6,
    atol=1e-9,
    max_steps=None,
):
    """Follow points along x' = fun(t, x), with the log-determinant of the flow's Jacobian.

    Parameters
    ----------
    fun : callable
        ``fun(t, x) -> (..., n)`` on the whole batch; each point's velocity depends on it alone.
    t_span : pair of float
        From t₀ to t₁, in either direction.
    x0 : array (..., n)
        The points at t₀, of any library.
    divergence : str or callable, optional
        "exact": n directional derivatives. "hutchinson": the mean of v·Jv over `num_probes` random
        signs v, kept along the way. A callable: ``divergence(t, x) -> (...)``.
    num_probes : int, optional
        Probes of "hutchinson".
    rng : int, generator or key, optional
        Seed of the probes.
    method : str, optional
        "dop853" or "tsit5", of `solve_ivp`.
    rtol, atol, max_steps : optional
        As in `solve_ivp`; the batch takes its steps together.

    Returns
    -------
    FlowResult
        ``x``, ``logdet``.

    Raises
    ------
    ValueError
        A shape, a number or a word is out of range.
    TypeError
        An argument has the wrong kind, or `x0` is complex.

    Notes
    -----
    d/dt log|det ∂x/∂x₀| = tr ∂fun/∂x along the flow (Liouville), so that
    ``log p₁(x) = log p₀(x₀) − logdet``. The derivatives are automatic in torch and JAX, and the
    result differentiates through the solver. Elsewhere they are complex steps, exact to
    rounding, where `fun` is analytic: where it does not take complex numbers, or its complex step
    and difference quotient disagree at the start, central differences.

    "hutchinson" is unbiased for any number of probes, up to the tolerance of the steps. Unlike
    FFJORD's own code, `logdet` is that of the map and not its negative.

    References
    ----------
    .. [1] W. Grathwohl et al., FFJORD, ICLR 2019, arXiv:1810.01367, eqs. (4) and (8).

    Examples
    --------
    A linear flow has logdet tr(A) t.

    >>> import numpy as np
    >>> from solvers import flow_logdet
    >>> a = np.array([[-1.0, 2.0], [0.5, 0.3]])
    >>> flow = flow_logdet(lambda t, x: x @ a.T, (0.0, 2.0), np.ones((3, 2)))
    >>> flow.x.shape, np.round(flow.logdet, 9).tolist()
    ((3, 2), [-1.4, -1.4, -1.4])
    """
    check_callable(fun, "fun")
    xp, x0 = _arrays.asarrays(x0=x0)
    if x0.ndim == 0:
        raise ValueError("`x0` must have shape (..., n); got a number")
    if _arrays.is_complex(x0):
        raise TypeError(f"`x0` must be real; got dtype {x0.dtype}")
    check_choice(method, _METHODS, "method")
    num_probes = check_count(num_probes, "num_probes")
    if not callable(divergence):
        check_choice(divergence, _DIVERGENCES, "divergence")
    batch, size = tuple(x0.shape[:-1]), math.prod(x0.shape)
    if size == 0:
        return FlowResult(x0, xp.sum(x0, axis=-1))
    rate = _rate(fun, divergence, x0, t_span, num_probes, rng)

    def joint(t, z):
        velocity, trace = rate(t, xp.reshape(z[:size], x0.shape))
        return xp.concat([xp.reshape(velocity, (-1,)), xp.reshape(trace, (-1,))])

    start = xp.concat([xp.reshape(x0, (-1,)), xp.reshape(xp.sum(0 * x0, axis=-1), (-1,))])
    solved = solve_ivp(
        joint, t_span, start, method=method, rtol=rtol, atol=atol, max_steps=max_steps
    )
    end = solved.y[:, -1]
    if isinstance(solved.success, bool):
        end = end if solved.success else end * xp.nan
    else:
        end = xp.where(solved.success, end, xp.nan)
    return FlowResult(xp.reshape(end[:size], x0.shape), xp.reshape(end[size:], batch))


def _rate(fun, divergence, x0, t_span, num_probes, rng):
    """(t, x) -> velocity and divergence."""
    if callable(divergence):
        return lambda t, x: (fun(t, x), divergence(t, x))
    derivative = _derivative(fun, x0, t_span)
    vectors = _units(x0) if divergence == "exact" else _signs(x0, num_probes, rng)
    share = 1.0 if divergence == "exact" else 1.0 / num_probes

    def rate(t, x):
        xp, trace, velocity = _arrays.result_namespace(x), 0.0 * x[..., 0], None
        for v in vectors:
            velocity, along = derivative(t, x, v)
            trace = trace + share * xp.sum(v * along, axis=-1)
        return (fun(t, x) if velocity is None else velocity), trace

    return rate


def _units(x0):
    """The n unit vectors, each as large as `x0`."""
    xp = _arrays.result_namespace(x0)
    ones = xp.ones_like(_arrays.detach(x0))
    return [ones * _arrays.from_numpy(row, x0) for row in np.eye(x0.shape[-1]).tolist()]


def _signs(x0, num_probes, rng):
    """Random signs, each array as large as `x0`: a function of the seed and the point's number."""
    points = math.prod(x0.shape[:-1])
    draws = _random.uniforms(_arrays.seed_of(rng), np.arange(points), 0, num_probes * x0.shape[-1])
    signs = np.where(draws < 0.5, -1.0, 1.0).reshape(points, num_probes, x0.shape[-1])
    return [_arrays.from_numpy(signs[:, i].reshape(x0.shape), x0) for i in range(num_probes)]


# --- derivatives --------------------------------------------------------------------------------


def _derivative(fun, x0, t_span):
    """(t, x, v) -> fun(t, x), None where it is not known by then, and its derivative along v."""
    if _gradients.is_differentiable(x0):
        return lambda t, x, v: _gradients.directional_derivative(lambda y: fun(t, y), x, v)
    with np.errstate(all="ignore"):
        by_steps = _is_analytic(fun, float(t_span[0]), x0)
    return (_complex_step if by_steps else _central_difference)(fun)


def _complex_step(fun):
    """Im f(x + i h v) / h, exact to rounding: Squire, Trapp, SIAM Rev. 40 (1998) 110–112."""

    def derivative(t, x, v):
        xp = _arrays.result_namespace(x)
        value = fun(t, x + (1j * _COMPLEX_STEP) * v)
        return xp.real(value), xp.imag(value) / _COMPLEX_STEP

    return derivative


def _central_difference(fun):
    def derivative(t, x, v):
        xp = _arrays.result_namespace(x)
        size = xp.max(xp.abs(x), axis=-1, keepdims=True)
        h = _arrays.eps(x) ** (1 / 3) * (1 + size)
        return None, (fun(t, x + h * v) - fun(t, x - h * v)) / (2 * h)

    return derivative


def _is_analytic(fun, t, x0):
    """Whether complex steps agree with differences at the start, in every direction."""
    xp = _arrays.result_namespace(x0)
    tolerance = 10 * _arrays.eps(x0) ** (2 / 3)
    for v in _units(x0):
        try:
            value, exact = _complex_step(fun)(t, x0, v)
        except Exception:  # whatever a function says that takes no complex numbers
            return False
        _, near = _central_difference(fun)(t, x0, v)
        size = 1 + xp.max(xp.abs(exact)) + xp.max(xp.abs(value))
        if exact.shape != x0.shape or not bool(xp.all(xp.abs(exact - near) <= tolerance * size)):
            return False
    return True
