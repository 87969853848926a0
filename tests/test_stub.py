"""The extension's stub says of every function what pybind11 says.

`stubtest` (in `make lint`) compares names; pybind11 gives it no signatures, only docstrings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import safeasr
from safeasr import _ext

#: name, whether it must be given by name, whether it may be left out
Argument = tuple[str, bool, bool]


def from_stub(function: ast.FunctionDef) -> list[Argument]:
    args = function.args
    first_default = len(args.args) - len(args.defaults)
    given = [(a.arg, False, i >= first_default) for i, a in enumerate(args.args)]
    named = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    given += [(a.arg, True, default is not None) for a, default in named]
    return [one for one in given if one[0] != "self"]


def from_docstring(text: str) -> list[Argument]:
    """Reads the first line, `name(self: T, a: int, *, b: str = 'x') -> T`."""
    inner = text.splitlines()[0].split("(", 1)[1].rsplit(") ->", 1)[0]
    inner = re.sub(r"<[^<>]*>", "", inner)  # objects as defaults
    while inner != (flat := re.sub(r"\[[^\[\]]*\]", "", inner)):
        inner = flat
    inner = re.sub(r"'[^']*'", "''", inner)
    found: list[Argument] = []
    by_name = False
    for part in filter(None, inner.split(", ")):
        if part == "*":
            by_name = True
        elif not part.startswith("self:"):
            found.append((part.split(":")[0], by_name, " = " in part))
    return found


def functions_of_stub() -> Iterator[tuple[str, ast.FunctionDef]]:
    path = Path(safeasr.__file__).parent / "_ext.pyi"
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and not is_property(item):
                yield f"{node.name}.{item.name}", item


def is_property(function: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "property" for d in function.decorator_list)


def test_the_stub_has_the_arguments_that_the_extension_takes() -> None:
    compared = 0
    for name, function in functions_of_stub():
        bound = _ext
        for part in name.split("."):
            bound = getattr(bound, part)
        text = bound.__doc__ or ""
        if function.args.vararg or "**kwargs" in text:
            continue  # not to be constructed, or takes anything by name
        told = from_docstring(text)
        if any(argument.startswith("arg") for argument, _, _ in told):
            told = [(own, *rest) for (own, *_), (_, *rest) in zip(from_stub(function), told)]
        assert from_stub(function) == told, name
        compared += 1
    assert compared > 40
