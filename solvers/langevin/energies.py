"""Energy-based models: the contrastive loss, and persistent chains that now and then start anew.

A model p(x) ∝ exp(−E(x)) is trained by ∇_θ log-likelihood = −E_data ∇_θE + E_model ∇_θE; the draws
of the model come from chains that go on from one training step to the next. Their buffer is the
`LangevinState` of the run.
"""

import numpy as np

from mathcore import _arrays, _random
from mathcore._checks import check_callable, check_number, check_shape
from solvers.langevin.results import LangevinState

_RESTARTS = 5  # stream of noise, beside those of the steps


def contrastive_loss(energy, data, samples, *, energy_weight=0.0):
    """A number whose gradient is that of the negative log-likelihood of an energy-based model.

    Parameters
    ----------
    energy : callable
        ``energy(x) -> array (n,)``; the density is proportional to exp(−energy).
    data, samples : array (n, ...), (m, ...)
        Rows of the data and draws of the model; no gradient passes into the draws.
    energy_weight : float, optional
        Weight of the mean of the squared energies, which keeps them near zero [2]_.

    Returns
    -------
    array ()
        Mean energy of the data minus that of the draws. Its value says nothing of the likelihood;
        its gradient in the parameters of the energy is the contrastive gradient [1]_.

    Raises
    ------
    ValueError
        The energy has not one number for each row.

    References
    ----------
    .. [1] T. Tieleman, "Training restricted Boltzmann machines using approximations to the
       likelihood gradient", ICML 2008.
    .. [2] Y. Du, I. Mordatch, "Implicit generation and modeling with energy based models",
       NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import contrastive_loss
    >>> x = np.asarray([[1.0], [2.0]])
    >>> float(contrastive_loss(lambda x: x[:, 0] ** 2 / 2, x, 2 * x))
    -3.75
    """
    check_callable(energy, "energy")
    weight = check_number(energy_weight, "energy_weight", at_least=0.0)
    of_data, of_samples = energy(data), energy(_arrays.detach(samples))
    check_shape(of_data, (data.shape[0],), "energy(data)")
    check_shape(of_samples, (samples.shape[0],), "energy(samples)")
    xp = _arrays.result_namespace(of_data)
    gap = xp.mean(of_data) - xp.mean(of_samples)
    if weight:
        gap = gap + weight * (xp.mean(of_data**2) + xp.mean(of_samples**2))
    return gap


def restart_chains(state, fresh, *, rate):
    """Persistent chains of which some start anew.

    Parameters
    ----------
    state : LangevinState
        ``result.state`` of the run that goes on.
    fresh : array (chains, dim)
        Where a chain that starts anew begins: a row for each.
    rate : float
        Probability that a chain does, in [0, 1].

    Returns
    -------
    LangevinState
        Which chains start anew is a function of (seed, chain, step); the seed, the numbers of the
        chains and the count of the steps go on.

    Raises
    ------
    TypeError
        `state` is not a state, or `fresh` an array of another library.
    ValueError
        A shape or `rate` is out of range.

    References
    ----------
    .. [1] Y. Du, I. Mordatch, "Implicit generation and modeling with energy based models",
       NeurIPS 2019: a buffer of past draws, 5 % of them replaced by noise.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import restart_chains, sample_langevin
    >>> x0 = np.zeros((1000, 1))
    >>> state = sample_langevin(lambda x: -x, x0, method="ula", step_size=0.1, num_steps=5).state
    >>> state = restart_chains(state, np.full((1000, 1), 9.0), rate=0.05)
    >>> bool(30 < np.sum(state.x == 9.0) < 70)
    True
    """
    if not isinstance(state, LangevinState):
        raise TypeError(f"`state` must be a LangevinState; got {type(state).__name__}")
    rate = check_number(rate, "rate", at_least=0.0, at_most=1.0)
    xp, x, fresh = _arrays.asarrays(x=state.x, fresh=fresh)
    check_shape(fresh, tuple(x.shape), "fresh")
    draws = _random.uniforms(state.seed, state.chains, state.step, 1, stream=_RESTARTS)
    chosen = xp.asarray((draws <= rate).astype(np.int32), device=_arrays.device(x)) > 0
    return state._replace(x=xp.where(chosen, fresh, x))
