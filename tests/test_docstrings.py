"""Every example in a docstring and in the README runs and prints what it says."""

import ast
import doctest
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import mathcore
import solvers

README = Path(__file__).parent.parent / "README.md"
PARSER = doctest.DocTestParser()


def _modules():
    for package in (mathcore, solvers):
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            if parts[-1] not in ("__main__", "law_suite"):
                yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text())


def _docstrings(tree, name):
    """Dotted names and texts of the docstrings with examples."""
    text = ast.get_docstring(tree) or ""
    if ">>>" in text:
        yield name, text
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from _docstrings(node, f"{name}.{node.name}")


EXAMPLES = [
    pytest.param(module, name, text, id=name)
    for module, tree in _modules()
    for name, text in _docstrings(tree, module)
]


def _packages(text):
    """Packages that the examples of a docstring import, in their order."""
    for example in PARSER.get_examples(text):
        for node in ast.walk(ast.parse(example.source)):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.split(".")[0]


@pytest.mark.parametrize(("module", "name", "text"), EXAMPLES)
def test_docstring_examples(module, name, text):
    for package in _packages(text):
        if find_spec(package) is None:
            pytest.skip(f"needs {package}: not installed")
    found = doctest.DocTestFinder().find(importlib.import_module(module))
    (example,) = (one for one in found if one.name == name)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_examples_are_found_and_their_needs():
    names = [parameters.id for parameters in EXAMPLES]
    assert len(names) == len(set(names)) > 100
    assert list(_packages(">>> import os.path\n>>> from a.b import c\n>>> import d, e\n")) == [
        *("os", "a", "d", "e")
    ]


@pytest.mark.parametrize("package", [mathcore, solvers], ids=lambda package: package.__name__)
def test_every_public_function_has_an_example(package):
    for name in package._EXPORTS:
        value = getattr(package, name)
        if callable(value) and not isinstance(value, type):
            for section in ("Parameters", "Returns", "Examples"):
                assert re.search(rf"{section}\n    -+\n", value.__doc__), f"{name}: no {section}"


def test_readme_examples():
    example = PARSER.get_doctest(README.read_text(), {}, "README.md", str(README), 0)
    assert len(example.examples) >= 9
    assert doctest.DocTestRunner().run(example).failed == 0


def test_readme_has_the_two_commands():
    commands = re.findall(r"^python3 -m pip install .*$", README.read_text(), flags=re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("python3 -m solvers")
    assert commands[1].endswith("python3 -m pytest")
