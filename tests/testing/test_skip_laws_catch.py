"""The laws of skip-tuning fail planted faults, each law at least one."""

import numpy as np
import pytest

from mathcore.testing import skip_laws


def textbook(skips, bottom, top, *, reverse=False, steps=0, offset=0.0, shared=False, wide=False):
    """Definition 3.1 with one fault switched on at a time."""
    k = max(len(skips) - 1 + steps, 1)
    factors = [bottom + (top - bottom) * i / k for i in range(len(skips))]
    if reverse:
        factors = factors[::-1]
    scaled = [rho * skip + offset for rho, skip in zip(factors, skips, strict=True)]
    if shared:  # normalised over all skips
        scaled = [skip / max(1.0, *(np.abs(other).max() for other in skips)) for skip in scaled]
    return [skip.astype(np.float64) for skip in scaled] if wide else scaled


FAULTS = [
    ("interpolates_from_bottom_to_top", "float64", {"reverse": True}),
    ("interpolates_from_bottom_to_top", "float64", {"steps": 1}),
    ("interpolates_from_bottom_to_top", "float32", {"wide": True}),
    ("is_the_identity_at_one", "float64", {"offset": 1e-12}),
    ("scales_each_skip_alone", "float64", {"shared": True}),
]


def test_the_definition_passes():
    for law in skip_laws:
        law(textbook)


@pytest.mark.parametrize(("name", "dtype", "fault"), FAULTS)
def test_faults_are_caught(name, dtype, fault):
    (law,) = (law for law in skip_laws if law.__name__ == name)
    with pytest.raises(AssertionError):
        law(lambda *arguments: textbook(*arguments, **fault), dtype=dtype)
