"""The examples of the guide on volumes in flows run and print what they say."""

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "volumes_in_flows.md"


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
def test_volumes_in_flows():
    torch = pytest.importorskip("torch")
    blocks = re.findall(r"```\{doctest\}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 6
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    usual = torch.get_default_dtype()
    try:
        assert doctest.DocTestRunner().run(example).failed == 0
    finally:
        torch.set_default_dtype(usual)
