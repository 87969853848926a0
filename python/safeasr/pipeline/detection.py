"""The detector before a recogniser: a recording, as it is decoded, to its segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from safeasr._extension import _ext
from safeasr.calls.background import on_thread_of
from safeasr.calls.dispatcher import DECODING
from safeasr.calls.inbox import Inbox
from safeasr.families.base import Detector
from safeasr.families.terms import Terms
from safeasr.inputs.recording import Block, Recording
from safeasr.options.declared import FLAG, Option, Options, number
from safeasr.pipeline.places import Place, Places
from safeasr.pipeline.runs import still_wanted
from safeasr.pipeline.segments import Merging, Segment, Tail
from safeasr.pipeline.steps import SideRun, Steps

__all__ = ["Detection"]

#: Segments that may wait for a recogniser before more of the recording is looked at.
_AHEAD: Final = 8
#: Recordings of a model that are being read at a time: each has a file open, and some blocks.
_READ_AT_A_TIME: Final = 64
#: Options of a detector that make no sense for a whole recording.
_OF_STREAMS: Final = ("chunk_size", "cache", "is_final")
_LONGEST: Final = number("a number of s", least=0, most=1e9)
_MERGING: Final = Options(
    Option("merge_vad", FLAG, False, help="Put neighbouring segments together."),
    Option("merge_length_s", _LONGEST, 15, help="Up to this length."),
)


class Detection:
    """A detector and the options that it was made with."""

    def __init__(self, model: Detector, defaults: Mapping[str, Any]) -> None:
        """Take a loaded model.

        Args:
            model: finds the segments.
            defaults: its options of the constructor (``vad_kwargs``).
        """
        self._model = model
        self._defaults = defaults
        # Of a call not the size of its chunks: the call is a recording.
        self._own = model.options - _OF_STREAMS
        self.options = self._own | _MERGING
        self.sample_rate = model.sample_rate
        self._places = Places(_READ_AT_A_TIME)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._model.check(self._with_defaults(options))

    def _with_defaults(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._defaults, **self._own.own(options)}

    def begin(
        self, engine: _ext.Engine, recording: Recording, options: Mapping[str, Any], terms: Terms
    ) -> tuple[SideRun, Inbox[Segment]]:
        """Find the segments of a recording, beside whatever is done with those that are found.

        The first block is read on the calling thread, unless many others are being read.

        Args:
            engine: that all models run on.
            recording: is closed in the end.
            options: of the call.
            terms: of a later stage of the recording.

        Returns:
            What to cancel if nobody wants any more, and the segments.
        """
        found: Inbox[Segment] = Inbox(_AHEAD)
        run = SideRun(self._steps(engine, recording, options, terms, found))
        run.begin()
        return run, found

    def _steps(
        self,
        engine: _ext.Engine,
        recording: Recording,
        options: Mapping[str, Any],
        terms: Terms,
        found: Inbox[Segment],
    ) -> Steps:
        try:
            yield from self._places.take()
            with self._places.held() as place:
                yield from self._find(engine, recording, options, terms, found, place)
        except GeneratorExit:
            raise
        except BaseException as error:
            found.close(error)
        else:
            found.close()
        finally:
            recording.close()

    def _find(
        self,
        engine: _ext.Engine,
        recording: Recording,
        options: Mapping[str, Any],
        terms: Terms,
        found: Inbox[Segment],
        place: Place,
    ) -> Steps:
        stream = self._model.recording(self._with_defaults(options))
        merging = None
        if options.get("merge_vad"):
            merging = Merging(int(float(options.get("merge_length_s") or 15) * 1000))
        tail = Tail(self.sample_rate)
        block: Block = recording.read()
        while True:
            if block.is_last:  # short ones have no place but while the first block is read
                place.give_back()
            tail.add(block.samples)
            ticket = stream.submit(
                engine, block.samples, is_final=block.is_last, terms=terms.for_engine()
            )
            reading = None
            try:
                if not block.is_last:
                    reading = on_thread_of(DECODING, recording.read, still_wanted(engine, terms))
                segments = self._model.segments_of(stream, (yield ticket))
                if merging is not None:
                    segments = merging.add(segments)
                    if block.is_last:
                        segments += merging.end()
                for start, end in segments:
                    samples = tail.cut(start, end)
                    if len(samples):  # empty: merged from 0 on, or behind the end
                        found.put(Segment(start, end, samples))
                if reading is None:
                    return
                needed = stream.needed_from
                tail.forget(needed if merging is None else min(needed, merging.needed_from))
                while found.full:
                    yield found.room()
                block = yield reading
            finally:
                ticket.cancel()
                if reading is not None:
                    reading.cancel()
