"""``safeasr transcribe --stream``: text as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from safeasr.cli.formats import json_of
from safeasr.cli.running import Recogniser
from safeasr.cli.say import complain, complain_of_parts, is_terminal, put, put_line
from safeasr.errors import SafeASRError
from safeasr.inputs.expand import Utterance

__all__ = ["stream_files"]

_RATE = 16000
_now, _sleep = time.monotonic, time.sleep


def _chunks(samples: NDArray[np.float32], size: int, paced: bool) -> Iterator[tuple[Any, bool]]:
    began = _now()
    for at in range(0, max(len(samples), 1), size):
        piece = samples[at : at + size]
        if paced:  # not before it would have been spoken
            _sleep(max(0.0, began + (at + len(piece)) / _RATE - _now()))
        yield piece, at + size >= len(samples)


class _Display:
    """Shows what a stream gives: words as they come, or a line for each segment."""

    def __init__(self, out: IO[str], as_json: bool, name: str) -> None:
        """Show nothing yet.

        Args:
            out: where the text goes.
            as_json: each event as a JSON object on a line.
            name: of the file, where something of it fails.
        """
        self._out = out
        self._as_json = as_json
        self._name = name
        self._live = is_terminal(out) and not as_json
        self._shown = ""
        #: Whether a part of the file failed.
        self.parts_failed = False

    def show(self, key: str, answer: Any) -> None:
        """One chunk's answer: a result dict, or events, which may still be coming."""
        for event in [answer] if isinstance(answer, Mapping) else answer:
            errors = event.get("errors", ())
            if self._as_json:
                if event.get("text") or event.get("value") or errors:
                    put_line(json_of({**event, "key": key}), self._out)
            elif "value" in event:
                for start, end in event["value"]:
                    put_line(f"{start}\t{end}", self._out)
            elif "mode" not in event:
                self._write(event["text"])
            elif event["is_final"]:
                self._clear()
                who = "" if event.get("spk") is None else f"Speaker {event['spk']}: "
                put_line(f"{_when(event)}{who}{event['text']}", self._out)
            elif self._live:
                self._clear()
                self._write(event["segment_text"])
            complain_of_parts(self._name, errors)
            self.parts_failed |= bool(errors)

    def end(self) -> None:
        """The file is over."""
        if self._shown:
            put_line("", self._out)
            self._shown = ""

    def _write(self, text: str) -> None:
        if not text:
            return
        # Between words that are written with spaces; Chinese has none.
        if self._shown and text[0].isascii() and self._shown[-1].isascii():
            text = " " + text
        put(text, self._out)
        self._shown += text

    def _clear(self) -> None:
        if self._live:  # back to the beginning of the line, and nothing behind it
            put("\r\x1b[K", self._out)
        self._shown = ""


def _when(event: Mapping[str, Any]) -> str:
    """Servers need not tell."""
    if event.get("start") is None:
        return ""
    return f"[{event['start'] / 1000:.2f} - {event['end'] / 1000:.2f}] "


def stream_files(
    recogniser: Recogniser,
    sources: Sequence[tuple[str, object]],
    out: IO[str],
    *,
    as_json: bool,
    paced: bool,
    stop_at_first: bool,
    chunk_ms: int = 600,
) -> int:
    """Feed files to streams, one after the other.

    Args:
        recogniser: a streaming model, an offline one with its companions, or a server.
        sources: key and source of each file.
        out: where the text goes.
        as_json: each event as a JSON object on a line.
        paced: as fast as it was spoken, not as fast as possible.
        stop_at_first: go no further once a file has failed.
        chunk_ms: length of the chunks that are fed.

    Returns:
        How many files failed.
    """
    failed = 0
    for key, source in sources:
        name = source if isinstance(source, str) else key
        display = _Display(out, as_json, name)
        ended = False
        try:
            samples = np.asarray(Utterance(key, source).load())
            with recogniser.live(key, _RATE) as stream:
                for piece, is_final in _chunks(samples, chunk_ms * _RATE // 1000, paced):
                    display.show(key, stream.feed(piece, is_final))
            ended = True
        except SafeASRError as error:
            complain(f"error: {name}: {error}")
        display.end()
        if not ended or display.parts_failed:
            failed += 1
            if stop_at_first:
                break
    return failed
