"""Check that csrc's rooms include from lower floors only, without circles (docs/architecture.md).

python tools/check_includes.py [csrc]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: From the lowest: rooms of one floor do not include each other, but for rooms within them.
FLOORS = [
    {"core", "kernels"},
    {"runtime"},
    {"asr/decode", "asr/features", "asr/ops"},
    {"asr"},
    {"asr/live"},
    {"asr/families"},
    {"bindings"},
]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)', re.MULTILINE)
TORCH = ("torch/", "ATen/", "c10/")
PYTHON = ("pybind11/", "Python.h")
#: What a file may not include, by what its path begins with.
FORBIDDEN = {
    "core/": TORCH + PYTHON,
    "kernels/": TORCH + PYTHON,
    "asr/decode/ctc_": TORCH + PYTHON,  # built with the kernels
    "asr/decode/vad_": TORCH + PYTHON,
    "runtime/": PYTHON,
    "asr/": PYTHON,
}


def room_of(path: str) -> tuple[str, int]:
    """The room of a file and its floor; files of asr itself are a room."""
    rooms = {room: floor for floor, names in enumerate(FLOORS) for room in names}
    fitting = [room for room in rooms if path.startswith(room + "/")]
    if not fitting:
        raise ValueError(f"{path} is in no room: name it in {Path(__file__).name}")
    room = max(fitting, key=len)
    return room, rooms[room]


def problems(root: Path) -> list[str]:
    """What is wrong with the includes below a folder, a line each."""
    files = sorted(p for p in root.rglob("*") if p.suffix in (".h", ".cc"))
    includes: dict[str, list[str]] = {}
    found = []
    for file in files:
        name = file.relative_to(root).as_posix()
        named = INCLUDE.findall(file.read_text("utf-8"))
        includes[name] = [one for one in named if (root / one).is_file()]
        for one in named:
            if any(name.startswith(p) and one.startswith(w) for p, w in FORBIDDEN.items()):
                found.append(f"{name} includes {one}, which is not for its room")
        room, floor = room_of(name)
        for one in includes[name]:
            other, other_floor = room_of(one)
            if other_floor > floor or (other_floor == floor and other != room):
                found.append(f"{name} includes {one}, whose room is not below {room}")
            elif room == other == "asr/families" and name.split("/")[2] != one.split("/")[2]:
                found.append(f"{name} includes {one}: families know nothing of each other")
    return found + circles(includes)


def circles(includes: dict[str, list[str]]) -> list[str]:
    """What remains when every file whose includes are all read is taken away, again and again."""
    left = {name: set(them) for name, them in includes.items()}
    while done := {name for name, them in left.items() if not them & left.keys()}:
        left = {name: them for name, them in left.items() if name not in done}
    return [f"a circle of includes, or above one: {', '.join(sorted(left))}"] if left else []


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("csrc"))
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(1 if lines else 0)
