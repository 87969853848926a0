"""A loaded Silero VAD: recordings to windows, and what is said of them to segments."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import OptionError
from safeasr.families.base import Accepts, Task
from safeasr.families.programs import load_programs, reading
from safeasr.families.silero_vad.network import SIZES, STATE_ROWS, UNITS, Sizes
from safeasr.families.silero_vad.segments import DEFAULTS, SpeechSegments
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Kind, Option, Options, Where, number
from safeasr.options.kinds import shown

__all__ = ["OPTIONS", "SileroRecognizer", "SileroRecording"]

_MS = number("a number of ms that is not negative", least=0, most=1e9)


def _of_rules(name: str, kind: Kind, help: str) -> Option:
    return Option(name, kind, DEFAULTS[name], help=help)


OPTIONS = Options(
    _of_rules(
        "silero_threshold",
        number("a number between 0.0 and 1.0", least=0, most=1),
        "Speech begins in a window that is speech with this probability.",
    ),
    _of_rules("silero_min_speech_duration_ms", _MS, "Shorter speech is left out."),
    _of_rules("silero_min_silence_duration_ms", _MS, "Shorter silence ends no segment."),
    _of_rules("silero_speech_pad_ms", _MS, "Put before and behind each segment."),
    Option("max_single_segment_time", _MS, help="Longer segments are cut, in ms; 0: none."),
    Option("silero_onnx", FLAG, where=Where.CONSTRUCTOR, help="Nothing depends on it here."),
)
#: Windows of one request: half a minute. The next ones queue up behind others.
_WINDOWS: Final = 1000


class SileroRecording:
    """One recording, in blocks; its state is its own."""

    def __init__(self, runner: _ext.RaggedRunner, sizes: Sizes, segments: SpeechSegments) -> None:
        """Of a recording that begins; made by :meth:`SileroRecognizer.recording`."""
        self._runner = runner
        self._sizes = sizes
        self._segments = segments
        self._samples = np.zeros(sizes.context, np.float32)  # context, and what waits
        self._state = np.zeros((STATE_ROWS, UNITS), np.float32)
        self._length = 0
        self._windows = 0  # of the request under way
        self._is_final = False

    def submit(
        self,
        engine: _ext.Engine,
        samples: NDArray[np.float32],
        *,
        is_final: bool = False,
        terms: _ext.Terms,
    ) -> _ext.Ticket:
        """Queue the next block; :meth:`take` wants its result before the next one is queued."""
        window, context = self._sizes.window, self._sizes.context
        self._length += len(samples)
        self._is_final = is_final
        held = np.concatenate([self._samples, samples])
        new = len(held) - context
        # The last window may have to be filled up with silence, so it waits for the end.
        self._windows = -(-new // window) if is_final else max(new - 1, 0) // window
        held = np.pad(held, (0, max(self._windows * window - new, 0)))
        count = max(self._windows, 1)  # a request has a window, if only one that is forgotten
        rows = np.zeros((STATE_ROWS + count, self._sizes.row), np.float32)
        rows[:STATE_ROWS, :UNITS] = self._state
        if self._windows:
            whole = np.lib.stride_tricks.sliding_window_view(held, self._sizes.row)[::window]
            rows[STATE_ROWS:] = whole[: self._windows]
        self._samples = held[self._windows * window :].copy()
        return self._runner.submit(engine, rows, terms=terms)

    def take(self, result: list[NDArray[Any]]) -> list[list[int]]:
        """The segments, ``[start_ms, end_ms]``, that are final with a block's result."""
        speech, state = result
        found: list[list[int]] = []
        if self._windows:
            self._state = np.array(state, np.float32)
            found = self._segments.add(speech[STATE_ROWS : STATE_ROWS + self._windows].tolist())
        if self._is_final:
            found += self._segments.end(self._length)
        return found

    @property
    def needed_from(self) -> int:
        """No segment that is still to come begins before this time, in ms."""
        return self._segments.needed_from


class SileroRecognizer:
    """A loaded Silero VAD. FunASR's class takes whole recordings only, and so does this."""

    task: Task = "vad"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            self.sample_rate = bundle.frontend_settings.whole("sample_rate", least=8000)
            self._sizes = SIZES[self.sample_rate]
            # A window is half an encoder frame, and its work a hundredth of one.
            most = {**limits, "max_cost": 16 * limits["max_cost"]}
            self._runner = _ext.RaggedRunner(
                program=program,
                outputs=["rows", "utterances"],
                feature_size=self._sizes.row,
                limits=_ext.BatchLimits(**most, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse a longest segment of no length."""
        longest = options.get("max_single_segment_time")
        if longest and longest < 1:
            raise OptionError(
                f"max_single_segment_time must be 0 or at least 1 ms, got {shown(longest)}"
            )

    def recording(self, options: Mapping[str, Any]) -> SileroRecording:
        """A recording that will come in blocks."""
        segments = SpeechSegments(options, self.sample_rate, self._sizes.window)
        return SileroRecording(self._runner, self._sizes, segments)

    def segments_of(self, recording: SileroRecording, result: Any) -> list[list[int]]:
        """The segments that a block's result makes final."""
        return recording.take(result)

    def steps(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Generator[_ext.Ticket, Any, list[list[int]]]:
        """A whole recording, half a minute after the other."""
        recording = self.recording(options)
        size = _WINDOWS * self._sizes.window
        found: list[list[int]] = []
        for first in range(0, len(data), size):
            on = terms if first == 0 else terms.later_stage()
            block = data[first : first + size]
            is_final = first + size >= len(data)
            ticket = recording.submit(engine, block, is_final=is_final, terms=on.for_engine())
            try:
                found += recording.take((yield ticket))
            finally:
                ticket.cancel()
        return found

    def finish(
        self, result: list[list[int]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "value"}``; value: ``[[start_ms, end_ms], ...]``."""
        return {"key": key, "value": result}
