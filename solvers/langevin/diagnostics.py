"""Convergence diagnostics of Markov chains, computed by arviz-stats."""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_choice, check_real, check_shape


def rhat(draws):
    """Rank-normalised split R̂ of each coordinate.

    Parameters
    ----------
    draws : array (chains, draws, dim)
        ``LangevinResult.draws``; at least 2 chains of 4 draws.

    Returns
    -------
    array (dim,)
        Near 1 when the chains agree; above 1.01 they have not converged; infinite where each chain
        is stuck at a value of its own. NaN where a draw is NaN or infinite, or all are equal.
        Library and dtype of `draws`.

    Raises
    ------
    ValueError
        `draws` has another number of axes, or too few chains or draws.
    ImportError
        arviz-stats is not installed.

    References
    ----------
    .. [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, "Rank-normalization,
       folding, and localization: an improved R̂ for assessing convergence of MCMC", Bayesian
       Analysis 16 (2021) 667–718.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import rhat
    >>> draws = np.random.default_rng(0).standard_normal((4, 500, 2))
    >>> bool(np.all(rhat(draws) < 1.01))
    True
    """
    return _of_each_coordinate("rhat", draws, least_chains=2, method="rank")


def effective_sample_size(draws, *, kind="bulk"):
    """Effective sample size of each coordinate: how many independent draws say as much.

    Parameters
    ----------
    draws : array (chains, draws, dim)
        ``LangevinResult.draws``; at least 4 draws.
    kind : str, optional
        "bulk" for means and the like, "tail" for the 5 % and 95 % quantiles.

    Returns
    -------
    array (dim,)
        NaN where a draw is NaN or infinite, or all are equal. Library and dtype of `draws`.

    Raises
    ------
    ValueError
        `draws` has another number of axes, or too few draws; `kind` is unknown.
    ImportError
        arviz-stats is not installed.

    Notes
    -----
    The size of [1]_, of rank-normalised split chains, as ``arviz_stats.ess``, except that
    chains that never move have none (there: all draws count); BlackJAX's ``effective_sample_size``
    neither splits nor normalises.

    References
    ----------
    .. [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, Bayesian Analysis 16
       (2021) 667–718.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import effective_sample_size
    >>> draws = np.random.default_rng(0).standard_normal((4, 500, 1))
    >>> bool(abs(effective_sample_size(draws)[0] - 2000) < 300)
    True
    """
    check_choice(kind, ("bulk", "tail"), "kind")
    options = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    return _of_each_coordinate("ess", draws, least_chains=1, method=kind, **options)


def mcse(draws):
    """Monte Carlo standard error of the mean of each coordinate.

    Parameters
    ----------
    draws : array (chains, draws, dim)
        ``LangevinResult.draws``; at least 4 draws.

    Returns
    -------
    array (dim,)
        Standard deviation over the root of the effective sample size of the mean, as
        ``arviz_stats.mcse``. NaN where a draw is NaN or infinite, or all are equal.

    Raises
    ------
    ValueError
        `draws` has another number of axes, or too few draws.
    ImportError
        arviz-stats is not installed.

    References
    ----------
    .. [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, Bayesian Analysis 16
       (2021) 667–718.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import mcse
    >>> draws = np.random.default_rng(0).standard_normal((4, 2500, 1))
    >>> bool(abs(mcse(draws)[0] - 0.01) < 0.001)
    True
    """
    return _of_each_coordinate("mcse", draws, least_chains=1, method="mean")


def draws_to_arviz(result, *, name="x"):
    """The draws of a run in the groups of ArviZ, for its ``from_dict``.

    Parameters
    ----------
    result : LangevinResult
    name : str, optional
        What the variable is called.

    Returns
    -------
    dict
        ``{"posterior": {name: array (chain, draw, dim)}, "sample_stats": {…}}`` of NumPy arrays:
        the sampler's acceptance rate, step size and status, the same for every draw of a chain.

    Notes
    -----
    ``arviz_base.from_dict(draws_to_arviz(result))`` is the DataTree that ArviZ plots and
    summarises (``pip install "mathcore[demo]"`` brings arviz-base); ArviZ before 1.0 takes
    ``arviz.from_dict(**draws_to_arviz(result))``.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import draws_to_arviz, sample_langevin
    >>> x0 = np.zeros((4, 2))
    >>> run = sample_langevin(lambda x: -x, x0, method="ula", step_size=0.1, num_steps=9)
    >>> groups = draws_to_arviz(run)
    >>> groups["posterior"]["x"].shape, sorted(groups["sample_stats"])
    ((4, 9, 2), ['acceptance_rate', 'diverging', 'step_size'])
    """
    draws = _arrays.to_numpy(result.draws)
    each = {
        "acceptance_rate": _arrays.to_numpy(result.acceptance_rate),
        "step_size": np.asarray(
            _arrays.to_numpy(result.step_size)
            if _arrays.is_array(result.step_size)
            else result.step_size
        ),
        "diverging": _arrays.to_numpy(result.status) != 0,
    }
    stats = {
        key: np.broadcast_to(np.reshape(value, (-1, 1)), draws.shape[:2]).copy()
        for key, value in each.items()
    }
    return {"posterior": {name: draws}, "sample_stats": stats}


def _of_each_coordinate(statistic, draws, *, least_chains, **options):
    _, draws = _arrays.asarrays(draws=draws)
    check_shape(draws, (None, None, None), "draws")
    check_real(draws, "draws")
    chains, count, dim = draws.shape
    if chains < least_chains or count < 4:
        raise ValueError(
            f"`draws` must have at least {least_chains} chains of 4 draws; got {chains} of {count}"
        )
    values = _arrays.to_numpy(draws).astype(np.float64)
    compute = getattr(_array_stats(), statistic)
    each = np.full(dim, np.nan)
    for i in range(dim):
        of_one = values[:, :, i]
        if np.all(np.isfinite(of_one)) and np.any(of_one != of_one[0, 0]):
            with np.errstate(divide="ignore"):  # chains that do not move
                each[i] = compute(of_one, chain_axis=0, draw_axis=1, **options)
    return _arrays.from_numpy(each, like=draws)


def _array_stats():
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError('diagnostics need arviz-stats: pip install "mathcore[demo]"') from error
    return array_stats
