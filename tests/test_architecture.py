"""The house rules that a machine can check: directions of imports, frameworks, loading, sizes."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mathcore
import solvers

PACKAGES = {"mathcore": Path(mathcore.__file__).parent, "solvers": Path(solvers.__file__).parent}
FILES = [path for root in PACKAGES.values() for path in sorted(root.rglob("*.py"))]
FRAMEWORKS = {"torch", "jax", "cupy"}
HEAVY = FRAMEWORKS | {"numba", "scipy", "sympy", "matplotlib", "sklearn", "rich", "tqdm"}
NAMES_FRAMEWORKS = {
    "mathcore/_arrays.py",
    "mathcore/_gradients.py",
    "mathcore/testing/plugin.py",
    "solvers/diffusion/torch_skips.py",
}
KERNEL_IMPORTS = {"math", "numpy", "numba"}
COMPILES = ("mathcore._compile", "mathcore._vectors")


def _name(path):
    return path.relative_to(PACKAGES["mathcore"].parent).as_posix()


def _imports(tree, top_level_only=False):
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_keep_their_direction(path):
    name, tree = _name(path), ast.parse(path.read_text())
    imported = list(_imports(tree))
    roots = {module.split(".")[0] for module in imported}
    if name.startswith("mathcore/"):
        assert "solvers" not in roots
    if not name.startswith("mathcore/testing/") and not name.endswith("law_suite.py"):
        assert not any(module.startswith("mathcore.testing") for module in imported)
    if name not in NAMES_FRAMEWORKS:
        assert not roots & FRAMEWORKS
    if "_kernels/" in name:
        allowed = {m for m in imported if m.startswith(COMPILES) or "._kernels." in m}
        assert {module.split(".")[0] for module in set(imported) - allowed} <= KERNEL_IMPORTS
    else:
        outside = not name.startswith("mathcore/testing/") and name not in (
            "mathcore/_compile.py",
            "mathcore/_numba_internals.py",
            "mathcore/_vectors.py",
        )
        top = {module.split(".")[0] for module in _imports(tree, top_level_only=True)}
        assert not outside or not top & HEAVY


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_sizes(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            first = node.body[0].end_lineno if documented else node.lineno
            assert node.end_lineno - first <= 40, f"{node.name} is too long"


@pytest.mark.parametrize("package", [mathcore, solvers], ids=lambda package: package.__name__)
def test_every_export_exists_and_is_documented(package):
    for name, module in package._EXPORTS.items():
        value = getattr(package, name)
        assert value is getattr(importlib.import_module(module), name)
        assert value.__doc__ and (not callable(value) or len(value.__doc__.splitlines()) > 1), name
        assert module.rpartition(".")[2] != name, f"a module shares the name of {name}"
    assert sorted(package._EXPORTS) == sorted(set(package._EXPORTS))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        package.absent  # noqa: B018


@pytest.mark.parametrize("package", ["mathcore", "solvers"])
def test_type_stubs_name_the_exports(package):
    stub = ast.parse((PACKAGES[package] / "__init__.pyi").read_text())
    module = importlib.import_module(package)
    reexported = {
        (f"{node.module}", alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != package
    }
    assert reexported == {(path, name) for name, path in module._EXPORTS.items()}


def test_importing_is_light():
    """A finder refuses what is heavy, installed or not."""
    code = (
        "import sys\n"
        "class Refuses:\n"
        "    def find_spec(name, *_):\n"
        f"        assert name.split('.')[0] not in {HEAVY!r}, name\n"
        "sys.meta_path.insert(0, Refuses)\n"
        "import mathcore, solvers"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_continuous_integration_runs_the_commands_of_the_readme():
    """`.ci/run` holds none of them: it reads them, and so runs what a reader runs."""
    root = PACKAGES["mathcore"].parent
    script = (root / ".ci" / "run").read_text()
    assert subprocess.run(["bash", "-n", root / ".ci" / "run"]).returncode == 0
    smoke = ast.parse((root / ".ci" / "smoke.py").read_text())
    named = {node.name for node in smoke.body if isinstance(node, ast.FunctionDef)}
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    by_the_readme = {"demo", "test"}
    assert named | by_the_readme >= extras["optional-dependencies"].keys()
    readme = (root / "README.md").read_text()
    patterns = re.findall(r"^[a-z]+_command=\$\(command_of '(.*)'\)$", script, flags=re.MULTILINE)
    commands = re.findall(r"^python3 -m pip install .*$", readme, flags=re.MULTILINE)
    found = [re.findall(f"^{pattern}$", readme, flags=re.MULTILINE) for pattern in patterns]
    assert sorted(found) == sorted([command] for command in commands)
