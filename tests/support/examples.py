"""Code and commands of README, docs and docstrings, as tests find them and run them."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Above a block of a page under docs/ that shall be run.
MARK = "<!-- run by tests/test_readme.py -->"


@dataclass(frozen=True)
class Example:
    """A piece of Python.

    Attributes:
        name: where it stands.
        code: what it says.
    """

    name: str
    code: str


def blocks_of_page(path: Path, *, marked: bool = False) -> Iterator[Example]:
    """The Python blocks of a Markdown page; of those that are marked only, if so wished."""
    text = path.read_text("utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if not marked or text[: found.start()].rstrip().endswith(MARK):
            yield Example(f"{path.name}:{text.count(chr(10), 0, found.start()) + 1}", found[1])


def blocks_of_docstring(name: str, thing: object) -> Iterator[Example]:
    """What stands indented below a line that ends with `::`."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    at = 0
    while at < len(lines):
        at += 1
        if lines[at - 1].endswith("::"):
            begin = at
            while at < len(lines) and (not lines[at] or lines[at].startswith("    ")):
                at += 1
            yield Example(f"{name}:{begin}", textwrap.dedent("\n".join(lines[begin:at])) + "\n")


def indented_lines(path: Path) -> Iterator[str]:
    """Lines of a page that are indented by four: commands. Their comments are cut off."""
    fenced = False
    for line in path.read_text("utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("    "):
            yield line.split("  #")[0].strip()


def model_names(code: str) -> set[str]:
    """The models that a piece of Python names, in its calls and in its comments."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    given = {
        keyword.value.value
        for call in calls
        for keyword in call.keywords
        if (keyword.arg or "").endswith("model") and isinstance(keyword.value, ast.Constant)
    }
    comments = re.findall(r"#.*", code)
    return given | {name for one in comments for name in re.findall(r'"([^"]+)"', one)}


def run(example: Example, **names: Any) -> dict[str, Any]:
    """Run it, with `await` allowed outside of functions; returns its variables."""
    names["__name__"] = "example"
    code = compile(example.code, example.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)
    return names


def remember_download(cache: Path, name: str, directory: Path) -> None:
    """Have safeasr take a directory for what the default hub gave for a name.

    The names that were downloaded once are remembered in `names/` of the cache, so that the hub is
    not asked again (`safeasr.loading.find`).
    """
    key = hashlib.sha256(json.dumps([name, "ms", None]).encode()).hexdigest()[:32]
    (cache / "names").mkdir(parents=True, exist_ok=True)
    (cache / "names" / key).write_text(str(directory), encoding="utf-8")
