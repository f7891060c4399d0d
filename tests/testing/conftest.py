"""Planted faults need to be found, not shrunk."""

import numpy as np
import pytest
from hypothesis import Phase, settings


@pytest.fixture(autouse=True)
def _no_shrinking():
    usual = settings.get_current_profile_name()
    settings.register_profile("find only", phases=[Phase.explicit, Phase.generate])
    settings.load_profile("find only")
    yield
    settings.load_profile(usual)


@pytest.fixture
def fails():
    """``fails(law, function, max_examples)``: whether the law finds fault with it, in any dtype."""

    def found(law, function, max_examples):
        for dtype in law.dtypes:
            try:
                with np.errstate(all="ignore"):
                    law(function, dtype=dtype, max_examples=max_examples)
            except Exception:
                return True
        return False

    return found
