"""The methods by name: `order_of`, and `coefficients`, the step table `sample_diffusion` walks."""

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_number
from solvers.diffusion import adams_steps, multisteps, single_steps, stochastic_steps
from solvers.diffusion.plans import planned
from solvers.diffusion.steps import steps


class _Method(NamedTuple):
    """`stages` maps a Step to a tuple of Stage; `options` are the arguments it takes."""

    stages: Any
    order: int
    options: tuple = ()
    variants: tuple = ()  # the first is the default
    in_noise: bool = True  # whether it can be, or is, written in ε


def _family(name, stages, counts, order, **record):
    return {
        f"{name}_{p}": _Method(functools.partial(stages, order=p), order(p), **record)
        for p in counts
    }


_METHODS = {
    "euler": _Method(single_steps.euler, 1),
    "ddim": _Method(single_steps.euler, 1),
    "heun": _Method(single_steps.heun, 2),
    "dpm_2": _Method(single_steps.dpm_2, 2),
    "dpm_3": _Method(single_steps.dpm_3, 3),
    "dpmpp_2s": _Method(single_steps.dpmpp_2s, 2, in_noise=False),
    "dpmpp_2m": _Method(multisteps.dpmpp_2m, 2, in_noise=False),
    "dpmpp_3m": _Method(
        multisteps.dpmpp_3m, 3, ("variant",), ("published", "consistent"), in_noise=False
    ),
    **_family(
        "unipc",
        multisteps.unipc,
        (1, 2, 3),
        lambda p: p + 1,
        options=("predict", "variant"),
        variants=("bh2", "bh1"),
    ),
    **_family("deis", adams_steps.deis, (1, 2, 3), lambda p: p),
    **_family("lms", adams_steps.lms, (1, 2, 3, 4), lambda p: p),
    **_family("ipndm", adams_steps.ipndm, (1, 2, 3, 4), lambda p: min(p, 2)),
    "ancestral": _Method(stochastic_steps.ancestral, 1, ("eta",)),
    "sde_dpmpp_1": _Method(stochastic_steps.sde_dpmpp_1, 1, ("eta",)),
    "sde_dpmpp_2m": _Method(
        stochastic_steps.sde_dpmpp_2m, 2, ("eta", "variant"), ("midpoint", "heun"), in_noise=False
    ),
    "edm": _Method(stochastic_steps.edm, 2, ("churn",)),
    "mean_value": _Method(single_steps.mean_value, 2, ("step_table",)),
}
_KEPT_PLANS = 64
_MOST = 1e100  # of a level and its inverse: products and quotients of levels stay finite


def order_of(method, *, variant=None):
    """Formal order of a method of `sample_diffusion` in the step h = ln(σ_i/σ_{i+1}).

    Parameters
    ----------
    method : str
        See `sample_diffusion`.
    variant : str, optional
        "published" (the default, of order 2) or "consistent" (order 3) for "dpmpp_3m"; the other
        methods have one order in every variant.

    Returns
    -------
    int
        Weak order for the methods with `eta`; order without churn for "edm"; for "mean_value" that
        of r = 1/2, c = 1, which is "dpm_2".

    Raises
    ------
    ValueError
        `method` or `variant` is none of these words.

    Notes
    -----
    UniPC-p has order p + 1, the corrector counted. iPNDM takes the coefficients of a constant step
    on any grid and so has order 2 at most unless σ is equidistant. The first steps of a multistep
    method have lower order; where σ starts high their error is far below the others'.

    Examples
    --------
    >>> from solvers import order_of
    >>> order_of("ddim"), order_of("dpmpp_2m"), order_of("unipc_2"), order_of("lms_4")
    (1, 2, 3, 4)
    """
    variant = _checked_variant(_known(method), variant)
    return 2 if variant == "published" else _METHODS[method].order


def coefficients(
    method,
    sigmas,
    *,
    predict="x0",
    variant=None,
    step_table=None,
    eta=0.0,
    churn=None,
):
    """Step table of a method: what `sample_diffusion` does, for writing the loop oneself.

    Parameters
    ----------
    method : str
        See `sample_diffusion`, also for the keyword arguments.
    sigmas : array (n + 1,)
        Strictly decreasing noise levels; the last may be 0.
    predict, variant, step_table, eta, churn
        As in `sample_diffusion`.

    Returns
    -------
    tuple of n steps
        Each a tuple of ``Stage(sigma, decay, weights, slopes, noise)`` of Python floats: evaluate D
        at the current point and ``sigma``; the next point is ``decay * x + sum_j weights[j] * D_j
        + sum_j slopes[j] * eps_j + noise * xi`` with x the state at the start of the step, D_j the
        j-th latest evaluation, eps_j = (its point − D_j)/(its sigma), and xi one standard normal
        draw for the step. The last point is the new state. A stage without ``weights`` and
        ``slopes`` evaluates nothing.

    Raises
    ------
    ValueError
        An unknown word; an argument the method does not take; `sigmas` is not a strictly decreasing
        vector of at least two finite numbers ≥ 0.

    Notes
    -----
    ``decay + sum(weights) = 1`` in every stage, so a shift of the data shifts the sample, and
    ``(decay·a + sum(slopes))² + noise² = b²`` in the last one, so data that are a point are reached
    (fitted steps and churn apart). A multistep method has equally many weights in each step (zeros
    in the first), so that the table of a one-evaluation method stacks into arrays for
    ``jax.lax.scan``.

    Examples
    --------
    >>> from solvers import coefficients
    >>> for (stage,) in coefficients("ddim", [4.0, 1.0, 0.0]):
    ...     print(stage.sigma, stage.decay, stage.weights)
    4.0 0.25 (0.75,)
    1.0 0.0 (1.0,)
    """
    levels = tuple(checked_sigmas(sigmas, at_least=2).tolist())
    given = (predict, variant, step_table, eta, churn)
    return checked_plan(method, levels, *given).table


