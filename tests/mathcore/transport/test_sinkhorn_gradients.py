"""First derivatives of the value and of the divergence; jit, vmap and torch.func."""

import numpy as np
import pytest

from mathcore import sinkhorn, sinkhorn_cost, sinkhorn_divergence, soft_minimum, transport_plan

H = 1e-5


def _measures():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 2)), rng.standard_normal((5, 2)) + 0.3
    a, b = rng.random(7) + 0.1, rng.random(5) + 0.1
    return x, y, a / a.sum(), b / b.sum()


def _value(*arrays, cost="sqeuclidean"):
    return sinkhorn(*arrays, epsilon=0.5, tol=1e-12, cost=cost).value


def _manhattan(x, y):
    return abs(x[:, None, :] - y[None, :, :]).sum(-1)


def _directions():
    """One for every argument; those of the weights keep the mass."""
    rng = np.random.default_rng(1)
    for v in _measures():
        u = rng.standard_normal(v.shape)
        yield u if v.ndim == 2 else 0.1 * (u - u.mean())


def _slope(function, arrays, k, u):
    moved = [[v + sign * H * u if i == k else v for i, v in enumerate(arrays)] for sign in (1, -1)]
    return float(function(*moved[0]) - function(*moved[1])) / (2 * H)


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", _manhattan])
def test_torch_gradient_is_the_difference_quotient(cost):
    torch = pytest.importorskip("torch")
    arrays = _measures()
    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    _value(*tensors, cost=cost).backward()
    for k, u in enumerate(_directions()):
        want = _slope(lambda *v: _value(*v, cost=cost), arrays, k, u)
        assert (tensors[k].grad.numpy() * u).sum() == pytest.approx(want, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("function", [_value, sinkhorn_divergence])
def test_libraries_agree_compiled_or_not(function):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    options = {} if function is _value else {"epsilon": 0.5, "tol": 1e-12}
    tensors = [torch.tensor(v, requires_grad=True) for v in _measures()]
    function(*tensors, **options).backward()
    gradient = jax.grad(lambda *v: function(*v, **options), argnums=(0, 1, 2, 3))
    arrays = [jax.numpy.asarray(v) for v in _measures()]
    for transformed in (gradient, jax.jit(gradient)):
        for ours, tensor in zip(transformed(*arrays), tensors, strict=True):
            assert np.abs(np.asarray(ours) - tensor.grad.numpy()).max() <= 1e-10


def test_divergence_gradient_is_the_difference_quotient():
    torch = pytest.importorskip("torch")
    arrays = _measures()
    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]

    def divergence(*v):
        return sinkhorn_divergence(*v, epsilon=0.5, tol=1e-12)

    divergence(*tensors).backward()
    for k, u in enumerate(_directions()):
        want = _slope(divergence, arrays, k, u)
        assert (tensors[k].grad.numpy() * u).sum() == pytest.approx(want, rel=1e-6, abs=1e-9)


def test_gradient_in_the_cost_is_the_plan_and_forbidden_arcs_have_none():
    torch = pytest.importorskip("torch")
    x, y, a, b = (torch.tensor(v) for v in _measures())
    c = ((x[:, None] - y[None]) ** 2).sum(-1)
    c[0, 1] = torch.inf
    c.requires_grad_(True)
    result = sinkhorn_cost(c, a, b, epsilon=0.5)
    result.value.backward()
    plan = transport_plan(result, a=a, b=b, epsilon=0.5, cost_matrix=c.detach())
    assert torch.equal(c.grad, plan)
    assert c.grad[0, 1] == 0


def test_coinciding_points_and_zero_weights_have_finite_gradients():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64, requires_grad=True)
    a = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64, requires_grad=True)
    for cost in ("sqeuclidean", "euclidean"):
        value = sinkhorn(x, x.detach(), a, a.detach(), epsilon=0.5, cost=cost).value
        dx, da = torch.autograd.grad(value, (x, a))
        assert torch.isfinite(dx).all()
        assert torch.isfinite(da).all()
        assert dx[1] == 0


def test_soft_minimum_is_differentiable():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    x, y, _, b = _measures()
    b[2] = 0.0
    arrays = (x, y, np.linspace(-1, 1, 5), b)

    def total(*v):
        return soft_minimum(*v, epsilon=0.4).sum()

    tensors = [torch.tensor(v, requires_grad=True) for v in arrays]
    total(*tensors).backward()
    gradients = jax.grad(total, argnums=(0, 1, 2, 3))(*(jax.numpy.asarray(v) for v in arrays))
    rng = np.random.default_rng(2)
    for k, (tensor, other) in enumerate(zip(tensors, gradients, strict=True)):
        assert np.abs(tensor.grad.numpy() - np.asarray(other)).max() <= 1e-13
        u = rng.standard_normal(arrays[k].shape) * (arrays[k] != 0)  # weights stay ≥ 0
        want = _slope(total, arrays, k, u)
        assert (tensor.grad.numpy() * u).sum() == pytest.approx(want, rel=1e-7, abs=1e-9)
    assert tensors[3].grad[2] < 0  # the derivative at weight zero, from the right


def test_whole_result_under_jit():
    jax = pytest.importorskip("jax")
    arrays = [jax.numpy.asarray(v) for v in _measures()]
    eager = sinkhorn(*arrays, epsilon=0.05)
    compiled = jax.jit(lambda *v: sinkhorn(*v, epsilon=0.05))(*arrays)
    assert compiled.status is None
    assert bool(compiled.converged)
    assert abs(int(compiled.iterations) - eager.iterations) <= 2
    assert float(compiled.value) == pytest.approx(float(eager.value), rel=1e-9)
    assert float(compiled.lower_bound) <= float(eager.value) <= float(compiled.upper_bound)


def test_jit_without_value_checks():
    jax = pytest.importorskip("jax")
    x, y, a, b = (jax.numpy.asarray(v) for v in _measures())
    solve = jax.jit(lambda a, b: sinkhorn(x, y, a, b, epsilon=0.5).value)
    assert np.isnan(float(solve(a, 2 * b)))
    assert np.isnan(float(solve(a - 1.0, b)))
    with pytest.raises(ValueError, match="`gap_tol` must be None"):
        jax.jit(lambda x: sinkhorn(x, y, a, b, epsilon=0.5, gap_tol=1.0).value)(x)


def test_vmap():
    jax = pytest.importorskip("jax")
    x, y, a, b = (jax.numpy.asarray(v) for v in _measures())
    batch = jax.numpy.stack([x, 2 * x])
    values = jax.jit(jax.vmap(lambda x: sinkhorn(x, y, a, b, epsilon=0.5).value))(batch)
    want = [float(sinkhorn(v, y, a, b, epsilon=0.5).value) for v in batch]
    assert np.asarray(values) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize("transform", ["grad", "jacrev"])
def test_torch_func(transform):
    torch = pytest.importorskip("torch")
    x, y, a, b = (torch.tensor(v) for v in _measures())
    got = getattr(torch.func, transform)(lambda x: _value(x, y, a, b))(x)
    tape = x.clone().requires_grad_(True)
    _value(tape, y, a, b).backward()
    assert torch.allclose(got, tape.grad, atol=1e-13)
