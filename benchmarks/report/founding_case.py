"""The pictures of docs/benchmarking.md: both founding cases, and what their report looks like.

    python -m benchmarks.report.founding_case

Runs ``safeasr bench streaming-vad`` and ``safeasr bench options``, FunASR beside safeasr, and takes
a picture of each page with chromium.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CASES = {
    "bench-streaming-vad": ["streaming-vad", "--threads", "16", "--rounds", "8"],
    "bench-options": ["options", "--concurrency", "8", "--requests", "400"],
}


def main() -> None:
    """Run both."""
    for name, arguments in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            command = [sys.executable, "-m", "safeasr", "bench", *arguments, "--html", str(page)]
            subprocess.run(command, check=True)
            subprocess.run(
                [
                    *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
                    *("--hide-scrollbars", "--window-size=1200,1000"),
                    *("--force-device-scale-factor=1", f"--screenshot={IMAGES / name}.png"),
                    page.as_uri(),
                ],
                check=True,
                capture_output=True,
            )


if __name__ == "__main__":
    main()
