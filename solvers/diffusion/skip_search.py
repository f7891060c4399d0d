"""Search for the factors of skip-tuning on both sides of 1."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from mathcore._checks import check_callable, check_count, check_number

_GOLDEN = (3 - math.sqrt(5)) / 2


class TunedSkips(NamedTuple):
    """Factors found by `tune_skips`, and the curve they were read from.

    Attributes
    ----------
    rho_bottom, rho_top : float
        For ``skip_tuning(model, rho_bottom, rho_top)``; both 1 where nothing was better.
    value : float
        The objective there.
    value_untuned : float
        The objective at ρ = 1.
    improved : bool
        Whether ρ other than 1 is returned.
    rhos, values : ndarray
        Every ρ_bottom tried, increasing, and the objective there.
    """

    rho_bottom: float
    rho_top: float
    value: float
    value_untuned: float
    improved: bool
    rhos: Any
    values: Any


def tune_skips(
    model, objective, *, bounds=(0.5, 1.5), rho_top=1.0, num_evaluations=15, validation=None
):
    """Find the factor of the skips of a U-Net that makes an objective smallest.

    Parameters
    ----------
    model : torch.nn.Module or callable
        A U-Net as `skip_tuning` takes it; or, in another library, a callable with the keyword
        arguments ``rho_bottom`` and ``rho_top``, which scales its skips by `scale_skips`.
    objective : callable
        ``objective(model) -> float``, the smaller the better: as a rule, draw samples from fixed
        noise and measure their distance to data that the model was not trained on. It is called
        with the model tuned.
    bounds : (low, high), optional
        Of ρ_bottom; 0 ≤ low ≤ 1 ≤ high.
    rho_top : float or None, optional
        Factor of the skip next to the output; None: that of the bottom, one ρ for all skips.
    num_evaluations : int, optional
        Calls of the objective, at least 3; those of `validation` come on top.
    validation : callable, optional
        A second objective, on other data or other noise; the best factor that improves both is
        returned. For the best of many noisy values is better than it should be.

    Returns
    -------
    TunedSkips
        ``rho_bottom``, ``rho_top``, ``value``, ``value_untuned``, ``improved``, ``rhos``,
        ``values``. Never worse than ρ = 1 in either objective.

    Raises
    ------
    ValueError
        `bounds` do not hold 1, `num_evaluations` < 3, or the objective is not finite at ρ = 1.
    TypeError
        `objective` is not callable, or its value is no number.

    Notes
    -----
    Half of the evaluations lie on a uniform grid of each side of 1, the others narrow the bracket
    of the best by golden sections. An objective that is NaN or infinite at some ρ counts as the
    worst. Ma et al. search ρ_bottom in [.5, 1] only; networks exist whose best lies above 1.

    Examples
    --------
    >>> from solvers import tune_skips
    >>> def model(x, rho_bottom=1.0, rho_top=1.0):
    ...     return rho_bottom * x
    >>> tuned = tune_skips(model, lambda model: (model(1.0) - 1.2) ** 2, num_evaluations=20)
    >>> round(tuned.rho_bottom, 2), tuned.improved
    (1.2, True)
    """
    check_callable(objective, "objective")
    if validation is not None:
        check_callable(validation, "validation")
    low, high = bounds
    low = check_number(low, "bounds[0]", at_least=0.0, at_most=1.0)
    high = check_number(high, "bounds[1]", at_least=1.0)
    num_evaluations = check_count(num_evaluations, "num_evaluations", at_least=3)
    top = None if rho_top is None else check_number(rho_top, "rho_top")

    def value_at(measured, rho):
        # ρ = 1 is the untouched network, whatever `rho_top`
        return _measured(model, measured, rho, rho if top is None or rho == 1.0 else top)

    curve = _searched(functools.partial(value_at, objective), low, high, num_evaluations)
    better = [rho for rho in sorted(curve, key=curve.get) if curve[rho] < curve[1.0]]
    if better and validation is not None:
        limit = value_at(validation, 1.0)
        better = (rho for rho in better if value_at(validation, rho) < limit)
    best = next(iter(better), 1.0)
    rhos = sorted(curve)
    return TunedSkips(
        best,
        best if top is None or best == 1.0 else top,
        curve[best],
        curve[1.0],
        best != 1.0,
        np.asarray(rhos),
        np.asarray([curve[rho] for rho in rhos]),
    )


def _measured(model, objective, rho_bottom, rho_top):
    if not hasattr(model, "register_forward_hook"):  # no torch module
        tuned = functools.partial(model, rho_bottom=rho_bottom, rho_top=rho_top)
        return _number(objective(tuned))
    from solvers.diffusion.torch_skips import skip_tuning

    with skip_tuning(model, rho_bottom, rho_top):
        return _number(objective(model))


def _number(value):
    """A float; what is not finite is worse than anything."""
    try:
        value = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`objective` must return a number; got {type(value).__name__}") from error
    return value if math.isfinite(value) else math.inf


def _searched(value_at, low, high, num_evaluations):
    """From ρ to value: a grid through 1, then golden sections around the best."""
    curve = {1.0: value_at(1.0)}
    if not math.isfinite(curve[1.0]):
        raise ValueError(f"`objective` must be finite at ρ = 1; got {curve[1.0]}")
    each = max(1, num_evaluations // 4)
    grid = [*np.linspace(low, 1.0, each + 1)[:-1], *np.linspace(1.0, high, each + 1)[1:]]
    for rho in map(float, grid):
        if rho != 1.0:
            curve[rho] = value_at(rho)
    while len(curve) < num_evaluations:
        rho = _next(sorted(curve), min(curve, key=curve.get))
        if rho in curve:
            break
        curve[rho] = value_at(rho)
    return curve


def _next(rhos, best):
    """The golden section of the wider interval beside the best."""
    i = rhos.index(best)
    below = rhos[i] - rhos[i - 1] if i > 0 else 0.0
    above = rhos[i + 1] - rhos[i] if i + 1 < len(rhos) else 0.0
    return best + _GOLDEN * above if above >= below else best - _GOLDEN * below
