"""A browser without a window, if there is one on this machine."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Opened", "open_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class Opened:
    """A page after its scripts ran: its DOM as HTML, and what the root element's data-* say."""

    dom: str
    data: dict[str, str]

    @property
    def problems(self) -> list[str]:
        return list(json.loads(self.data["problems"]))


def open_page(path: Path, profile: Path, seconds: float = 120) -> Opened:
    """Open a file; skips the test where there is no Chromium. `seconds` only ends what hangs."""
    browser = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("there is no chromium on this machine")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=1280,1000",
        f"--user-data-dir={profile}",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=True)
    dom = done.stdout.decode("utf-8")
    root = re.search(r"<html[^>]*>", dom)
    assert root, done.stderr.decode(errors="replace")[-2000:]
    found = re.findall(r'data-(\w+)="([^"]*)"', root[0])
    return Opened(dom, {name: html.unescape(value) for name, value in found})
