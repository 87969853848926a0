"""What a target prints: the beginning and the end are kept, however much there is."""

from __future__ import annotations

import sys
from pathlib import Path

from safeasr.bench.load import printed
from safeasr.bench.load.printed import KEPT, MOST, PrintedLog, last_lines
from support.processes import run_to_end

CODE = """
import os, sys, time
from pathlib import Path
from safeasr.bench.load import printed
log = Path(sys.argv[1])
printed.PrintedLog(log).take_output()
print("the first line", flush=True)
line = "x" * 1000
end = time.monotonic() + 60
written = most = 0
# Until so much was printed and the file is short again.
while (written < 4 * printed.MOST or log.stat().st_size > printed.MOST) and time.monotonic() < end:
    if written < 4 * printed.MOST:
        print(line, flush=True)
        written += 1001
    else:
        time.sleep(0.05)
os.system("echo a child, too; echo and its errors >&2")
print("the last line", flush=True)
"""


def test_a_target_that_prints_for_days_fills_no_disk(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    done = run_to_end([sys.executable, "-c", CODE, str(log)], timeout=120)
    assert done.returncode == 0 and log.stat().st_size <= MOST
    lines = log.read_text().splitlines()
    assert lines[0] == "the first line"
    assert lines[-3:] == ["a child, too", "and its errors", "the last line"]
    assert any("bytes left out" in line for line in lines)


def test_what_is_left_out_is_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = PrintedLog(path)
    path.write_bytes(b"a" * KEPT + b"b" * MOST + b"c" * KEPT)
    log.shorten()
    kept = path.read_bytes()
    assert kept == b"a" * KEPT + b"\n[... %d bytes left out ...]\n" % MOST + b"c" * KEPT
    log.shorten()
    assert path.read_bytes() == kept


def test_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(f"line {n}" for n in range(10_000)))
    assert last_lines(tmp_path / "log", 2) == ["line 9998", "line 9999"]
    assert last_lines(tmp_path / "none", 2) == []
    assert printed.LOOK_S < 1
