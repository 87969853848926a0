"""A short run with 4 threads, for compute-sanitizer: ``python -m benchmarks.cuda.short cuda:0``."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.common.audio import demo_items
from benchmarks.cuda.equality import STREAM
from benchmarks.cuda.seeded import model_dir
from safeasr import AutoModel
from safeasr.bench.closed_loop import closed_loop
from safeasr.bench.live_sessions import Feed, live_sessions


def main() -> None:
    """Recordings, live sessions and SenseVoice, a few calls of each; fails if one of them does."""
    device, options = sys.argv[1], dict(num_workers=2, disable_pbar=True)
    narrow: dict[str, Any] = {"fp16": True} if device.startswith("cuda") else {}
    items = demo_items()[:4]
    for model, more in (("demo", {}), ("demo", narrow), (str(model_dir("sense-voice", True)), {})):
        with AutoModel(model, device=device, **options, **more) as one:

            def ask(audio: Any, model: AutoModel = one) -> str:
                return str(model.generate(audio)[0]["text"])

            load = closed_loop(ask, items, 4, passes=1)
        if load.errors:
            raise SystemExit(f"{model}: {dict(load.errors)}")
    with AutoModel("demo-streaming", device=device, **options) as live:

        def open_session(_number: int) -> Feed:
            stream = live.stream(**STREAM)
            return lambda samples, last: str(stream.feed(samples, last)["text"])

        result = live_sessions(open_session, [one.audio for one in items], paced=False)
    if result.errors:
        raise SystemExit(f"live: {dict(result.errors)}")
    print("all answered")


if __name__ == "__main__":
    main()
