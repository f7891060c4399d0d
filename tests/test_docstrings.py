"""Every example in a docstring and in the README runs and prints what it says."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import mathcore
import solvers

MODULES = sorted(
    module.name
    for package in (mathcore, solvers)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith(("__main__", "law_suite"))
)
README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert failed == 0


@pytest.mark.parametrize("package", [mathcore, solvers], ids=lambda package: package.__name__)
def test_every_public_function_has_an_example(package):
    for name in package._EXPORTS:
        value = getattr(package, name)
        if callable(value) and not isinstance(value, type):
            for section in ("Parameters", "Returns", "Examples"):
                assert re.search(rf"{section}\n    -+\n", value.__doc__), f"{name}: no {section}"


def test_readme_examples():
    text = README.read_text()
    example = doctest.DocTestParser().get_doctest(text, {}, "README.md", str(README), 0)
    assert len(example.examples) >= 9
    assert doctest.DocTestRunner().run(example).failed == 0


def test_readme_has_the_two_commands():
    commands = re.findall(r"^python3 -m pip install .*$", README.read_text(), flags=re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("python3 -m solvers")
    assert commands[1].endswith("python3 -m pytest")
