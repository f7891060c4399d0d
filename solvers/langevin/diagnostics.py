"""Convergence diagnostics of Markov chains, computed by arviz-stats."""

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_real, check_shape


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


def effective_sample_size(draws):
    """Bulk effective sample size of each coordinate: how many independent draws say as much.

    Parameters
    ----------
    draws : array (chains, draws, dim)
        ``LangevinResult.draws``; at least 4 draws.

    Returns
    -------
    array (dim,)
        NaN where a draw is NaN or infinite, or all are equal. Library and dtype of `draws`.

    Raises
    ------
    ValueError
        `draws` has another number of axes, or too few draws.
    ImportError
        arviz-stats is not installed.

    Notes
    -----
    The bulk size of [1]_, of rank-normalised split chains, as ``arviz_stats.ess``, except that
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
    return _of_each_coordinate("ess", draws, least_chains=1, method="bulk")


def _of_each_coordinate(statistic, draws, *, least_chains, method):
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
                each[i] = compute(of_one, chain_axis=0, draw_axis=1, method=method)
    return _arrays.from_numpy(each, like=draws)


def _array_stats():
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError('diagnostics need arviz-stats: pip install "mathcore[demo]"') from error
    return array_stats
