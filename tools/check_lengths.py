"""Check that no source file is longer than 300 lines: a longer one holds more than one subject.

python tools/check_lengths.py [FOLDER...]
"""

from __future__ import annotations

import sys
from pathlib import Path

MOST = 300
FOLDERS = ("csrc", "python", "tests", "benchmarks", "examples", "training", "tools", "cmake")
#: Without .pyi: the stub of one module cannot be split.
SUFFIXES = {".h", ".cc", ".py", ".sh", ".cmake"}


def too_long(folders: list[Path]) -> list[str]:
    """Files with too many lines, and how many they have."""
    found = []
    for file in sorted(file for folder in folders for file in folder.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            lines = len(file.read_text("utf-8").splitlines())
            if lines > MOST:
                found.append(f"{file}: {lines} lines, at most {MOST}: split it by subject")
    return found


if __name__ == "__main__":
    lines = too_long([Path(name) for name in sys.argv[1:] or FOLDERS])
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(1 if lines else 0)
