"""Minibatches for stochastic gradients, a function of (seed, step)."""

import numpy as np

from mathcore import _arrays, _random
from mathcore._checks import check_count

_ROWS = 4  # stream of noise, beside those of the steps


def minibatches(num_data, batch_size, *, rng=0):
    """Batches of row numbers for ``batches=`` of `sample_langevin`: a function of the step alone.

    Parameters
    ----------
    num_data : int
        Rows of the data.
    batch_size : int
        Rows of a batch, drawn without replacement.
    rng : int, generator or key, optional
        Seed.

    Returns
    -------
    callable
        ``batches(step) -> array of int (batch_size,)`` (NumPy).

    Raises
    ------
    ValueError
        `batch_size` exceeds `num_data`.

    Notes
    -----
    Stochastic gradient Langevin dynamics [1]_ is ``method="ula"`` with
    ``score(x, rows) = ∇log prior(x) + num_data/batch_size Σ_rows ∇log likelihood``. Its bias is
    that of ULA and more: the gradient noise adds to the temperature at the order of the step size.

    References
    ----------
    .. [1] M. Welling, Y. W. Teh, "Bayesian learning via stochastic gradient Langevin dynamics",
       ICML 2011.

    Examples
    --------
    >>> from solvers import minibatches
    >>> batches = minibatches(100, 4, rng=0)
    >>> len(set(batches(7).tolist())), bool((batches(7) == batches(7)).all())
    (4, True)
    """
    num_data, batch_size = check_count(num_data, "num_data"), check_count(batch_size, "batch_size")
    if batch_size > num_data:
        raise ValueError(f"`batch_size` must be at most {num_data}; got {batch_size}")
    seed = _arrays.seed_of(rng)

    def batches(step):
        order = _random.uniforms(seed, np.zeros(1, np.int64), step, num_data, stream=_ROWS)[0]
        return np.argsort(order, kind="stable")[:batch_size]

    return batches
