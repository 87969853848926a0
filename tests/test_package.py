"""What is installed is all of the package."""

from __future__ import annotations

from pathlib import Path

import safeasr
from support.paths import ROOT


def files(package: Path) -> set[str]:
    found = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {str(path) for path in found if "__pycache__" not in path.parts}


def test_nothing_is_left_out() -> None:
    source = ROOT / "python" / "safeasr"
    built = {"_build_info.py"} | {path.name for path in source.glob("*.so")}
    missing = files(source) - files(Path(safeasr.__file__).parent) - built
    assert not missing
