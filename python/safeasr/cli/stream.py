"""``safeasr transcribe --stream``: text as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from safeasr.auto_model import AutoModel
from safeasr.cli.say import complain
from safeasr.errors import AudioError, SafeASRError
from safeasr.inputs.expand import Utterance

__all__ = ["stream_files"]

_RATE = 16000


def _chunks(samples: NDArray[np.float32], size: int, paced: bool) -> Iterator[tuple[Any, bool]]:
    began = time.monotonic()
    for at in range(0, max(len(samples), 1), size):
        piece = samples[at : at + size]
        if paced:  # not before it would have been spoken
            time.sleep(max(0.0, began + (at + len(piece)) / _RATE - time.monotonic()))
        yield piece, at + size >= len(samples)


class _Display:
    """Shows what a stream gives: words as they come, or a line for each segment."""

    def __init__(self, out: IO[str], as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._live = out.isatty() and not as_json
        self._shown = ""

    def show(self, key: str, answer: Any) -> None:
        """One chunk's answer: a result dict, or events."""
        for event in answer if isinstance(answer, list) else [answer]:
            if self._as_json:
                if event.get("text") or event.get("value"):
                    print(json.dumps({**event, "key": key}, ensure_ascii=False), file=self._out)
            elif "value" in event:
                for start, end in event["value"]:
                    print(f"{start}\t{end}", file=self._out)
            elif "mode" not in event:
                self._write(event["text"])
            elif event["is_final"]:
                self._overwrite(f"[{event['start'] / 1000:.2f} - {event['end'] / 1000:.2f}] ")
                print(event["text"], file=self._out)
                self._shown = ""
            elif self._live:
                self._overwrite(event["segment_text"])
        self._out.flush()

    def end(self) -> None:
        """The file is over."""
        if self._shown:
            print(file=self._out)
            self._shown = ""

    def _write(self, text: str) -> None:
        if not text:
            return
        # Between words that are written with spaces; Chinese has none.
        if self._shown and text[0].isascii() and self._shown[-1].isascii():
            text = " " + text
        self._out.write(text)
        self._shown += text

    def _overwrite(self, text: str) -> None:
        if self._live:  # back to the beginning of the line, and clear it
            self._out.write("\r\x1b[K")
        self._out.write(text)
        self._shown = text


def stream_files(
    model: AutoModel,
    sources: Sequence[tuple[str, object]],
    out: IO[str],
    *,
    as_json: bool,
    paced: bool,
    chunk_ms: int = 600,
) -> int:
    """Feed files to streams, one after the other.

    Args:
        model: a streaming model, or an offline one with its companions.
        sources: key and source of each file.
        out: where the text goes.
        as_json: each event as a JSON object on a line.
        paced: as fast as it was spoken, not as fast as possible.
        chunk_ms: length of the chunks that are fed.

    Returns:
        How many files failed.
    """
    failed = 0
    for key, source in sources:
        display = _Display(out, as_json)
        try:
            samples = Utterance(key, source).load()
            with model.stream(key=key, fs=_RATE) as stream:
                for piece, is_final in _chunks(samples, chunk_ms * _RATE // 1000, paced):
                    display.show(key, stream.feed(piece, is_final))
        except (AudioError, SafeASRError) as error:
            failed += 1
            name = source if isinstance(source, str) else key
            complain(f"error: {name}: {error}")
        display.end()
    return failed
