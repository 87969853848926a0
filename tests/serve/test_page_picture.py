"""The pictures of the page in README and docs can be made anew, and show what they should."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from support.paths import ROOT
from support.serving import Server

sys.path.insert(0, str(ROOT))  # benchmarks is no part of the installed package

from benchmarks.report.serve_page import IMAGES, take


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


@pytest.mark.slow
def test_pictures_are_made_by_the_command(demo_server: Server, tmp_path: Path) -> None:
    made = take(demo_server.url, tmp_path)
    assert [path.name for path in made] == ["serve-page.png", "serve-page-live.png"]
    for path in made:
        assert _size(path) == _size(IMAGES / path.name)
        assert path.stat().st_size < 400_000
