"""Check and measure safeasr on a CUDA device, in one go.

    python -m benchmarks.cuda                       everything, about 8 minutes
    python -m benchmarks.cuda --only equality soak  some steps
    python -m benchmarks.cuda --device cpu --quick  on any machine: do the steps work?

Prints one table. What each step found is in the JSON file as soon as the step ends, so nothing is
lost when the machine goes away. The exit status is 1 if a check does not hold or a step failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common.facts import RESULTS
from benchmarks.cuda.report import failures, page
from benchmarks.cuda.step import STEPS, Step

#: Seconds that a step has beyond its share before it is ended: it plans for its share.
GRACE_S = 20.0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a step and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
        return


def _reason(log: Path) -> str:
    """The last words of a step that failed."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-400:]


def run_step(step: Step, arguments: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Run a step in a process of its own; never raises for what happens in there."""
    out = arguments.folder / f"{step.name}.json"
    log = arguments.folder / "step.log"
    out.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "benchmarks.cuda.step", step.name, "--device", arguments.device,
        "--seconds", str(seconds), "--out", str(out), *(["--quick"] if arguments.quick else []),
    ]  # fmt: skip
    began = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(seconds + GRACE_S)
            how = "done" if status == 0 else "failed"
        except subprocess.TimeoutExpired:
            _end(process)
            how = "timed out"
        except BaseException:
            _end(process)
            raise
    found: dict[str, Any] = {"status": how, "took_s": round(time.monotonic() - began, 1)}
    if how == "failed":
        found["reason"] = _reason(log)
    elif how == "timed out":
        found["reason"] = f"ended after {seconds + GRACE_S:.0f} s; what it had found is kept"
    with (arguments.folder / "steps.log").open("ab") as all_said:
        all_said.write(f"==== {step.name}: {how}\n".encode() + log.read_bytes())
    log.unlink()
    try:
        found |= json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found.setdefault("reason", "it left no findings")
    out.unlink(missing_ok=True)
    return found


def _write(path: Path, arguments: argparse.Namespace, steps: dict[str, Any]) -> None:
    document = {"device": arguments.device, "quick": arguments.quick, "steps": steps}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    path.with_suffix(".md").write_text(page(steps) + "\n", encoding="utf-8")


def main() -> None:
    """Run the steps, write what they find, print the table."""
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="small models, few calls")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all steps together")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="STEP")
    parser.add_argument(
        "--json", type=Path, help="default: cuda.json in $OUT, or else in benchmarks/results/tmp"
    )
    arguments = parser.parse_args()
    given = os.environ.get("OUT")
    path = (arguments.json or (Path(given) if given else RESULTS / "tmp") / "cuda.json").absolute()
    arguments.folder = path.parent
    arguments.folder.mkdir(parents=True, exist_ok=True)

    chosen = [step for step in STEPS if step.name in arguments.only]
    until = time.monotonic() + 60 * arguments.minutes
    steps: dict[str, Any] = {
        step.name: {"status": "not begun", "reason": "no time was left"} for step in chosen
    }
    for place, step in enumerate(chosen):
        left = until - time.monotonic() - GRACE_S
        if left < 5:
            break
        # What earlier steps did not need is shared by those to come.
        share = step.share / sum(one.share for one in chosen[place:])
        steps[step.name] = run_step(step, arguments, min(step.most_s, max(left * share, 10.0)))
        _write(path, arguments, steps)
        print(
            f"{step.name}: {steps[step.name]['status']} in {steps[step.name]['took_s']:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    _write(path, arguments, steps)
    print(page(steps), flush=True)
    bad = failures(steps)
    if bad:
        print("does not hold or failed: " + "; ".join(bad), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
