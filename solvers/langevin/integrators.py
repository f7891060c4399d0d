"""One step of Langevin dynamics, as plain functions of arrays.

With a constant preconditioner M = LLᵀ, the overdamped equation dx = M∇log π(x) dt + √(2TM) dW and
the underdamped one, of unit mass in the coordinates L⁻¹x, dx = Lp dt, dp = Lᵀ∇log π(x) dt − γp dt
+ √(2γT) dW,
both have x distributed like π^{1/T}. `score` is ∇log π, `h` the step size, `xi` standard normal
noise
shaped like x ``(chains, dim)``, `factor` is L: None for the identity, an array ``(dim,)`` for a
diagonal, a matrix ``(dim, dim)`` otherwise.
"""

import math

from mathcore import _arrays


def spread(factor, v):
    """Lv, for each row alone."""
    return _times(factor, v, transposed=False)


def gather(factor, v):
    """Lᵀv, for each row alone."""
    return _times(factor, v, transposed=True)


def _times(factor, v, *, transposed):
    if factor is None:
        return v
    if factor.ndim == 1:
        return factor * v
    xp = _arrays.result_namespace(v)
    matrix = xp.matrix_transpose(factor) if transposed else factor
    return xp.matmul(matrix, v[..., None])[..., 0]  # one product a row: bits depend on no batch


def _root(x):
    return _arrays.result_namespace(x).sqrt(x) if _arrays.is_array(x) else math.sqrt(x)


def overdamped_move(force, xi, *, h, temperature=1.0):
    """The Euler–Maruyama move L⁻¹(y − x) = hLᵀ∇log π(x) + √(2hT) ξ.

    Parameters
    ----------
    force, xi : array (chains, dim)
        Lᵀ∇log π(x) and noise.
    h : float or array (chains, 1)
    temperature : float, optional

    Returns
    -------
    array (chains, dim)
    """
    return h * force + _root(2 * h * temperature) * xi


def ula(x, score_x, xi, *, h, temperature=1.0, factor=None):
    """Unadjusted Langevin: the Euler–Maruyama step x + hM∇log π(x) + √(2hT) Lξ.

    Parameters
    ----------
    x, score_x, xi : array (chains, dim)
        State, ∇log π at it, standard normal noise.
    h : float
        Step size.
    temperature : float, optional
        T.
    factor : array (dim,) or (dim, dim), optional
        L of the preconditioner.

    Returns
    -------
    array (chains, dim)

    Notes
    -----
    On N(0, 1/k) it leaves the variance T/(k(1 − hk/2)) invariant: a bias of order h. With the mean
    of this step's noise and the next one's for `xi` it is the method of [1]_,
    which leaves T/k invariant there and has a bias of order h² elsewhere.

    References
    ----------
    .. [1] B. Leimkuhler, C. Matthews, "Rational construction of stochastic numerical methods for
       molecular sampling", Appl. Math. Res. eXpress 2013 (2013) 34–56.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import ula
    >>> ula(np.ones((1, 1)), -np.ones((1, 1)), np.zeros((1, 1)), h=0.25).tolist()
    [[0.75]]
    """
    move = overdamped_move(gather(factor, score_x), xi, h=h, temperature=temperature)
    return x + spread(factor, move)


