"""Writes the functions that torch's CUDA libraries want and the sources here lack.

    python stubs.py LIBRARY DEFAULT OUT.cc SOURCE...

LIBRARY: as torch's libraries name it, such as libcudart.so.13. What they want of it and no SOURCE
defines is written to OUT.cc as functions that return DEFAULT, so that torch can be loaded. Beside
it goes OUT.map, the script of the linker with the name of the version that torch asks for.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import torch

#: As nm writes them: "U cudaMalloc@libcudart.so.13".
WANTED = re.compile(r"\bU (\w+)(?:@(\S+))?$", re.MULTILINE)
#: Without a version in torch's libraries.
UNVERSIONED = {"libcuda.so.1": re.compile(r"cu[A-Z]")}


def wanted(library: str) -> set[str]:
    """Names of the library's functions that torch's libraries leave to it."""
    names = set()
    for path in Path(torch.__file__).parent.glob("lib/*.so"):
        if not re.search(r"cuda|nvrtc|python|nvshmem", path.name):
            continue
        listed = subprocess.run(
            ["nm", "-D", "--undefined-only", path], capture_output=True, text=True, check=True
        )
        for name, version in WANTED.findall(listed.stdout):
            pattern = UNVERSIONED.get(library)
            if version == library or (pattern and not version and pattern.match(name)):
                names.add(name)
    return names


def main() -> None:
    """Writes the two files."""
    library, default = sys.argv[1:3]
    out, sources = Path(sys.argv[3]), [Path(one).read_text() for one in sys.argv[4:]]
    missing = [
        name
        for name in sorted(wanted(library))
        if not any(re.search(rf"\b{name}\(", source) for source in sources)
    ]
    lines = [f'extern "C" int {name}() {{ return {default}; }}' for name in missing]
    out.write_text("\n".join(["// Made by stubs.py.", *lines, ""]))
    out.with_suffix(".map").write_text(f"{library} {{ global: *; }};\n")


if __name__ == "__main__":
    main()
