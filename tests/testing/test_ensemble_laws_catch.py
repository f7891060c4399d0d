"""Planted faults: plausible wrong ensembles that the laws must catch."""

import numpy as np
import pytest

from mathcore.testing.ensemble_laws import ensemble_laws
from solvers import solve_ensemble


def planted(fault):
    def solve(fun, t_span, y0, *, args, rtol, atol, t_eval):
        if fault == "tolerance ignored":
            rtol = atol = 0.1
        if fault == "never backwards":
            t_span = (t_span[0], t_span[0] + abs(t_span[1] - t_span[0]))
            t_eval = None if t_eval is None else np.abs(t_eval)
        rate = fun
        if fault == "time forgotten":
            rate = lambda t, y, a: fun(0.0, y, a)  # noqa: E731
        if fault == "one argument for all":
            args = tuple(np.full_like(a, a[0]) for a in args)
        result = solve_ensemble(
            rate, t_span, y0, args=args, rtol=rtol, atol=atol, t_eval=t_eval, method="tsit5"
        )
        if fault == "a batch in common":
            result = result._replace(y=result.y * (1 + 1e-14 * len(y0)))
        if fault == "a failure spreads":
            result = result._replace(y=result.y + 1e-9 * np.any(result.status < 0))
        if fault == "a failure unsaid":
            result = result._replace(status=0 * result.status)
        return result

    return solve


FAULTS = {
    "tolerance ignored": "turns_each_member_at_its_rate",
    "never backwards": "comes_back",
    "time forgotten": "sees_the_time",
    "one argument for all": "turns_each_member_at_its_rate",
    "a batch in common": "runs_each_member_alone",
    "a failure spreads": "loses_a_member_alone",
    "a failure unsaid": "loses_a_member_alone",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_laws_catch(fault):
    named = {law.__name__: law for law in ensemble_laws}
    with pytest.raises(AssertionError):
        named[FAULTS[fault]](planted(fault), max_examples=20)


def test_every_law_is_broken_by_a_fault():
    assert set(FAULTS.values()) == {law.__name__ for law in ensemble_laws}
