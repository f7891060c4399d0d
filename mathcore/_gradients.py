"""What differentiating the program as it stands would do wrongly or wastefully.

With `_arrays` the only file that names the array libraries.
"""

import functools
import math
import sys

import array_api_compat


def differentiable(function, *, jvp, vjp, in_jax=True):
    """`function` of one array, differentiated by the rules given in torch and JAX.

    Parameters
    ----------
    function : callable
        ``a -> y``, one array each; runs outside the gradient tape.
    jvp : callable
        ``(a, tangent) -> tangent of y``, linear in the tangent; JAX transposes it.
    vjp : callable
        ``(a, cotangent of y) -> cotangent of a`` in torch's convention: the adjoint of `jvp`.
    in_jax : bool
        Whether JAX takes `jvp` too, which it must be able to transpose, or differentiates the
        function itself.

    Both rules are differentiated in turn for higher derivatives. vmap and jit work through them.
    """
    torch_rule = functools.cache(lambda: _ruled_in_torch(function, jvp, vjp))
    jax_rule = functools.cache(lambda: _ruled_in_jax(function, jvp))

    @functools.wraps(function)
    def ruled(a):
        if in_jax and array_api_compat.is_jax_array(a):
            return jax_rule()(a)
        if array_api_compat.is_torch_array(a):
            return torch_rule()(a)
        return function(a)

    return ruled


def _ruled_in_jax(function, jvp):
    import jax

    ruled = jax.custom_jvp(function)
    ruled.defjvp(lambda primals, tangents: (ruled(*primals), jvp(*primals, *tangents)))
    return ruled


def _ruled_in_torch(function, jvp, vjp):
    import torch

    class Ruled(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(a):
            return function(a.detach())

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, cotangent):
            return vjp(*ctx.saved_tensors, cotangent)

        @staticmethod
        def jvp(ctx, tangent):
            return jvp(*ctx.saved_tensors, tangent)

    return Ruled.apply


def with_derivatives(a, value, slope, product):
    """`value` (...) as a function of `a` (..., k), differentiated by what is given.

    Parameters
    ----------
    a : array (..., k)
        Carries gradients; `value` and `slope` carry none.
    value : array (...)
    slope : array (..., k)
        Its gradient in each member.
    product : callable
        ``u -> H u``, (..., k) both, H the Hessian; called for second derivatives alone, and for
        JAX made of operations it can transpose.
    """
    if array_api_compat.is_jax_array(a):
        return _valued_in_jax(product)(a, value, slope)
    if array_api_compat.is_torch_array(a):
        return _valued_in_torch()(a, value, slope, product)
    return value


def _valued_in_jax(product):
    import jax

    sloped = jax.custom_jvp(lambda a, slope: slope)
    sloped.defjvp(lambda primals, tangents: (sloped(*primals), product(tangents[0])))
    valued = jax.custom_jvp(lambda a, value, slope: value)

    @valued.defjvp
    def rule(primals, tangents):
        a, _, slope = primals
        return valued(*primals), (sloped(a, slope) * tangents[0]).sum(axis=-1)

    return valued


@functools.cache
def _valued_in_torch():
    import torch

    sloped = _sloped_in_torch()

    class Valued(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(a, value, slope, product):
            return value.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            a, _, slope, ctx.product = inputs
            ctx.save_for_backward(a, slope)
            ctx.save_for_forward(a, slope)

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent[..., None] * sloped(*ctx.saved_tensors, ctx.product), None, None, None

        @staticmethod
        def jvp(ctx, tangent, *_):
            return (sloped(*ctx.saved_tensors, ctx.product) * tangent).sum(dim=-1)

    return Valued.apply


def _sloped_in_torch():
    import torch

    class Sloped(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(a, slope, product):
            return slope.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.product = inputs[2]

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, cotangent):
            return ctx.product(cotangent), None, None

        @staticmethod
        def jvp(ctx, tangent, *_):
            return ctx.product(tangent)

    return Sloped.apply


def symmetric_solve(apply, solve, right):
    """``solve(apply, right)``; JAX takes a derivative of it for another solution."""
    if array_api_compat.is_jax_array(right):
        from jax import lax

        return lax.custom_linear_solve(apply, right, solve, symmetric=True)
    return solve(apply, right)


def masked_rounds(count, body, state, at_most):
    """JAX's loop of `at_most` rounds ``state = body(i, state)``, those past `count` skipped.

    About √at_most rounds at a time: a gradient stores what enters each of these, and repeats them.
    It would store the state of every round, also of those skipped: 60 times the cost of the value.
    """
    import jax
    from jax import lax

    step, most = math.isqrt(at_most), jax.numpy.minimum(count, at_most)

    def where(active, advance, state):
        return lax.cond(active, advance, lambda s: s, state)

    @jax.checkpoint
    def several(k, state):
        def one(j, state):
            i = step * k + j
            return where(i < most, lambda s: body(i, s), state)

        return lax.fori_loop(0, step, one, state)

    def block(k, state):
        return where(step * k < most, lambda s: several(k, s), state)

    return lax.fori_loop(0, -(-at_most // step), block, state)


def directional_derivative(function, x, v):
    """``function(x)`` and its derivative along `v`, in torch or JAX; differentiable in turn."""
    if array_api_compat.is_torch_array(x):
        import torch

        return torch.func.jvp(function, (x,), (v,))
    import jax

    return jax.jvp(function, (x,), (v,))


def is_differentiable(x):
    """Whether the library of `x` differentiates."""
    return array_api_compat.is_torch_array(x) or array_api_compat.is_jax_array(x)


def has_tangent(x):
    """Whether torch's forward-mode differentiation is under way on the tensor `x`."""
    forward_ad = sys.modules["torch"].autograd.forward_ad
    if getattr(forward_ad, "_current_level", 0) < 0:  # unpacking costs ten times as much
        return False
    try:
        return forward_ad.unpack_dual(x).tangent is not None
    except RuntimeError:  # under torch.func.vmap, which has no rule for it
        return True
