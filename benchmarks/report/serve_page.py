"""The pictures of the page of ``safeasr serve``: a transcribed conversation, and live text.

    python -m benchmarks.report.serve_page

Serves the embedded models, has chromium transcribe the demo's conversation, as a file and through
a made-up microphone, and takes a picture of each.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

import safeasr

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
DIALOGUE = Path(safeasr.__file__).parent / "models" / "demo-spk" / "audio" / "dialogue.flac"
URL = "http://localhost:8000"


def main() -> None:
    """Take them."""
    server = subprocess.Popen([sys.executable, "-m", "safeasr", "serve"])
    try:
        end = time.monotonic() + 120
        while not _is_ready():
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit("the server does not run: is port 8000 taken?")
            time.sleep(0.2)
        for path in take(URL, IMAGES):
            print(path.relative_to(ROOT))
    finally:
        server.terminate()
        server.wait()


def _is_ready() -> bool:
    try:
        return httpx.get(f"{URL}/ready").status_code == 200
    except httpx.TransportError:
        return False


def take(url: str, folder: Path) -> list[Path]:
    """Take both pictures of the page at an address; returns their files."""
    sys.path.insert(0, str(ROOT / "tests"))
    pages = importlib.import_module("support.pages")
    file, live = folder / "serve-page.png", folder / "serve-page-live.png"
    with tempfile.TemporaryDirectory() as place:
        flags = pages.microphone(Path(place), [DIALOGUE], pause_s=0.2)
        with pages.at_page(url, Path(place), [*flags, "--hide-scrollbars"]) as browser:
            browser.resize(390, 844, dark=True, phone=True)
            browser.click("#record")
            browser.until("document.querySelectorAll('#live-lines .line').length >= 3")
            browser.until("document.querySelector('#partial').textContent.length > 4")
            browser.picture(live)
            browser.click("#record")
            browser.appears("#record[data-step=start]")
            browser.resize(1200, 940)
            browser.click("#tab-file")
            browser.choose_file("#file", DIALOGUE)
            browser.appears("#file-result")
            browser.until("document.querySelector('#player').duration > 0")
            browser.run("document.querySelector('#player').currentTime = 22")
            browser.appears(".line[aria-current]")
            browser.says("#load-requests", "0")  # the load follows every two seconds
            browser.picture(file)
    return [file, live]


if __name__ == "__main__":
    main()
