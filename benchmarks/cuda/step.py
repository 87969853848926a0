"""One step in this process: ``python -m benchmarks.cuda.step NAME --out FILE ...``."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cuda.context import Context, NotHereError


@dataclass(frozen=True)
class Step:
    """A step of the whole.

    Attributes:
        name: in the table and on the command line.
        module: of this package, with a function ``run``.
        share: of the time, beside the others'.
        most_s: seconds that it can use at most.
    """

    name: str
    module: str
    share: float
    most_s: float


#: In the order of importance: time may run out.
STEPS = (
    Step("machine", "floors", 1.0, 60),
    Step("models", "models_step", 2.0, 150),
    Step("equality", "equality", 3.0, 240),
    Step("throughput", "throughput", 3.0, 240),
    Step("eager", "eager", 1.5, 120),
    Step("live", "live", 2.5, 180),
    Step("graphs", "graphs", 1.2, 100),
    Step("memory", "memory", 1.0, 90),
    Step("soak", "soak", 1.2, 90),
    Step("profile", "profile", 1.2, 90),
    Step("sanitizer", "sanitizer", 2.0, 400),
)


def main() -> None:
    """Run the step; what it finds is in the file."""
    parser = argparse.ArgumentParser(description="one step of benchmarks.cuda")
    parser.add_argument("name", choices=[step.name for step in STEPS])
    parser.add_argument("--device", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    step = next(one for one in STEPS if one.name == arguments.name)
    context = Context(
        step.name, arguments.device, arguments.quick, arguments.seconds, arguments.out,
        arguments.out.parent,
    )  # fmt: skip
    context.write()
    try:
        importlib.import_module(f"benchmarks.cuda.{step.module}").run(context)
    except NotHereError as reason:
        context.put("not_here", str(reason))


if __name__ == "__main__":
    main()
