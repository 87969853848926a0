"""Settings and files that somebody else wrote: typed values, or an error with file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeasr import CorruptBundleError, ExportError
from safeasr.bundles.files import read_json, read_yaml
from safeasr.bundles.settings import Settings, check_depth, shown

NAN, INF = float("nan"), float("inf")
HUGE = 10**4000
Reader = Callable[[Settings], Any]

READERS: dict[str, Reader] = {
    "whole": lambda s: s.whole("a", least=1, most=10),
    "number": lambda s: s.number("a", least=-5, most=5),
    "flag": lambda s: s.flag("a"),
    "text": lambda s: s.text("a"),
    "texts": lambda s: s.texts("a"),
    "section": lambda s: s.section("a"),
    "wholes": lambda s: s.wholes("a", most=10),
    "numbers": lambda s: s.numbers("a"),
}
GOOD: list[tuple[str, Any, Any]] = [
    ("whole", 1, 1), ("whole", 10, 10), ("whole", 4.0, 4),
    ("number", 5, 5.0), ("number", -5.0, -5.0), ("number", 0.25, 0.25),
    ("flag", True, True), ("flag", 0, False), ("flag", 1, True),
    ("text", "", ""), ("text", "b", "b"),
    ("texts", [], []), ("texts", ("a", ""), ["a", ""]),
    ("wholes", [], []), ("wholes", (1, 2), [1, 2]),
    ("numbers", [1, -2.5], [1.0, -2.5]),
]  # fmt: skip
ANYTHING: list[Any] = [
    None, "abc", "1", "", [], [None], {}, {"b": 1}, NAN, INF, -INF, 1.5, -1, 0, 11, HUGE, -HUGE,
    True,
    [True], ["1"], [NAN], [1e39], [[1]], b"x", object(),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_what_fits_is_returned(kind: str, value: Any, expected: Any) -> None:
    found = READERS[kind](Settings({"a": value}))
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("value", ANYTHING, ids=lambda value: shown(value, 20))
def test_what_does_not_fit_is_named(kind: str, value: Any) -> None:
    """Or it fits after all: then it has the type that was asked for, and is finite."""
    settings = Settings({"a": value}, "some.yaml", path=("conf",))
    types = {
        "whole": int, "number": float, "flag": bool, "text": str, "section": Settings,
        "wholes": list, "numbers": list, "texts": list,
    }  # fmt: skip
    try:
        found = READERS[kind](settings)
    except ExportError as error:
        assert str(error).startswith("some.yaml: conf.a must be ")  # noqa: PT017
        assert len(str(error)) < 300  # noqa: PT017
    else:
        assert type(found) is types[kind]
        assert "nan" not in repr(found) and "inf" not in repr(found)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_missing_is_named(kind: str) -> None:
    settings = Settings({}, "there/bundle.json", CorruptBundleError, ("one", "two"))
    with pytest.raises(CorruptBundleError, match=r"there/bundle\.json has no one\.two\.a"):
        READERS[kind](settings)


def test_lists_that_are_too_short() -> None:
    with pytest.raises(ExportError, match=r"a must be a list of at least 1 strings, got \[\]"):
        Settings({"a": []}).texts("a", least=1)


def test_sections_keep_where_they_come_from() -> None:
    outer = Settings({"conf": {"inner": {"x": "y"}}, "null": None}, "c.yaml", CorruptBundleError)
    with pytest.raises(CorruptBundleError, match=r"c\.yaml: conf\.inner\.x must be a whole number"):
        outer.section("conf").section("inner").whole("x")
    assert list(outer.section("null", optional=True)) == []
    assert list(outer.section("nothing", optional=True)) == []
    with pytest.raises(CorruptBundleError, match="null must be a mapping, got None"):
        outer.section("null")


def test_values_within_themselves() -> None:
    ring: list[Any] = []
    ring.append(ring)
    wide: Any = 0
    for _ in range(30):
        wide = [wide] * 50  # 50^30 values, of 30 objects
    check_depth({"a": wide}, "x")
    for endless in (ring, {"a": ring}, [wide] * 3):
        with pytest.raises(ExportError, match=r"x: .* nested"):
            check_depth([endless], "x")


def bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [1, 2]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


def merges(levels: int) -> str:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}" for i in range(1, levels)]
    return "\n".join(lines)


#: What is in a file, and what the message says of it.
BAD_YAML: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "UTF-16": ("model: x".encode("utf-16"), "UTF-8"),
    "Latin-1": ("model: Fuß".encode("latin-1"), "UTF-8: byte 9 is 0xdf"),
    "binary": (bytes(range(1, 256)), "UTF-8|not valid"),
    "zeros": (b"\0" * 1000, "zeros"),
    "no YAML": (b"a: [b", "not valid YAML"),
    "two documents": (b"a: 1\n---\na: 2\n", "not valid YAML"),
    "aliases of aliases": (bomb(30, 9).encode(), "stands for more than"),
    "wide aliases": (bomb(4, 90).encode(), "stands for more than"),
    "merged mappings": (merges(40).encode(), "stands for more than"),
    "an alias within itself": (b"a: &a [*a]", "part of"),
    "a mapping within itself": (b"&a {b: {c: *a}}", "part of"),
    "deep lists": (b"a: " + b"[" * 5000 + b"]" * 5000, "deep"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(1000)).encode(), "deep"),
    "fifty levels": (b"a: " + b"[" * 50 + b"]" * 50, "nested"),
    "Python objects": (b"a: !!python/object/apply:os.getpid []", "not valid YAML"),
    "a date that is none": (b"a: 2001-99-99", "not valid YAML"),
    "a number of many digits": (b"a: " + b"9" * 10000, "not valid YAML"),
    "a truth that is none": (b"a: !!bool maybe", "not valid YAML"),
    "an integer without digits": (b"a: !!int ''", "not valid YAML"),
    "a list for a key": (b"? [a]\n: b", "not valid YAML"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n", "of 7 by"),
    "a web page": (b"\n <!DOCTYPE html><html></html>", "web page"),
    "large": (b"a: b\n" + b"# x\n" * 1_200_000, "larger than 4 MB"),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_yaml_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    content, message = BAD_YAML[name]
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(ExportError, match=message) as raised:
        read_yaml(file)
    assert str(file) in str(raised.value)


def test_numbers_as_funasr_reads_them(tmp_path: Path) -> None:
    """PyYAML takes some for strings."""
    file = tmp_path / "config.yaml"
    file.write_text("a: [1e-05, 1E5, -2.5e3, .5e+1, 3.e2, +1e0]\nb: [1e, e5, '1e5', 1.5, 2]\n")
    assert read_yaml(file) == {
        "a": [1e-05, 1e5, -2500.0, 5.0, 300.0, 1.0],
        "b": ["1e", "e5", "1e5", 1.5, 2],
    }


def test_yaml_with_anchors_of_ordinary_size(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("base: &b {x: 1, y: [1, 2]}\nother: {<<: *b, x: 3}\nagain: *b\n")
    base = {"x": 1, "y": [1, 2]}
    assert read_yaml(file) == {"base": base, "other": {**base, "x": 3}, "again": base}


BAD_JSON: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "broken": (b'{"a": ', "not valid JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "UTF-8"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "not valid JSON|nested"),
    "fifty levels": (b"[" * 50 + b"]" * 50, "nested"),
    "many digits": (b"9" * 5000, "not valid JSON"),
    "a web page": (b"<html>404</html>", "web page"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    content, message = BAD_JSON[name]
    file = tmp_path / "configuration.json"
    file.write_bytes(content)
    with pytest.raises(ExportError, match=message) as raised:
        read_json(file)
    assert str(file) in str(raised.value)


def test_json_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": [1]}).encode())
    assert read_json(file) == {"a": [1]}
