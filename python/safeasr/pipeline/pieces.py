"""The segments of a recording, recognised in their order while others are still being found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from safeasr._extension import _ext
from safeasr.calls.inbox import Inbox
from safeasr.calls.submission import Tell
from safeasr.errors import InferenceError
from safeasr.families.base import Recognizer
from safeasr.families.terms import Terms
from safeasr.pipeline.answered import answered
from safeasr.pipeline.failures import failure
from safeasr.pipeline.live_text import Piece
from safeasr.pipeline.segments import Segment, Segments
from safeasr.pipeline.steps import Steps
from safeasr.text.sentences import sentences_of_pieces

__all__ = ["Pieces"]

#: Segments of one recording that are in the engine at a time: others want their turn, too.
_AHEAD: Final = 32


class Pieces:
    """What was recognised of a recording by now.

    Attributes:
        segments: ``[start_ms, end_ms]`` of each.
        results: of each, with times from the beginning of the recording.
        failed: those on which the network failed, as in the ``errors`` of a result.
    """

    def __init__(
        self,
        heard: Inbox[Segment] | None,
        read: Inbox[Piece] | None,
        tell: Tell | None,
        *,
        texts_only: bool,
    ) -> None:
        """None yet.

        Args:
            heard: gets the segments, if anybody wants them.
            read: gets what was recognised of them.
            tell: who wants to be told, if anybody does.
            texts_only: nobody wants more in the end than the text: all else was told before, by
                whoever reads, or here if nobody does.
        """
        self.segments: Segments = []
        self.results: list[dict[str, Any]] = []
        self.failed: list[dict[str, Any]] = []
        self._heard = heard
        self._read = read
        self._tell = tell
        self._texts_only = texts_only

    def recognised(
        self,
        main: Recognizer,
        engine: _ext.Engine,
        found: Inbox[Segment],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """Steps that recognise all segments.

        A network that fails on one of them costs that one, unless it fails on all.
        """

        def submit(segment: Segment) -> tuple[list[int], _ext.Ticket]:
            ticket = main.submit(engine, segment.samples, options, terms)
            return [segment.start, segment.end], ticket

        def done(segment: list[int], ticket: _ext.Ticket) -> None:
            try:
                raw = ticket.get()
            except InferenceError as error:
                self._add_failed(segment, error)
            else:
                began = time.monotonic()
                result = _finished(main, raw, segment[0], options)
                if terms.moments is not None:
                    terms.moments.wrote(time.monotonic() - began)
                self._add(segment, result)

        yield from answered(found, self._pass_on, submit, done, ahead=_AHEAD, hold=self._hold)
        for inbox in (self._heard, self._read):
            if inbox is not None:
                inbox.close()
        if self.failed and len(self.failed) == len(self.results):
            raise self.failed[0]["error"]

    def _pass_on(self, segment: Segment) -> tuple[Segment]:
        if self._heard is not None:
            self._heard.put(segment)
        return (segment,)

    def _hold(self) -> _ext.Ticket | None:
        """Who listens must keep up, for it holds samples."""
        full = self._heard is not None and self._heard.full
        return self._heard.room() if self._heard is not None and full else None

    def _add_failed(self, segment: list[int], error: InferenceError) -> None:
        self.failed.append(failure(segment[0], segment[1], error))
        self._add(segment, {"text": ""}, dict(self.failed[-1]))

    def _add(
        self, segment: list[int], result: dict[str, Any], failed: dict[str, Any] | None = None
    ) -> None:
        if self._read is not None:
            self._read.put(Piece(segment, result, failed))
        elif self._tell is not None and self._texts_only:
            told = sentences_of_pieces([result], [segment]) if failed is None else [failed]
            for one in told:
                self._tell(one)
        self.segments.append(segment)
        self.results.append({"text": result.get("text", "")} if self._texts_only else result)

    def combined(self) -> dict[str, Any]:
        """One result of all."""
        if not self.results:
            return {"text": "", "timestamp": []}
        texts = [result["text"] for result in self.results if result.get("text")]
        combined: dict[str, Any] = {"text": " ".join(texts)}
        for name in ("timestamp", "words"):
            if any(name in r for r in self.results):
                combined[name] = [one for r in self.results for one in r.get(name, ())]
        if self.failed:
            combined["errors"] = list(self.failed)
        return combined


def _finished(
    main: Recognizer, raw: Mapping[str, Any], start_ms: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The result of a segment, with times from the beginning of the recording."""
    # FunASR tells each piece's times from its own beginning first, then shifts them.
    result = main.finish(raw, "", options)
    for times in result.get("timestamp", ()):
        times[0] += start_ms
        times[1] += start_ms
    return result
