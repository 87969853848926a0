"""A little of everything at once, for the extension under AddressSanitizer (`make asan-extension`).

What comes out is compared with what the same call gives alone; the reports are the sanitizer's
affair, which ends the process. It ends with work in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import safeasr
from safeasr import AutoModel, SafeASRError, _ext
from support.audio import speech

SEED = int(os.environ.get("SAFEASR_SEED", "0"))
DEMO = Path(safeasr.__file__).parent / "models" / "demo" / "audio"
WAVES = [soundfile.read(DEMO / f"{n:02}.flac", dtype="float32")[0] for n in range(1, 7)]
done: Counter[str] = Counter()


def encoded(wave: Any, kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, 16000, format=kind)
    return file.getvalue()


def fails(call: Callable[[], object], *errors: type[BaseException]) -> None:
    """It does, or it was too quick to."""
    with contextlib.suppress(*errors):
        call()
    done["refused or late"] += 1


def offline(model: AutoModel, expected: list[str], number: int) -> None:
    """Arrays, files, lists, features, all options, in this thread's own order."""
    order = random.Random(SEED + number)
    for _ in range(6):
        which = order.randrange(len(WAVES))
        wave = WAVES[which]
        forms = [wave, encoded(wave, "FLAC"), encoded(wave, "WAV"), (wave * 32767).astype(np.int16)]
        found = model.generate(order.choice(forms[:3]), output_timestamp=order.random() < 0.5)
        assert found[0]["text"] == expected[which]
        model.generate([wave, forms[3], forms[1]], batch_size=order.randint(1, 4))
        rows = np.random.default_rng(number).standard_normal((order.randint(1, 60), 560))
        model.generate(rows.astype(np.float32), data_type="fbank")
        done["utterances"] += 5


def refused(model: AutoModel) -> None:
    """What is no audio, what comes too late, what is taken back."""
    flac = encoded(WAVES[0], "FLAC")
    bad = [b"", b"RIFF" + bytes(60), flac[:100], flac[:-3000], bytes(999), np.full(800, np.nan)]
    bad += [np.zeros(0, np.float32), np.zeros((3, 4, 5), np.float32), "no such file.wav", object()]
    for item in bad:
        fails(lambda item=item: model.generate(item), SafeASRError, TypeError, ValueError)
    fails(lambda: model.generate(np.zeros((4, 7)), data_type="fbank"), SafeASRError, ValueError)
    for timeout in (1e-6, 1e-3, 5e-3):
        fails(lambda t=timeout: model.generate(WAVES[:3], timeout=t), SafeASRError)
    futures = [model.submit(wave) for wave in WAVES for _ in range(4)]
    done["cancelled"] += sum(future.cancel() for future in futures[::-1])

    async def late() -> None:
        with contextlib.suppress(SafeASRError, asyncio.TimeoutError):
            await asyncio.wait_for(model.agenerate(WAVES[1]), 0.002)

    asyncio.run(late())


def live(model: AutoModel, options: dict[str, Any], number: int) -> None:
    """Streams in pieces of any size: to the end, by `cache`, given up, reset, closed."""
    order = random.Random(SEED + 100 + number)
    wave = WAVES[number % len(WAVES)]
    cuts = sorted(order.sample(range(len(wave)), 5))
    with model.stream(**options) as stream:
        for chunk in np.split(wave, cuts):
            stream.feed(chunk)
        stream.finish()
        stream.reset()
        stream.feed(wave[:3000])
    if "mode" not in options:
        cache: dict[str, Any] = {}
        for chunk in np.array_split(wave, 3):
            model.generate(chunk, cache=cache, is_final=False, **options)
        model.generate(wave[:0], cache=cache, is_final=True, **options)
    given_up = model.stream(**options)
    given_up.push(wave[:20000])
    done["streams"] += 3


def mixed(directory: Path) -> None:
    """All kinds of work beside each other, and models that are closed under it."""
    options: dict[str, Any] = {"disable_pbar": True, "num_workers": 2}
    tasks: list[Callable[[], object]] = []
    with contextlib.ExitStack() as closing, ThreadPoolExecutor(8) as pool:
        both, streaming, vad = (
            closing.enter_context(AutoModel(name, **options, **more))
            for name, more in (
                ("demo", {"vad_model": "demo-vad", "online_model": "demo-streaming"}),
                ("demo-streaming", {}),
                ("demo-vad", {}),
            )
        )
        plain, narrow, int8 = (
            closing.enter_context(AutoModel("demo", **options, **more))
            for more in ({}, {"bf16": True}, {"quantize": True})
        )
        for model in (plain, narrow, int8):
            expected = [model.generate(wave)[0]["text"] for wave in WAVES]
            tasks += [lambda m=model, e=expected, n=n: offline(m, e, n) for n in range(2)]
        tasks += [lambda: refused(plain), lambda: refused(both)]
        for n in range(2):
            tasks += [
                lambda n=n: live(streaming, {"chunk_size": [0, 5 + 5 * n, 5]}, n),
                lambda n=n: live(vad, {"chunk_size": 200 + 300 * n}, n),
                lambda n=n: live(both, {"mode": "2pass"}, n),
                lambda: both.generate(np.concatenate([*WAVES, speech(20.0)]), merge_vad=True),
            ]
        with contextlib.suppress(ImportError):
            from support.sense_voice import write_model_dir

            sense = closing.enter_context(AutoModel(str(write_model_dir(directory)), **options))
            for language in ("auto", "zh", "en"):
                tasks.append(
                    lambda at=language: sense.generate(
                        [speech(3.0), *WAVES[:2]], language=at, output_timestamp=True
                    )
                )
        random.Random(SEED).shuffle(tasks)
        for future in [pool.submit(task) for task in tasks]:
            future.result()
    for drain in (True, False):
        closed_under_load(AutoModel("demo", queue_size=4, **options), drain)


def closed_under_load(model: AutoModel, drain: bool) -> None:
    def ask() -> None:
        for wave in WAVES:
            fails(lambda w=wave: model.generate(w), SafeASRError)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    model.generate(WAVES[0])
    model.close(drain=drain)
    for thread in threads:
        thread.join()
    done["closed"] += 1


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SAFEASR_CACHE"] = f"{scratch}/cache"
        mixed(Path(scratch) / "sense_voice")
        _ext.force_tensor_op_path(True)  # the tensor-op path: slabs, plans, gathered attention
        with AutoModel("demo-streaming", disable_pbar=True) as model, ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda n: live(model, {}, n), range(3)))
        with AutoModel("demo", disable_pbar=True) as model:
            model.generate(WAVES, output_timestamp=True)
        _ext.force_tensor_op_path(False)
        last = AutoModel("demo", num_workers=2, disable_pbar=True)
        for wave in WAVES * 5:
            last.submit(wave)
    print(", ".join(f"{count} {what}" for what, count in sorted(done.items())), flush=True)
    sys.exit(0)  # with that in flight


if __name__ == "__main__":
    main()
