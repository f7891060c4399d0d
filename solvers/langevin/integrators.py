"""One step of Langevin dynamics, as plain functions of arrays.

The overdamped equation dx = ∇log π(x) dt + √(2T) dW and the underdamped one (unit mass)
dx = p dt, dp = ∇log π(x) dt − γp dt + √(2γT) dW both have x distributed like π^{1/T}. `score` is
∇log π, `h` the step size, `xi` standard normal noise shaped like x ``(chains, dim)``.
"""

import math

from mathcore import _arrays


def ula(x, score_x, xi, *, h, temperature=1.0):
    """Unadjusted Langevin: the Euler–Maruyama step x + h∇log π(x) + √(2hT) ξ.

    Parameters
    ----------
    x, score_x, xi : array (chains, dim)
        State, ∇log π at it, standard normal noise.
    h : float
        Step size.
    temperature : float, optional
        T.

    Returns
    -------
    array (chains, dim)

    Notes
    -----
    On N(0, 1/k) it leaves the variance T/(k(1 − hk/2)) invariant: a bias of order h.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import ula
    >>> ula(np.ones((1, 1)), -np.ones((1, 1)), np.zeros((1, 1)), h=0.25).tolist()
    [[0.75]]
    """
    return x + h * score_x + math.sqrt(2 * h * temperature) * xi


def mala_log_ratio(x, score_x, log_density_x, y, score_y, log_density_y, *, h, temperature=1.0):
    """Logarithm of the Metropolis–Hastings ratio of the proposal `ula` from x to y.

    Parameters
    ----------
    x, score_x, y, score_y : array (chains, dim)
        State and proposal, ∇log π at each.
    log_density_x, log_density_y : array (chains,)
        log π up to a constant.
    h : float
        Step size.
    temperature : float, optional
        T.

    Returns
    -------
    array (chains,)
        Δlog π/T + [‖y − x − h∇(x)‖² − ‖x − y − h∇(y)‖²]/4hT; y is accepted where it exceeds the
        logarithm of a uniform draw.

    References
    ----------
    .. [1] G. O. Roberts, R. L. Tweedie, "Exponential convergence of Langevin distributions and
       their discrete approximations", Bernoulli 2 (1996) 341–363.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import mala_log_ratio
    >>> x, y = np.zeros((1, 1)), np.ones((1, 1))  # target N(0, 1)
    >>> mala_log_ratio(x, -x, -x[:, 0] ** 2 / 2, y, -y, -y[:, 0] ** 2 / 2, h=1.0).tolist()
    [-0.25]
    """
    xp = _arrays.result_namespace(x)
    forward = xp.sum((y - x - h * score_x) ** 2, axis=-1)
    backward = xp.sum((x - y - h * score_y) ** 2, axis=-1)
    return (log_density_y - log_density_x + (forward - backward) / (4 * h)) / temperature


def baoab(x, p, score_x, score, xi, *, h, friction=1.0, temperature=1.0):
    """Underdamped Langevin, splitting B (kick) A (drift) O (friction and noise) A B.

    Parameters
    ----------
    x, p, score_x, xi : array (chains, dim)
        State, momentum (unit mass), ∇log π at x, standard normal noise.
    score : callable
        ∇log π, called once.
    h : float
        Step size.
    friction, temperature : float, optional
        γ and T.

    Returns
    -------
    tuple of 3 arrays (chains, dim)
        The new x, p, and ∇log π at the new x.

    Notes
    -----
    On N(0, 1/k) the variance of x is T/k exactly, for any stable step; that of p is T(1 − h²k/4).

    References
    ----------
    .. [1] B. Leimkuhler, C. Matthews, "Rational construction of stochastic numerical methods for
       molecular sampling", Appl. Math. Res. eXpress 2013 (2013) 34–56.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import baoab
    >>> x, p, zero = np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    >>> x, p, _ = baoab(x, p, -x, lambda x: -x, zero, h=0.1, friction=0.0)
    >>> round(float(x[0, 0]), 9), round(float(p[0, 0]), 9)  # without friction: leapfrog
    (0.995, -0.09975)
    """
    p = p + h / 2 * score_x
    x = x + h / 2 * p
    p = math.exp(-friction * h) * p + math.sqrt(-temperature * math.expm1(-2 * friction * h)) * xi
    x = x + h / 2 * p
    score_x = score(x)
    return x, p + h / 2 * score_x, score_x
