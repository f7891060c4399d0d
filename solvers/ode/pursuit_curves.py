"""Curves of pursuit: always towards the target."""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_callable, check_number, check_shape
from solvers.ode.integrate import solve_ivp
from solvers.ode.results import EVENT

_PATIENCE = 100.0  # in times of the way to a target at rest


class PursuitResult(NamedTuple):
    """A pursuer's way to the target.

    Attributes
    ----------
    t : array (times,)
        The times of `x`.
    x : array (times, n)
        Where the pursuer is.
    captured : bool
        Whether the target came within `capture_radius`; then ``t[-1]`` is when.
    distance : float
        To the target at the end.
    status : int
        As in `OdeResult`: 1 is capture, 0 that the time was over first.
    message : str
        The status in words.
    """

    t: Any
    x: Any
    captured: bool
    distance: float
    status: int
    message: str


def pursuit(
    target,
    speed,
    x0,
    *,
    capture_radius,
    t_span=None,
    method="auto",
    t_eval=None,
    rtol=1e-8,
    atol=1e-10,
    max_steps=100_000,
):
    """Move with constant speed straight towards a moving target until it is captured.

    Parameters
    ----------
    target : callable
        ``target(t) -> (n,)``: where the target is.
    speed : float
        Of the pursuer.
    x0 : array (n,)
        Where the pursuer starts.
    capture_radius : float
        The run ends where the distance falls to this.
    t_span : pair of float, optional
        When the run starts and when it ends without capture. By default from 0 to 100 times as
        long as the way to a target at rest would take.
    method, t_eval, rtol, atol, max_steps : optional
        As in `solve_ivp`.

    Returns
    -------
    PursuitResult
        ``t``, ``x``, ``captured``, ``distance``, ``status``, ``message``.

    Raises
    ------
    ValueError
        A shape or a number is out of range.
    TypeError
        An argument has the wrong kind.

    Notes
    -----
    x' = speed (target − x) / ‖target − x‖ is singular where the two meet: without the event of
    capture a solver steps back and forth there for ever.

    References
    ----------
    .. [1] P. J. Nahin, Chases and Escapes: The Mathematics of Pursuit and Evasion, Princeton
       University Press (2007), chapter 1.

    Examples
    --------
    A ship leaves (1, 0) northwards at a fifth of the speed of a missile from the origin, and is
    hit at height 5/24.

    >>> from solvers import pursuit
    >>> ship = lambda t: (1.0, 0.2 * t)
    >>> chase = pursuit(ship, 1.0, [0.0, 0.0], capture_radius=1e-7)
    >>> chase.captured, bool(abs(chase.x[-1, 1] - 5 / 24) < 1e-6)
    (True, True)
    """
    check_callable(target, "target")
    speed = check_number(speed, "speed", above=0.0)
    radius = check_number(capture_radius, "capture_radius", above=0.0)
    xp, x0 = _arrays.asarrays(x0=x0)
    check_shape(x0, (None,), "x0")
    t0 = 0.0 if t_span is None else check_number(float(t_span[0]), "t_span")
    first = float(_norm(_separation(target, t0, x0)))
    t_span = (t0, t0 + _PATIENCE * first / speed) if t_span is None else t_span
    if first <= radius:
        x = xp.stack([x0])
        words = "the target is within `capture_radius` from the start"
        return PursuitResult(_arrays.from_numpy([t0], x0), x, True, first, EVENT, words)

    def velocity(t, x):
        way = _separation(target, t, x)
        return speed * way / _norm(way)

    def gap(t, x):
        return _norm(_separation(target, t, x)) - radius

    gap.terminal, gap.direction = True, -1
    solved = solve_ivp(
        velocity,
        t_span,
        x0,
        method=method,
        t_eval=t_eval,
        events=gap,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
    )
    captured = solved.status == EVENT
    t, x = solved.t, xp.matrix_transpose(solved.y)
    distance = radius if captured else float(_norm(_separation(target, float(t[-1]), x[-1, :])))
    return PursuitResult(t, x, captured, distance, solved.status, solved.message)


def _separation(target, t, x):
    place = target(t)
    if not _arrays.is_array(place):
        xp = _arrays.result_namespace(x)
        values = [p if _arrays.is_array(p) else xp.asarray(p, dtype=x.dtype) for p in place]
        place = xp.stack([xp.astype(p, x.dtype) for p in values])
    check_shape(place, tuple(x.shape), "target(t)")
    return place - x


def _norm(x):
    xp = _arrays.result_namespace(x)
    return xp.sqrt(xp.sum(x * x))
