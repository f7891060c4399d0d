"""Laws of skip-tuning: ``scale(skips, rho_bottom, rho_top) -> skips``, by definition 3.1.

Ma et al., arXiv 2402.15170. A network under skip-tuning obeys them too: return the skips that its
decoder took.
"""

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law


def _skips(dtype):
    return st.integers(1, 6).flatmap(
        lambda n: st.tuples(*[strategies.point_clouds(3, 2, dtype)] * n)
    )


def _factor(dtype):
    return st.sampled_from([0.0, 0.5, 0.78, 1.0, 1.3, 2.0])


def _same_bits(a, b):
    return a.dtype == b.dtype and np.array_equal(_arrays.to_numpy(a), _arrays.to_numpy(b))


@law(skips=_skips)
def is_the_identity_at_one(scale, xp, skips):
    """ρ = 1 changes no bit."""
    scaled = scale(list(skips), 1.0, 1.0)
    assert len(scaled) == len(skips), f"{len(skips)} skips became {len(scaled)}"
    for i, (after, before) in enumerate(zip(scaled, skips, strict=True)):
        assert _same_bits(after, before), f"skip {i} was changed at rho = 1"


@law(skips=_skips, bottom=_factor, top=_factor)
def interpolates_from_bottom_to_top(scale, xp, skips, bottom, top):
    """ρ_i = ρ_bottom + (ρ_top − ρ_bottom) i/k, to a few roundings, in the dtype of the skip."""
    scaled = scale(list(skips), bottom, top)
    factors = np.linspace(bottom, top, len(skips)) if len(skips) > 1 else [bottom]
    for i, (after, before, rho) in enumerate(zip(scaled, skips, factors, strict=True)):
        assert after.dtype == before.dtype, f"skip {i} became {after.dtype}"
        check_close(
            xp,
            after,
            float(rho) * _arrays.to_numpy(before).astype(np.float64),
            tolerance=8 * _arrays.eps(before) * (bottom + top) * 2.0,  # |skip| ≤ 2
            what=f"skip {i} of {len(skips)}",
        )


@law(skips=_skips, bottom=_factor, top=_factor, chosen=lambda dtype: st.integers(0, 5))
def scales_each_skip_alone(scale, xp, skips, bottom, top, chosen):
    """Another skip at one place changes the result at that place only."""
    chosen %= len(skips)
    changed = [1.0 - skip if i == chosen else skip for i, skip in enumerate(skips)]
    before, after = scale(list(skips), bottom, top), scale(changed, bottom, top)
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        assert i == chosen or _same_bits(a, b), f"skip {i} depends on skip {chosen}"


skip_laws = [is_the_identity_at_one, interpolates_from_bottom_to_top, scales_each_skip_alone]
