"""Planted faults need to be found, not shrunk."""

import pytest
from hypothesis import Phase, settings


@pytest.fixture(autouse=True)
def _no_shrinking():
    usual = settings.get_current_profile_name()
    settings.register_profile("find only", phases=[Phase.explicit, Phase.generate])
    settings.load_profile("find only")
    yield
    settings.load_profile(usual)
