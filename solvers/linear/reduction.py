"""The reduced system s' = B(t) s of order n − k in constant charts, by Chebyshev collocation.

On each panel N is an orthonormal complement of X at its middle, and x = X u + N s solves x' = A x
where ``[X N] [u'; s'] = A N s``. A panel is halved where N turns away from the complement of X or
where s is not resolved.
"""

import numpy as np

from mathcore import _arrays
from solvers.linear import chebyshev_panels
from solvers.linear.chebyshev_panels import INTEGRALS_TO_NODES, NODES
from solvers.linear.decoupling import separated
from solvers.linear.normal_frame import collinearity, complement, frame_of, without_span

_CHART = 0.7  # smallest σ_min(Nᴴ V) of a panel, V orthonormal and orthogonal to X
_SPREAD = 30.0  # largest condition number of s over a panel: digits lost by what decays there
_ROUNDING = 8  # units of eps


def normal_solutions(system, breaks, rtol, start):
    """Panels of y (n (n − k) components), whose part orthogonal to X belongs to solutions.

    At ``breaks[start]`` that part is orthonormal; where `start` is None, the solutions are those
    that grow and decay apart from each other. ``unresolved`` as in `interpolate`.
    """

    def charted(panels):
        return _charted_panels(system, panels, rtol)

    panels = chebyshev_panels.interpolate_panels(charted, breaks, system.span)
    if panels.unresolved is not None:
        return panels
    return _joined(system, panels, None if start is None else panels.breaks.index(breaks[start]))


def propagators(xp, b, panels):
    """S (p, NODES, m, m) with S' = B S and S = I at the left end of each panel; `b` at its nodes.

    S_i − h/2 Σ_j L_ij B_j S_j = I, L the integrals of the interpolant to its nodes.
    """
    count, m = b.shape[0], b.shape[-1]
    half = _arrays.from_numpy([(hi - lo) / 2 for lo, hi in panels], b)
    integrals = _arrays.from_numpy(INTEGRALS_TO_NODES, b)[None, :, None, :, None]
    rates = half[:, None, None, None, None] * xp.permute_dims(b, (0, 2, 1, 3))[:, None, ...]
    matrix = xp.reshape(integrals * rates, (count, NODES * m, NODES * m))
    identity = xp.eye(NODES * m, dtype=b.dtype, device=_arrays.device(b))
    ones = xp.tile(xp.eye(m, dtype=b.dtype, device=_arrays.device(b)), (NODES, 1))
    right = xp.broadcast_to(ones, (count, NODES * m, m))
    return xp.reshape(xp.linalg.solve(identity - matrix, right), (count, NODES, m, m))


def _charted_panels(system, panels, rtol):
    """Values y = N S at the nodes of each panel, and what their tails may be."""
    xp = system.xp
    t = chebyshev_panels.times(panels, system.span)
    middle = chebyshev_panels.times(panels, system.span, np.zeros(1))
    chart = complement(xp, system.columns(middle))
    frame, a = frame_of(system, t), system.coefficient(t)
    turned = _arrays.adjoint(chart) @ frame.basis  # Nᴴ Q
    kept = _kept(xp, turned)
    an = a @ chart
    right = _arrays.adjoint(chart) @ an - turned @ (_arrays.adjoint(frame.basis) @ an)
    s = propagators(xp, xp.linalg.solve(kept, right), panels)
    values = xp.reshape(chart @ s, (*t.shape, -1))
    size = xp.max(xp.abs(values), axis=-1)
    noise = _ROUNDING * _arrays.eps(system.span) * collinearity(xp, frame)
    ends = xp.linalg.svdvals(s[:, 0, ...])  # nodes run from right to left
    spread = (ends[..., 0] / ends[..., -1])[:, None]
    # An error relative to what decays fastest: it has to keep its digits from panel to panel
    tolerance = xp.maximum(rtol * size / spread, noise * xp.max(size, axis=-1, keepdims=True))
    turns = xp.max(xp.linalg.svdvals(turned)[..., 0], axis=-1) ** 2 > 1 - _CHART**2
    tolerance = xp.where(turns[:, None] | ~(spread <= _SPREAD), -1.0, tolerance)
    return values, xp.broadcast_to(tolerance[..., None], values.shape)


