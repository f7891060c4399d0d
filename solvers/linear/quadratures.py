"""Solutions Z + X u from their parts Z orthogonal to the known columns, by quadratures.

Z' = A Z modulo the span of X, Xᴴ Z = 0: then Xᴴ Z' = −Xᴴ Aᴴ Z, and Z + X u solves x' = A x where
``u' = X⁺ (A + Aᴴ) Z``. With b, ``σ' = Z⁺ b`` and ``u_p' = X⁺ ((A + Aᴴ) Z σ + b)`` make
``x_p = Z σ + X u_p`` a solution of x' = A x + b.
"""

import math

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.chebyshev_panels import evaluate
from solvers.linear.normal_frame import (
    collinearity,
    cross_direction,
    frame_of,
    largest_entry,
    pseudo_inverse,
    without_span,
)
from solvers.linear.reduction import normal_solutions

_ROUNDING = 4  # units of eps


# --- the part orthogonal to the known columns ---------------------------------------------------


def integral_of_trace(system, breaks, rtol):
    """Panels of τ = ∫_{t0} tr A."""
    xp = system.xp
    rounding = _ROUNDING * _arrays.eps(system.span)

    def trace(t):
        a = system.coefficient(t)
        diagonal = xp.linalg.diagonal(a)
        value = xp.sum(diagonal, axis=-1)
        # The rounding of a trace that cancels is let pass where it leaves τ its accuracy.
        width = xp.abs(t[..., :1] - t[..., -1:])
        cancelling = xp.minimum(rounding * largest_entry(xp, a), rtol / width)
        rounded = rounding * xp.sum(xp.abs(diagonal), axis=-1)
        return value[..., None], _largest(xp, rtol * xp.abs(value) + rounded + cancelling)[
            ..., None
        ]

    panels = chebyshev_panels.interpolate(trace, breaks, system.span)
    check_resolved(panels, "the trace of `a`")
    return chebyshev_panels.antiderivative(panels, [0])


def cross_product_part(system, tau):
    """Q(t, frame) (..., n, 1) for n − 1 columns: q = e^τ c̄ / |c|², through log(e^τ / |c|)."""

    def normal(t, frame):
        log_size = evaluate(tau, t)[..., 0] - frame.log_volume
        _check_range(system.xp, log_size)
        size = system.xp.exp(log_size)
        return (size[..., None] * cross_direction(system.xp, frame))[..., None]

    return normal


def hamiltonian_part(system):
    """Z = J X̄ (Xᵀ X̄)⁻¹ for n/2 columns of x' = J S x with Xᵀ J X = 0."""
    half = system.n // 2

    def normal(t, frame):
        dual = system.xp.matrix_transpose(pseudo_inverse(system.xp, frame))  # X̄ (Xᵀ X̄)⁻¹
        return system.xp.concat([dual[..., half:, :], -dual[..., :half, :]], axis=-2)

    return normal


def reduced_part(system, breaks, rtol, base):
    """Z for fewer columns, from the reduced system of order n − k; and the panels it took."""
    panels = normal_solutions(system, breaks, rtol, None if base is None else breaks.index(base))
    check_resolved(panels, "the reduced system (from `a` and `solutions`)")

    def normal(t, frame):
        y = system.xp.reshape(evaluate(panels, t), (*t.shape, system.n, system.n - system.k))
        return without_span(frame, y)

    return normal, panels.breaks


# --- quadratures --------------------------------------------------------------------------------


def known_parts(system, normal, breaks, rtol, base):
    """Panels of u (k m components), each zero at its base: Z + X u are solutions."""
    xp = system.xp

    def rate(t):
        frame = frame_of(system, t)
        z, a = normal(t, frame), system.coefficient(t)
        symmetric = a + _arrays.adjoint(a)
        value = pseudo_inverse(xp, frame) @ (symmetric @ z)
        # An error rtol ‖A + Aᴴ‖ ‖z_i‖ in x_j u'_ji is allowed.
        allowed = _allowed(system, frame, a, symmetric, rtol)
        return _flat(value, t), _flat(allowed[..., None, None] / _sizes(xp, frame, z), t)

    def weight(t):
        frame = frame_of(system, t)
        return _flat(_sizes(xp, frame, normal(t, frame)), t)

    panels = chebyshev_panels.interpolate(rate, breaks, system.span)
    check_resolved(panels, "the integrand u' (from `a` and `solutions`)")
    return _based(system, panels, base, weight)


