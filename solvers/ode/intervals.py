"""The interval of a run and the times in it that are wanted, checked."""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_number, check_shape


def checked_span(t_span):
    """(t0, t1) as floats."""
    if len(t_span) != 2:
        raise ValueError(f"`t_span` must be a pair (t0, t1); got {len(t_span)} numbers")
    return tuple(check_number(float(t), "t_span") for t in t_span)


def checked_times(t_eval, t0, t1):
    """`t_eval` as a list of floats, inside the interval and in its direction."""
    times = _arrays.to_numpy(t_eval) if _arrays.is_array(t_eval) else np.asarray(t_eval, float)
    check_shape(times, (None,), "t_eval")
    forward = 1.0 if t1 >= t0 else -1.0
    inside = (times >= min(t0, t1)) & (times <= max(t0, t1))
    if not inside.all() or not (np.diff(forward * times) > 0).all():
        raise ValueError("`t_eval` must lie within `t_span`, sorted in its direction")
    return [float(t) for t in times]