def _kept(xp, turned):
    """Nᴴ (I − Q Qᴴ) N, its eigenvalues the squared cosines between chart and complement."""
    identity = xp.eye(turned.shape[-2], dtype=turned.dtype, device=_arrays.device(turned))
    return identity - turned @ _arrays.adjoint(turned)


def _joined(system, panels, start):
    """The panels with s carried over their ends."""
    xp, count = system.xp, len(panels.breaks) - 1
    m = system.n - system.k
    y = xp.reshape(panels.coefficients, (count, NODES, system.n, m))
    signs = _arrays.from_numpy((-1.0) ** np.arange(NODES), y)[None, :, None, None]
    left, right = xp.sum(signs * y, axis=1), xp.sum(y, axis=1)
    basis = frame_of(system, _arrays.from_numpy(panels.breaks, system.span)).basis
    steps = _coordinates(xp, basis[1:-1, ...], left[1:, ...], right[:-1, ...])
    own = min(start or 0, count - 1)
    ends = left if own == (start or 0) else right
    seed = canonical_complement(system, panels.breaks[start or 0])
    seed = _coordinates(xp, basis[start or 0, ...], ends[own, ...], seed)
    weights = separated(steps, seed) if start is None else _carried(steps, seed, own)
    y = y @ xp.stack(weights)[:, None, ...]
    _check_range(xp.max(xp.abs(y), axis=(1, 2)))
    return panels._replace(coefficients=xp.reshape(y, (count, NODES, -1)))


def _check_range(sizes):
    """Raise where a column of a panel (panels, columns) overflows or vanishes."""
    host = _arrays.to_numpy(sizes)
    tiny = np.finfo(host.dtype).tiny
    if not np.all((host > tiny) & np.isfinite(host)):
        raise ValueError(
            "`t_span` must be short enough for the new solutions to stay in the range of their "
            f"dtype; got sizes from {host.min():.1e} to {host.max():.1e}"
        )


def _carried(steps, seed, own):
    """Solutions of w_{i+1} = C_i w_i with w_own = `seed`."""
    xp = _arrays.result_namespace(seed)
    after, before = [seed], []
    for i in range(own, steps.shape[0]):
        after.append(steps[i, ...] @ after[-1])
    for i in reversed(range(own)):
        before.append(xp.linalg.solve(steps[i, ...], (before or after[:1])[-1]))
    return before[::-1] + after


def _coordinates(xp, basis, chart, carried):
    """C (m, m) for which `chart` C and `carried` (n, m) differ by known columns alone."""
    chart, carried = (y - basis @ (_arrays.adjoint(basis) @ y) for y in (chart, carried))
    scale = xp.max(xp.abs(_arrays.detach(chart)), axis=(-2, -1), keepdims=True)
    gram = _arrays.adjoint(chart) @ chart
    return xp.linalg.solve(gram / scale**2, _arrays.adjoint(chart) @ carried / scale**2)


def canonical_complement(system, t0):
    """V (n, n − k) orthonormal and orthogonal to X(t0), det[X, V] positive."""
    xp = system.xp
    time = _arrays.from_numpy([t0], system.span)[0]
    frame = frame_of(system, time)
    v = without_span(frame, complement(xp, frame.columns))
    scale = xp.max(xp.abs(frame.columns), axis=-2, keepdims=True)
    phase = xp.linalg.slogdet(xp.concat([frame.columns / scale, v], axis=-1)).sign
    return xp.concat([v[:, :-1], v[:, -1:] * _arrays.conj(phase)], axis=-1)
