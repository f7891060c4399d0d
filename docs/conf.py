"""Sphinx configuration."""

from importlib.metadata import version as _version

project = "mathcore"
author = "the mathcore developers"
copyright = "2026, the mathcore developers"
version = release = _version("mathcore")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "myst_parser",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.strikethrough"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
doctest_global_setup = "import numpy as np"
plot_formats = [("png", 120)]
plot_html_show_source_link = False
plot_html_show_formats = False
plot_rcparams = {"figure.figsize": (6.4, 3.6), "figure.autolayout": True}
plot_apply_rcparams = True

html_theme = "pydata_sphinx_theme"
html_title = "mathcore"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}


def _escape_bars(app, what, name, obj, options, lines):
    """Docstrings write |x| as a reader expects; reStructuredText would see a substitution."""
    in_example = False
    for i, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if not in_example and "|" in line:
            parts = line.split("``")
            parts[::2] = (part.replace("|", r"\|") for part in parts[::2])
            lines[i] = "``".join(parts)


def _append_catalogue(app, docname, source):
    """The page of the identities ends with the records themselves."""
    if docname == "identities":
        from mathcore.identities.pages import as_markdown

        source[0] += as_markdown()


def setup(app):
    """Register the hooks; that on docstrings after numpydoc's own."""
    app.connect("autodoc-process-docstring", _escape_bars, priority=600)
    app.connect("source-read", _append_catalogue)
