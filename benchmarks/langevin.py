"""Langevin chains side by side: throughput, and effective draws per second."""

import numba
import numpy as np

from benchmarks.runner import Case, peer
from solvers import effective_sample_size, sample_langevin

DIM, STEP_SIZE = 10, 0.1
PRECISION = np.linspace(1.0, 4.0, DIM)
STIFF = np.geomspace(1.0, 1e4, 100)  # κ = 1e4
_WHITE_STEP, _STIFF_STEP = 0.225, 0.85e-4  # acceptance near 0.57 with and without whitening
CENTERS = 2.0 * np.stack([np.cos(np.arange(5) * 1.2566), np.sin(np.arange(5) * 1.2566)], axis=1)
SIZES = [(1024, 1000), (128, 200)]


def cases(quick):
    """Chains by steps, all draws kept; ours in float64, BlackJAX in its float32."""
    for chains, steps in SIZES[-1:] if quick else SIZES:
        for method in ("ula", "mala"):
            yield from _gaussian(method, chains, steps)
            yield _mixture(method, chains, steps)
    if not quick:
        yield _stiff()


# --- targets ------------------------------------------------------------------------------------


def _gaussian_target(precision):
    """Score and log density of N(0, diag(1/precision)), compiled."""

    @numba.njit
    def score(x, out):
        for i in range(x.shape[0]):
            out[i] = -precision[i] * x[i]

    @numba.njit
    def log_density(x):
        total = 0.0
        for i in range(x.shape[0]):
            total -= precision[i] * x[i] * x[i]
        return total / 2

    return score, log_density


_GAUSSIAN = _gaussian_target(PRECISION)


@numba.njit
def _mixture_score(x, out):
    total = a = b = 0.0
    for k in range(CENTERS.shape[0]):
        u, v = CENTERS[k, 0] - x[0], CENTERS[k, 1] - x[1]
        weight = np.exp(-(u * u + v * v) / 2)
        total, a, b = total + weight, a + weight * u, b + weight * v
    out[0], out[1] = a / total, b / total


@numba.njit
def _mixture_log_density(x):
    total = 0.0
    for k in range(CENTERS.shape[0]):
        u, v = CENTERS[k, 0] - x[0], CENTERS[k, 1] - x[1]
        total += np.exp(-(u * u + v * v) / 2)
    return np.log(total)


def _array_score(x):
    return -PRECISION * x


def _array_log_density(x):
    return -0.5 * np.sum(PRECISION * x * x, axis=-1)


# --- throughput ---------------------------------------------------------------------------------


def _gaussian(method, chains, steps):
    x0 = np.random.default_rng(0).standard_normal((chains, DIM)) / np.sqrt(PRECISION)

    def ours(score, log_density):
        return sample_langevin(
            score,
            x0,
            method=method,
            log_density=log_density,
            step_size=STEP_SIZE,
            num_steps=steps,
        ).draws

    candidates = {
        "mathcore": lambda: ours(*_GAUSSIAN),
        "mathcore, array score": lambda: ours(_array_score, _array_log_density),
        "plain NumPy": lambda: _plain_numpy(x0, steps, adjusted=method == "mala"),
        **_blackjax(method, x0, steps, _jax_gaussian(PRECISION)),
    }
    bias = 1 / (1 - STEP_SIZE * PRECISION / 2) if method == "ula" else np.ones(DIM)
    yield Case(
        f"{method}, {DIM}-d Gaussian, {chains} chains × {steps} steps",
        candidates,
        lambda outputs: _agree_in_variance(outputs, bias / PRECISION),
    )


def _mixture(method, chains, steps):
    x0 = CENTERS[np.arange(chains) % len(CENTERS)]

    def ours():
        return sample_langevin(
            _mixture_score,
            x0,
            method=method,
            log_density=_mixture_log_density,
            step_size=STEP_SIZE,
            num_steps=steps,
        ).draws

    candidates = {"mathcore": ours, **_blackjax(method, x0, steps, _jax_mixture)}
    # 1 + E μ² of the target; ULA's variance within a component is 1/(1 − h/2) at most
    variance = np.full(2, 1 + (CENTERS**2).mean(axis=0)[0])
    slack = 0.06 if method == "ula" else 0.0
    return Case(
        f"{method}, 2-d mixture of 5, {chains} chains × {steps} steps",
        candidates,
        lambda outputs: _agree_in_variance(outputs, variance, slack),
    )


