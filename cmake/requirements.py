"""Print the package's dependencies and those of the named extras, one a line, for `pip install -r`.

torch is left out: the Makefile installs a pinned build first.
"""

from __future__ import annotations

import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
lines = list(project["dependencies"])
for extra in sys.argv[1:]:
    lines += project["optional-dependencies"][extra]
print("\n".join(line for line in lines if not line.startswith("torch")))
