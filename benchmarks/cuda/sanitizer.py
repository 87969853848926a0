"""NVIDIA's compute-sanitizer on a short run: bad addresses, and races in shared memory."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time

from benchmarks.cuda.context import Context, NotHereError

SHORT = (sys.executable, "-m", "benchmarks.cuda.short")


def _run(command: list[str], seconds: float) -> tuple[int | None, str, float]:
    """Exit status (None: not finished in time), the output, and how long it took."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(seconds, 1.0),
            check=False,
        )
        status: int | None = done.returncode
        said = done.stdout
    except subprocess.TimeoutExpired as late:
        status, said = None, late.stdout or b""
    return status, said.decode(errors="replace"), time.monotonic() - began


def summary(said: str) -> int | None:
    """The number of errors in compute-sanitizer's summary; None where there is none."""
    found = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)", said)
    return int(found[-1]) if found else None


def run(context: Context) -> None:
    """The short run alone, then under each tool."""
    status, said, took = _run([*SHORT, context.device], context.left())
    context.check(
        "the short run by itself",
        status == 0,
        f"{took:.0f} s" if status == 0 else f"status {status}: {said[-300:]}",
    )
    if status != 0:
        return
    if not context.on_cuda:
        raise NotHereError("compute-sanitizer watches CUDA devices")
    if shutil.which("compute-sanitizer") is None:
        raise NotHereError("there is no compute-sanitizer on the PATH")
    for tool, share in (("memcheck", 0.6), ("racecheck", 0.95)):
        limit = context.left() * share
        command = ["compute-sanitizer", "--tool", tool, "--print-limit", "20", *SHORT]
        status, said, took = _run([*command, context.device], limit)
        log = context.folder / f"{tool}.txt"
        log.write_text(said[-200_000:], encoding="utf-8")
        errors = summary(said)
        if status is None:
            context.row(tool, "not finished", f"{limit:.0f} s were not enough; nothing was proved")
        else:
            context.check(
                tool,
                status == 0 and errors == 0,
                f"{errors} errors, status {status}, {took:.0f} s, all in {log.name}",
            )