def _plain_numpy(x0, steps, *, adjusted, h=STEP_SIZE, precision=PRECISION):
    rng, x = np.random.default_rng(1), x0
    s, draws = -precision * x, []
    log_p = np.sum(s * x, axis=-1) / 2
    for _ in range(steps):
        y = x + h * s + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        s_y = -precision * y
        if adjusted:
            log_p_y = np.sum(s_y * y, axis=-1) / 2
            forward, backward = y - x - h * s, x - y - h * s_y
            log_ratio = log_p_y - log_p + np.sum(forward**2 - backward**2, axis=-1) / (4 * h)
            taken = np.log(rng.random(len(x))) < log_ratio
            y, s_y = np.where(taken[:, None], y, x), np.where(taken[:, None], s_y, s)
            log_p = np.where(taken, log_p_y, log_p)
        x, s = y, s_y
        draws.append(x)
    return np.stack(draws, axis=1)


def _jax_gaussian(precision):
    return lambda jnp: lambda x: -0.5 * jnp.sum(jnp.asarray(precision, jnp.float32) * x * x)


def _jax_mixture(jnp):
    centers, logsumexp = jnp.asarray(CENTERS, jnp.float32), peer("jax").nn.logsumexp
    return lambda x: logsumexp(-jnp.sum((x - centers) ** 2, axis=-1) / 2)


def _blackjax(method, x0, steps, target, h=STEP_SIZE):
    """MALA; for ULA its stochastic gradient step with the whole gradient."""
    blackjax, jax = peer("blackjax"), peer("jax")
    if blackjax is None or jax is None:
        return {}
    log_density = target(jax.numpy)
    if method == "mala":
        kernel = blackjax.mala(log_density, h)
        start, position = jax.vmap(kernel.init), lambda state: state.position
        move = lambda key, state: kernel.step(key, state)[0]  # noqa: E731
    else:
        kernel = blackjax.sgld(lambda x, _: jax.grad(log_density)(x))
        start, position = (lambda x: x), (lambda x: x)
        move = lambda key, x: kernel.step(key, x, 0.0, h)  # noqa: E731

    @jax.jit
    def run(x0, key):
        def body(states, key):
            states = jax.vmap(move)(jax.random.split(key, len(x0)), states)
            return states, position(states)

        return jax.lax.scan(body, start(x0), jax.random.split(key, steps))[1]

    x0, key = jax.numpy.asarray(x0, jax.numpy.float32), jax.random.key(1)

    def in_single():
        with jax.enable_x64(False):
            return np.asarray(run(x0, key)).swapaxes(0, 1)

    return {"BlackJAX": in_single}


def _agree_in_variance(outputs, variance, slack=0.0):
    """The second moment of the last states within six standard errors of the exact one."""
    for name, draws in outputs.items():
        z = np.asarray(draws, float)[:, -1, :] / np.sqrt(variance)
        error = abs((z**2).mean() - 1)
        bound = 6 * (z**2).std() / np.sqrt(z.size) + slack
        assert error <= bound, f"{name}: variance off by {error:.3g}, more than {bound:.3g}"


# --- effective draws per second -------------------------------------------------------------------


def _stiff():
    """100-d Gaussian, κ = 1e4, MALA in the target's own coordinates, 16 chains of 2000 steps.

    `_print_effective` says how many independent draws the steps are worth; divide by the seconds.
    BlackJAX and plain NumPy have no preconditioner: they are given the whitened target.
    """
    x0 = np.random.default_rng(0).standard_normal((16, 100)) / np.sqrt(STIFF)
    score, log_density = _gaussian_target(STIFF)

    def ours(h, preconditioner):
        return sample_langevin(
            score,
            x0,
            log_density=log_density,
            step_size=h,
            num_steps=2000,
            preconditioner=preconditioner,
        ).draws

    def plain_numpy(h, precision, start):
        return _plain_numpy(start, 2000, adjusted=True, h=h, precision=precision)

    z0, ones = x0 * np.sqrt(STIFF), np.ones(100)
    candidates = {
        "mathcore": lambda: ours(_WHITE_STEP, 1 / STIFF),
        "mathcore, no preconditioner": lambda: ours(_STIFF_STEP, None),
        "plain NumPy, whitened": lambda: plain_numpy(_WHITE_STEP, ones, z0),
        "plain NumPy": lambda: plain_numpy(_STIFF_STEP, STIFF, x0),
        **_stiff_blackjax(x0, z0),
    }
    return Case("mala, 100-d Gaussian, κ = 1e4", candidates, _print_effective)


def _stiff_blackjax(x0, z0):
    found = {}
    for name, start, precision, h in (
        ("BlackJAX, whitened", z0, np.ones(100), _WHITE_STEP),
        ("BlackJAX", x0, STIFF, _STIFF_STEP),
    ):
        runs = _blackjax("mala", start, 2000, _jax_gaussian(precision), h=h)
        if runs:
            found[name] = runs["BlackJAX"]
    return found


def _print_effective(outputs):
    for name, draws in outputs.items():
        smallest = effective_sample_size(np.asarray(draws, float)).min()
        print(f"  {name}: smallest effective size {smallest:.0f} of {draws[..., 0].size}")
