"""The scripts of `make lint` that look at the tree find what they claim to find."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from support.paths import ROOT


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(folder: Path, **files: str) -> Path:
    """Writes files whose names have `__` for `/`, and `_h` or `_cc` at the end for a suffix."""
    for name, text in files.items():
        stem, suffix = name.replace("__", "/").rsplit("_", 1)
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_includes_from_below_are_right(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        core__ticket_h="#include <vector>\n",
        runtime__program_h='#include <ATen/ATen.h>\n#include "core/ticket.h"\n',
        asr__families__one__runner_h='#include "runtime/program.h"\n#include "core/ticket.h"\n',
        asr__families__one__runner_cc='#include "asr/families/one/runner.h"\n',
        bindings__module_cc='#include <pybind11/numpy.h>\n#include "asr/families/one/runner.h"\n',
    )
    assert tool("check_includes").problems(root) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("core__engine_h", "#include <ATen/ATen.h>\n"),
        ("kernels__simd_h", "#  include <Python.h>\n"),
        ("asr__decode__vad_state_h", "#include <c10/core/Device.h>\n"),
        ("runtime__program_h", "#include <pybind11/pybind11.h>\n"),
        ("asr__ops__row_ops_cc", "#include <Python.h>\n"),
        ("core__engine_h", '#include "runtime/low.h"\n'),
        ("kernels__simd_h", '#include "core/low.h"\n'),
        ("asr__ops__row_ops_h", '#include "asr/live/low.h"\n'),
        ("asr__families__one__runner_h", '#include "asr/families/two/low.h"\n'),
    ],
)
def test_an_include_that_is_not_for_its_room_is_found(tmp_path: Path, file: str, text: str) -> None:
    lows = "core runtime asr__live asr__families__two".split()
    root = tree(tmp_path, **{f"{room}__low_h": "" for room in lows}, **{file: text})
    (problem,) = tool("check_includes").problems(root)
    assert problem.startswith(file.replace("__", "/").rsplit("_", 1)[0])


def test_circles_are_found_and_what_is_in_them_named(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        core__a_h='#include "core/b.h"\n',
        core__b_h='#include "core/c.h"\n',
        core__c_h='#include "core/a.h"\n',
        core__alone_h="",
    )
    (problem,) = tool("check_includes").problems(root)
    assert problem.endswith("core/a.h, core/b.h, core/c.h")


def test_a_file_in_no_room_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"new/file\.h is in no room"):
        tool("check_includes").problems(tree(tmp_path, new__file_h=""))


def test_long_files_are_found(tmp_path: Path) -> None:
    root = tree(tmp_path, a__short_py="\n" * 300, a__long_py="\n" * 301, a__data_json="\n" * 999)
    (problem,) = tool("check_lengths").too_long([root])
    assert problem.startswith(f"{root}/a/long.py: 301 lines")
