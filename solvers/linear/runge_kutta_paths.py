"""Linear systems by the Runge–Kutta methods of `solve_ivp`."""

import numpy as np

from mathcore import _arrays
from mathcore.matrices.linear_operators import is_scipy
from solvers.linear.linear_problems import checked_times


def right_hand_side(problem):
    """``fun(t, y)`` for flat y, of NumPy arrays."""
    shape, b = problem.x0.shape, problem.b

    def product(t, x):
        if is_scipy(problem.operator):
            return problem.operator @ x
        a = problem.operator if problem.is_constant else problem.a.at(np.asarray([t]))[0, ...]
        return (a @ x[..., None])[..., 0]

    def fun(t, y):
        x = np.reshape(y, shape)
        rate = product(t, x)
        if b is not None:
            rate = rate + (b.at(np.asarray([t]))[0, ...] if b.value is None else b.value)
        return np.reshape(rate, y.shape)

    return fun


def runge_kutta_path(problem, times, rtol, atol):
    """The `OdeResult` of `solve_ivp`, with a ``sol`` that integrates from the last node to t."""
    from solvers.ode.integrate import solve_ivp

    if not _arrays.is_numpy(problem.x0):
        raise ValueError('`method` must not be "rk" for arrays other than NumPy\'s')
    shape, fun = problem.x0.shape, right_hand_side(problem)

    def integrate(span, y0):
        return solve_ivp(fun, span, y0, method="dop853", rtol=rtol, atol=atol)

    found = integrate(problem.span, np.reshape(problem.x0, -1))
    span = (problem.span[0], float(found.t[-1]))
    sign = 1.0 if problem.span[1] > problem.span[0] else -1.0

    def shaped(columns):
        return np.moveaxis(np.reshape(columns, (columns.shape[0], *shape)), 0, -1)

    def sol(t):
        host = np.asarray(t)
        inside = checked_times(host.ravel(), span, "t")
        values = shaped(_states(found, integrate, sign, inside))
        return values[..., 0] if host.ndim == 0 else values

    if times is None:
        return found._replace(y=shaped(found.y.T), sol=sol)
    times = times[sign * times <= sign * span[1]]
    return found._replace(t=times, y=sol(times), sol=sol)


def _states(found, integrate, sign, t):
    """States (m, n) at host times, each integrated from the node or the time asked for before."""
    states = np.empty((t.size, found.y.shape[0]), dtype=found.y.dtype)
    nodes = sign * found.t
    now, state = found.t[0], found.y[:, 0]
    for i in np.argsort(sign * t, kind="stable"):
        k = np.searchsorted(nodes, sign * t[i], side="right") - 1
        if nodes[k] >= sign * now:
            now, state = found.t[k], found.y[:, k]
        if t[i] != now:
            now, state = t[i], integrate((now, t[i]), state).y[:, -1]
        states[i] = state
    return states
