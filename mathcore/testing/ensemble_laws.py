"""Laws of ODE solvers for many members: each on its own path, whatever the others do.

A law calls ``solve(fun, t_span, y0, *, args, rtol, atol, t_eval)``, the names of `solve_ensemble`,
and takes back a result with its fields. ``fun(t, y, *args)`` works on numbers and on arrays of
members. Errors are measured against the error that the accepted steps may add up to.
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing.laws import check_close, law

_MEMBERS = 5
_RTOL = {"float32": 1e-4, "float64": 1e-7}


def _oscillator(t, y, omega):
    return omega * y[1], -omega * y[0]


def _forced(t, y, omega):
    return (omega * (t - y[0]) + 1.0,)


def _explosion(t, y, rate):
    return (rate * y[0] * y[0],)


def _frequencies(dtype):
    values = st.sampled_from([0.0, 0.5, 1.0, 3.0, 7.0])
    return st.lists(values, min_size=_MEMBERS, max_size=_MEMBERS).map(
        lambda x: np.asarray(x, dtype)
    )


def _end(dtype):
    return st.sampled_from([-1.5, 0.25, 2.0])


def _run(solve, fun, end, y0, omega, t_eval=None):
    tolerance = _RTOL[str(np.dtype(_arrays.to_numpy(y0).dtype))]
    result = solve(
        fun, (0.0, end), y0, args=(omega,), rtol=tolerance, atol=tolerance, t_eval=t_eval
    )
    steps = 2 + int(np.max(_arrays.to_numpy(result.n_accepted)))
    return result, 4 * steps * tolerance  # 4: √n, the scale atol + rtol, the terms left out


def _unit(xp, omega):
    """(1, 0) for every member."""
    return xp.stack([xp.ones_like(omega), xp.zeros_like(omega)], axis=1)


@law(max_examples=5, omega=_frequencies, end=_end)
def turns_each_member_at_its_rate(solve, xp, omega, end):
    """y' = ω (y₂, −y₁) from (1, 0) is (cos ωt, −sin ωt)."""
    result, bound = _run(solve, _oscillator, end, _unit(xp, omega), omega)
    exact = xp.stack([xp.cos(omega * end), -xp.sin(omega * end)], axis=1)
    check_close(xp, result.y, exact, tolerance=bound, what="the states at the end")
    check_close(xp, result.t_reached, 0 * omega + end, tolerance=0.0, what="where the runs end")


@law(max_examples=3, omega=_frequencies, end=_end)
def sees_the_time(solve, xp, omega, end):
    """y' = ω (t − y) + 1 from 0 is t, at every time saved."""
    times = [end * k / 4 for k in range(5)]
    result, bound = _run(
        solve, _forced, end, xp.zeros_like(omega)[:, None], omega, _arrays.from_numpy(times, omega)
    )
    exact = np.broadcast_to(np.asarray(times)[None, :, None], (_MEMBERS, 5, 1))
    growth = float(np.exp(7 * max(0.0, -end)))
    check_close(xp, result.y, exact, tolerance=bound * growth, what="the states saved")


@law(max_examples=3, omega=_frequencies, end=_end)
def comes_back(solve, xp, omega, end):
    """Forwards and then backwards is where it started."""
    there, bound = _run(solve, _oscillator, end, _unit(xp, omega), omega)
    back = solve(
        _oscillator,
        (end, 0.0),
        there.y,
        args=(omega,),
        rtol=bound / 100,
        atol=bound / 100,
        t_eval=None,
    )
    check_close(xp, back.y, _unit(xp, omega), tolerance=2 * bound, what="the states after return")


@law(max_examples=3, omega=_frequencies)
def runs_each_member_alone(solve, xp, omega):
    """A member among others is the member alone: in NumPy bit for bit."""
    whole, bound = _run(solve, _oscillator, 2.0, _unit(xp, omega), omega)
    bound = 0.0 if _arrays.is_numpy(omega) else bound
    for i in (0, _MEMBERS - 1):
        alone, _ = _run(solve, _oscillator, 2.0, _unit(xp, omega[i : i + 1]), omega[i : i + 1])
        check_close(xp, alone.y, whole.y[i : i + 1, :], tolerance=bound, what=f"member {i} alone")


@law(max_examples=2, omega=_frequencies)
def loses_a_member_alone(solve, xp, omega):
    """One member blows up at t = 1, one starts as NaN: the others are as they would be without."""
    rates = xp.concat([omega[:1] * 0 + 1.0, omega[:1] * xp.nan, -xp.abs(omega)])
    whole, bound = _run(solve, _explosion, 2.0, xp.ones_like(rates)[:, None], rates)
    others, _ = _run(solve, _explosion, 2.0, xp.ones_like(omega)[:, None], rates[2:])
    bound = 0.0 if _arrays.is_numpy(omega) else bound
    check_close(xp, whole.y[2:, :], others.y, tolerance=bound, what="the members beside lost ones")
    status = _arrays.to_numpy(whole.status)
    if not (status[:2] < 0).all() or not (status[2:] == 0).all():
        raise AssertionError(f"status must tell the two members lost; got {status.tolist()}")
    reached = float(_arrays.to_numpy(whole.t_reached)[0])
    if not 0.9 <= reached <= 1.1:
        raise AssertionError(f"the solution 1/(1 − t) was followed to t = {reached:.3g}")


ensemble_laws = (
    turns_each_member_at_its_rate,
    sees_the_time,
    comes_back,
    runs_each_member_alone,
    loses_a_member_alone,
)
