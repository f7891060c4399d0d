"""MALA on a ten-dimensional Gaussian, many chains side by side."""

import numpy as np

from benchmarks.runner import Case, peer
from solvers import sample_langevin

DIM, STEP_SIZE = 10, 0.1
PRECISION = np.linspace(1.0, 4.0, DIM)
SIZES = [(1024, 200), (128, 200), (16, 200)]


def cases(quick):
    """Chains by steps, float64; every chain starts from the target."""
    for chains, steps in SIZES[-1:] if quick else SIZES:
        x0 = np.random.default_rng(0).standard_normal((chains, DIM)) / np.sqrt(PRECISION)
        candidates = {
            "mathcore": lambda x0=x0, steps=steps: _mathcore(x0, steps),
            "plain NumPy": lambda x0=x0, steps=steps: _plain_numpy(x0, steps),
            **_blackjax(x0, steps),
        }
        yield Case(f"MALA, {chains} chains × {steps} steps, 10-d", candidates, _agree)


def _score(x):
    return -PRECISION * x


def _log_density(x):
    return -0.5 * np.sum(PRECISION * x * x, axis=-1)


def _mathcore(x0, steps):
    return sample_langevin(
        _score, x0, log_density=_log_density, step_size=STEP_SIZE, num_steps=steps
    ).draws


def _plain_numpy(x0, steps):
    rng, h, x = np.random.default_rng(1), STEP_SIZE, x0
    s, log_p, draws = _score(x), _log_density(x), []
    for _ in range(steps):
        y = x + h * s + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        s_y, log_p_y = _score(y), _log_density(y)
        forward, backward = y - x - h * s, x - y - h * s_y
        log_ratio = log_p_y - log_p + np.sum(forward**2 - backward**2, axis=-1) / (4 * h)
        taken = np.log(rng.random(len(x))) < log_ratio
        x, s = np.where(taken[:, None], y, x), np.where(taken[:, None], s_y, s)
        log_p = np.where(taken, log_p_y, log_p)
        draws.append(x)
    return np.stack(draws, axis=1)


def _blackjax(x0, steps):
    blackjax, jax = peer("blackjax"), peer("jax")
    if blackjax is None or jax is None:
        return {}
    precision = jax.numpy.asarray(PRECISION)
    kernel = blackjax.mala(lambda x: -0.5 * jax.numpy.sum(precision * x * x), STEP_SIZE)

    @jax.jit
    def run(x0, key):
        states = jax.vmap(kernel.init)(x0)

        def body(states, key):
            states, _ = jax.vmap(kernel.step)(jax.random.split(key, len(x0)), states)
            return states, states.position

        return jax.lax.scan(body, states, jax.random.split(key, steps))[1]

    start, key = jax.numpy.asarray(x0), jax.random.key(1)
    return {"BlackJAX": lambda: np.asarray(run(start, key).swapaxes(0, 1))}


def _agree(outputs):
    """The variance of the last states within six standard errors of 1/k."""
    for name, draws in outputs.items():
        z = np.asarray(draws)[:, -1, :] * np.sqrt(PRECISION)
        error = abs((z**2).mean() - 1)
        bound = 6 * np.sqrt(2 / z.size)
        assert error <= bound, f"{name}: variance off by {error:.3g}, more than {bound:.3g}"