def mala_log_ratio(
    score_x, log_density_x, score_y, log_density_y, xi, *, h, temperature=1.0, factor=None
):
    """Logarithm of the Metropolis–Hastings ratio of the proposal y = `ula`(x, …, xi).

    Parameters
    ----------
    score_x, score_y, xi : array (chains, dim)
        ∇log π at the state and at the proposal, the noise of the proposal.
    log_density_x, log_density_y : array (chains,)
        log π up to a constant.
    h : float or array (chains, 1)
        Step size.
    temperature : float, optional
        T.
    factor : array (dim,) or (dim, dim), optional
        L of the preconditioner.

    Returns
    -------
    array (chains,)
        Δlog π/T + [‖y − x − hM∇(x)‖² − ‖x − y − hM∇(y)‖²]/4hT in the norm of M⁻¹; y is accepted
        where it exceeds the logarithm of a uniform draw.

    Notes
    -----
    With w = √(2hT) ξ and g = Lᵀ(∇(x) + ∇(y)) the bracket is ‖w‖² − ‖w + hg‖² = −h⟨2w + hg, g⟩: no
    inverse of M, no difference of large numbers.

    References
    ----------
    .. [1] G. O. Roberts, R. L. Tweedie, "Exponential convergence of Langevin distributions and
       their discrete approximations", Bernoulli 2 (1996) 341–363.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import mala_log_ratio
    >>> x, y = np.zeros((1, 1)), np.ones((1, 1))  # target N(0, 1)
    >>> xi = (y - x - 1.0 * -x) / np.sqrt(2.0)
    >>> ratio = mala_log_ratio(-x, -x[:, 0] ** 2 / 2, -y, -y[:, 0] ** 2 / 2, xi, h=1.0)
    >>> [round(value, 12) for value in ratio.tolist()]
    [-0.25]
    """
    xp = _arrays.result_namespace(xi)
    g = gather(factor, score_x + score_y)
    bracket = xp.sum((_root(2 * h * temperature) * xi + h / 2 * g) * g, axis=-1)
    return (log_density_y - log_density_x - bracket / 2) / temperature


def _friction_step(p, xi, *, h, friction, temperature):
    """O: the exact solution of dp = −γp dt + √(2γT) dW over the time h."""
    return (
        math.exp(-friction * h) * p + math.sqrt(-temperature * math.expm1(-2 * friction * h)) * xi
    )


def baoab(x, p, score_x, score, xi, *, h, friction=1.0, temperature=1.0, factor=None):
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
    factor : array (dim,) or (dim, dim), optional
        L of the preconditioner.

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
    p = p + h / 2 * gather(factor, score_x)
    x = x + h / 2 * spread(factor, p)
    p = _friction_step(p, xi, h=h, friction=friction, temperature=temperature)
    x = x + h / 2 * spread(factor, p)
    score_x = score(x)
    return x, p + h / 2 * gather(factor, score_x), score_x


def aboba(x, p, score, xi, *, h, friction=1.0, temperature=1.0, factor=None):
    """Underdamped Langevin, splitting A B O B A: the score is met in mid-step.

    Parameters
    ----------
    x, p, score, xi, h, friction, temperature, factor
        As for `baoab`.

    Returns
    -------
    tuple of 2 arrays (chains, dim)
        The new x and p.

    Notes
    -----
    On N(0, 1/k) the variance of x is T/k exactly, that of p is T/(1 − h²k/4).

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import aboba
    >>> x, p, zero = np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    >>> x, p = aboba(x, p, lambda x: -x, zero, h=0.1, friction=0.0)
    >>> round(float(x[0, 0]), 9), round(float(p[0, 0]), 9)
    (0.995, -0.1)
    """
    x = x + h / 2 * spread(factor, p)
    force = gather(factor, score(x))
    p = p + h / 2 * force
    p = _friction_step(p, xi, h=h, friction=friction, temperature=temperature)
    p = p + h / 2 * force
    return x + h / 2 * spread(factor, p), p


def obabo(x, p, score_x, score, xi, eta, *, h, friction=1.0, temperature=1.0, factor=None):
    """Underdamped Langevin, splitting O B A B O: leapfrog between two half steps of noise.

    Parameters
    ----------
    x, p, score_x, score, xi, h, friction, temperature, factor
        As for `baoab`.
    eta : array (chains, dim)
        Noise of the second half step.

    Returns
    -------
    tuple of 3 arrays (chains, dim)
        The new x, p, and ∇log π at the new x.

    Notes
    -----
    On N(0, 1/k) the variance of x is T/(k(1 − h²k/4)), that of p is T.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers.langevin.integrators import obabo
    >>> x, p, zero = np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    >>> x, p, _ = obabo(x, p, -x, lambda x: -x, zero, zero, h=0.1, friction=0.0)
    >>> round(float(x[0, 0]), 9), round(float(p[0, 0]), 9)  # without friction: leapfrog
    (0.995, -0.09975)
    """
    half = {"h": h / 2, "friction": friction, "temperature": temperature}
    p = _friction_step(p, xi, **half) + h / 2 * gather(factor, score_x)
    x = x + h * spread(factor, p)
    score_x = score(x)
    p = p + h / 2 * gather(factor, score_x)
    return x, _friction_step(p, eta, **half), score_x
