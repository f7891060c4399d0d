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

html_theme = "pydata_sphinx_theme"
html_title = "mathcore"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
