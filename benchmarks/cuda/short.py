"""A short run with 4 threads, for compute-sanitizer: ``python -m benchmarks.cuda.short cuda:0``."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.cuda.equality import STREAM
from benchmarks.cuda.seeded import model_dir
from safeasr import AutoModel
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.local import Feed, measure_calls, measure_sessions


def main() -> None:
    """Recordings, live sessions and SenseVoice, a few calls of each; fails if one of them does."""
    device, options = sys.argv[1], dict(num_workers=2, disable_pbar=True)
    narrow: dict[str, Any] = {"fp16": True} if device.startswith("cuda") else {}
    items = embedded_clips()[:4]
    for model, more in (("demo", {}), ("demo", narrow), (str(model_dir("sense-voice", True)), {})):
        with AutoModel(model, device=device, **options, **more) as one:

            def ask(audio: Any, model: AutoModel = one) -> str:
                return str(model.generate(audio)[0]["text"])

            load = measure_calls(ask, items, 4, passes=1)
        if load.errors:
            raise SystemExit(f"{model}: {load.errors}")
    with AutoModel("demo-streaming", device=device, **options) as live:

        def open_session() -> Feed:
            stream = live.stream(**STREAM)
            return lambda samples, last: str(stream.feed(samples, last)["text"])

        load = measure_sessions(open_session, items, paced=False)
    if load.errors:
        raise SystemExit(f"live: {load.errors}")
    print("all answered")


if __name__ == "__main__":
    main()
