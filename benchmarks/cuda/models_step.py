"""Makes and exports the models of the other steps, so that their time limits are their own."""

from __future__ import annotations

import time

from benchmarks.cuda.context import Context
from benchmarks.cuda.seeded import KINDS, model_dir
from safeasr.loading.export import open_bundle


def run(context: Context) -> None:
    """The fastest precision of each first: nearly everything is measured in it."""
    fast = context.fastest()
    order = [fast, *(p for p in ("float32", *context.precisions()) if p != fast)]
    began = time.monotonic()
    made = []
    for precision in dict.fromkeys(order):
        for kind in KINDS:
            if context.left() < 0.15 * context.seconds:
                continue  # whoever needs it makes it
            open_bundle(model_dir(kind, context.quick), precision=precision)
            made.append(f"{kind} {precision}")
            context.put("made", made)
    context.row(
        "models made and exported",
        len(made),
        f"{time.monotonic() - began:.0f} s: {', '.join(made)}",
    )
