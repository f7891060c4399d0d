"""``python .ci/requirements.py extras | lowest``: what pyproject.toml says, a line each.

The names of its extras, or its dependencies at the lowest releases that it allows.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
LISTS = {
    "extras": list(PROJECT["optional-dependencies"]),
    "lowest": [requirement.replace(">=", "==") for requirement in PROJECT["dependencies"]],
}

print(*LISTS[sys.argv[1]], sep="\n")
