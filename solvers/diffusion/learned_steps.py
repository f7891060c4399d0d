"""Steps fitted to a denoiser: where to stop (GITS), and which slope stands for a whole step."""

import itertools

import numpy as np

from mathcore import _arrays
from mathcore._checks import check_count, check_number
from solvers.diffusion.methods import checked_sigmas
from solvers.diffusion.samplers import checked_state, sample_diffusion
from solvers.diffusion.walking import in_working_precision

_GAMMAS = (0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
_PLACES = 49  # values of r that are tried
_MOST_CORRECTION = 0.1  # |c − 1|: a free c fits the training noise and harms the rest


def fit_gits(denoiser, x, sigmas_teacher, n, *, method="ipndm_3", gamma=None):
    """The `n` levels of a fine grid between which straight lines follow the trajectories best.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``.
    x : array (batch, ...)
        Noise at ``sigmas_teacher[0]``, a few dozen samples.
    sigmas_teacher : array (m,)
        Strictly decreasing levels above 0, m ≥ n; 61 of them serve.
    n : int
        How many levels to choose, at least 2; the first and the last are kept.
    method : str, optional
        The method that will use them, a deterministic one; it decides about `gamma`.
    gamma : float, optional
        γ > 0: how much more an error of a later step counts than of the one before. If None, the
        value from 0.9 to 1.2 with which `method` ends nearest to the teacher.

    Returns
    -------
    ndarray (n,)
        float64, strictly decreasing.

    Raises
    ------
    ValueError
        `n` is below 2 or above m; a level is 0; the batch is empty; as in `sample_diffusion`.
    TypeError
        As in `sample_diffusion`.

    Notes
    -----
    Along the teacher's trajectories (Heun on the fine grid) let C_ij be the mean distance between
    x_j and the Euler step from x_i to it. The levels minimise Σ_k γ^k C over the chosen steps, by a
    dynamic programme over V[j, k] = min_i C_ji + γ V[i, k − 1]. The paper takes γ = 1.15; the best
    value depends on n, so here it is tried on `x`.

    References
    ----------
    .. [1] D. Chen et al., "On the trajectory regularity of ODE-based diffusion sampling" (GITS),
       ICML 2024, arXiv 2405.11326.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import empirical_denoiser, fit_gits, sigmas_logsnr
    >>> denoiser = empirical_denoiser(np.array([[-1.0], [1.0]]))
    >>> noise = 10.0 * np.random.default_rng(0).standard_normal((32, 1))
    >>> fit_gits(denoiser, noise, sigmas_logsnr(41, 0.1, 10.0), 5).round(2).tolist()
    [10.0, 1.26, 0.71, 0.45, 0.1]
    """
    levels = checked_sigmas(sigmas_teacher, at_least=2)
    if levels[-1] == 0.0:
        raise ValueError("`sigmas_teacher` must stay above 0; got a last level of 0")
    n = check_count(n, "n", at_least=2)
    if n > len(levels):
        raise ValueError(f"`n` must be <= {len(levels)}, the levels of the teacher; got {n}")
    denoiser, x = _training(denoiser, x)
    gammas = _GAMMAS if gamma is None else (check_number(gamma, "gamma", above=0.0),)
    states, slopes = _teacher_path(denoiser, x, levels)
    costs = _euler_errors(states, slopes, levels)
    grids = [levels[_cheapest_path(costs, n, gamma)] for gamma in gammas]
    if len(grids) == 1:
        return grids[0]

    def error(grid):
        end = sample_diffusion(denoiser, x, grid, method=method, final="stop").x
        missed = _arrays.to_numpy(end).reshape(states[-1].shape) - states[-1]
        return np.sum(np.linalg.norm(missed, axis=-1))  # a mean distance, as in C

    return min(grids, key=error)


def _training(denoiser, x):
    """The denoiser and the noise a fit works with."""
    _, x = checked_state(denoiser, x)
    if x.shape[0] == 0:
        raise ValueError("`x` must hold at least one sample; got none")
    return in_working_precision(denoiser, x)


def _teacher_path(denoiser, x, levels):
    """States and slopes at all levels on the host, ``(m, batch, ...)`` and one slope less."""
    path = sample_diffusion(
        denoiser, x, levels, method="heun", final="stop", return_trajectory=True
    ).trajectory
    slopes = []
    for i, sigma in enumerate(levels[:-1].tolist()):
        state = path[i, ...]
        slopes.append(_arrays.to_numpy((state - denoiser(state, sigma)) / sigma))
    flat = (len(levels), x.shape[0], -1)
    return _arrays.to_numpy(path).reshape(flat), np.stack(slopes).reshape(len(slopes), *flat[1:])


def _euler_errors(states, slopes, levels):
    """C_ij = mean ‖x_i + (σ_j − σ_i) ε_i − x_j‖ for i < j."""
    costs = np.full((len(levels), len(levels)), np.inf)
    for i, slope in enumerate(slopes):
        ahead = (levels[i + 1 :] - levels[i])[:, None, None]
        missed = states[i] + ahead * slope - states[i + 1 :]
        costs[i, i + 1 :] = np.mean(np.linalg.norm(missed, axis=-1), axis=-1)
    return costs


def _cheapest_path(costs, n, gamma):
    """Indices of the n nodes from the first to the last of least Σ_k γ^k C."""
    value = np.full(len(costs), np.inf)
    value[-1] = 0.0
    choices = []
    for _ in range(n - 1):
        total = costs + gamma * value
        choices.append(np.argmin(total, axis=1))
        value = np.min(total, axis=1)
    path = [0]
    for choice in reversed(choices):
        path.append(int(choice[path[-1]]))
    return path


def fit_mean_value(denoiser, x, sigmas, *, teacher_steps=20):
    """Fit for each step one point whose slope, times c, takes the place of the step's mean slope.

    Parameters
    ----------
    denoiser : callable
        ``denoiser(x, sigma) -> x0``.
    x : array (batch, ...)
        Noise at ``sigmas[0]``, a few hundred samples.
    sigmas : array (n + 1,)
        Strictly decreasing levels above 0: those the sampler will use.
    teacher_steps : int, optional
        Steps of the fine method ("dpm_3") that the teacher takes for each step of `sigmas`.

    Returns
    -------
    ndarray (n, 2)
        Rows (r, c), float64: the ``step_table`` of ``method="mean_value"``. A plain array, to be
        kept with ``numpy.save``.

    Raises
    ------
    ValueError
        `teacher_steps` is below 1; a level is 0; the batch is empty; as in `sample_diffusion`.
    TypeError
        As in `sample_diffusion`.

    Notes
    -----
    A step from a to b takes the slope d at t = a^{1−r} b^r, reached by Euler, and goes to
    x + c (b − a) d. For a number x the mean value theorem gives an exact r with c = 1; for a vector
    it does not, but trajectories lie near a plane, so that one (r, c) serves them all. Steps are
    fitted in turn, from where the fitted steps before arrive, to the teacher's states: r by search,
    c by least squares within 1 ± 0.1. Two evaluations a step.

    References
    ----------
    .. [1] Z. Zhou et al., "Fast ODE-based sampling for diffusion models in around 5 steps" (AMED),
       CVPR 2024, arXiv 2312.00094.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import fit_mean_value, sample_diffusion, sigmas_logsnr
    >>> denoiser = lambda x, sigma: x / (1 + sigma**2)  # of a standard normal
    >>> noise = 10.0 * np.random.default_rng(0).standard_normal((50, 1))
    >>> sigmas = sigmas_logsnr(4, 0.01, 10.0)
    >>> table = fit_mean_value(denoiser, noise, sigmas)
    >>> arguments = {"final": "stop", "step_table": table}
    >>> x = sample_diffusion(denoiser, noise, sigmas, method="mean_value", **arguments).x
    >>> exact = noise * np.sqrt((1 + 0.01**2) / (1 + 10.0**2))
    >>> bool(np.max(np.abs(x - exact)) < 1e-4)
    True
    """
    levels = checked_sigmas(sigmas, at_least=2)
    if levels[-1] == 0.0:
        raise ValueError("`sigmas` must stay above 0; got a last level of 0")
    teacher_steps = check_count(teacher_steps, "teacher_steps")
    denoiser, x = _training(denoiser, x)
    exact, table = x, []
    for a, b in itertools.pairwise(levels.tolist()):
        fine = np.geomspace(a, b, teacher_steps + 1)
        exact = sample_diffusion(denoiser, exact, fine, method="dpm_3", final="stop").x
        slope = (x - denoiser(x, a)) / a
        row, x = _best_step(denoiser, x, slope, exact, a, b)
        table.append(row)
    return np.asarray(table)


def _best_step(denoiser, x, slope, target, a, b):
    """(r, c) of least squared error, and the state they reach."""

    def attempt(r):
        t = a ** (1 - r) * b**r
        y = x + (t - a) * slope
        move = (b - a) * (y - denoiser(y, t)) / t
        c = _bounded_fit(target - x, move)
        return _squared_norm(target - x - c * move), (r, c), x + c * move

    places = np.linspace(0.0, 1.0, _PLACES).tolist()
    errors = [attempt(r)[0] for r in places]
    best = int(np.argmin(errors))
    low, high = places[max(best - 1, 0)], places[min(best + 1, _PLACES - 1)]
    _, row, reached = attempt(_golden_section(lambda r: attempt(r)[0], low, high))
    return row, reached


def _bounded_fit(target, move):
    size = _squared_norm(move)
    c = _inner(target, move) / size if size > 0.0 else 1.0
    return min(max(c, 1.0 - _MOST_CORRECTION), 1.0 + _MOST_CORRECTION)


def _inner(x, y):
    xp = _arrays.result_namespace(x)
    return float(xp.sum(_arrays.detach(x) * _arrays.detach(y)))


def _squared_norm(x):
    return _inner(x, x)


def _golden_section(function, low, high, *, rounds=40):
    """A minimum of a function of one variable between two points."""
    inner = (5**0.5 - 1) / 2
    left, right = high - inner * (high - low), low + inner * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(rounds):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - inner * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + inner * (high - low)
            at_right = function(right)
    return (low + high) / 2