def forced_parts(system, normal, breaks, rtol, base):
    """Panels of σ (None where all columns are known) and of u_p for the particular solution."""
    xp, span = system.xp, system.span
    sigma = None
    if normal is not None:

        def normal_rate(t):
            z = normal(t, frame_of(system, t))
            b = system.forcing(t)
            allowed = rtol * xp.max(xp.abs(b), axis=-1)[..., None] / xp.max(xp.abs(z), axis=-2)
            return (_left_inverse(xp, z) @ b[..., None])[..., 0], _largest_over_panel(xp, allowed)

        def size(t):
            return xp.max(xp.abs(normal(t, frame_of(system, t))), axis=-2)

        panels = chebyshev_panels.interpolate(normal_rate, breaks, span)
        check_resolved(panels, "the integrand σ' (from `b`)")
        sigma = _based(system, panels, base, size)
        breaks = chebyshev_panels.refine(breaks, sigma.breaks)

    def rate(t):
        frame, b, a = frame_of(system, t), system.forcing(t)[..., None], system.coefficient(t)
        source, size = b, xp.max(xp.abs(b), axis=(-2, -1))
        if sigma is not None:
            symmetric = a + _arrays.adjoint(a)
            part = symmetric @ (normal(t, frame) @ evaluate(sigma, t)[..., None])
            source, size = part + b, size + xp.max(xp.abs(part), axis=(-2, -1))
        tail = xp.clip(_ROUNDING * _arrays.eps(span) * collinearity(xp, frame), min=rtol) * size
        allowed = tail[..., None] / xp.max(xp.abs(frame.columns), axis=-2)
        value = (pseudo_inverse(xp, frame) @ source)[..., 0]
        return value, _largest_over_panel(xp, allowed)

    panels = chebyshev_panels.interpolate(rate, breaks, span)
    check_resolved(panels, "the integrand of the particular solution (from `a` and `b`)")
    return sigma, _based(system, panels, base, lambda t: xp.max(xp.abs(system.columns(t)), axis=-2))


def _allowed(system, frame, a, symmetric, rtol):
    xp, rounding = system.xp, _ROUNDING * _arrays.eps(system.span)
    tail = xp.clip(rounding * collinearity(xp, frame), min=rtol) * largest_entry(xp, symmetric)
    return _largest(xp, tail + rounding * largest_entry(xp, a))


def _sizes(xp, frame, z):
    """‖x_j‖ / ‖z_i‖ (..., k, m)."""
    x = xp.max(xp.abs(frame.columns), axis=-2)
    return x[..., :, None] / xp.max(xp.abs(z), axis=-2)[..., None, :]


def _left_inverse(xp, z):
    """Z⁺ (..., m, n), which vanishes on X."""
    scale = xp.max(xp.abs(z), axis=-2, keepdims=True)
    q, r = xp.linalg.qr(z / scale, mode="reduced")
    return xp.linalg.solve(r, _arrays.adjoint(q)) / xp.matrix_transpose(scale)


def _flat(x, t):
    return _arrays.result_namespace(t).reshape(x, (*t.shape, -1))


def _largest(xp, x):
    """The largest entry on each panel, for all of its nodes."""
    return xp.broadcast_to(xp.max(x, axis=-1, keepdims=True), x.shape)


def _largest_over_panel(xp, x):
    return xp.broadcast_to(xp.max(x, axis=-2, keepdims=True), x.shape)


def _based(system, panels, base, weight):
    """Each component zero at `base`, or at the end where max weight · |value| is least."""
    count = panels.coefficients.shape[-1]
    if base is not None:
        return chebyshev_panels.antiderivative(panels, [panels.breaks.index(base)] * count)
    last = len(panels.breaks) - 1
    whole = [(panels.breaks[0], panels.breaks[-1])]
    t = chebyshev_panels.times(whole, system.span, chebyshev_panels.UNIFORM_POINTS)[0, :]
    size, losses = weight(t), []
    for end in (0, last):
        value = evaluate(chebyshev_panels.antiderivative(panels, [end] * count), t)
        losses.append(system.xp.max(size * system.xp.abs(value), axis=0))
    from_the_end = _arrays.to_numpy(losses[1] < losses[0])
    return chebyshev_panels.antiderivative(panels, [last if end else 0 for end in from_the_end])


# --- errors -------------------------------------------------------------------------------------


def check_resolved(panels, what):
    """Raise, with the time, where an interpolant reached the narrowest panel unresolved."""
    if panels.unresolved is not None:
        t, _, tail = panels.unresolved
        raise ValueError(
            f"{what} must be smooth on `t_span`; got a pole, a jump or noise above `rtol` near "
            f"t = {t:.17g} (Chebyshev tail {tail:.1e})"
        )


def _check_range(xp, log_size):
    extreme = _arrays.concrete(xp.max(xp.abs(_arrays.real_part(log_size))))
    limit = math.log(xp.finfo(_arrays.real_part(log_size).dtype).max) / 2  # what can be squared
    if extreme is not None and extreme > limit:
        raise ValueError(
            "`solutions` must leave the new column, of the size of e^∫tr A over the volume of the "
            f"given ones, in the range of their dtype; got e^±{extreme:.0f} (scale them)"
        )
