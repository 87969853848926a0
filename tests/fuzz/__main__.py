"""Inputs that nobody foresaw, for as long as one likes.

    make fuzz                        ten minutes of everything
    make fuzz MINUTES=60             an hour
    cd tests && python -m fuzz --minutes 5 --only audio streams

Each target is a module of tests by hypothesis, run in a process of its own, again and again with
other seeds. What it finds is shrunk and printed, and tried first the next time
(``.hypothesis/examples``). An input worth keeping goes into ``found/``, or into an ``@example``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))


def run(target: str, seed: int, examples: int) -> subprocess.CompletedProcess[str]:
    """One target with a number of examples."""
    verbose = ["--hypothesis-verbosity=verbose"] if os.environ.get("SAFEASR_FUZZ_TRACE") else []
    return subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "--assert=plain",
                "-p",
                "no:cacheprovider",
            ),
            *(f"--hypothesis-seed={seed}", *verbose, str(HERE / f"test_{target}.py")),
        ],
        cwd=HERE.parents[1],
        env={**os.environ, "SAFEASR_FUZZ": "long", "SAFEASR_FUZZ_EXAMPLES": str(examples)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def main() -> int:
    """Run until the time is over; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    found = 0
    for number, target in enumerate(itertools.cycle(asked.only)):
        if time.monotonic() > end and number >= len(asked.only):
            break
        seed = asked.seed + number
        begin = time.monotonic()
        # The first round is short, so that all have had a turn when little time is given.
        done = run(target, seed, 50 if number < len(asked.only) else 500)
        took = time.monotonic() - begin
        print(
            f"{target}, seed {seed}: {'held' if done.returncode == 0 else 'FOUND'} ({took:.0f} s)",
            flush=True,
        )
        if done.returncode != 0:
            found += 1
            died = done.returncode < 0
            print(done.stdout[-6000:], "(the process died)" if died else "", flush=True)
            print(f"again: SAFEASR_FUZZ_TRACE=1 ... --only {target} --seed {seed}", flush=True)
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