def checked_plan(method, levels, predict, variant, step_table, eta, churn):
    """The plan for checked levels, once the other arguments have been looked at."""
    given = {
        "predict": predict,
        "variant": variant,
        "step_table": step_table,
        "eta": eta,
        "churn": churn,
    }
    return plan_of(method, levels, _checked_settings(method, levels, given))


@functools.lru_cache(maxsize=_KEPT_PLANS)
def plan_of(method, levels, settings=()):
    """The plan for checked arguments; the levels may rise as well."""
    stages, options = _METHODS[method].stages, dict(settings)
    return planned(tuple(stages(step, **options) for step in steps(levels)))


def evaluations(method):
    """Evaluations of the denoiser in each step but one to σ = 0."""
    probe = {"step_table": ((0.5, 1.0),), "eta": 0.0, "churn": None, "predict": "x0"}
    record = _METHODS[_known(method)]
    settings = {name: probe[name] for name in record.options if name != "variant"}
    if record.variants:
        settings["variant"] = record.variants[0]
    return len(plan_of(method, (2.0, 1.0), tuple(settings.items())).table[0])


def _known(method):
    check_choice(method, tuple(_METHODS), "method")
    return method


def _checked_settings(method, levels, given):
    record = _METHODS[_known(method)]
    check_choice(given["predict"], ("x0", "eps"), "predict")
    if given["predict"] == "eps" and not record.in_noise:
        raise ValueError(f"`predict` must be 'x0' for method={method!r}; got 'eps'")
    checked = {
        "predict": given["predict"],
        "variant": _checked_variant(method, given["variant"]),
        "eta": check_number(given["eta"], "eta", at_least=0.0),
        "churn": _checked_churn(given["churn"]),
        "step_table": _checked_step_table(method, levels, given["step_table"]),
    }
    for name, unused in (("eta", 0.0), ("churn", None), ("step_table", None)):
        if checked[name] != unused and name not in record.options:
            raise ValueError(f"`{name}` must not be given for method={method!r}")
    return tuple((name, checked[name]) for name in record.options)


def _checked_variant(method, variant):
    variants = _METHODS[method].variants
    if variant is None:
        return variants[0] if variants else None
    if not variants:
        raise ValueError(f"`variant` must be None for method={method!r}; got {variant!r}")
    check_choice(variant, variants, "variant")
    return variant


def _checked_churn(churn):
    if churn is None:
        return None
    values = churn if isinstance(churn, tuple | list) else (churn,)
    if not 1 <= len(values) <= 4:
        raise ValueError(f"`churn` must be (s_churn, s_min, s_max, s_noise); got {churn!r}")
    churn = stochastic_steps.Churn(*values)
    for name, value in churn._asdict().items():
        if not (name == "s_max" and value == float("inf")):
            check_number(value, f"churn.{name}", at_least=0.0)
    return churn


def _checked_step_table(method, levels, step_table):
    if step_table is None:
        if method == "mean_value":
            raise ValueError("`step_table` must be given for method='mean_value'; got None")
        return None
    table = np.asarray(_arrays.to_numpy(step_table) if _arrays.is_array(step_table) else step_table)
    count = len(levels) - (levels[-1] == 0.0)
    if table.ndim != 2 or table.shape[1] != 2 or table.shape[0] != count - 1:
        raise ValueError(
            f"`step_table` must be ({count - 1}, 2), a row (r, c) for each step between levels "
            f"above 0; got shape {table.shape}"
        )
    if not np.all(np.isfinite(table)):
        raise ValueError("`step_table` must be finite; got NaN or infinity")
    return tuple(map(tuple, table.tolist()))


def checked_sigmas(sigmas, *, at_least):
    """`sigmas` as a float64 NumPy vector, or a ValueError that names what is wrong with it."""
    levels = _arrays.to_numpy(sigmas) if _arrays.is_array(sigmas) else np.asarray(sigmas)
    if levels.dtype.kind not in "iuf":
        raise TypeError(f"`sigmas` must be real numbers; got dtype {levels.dtype}")
    levels = levels.astype(np.float64)
    if levels.ndim != 1 or len(levels) < at_least:
        raise ValueError(
            f"`sigmas` must be a vector of at least {at_least} levels; got shape {levels.shape}"
        )
    values = levels.tolist()
    if not all(map(math.isfinite, values)) or min(values) < 0:
        raise ValueError(f"`sigmas` must be finite and >= 0; got {values}")
    if values[0] == 0.0:
        raise ValueError("`sigmas` must start above 0; got 0.0")
    for i, (a, b) in enumerate(itertools.pairwise(values)):
        if a <= b:
            raise ValueError(f"`sigmas` must decrease strictly; got {a} then {b} at position {i}")
    if values[0] > _MOST or min(filter(None, values)) < 1 / _MOST:
        raise ValueError(f"`sigmas` must be 0 or within 1e-100 to 1e100; got {values}")
    return levels
