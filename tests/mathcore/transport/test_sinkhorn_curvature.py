"""Second derivatives of the entropic value, against difference quotients of the first."""

import numpy as np
import pytest

from mathcore import sinkhorn, sinkhorn_cost, sinkhorn_divergence

H = 1e-5


def _measures(batch=()):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((*batch, 7, 2)), rng.standard_normal((*batch, 5, 2)) + 0.3
    a, b = rng.random((*batch, 7)) + 0.1, rng.random((*batch, 5)) + 0.1
    return [x, y, *(w / w.sum(axis=-1, keepdims=True) for w in (a, b))]


def _direction(arrays):
    """That of the weights keeps the mass."""
    rng = np.random.default_rng(1)
    for v in arrays:
        u = rng.standard_normal(v.shape)
        yield u if v.shape[-1] == 2 else 0.1 * (u - u.mean(axis=-1, keepdims=True))


def _gradient(torch, function, arrays, direction=None):
    """The gradient, or the Hessian times the direction."""
    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    first = torch.autograd.grad(function(*tensors), tensors, create_graph=direction is not None)
    if direction is None:
        return [v.numpy() for v in first]
    slope = sum((v * torch.tensor(u)).sum() for v, u in zip(first, direction, strict=True))
    return [v.numpy() for v in torch.autograd.grad(slope, tensors)]


def _check(torch, function, arrays, *, free_constants=True):
    direction = list(_direction(arrays))
    found = _gradient(torch, function, arrays, direction)
    ends = [
        _gradient(torch, function, [v + s * H * u for v, u in zip(arrays, direction, strict=True)])
        for s in (1, -1)
    ]
    for got, high, low in zip(found, *ends, strict=True):
        difference = got - (high - low) / (2 * H)
        if free_constants and got.shape[-1] != 2:  # potentials: up to a constant
            difference = difference - difference.mean(axis=-1, keepdims=True)
        assert np.abs(difference).max() <= 1e-7 * (1 + np.abs(got).max())


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "stored"}, {"cost": "euclidean"}, {"marginal_penalty": 2.0}],
    ids=["streamed", "stored", "euclidean", "penalty"],
)
def test_torch_hessian_is_the_difference_quotient(options):
    torch = pytest.importorskip("torch")

    def value(*v):
        return sinkhorn(*v, epsilon=0.5, tol=1e-12, **options).value

    _check(torch, value, _measures(), free_constants="marginal_penalty" not in options)


def test_of_a_batch_of_divergences():
    torch = pytest.importorskip("torch")

    def total(*v):
        return sinkhorn_divergence(*v, epsilon=0.5, tol=1e-12).sum()

    _check(torch, total, _measures((2,)))


def test_in_the_cost_with_forbidden_arcs_and_absent_points():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    c, direction = rng.random((5, 4)), rng.standard_normal((5, 4))
    c[0, 1] = np.inf
    a, b = np.full(5, 0.25), np.full(4, 0.25)
    a[2] = 0.0

    def gradient(c, *, order=1):
        c = torch.tensor(c, requires_grad=True)
        value = sinkhorn_cost(c, torch.tensor(a), torch.tensor(b), epsilon=0.3, tol=1e-13).value
        (first,) = torch.autograd.grad(value, c, create_graph=order == 2)
        if order == 1:
            return first.numpy()
        return torch.autograd.grad((first * torch.tensor(direction)).sum(), c)[0].numpy()

    got = gradient(c, order=2)
    want = (gradient(c + H * direction) - gradient(c - H * direction)) / (2 * H)
    assert np.abs(got - want).max() <= 1e-8
    assert got[0, 1] == 0
    assert (got[2] == 0).all()


def test_mass_of_both():
    """The value's derivative where both masses grow together, from a mass of seven."""
    torch = pytest.importorskip("torch")
    x, y, a, b = _measures()

    def value(s):
        return sinkhorn(x, y, s * a, s * b, epsilon=0.5, tol=1e-12).value

    s = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    clouds = (torch.tensor(v) for v in (x, y))
    weights = (s * torch.tensor(w) for w in (a, b))
    sinkhorn(*clouds, *weights, epsilon=0.5, tol=1e-12).value.backward()
    want = float(value(7 + H) - value(7 - H)) / (2 * H)
    assert float(s.grad) == pytest.approx(want, rel=1e-7)


def test_third_derivatives_are_refused():
    torch = pytest.importorskip("torch")
    x = torch.tensor(_measures()[0], requires_grad=True)
    value = sinkhorn(x, x.detach() + 1.0, epsilon=0.5).value
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()


@pytest.mark.parametrize("order", ["forward over reverse", "reverse over reverse"])
def test_jax_compiled(order):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    arrays = [v[:3] for v in _measures()]
    arrays[2:] = (w / w.sum() for w in arrays[2:])
    direction = list(_direction(arrays))

    def value(*v):
        return sinkhorn(*v, epsilon=0.5, tol=1e-12).value

    slopes = jax.grad(value, argnums=(0, 1, 2, 3))

    def product(v, u):
        if order == "forward over reverse":
            return jax.jvp(slopes, v, u)[1]
        return jax.vjp(slopes, *v)[1](u)

    there = [tuple(jax.numpy.asarray(v) for v in vs) for vs in (arrays, direction)]
    want = _gradient(torch, value, arrays, direction)
    for got, expected in zip(jax.jit(product)(*there), want, strict=True):
        difference = np.asarray(got) - expected
        if difference.ndim == 1:  # potentials: up to a constant, which a transpose may change
            difference = difference - difference.mean()
        assert np.abs(difference).max() <= 1e-9 * (1 + np.abs(expected).max())
