"""The examples of the guide on ensembles run and print what they say."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "ode_ensembles.md"


def test_ode_ensembles():
    blocks = re.findall(r"```\{doctest\}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 5
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    assert doctest.DocTestRunner().run(example).failed == 0
