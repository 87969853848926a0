"""FunASR's websocket protocol as a client speaks it, with ``safeasr serve`` and other servers.

Others differ in how they end: only some acknowledge the end of an utterance, for which is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safeasr.printable import printable
from safeasr.server_errors import ServerError

__all__ = ["END", "Ending", "Said", "configuration", "read"]

#: The last message of an utterance.
END: Final = '{"is_speaking": false, "is_end": true}'
#: What `slice_type` says of the last message of a segment.
_ENDED: Final = 2
#: As in FunASR's clients: steps of 600 ms. Its servers have no default.
_CHUNK_SIZE: Final = (5, 10, 5)
_STEP_S: Final = 0.6
#: How long silence must last to mean the end, where a server acknowledges none.
_QUIET_S: Final = 3.0


def configuration(
    *,
    mode: str,
    fs: int,
    hotwords: Sequence[str],
    language: str | None,
    itn: bool | None,
    speakers: bool | None,
    first_samples: int,
    more: Mapping[str, Any],
) -> str:
    """The first message.

    Args:
        mode: "2pass", "online" or "offline".
        fs: rate in Hz.
        hotwords: words to look out for.
        language: or None.
        itn: or None.
        speakers: or None; a field of `safeasr serve`.
        first_samples: of the first piece of audio; FunASR's Python server makes its steps by
            counting messages.
        more: further fields, which stand in place of these.
    """
    said: dict[str, Any] = {
        "mode": mode,
        "chunk_size": _CHUNK_SIZE,
        "chunk_interval": max(1, round(_STEP_S * fs / max(first_samples, 1))),
        "wav_name": "live",
        "wav_format": "pcm",
        "audio_fs": fs,
        "is_speaking": True,
    }
    if hotwords:
        said["hotwords"] = _hotwords(hotwords)
    if language is not None:
        said["svs_lang"] = language
    if itn is not None:
        said |= {"itn": itn, "svs_itn": itn}
    if speakers is not None:
        said["spk"] = speakers
    return json.dumps({**said, **more}, ensure_ascii=False)


def _hotwords(words: Sequence[str]) -> str:
    """Words with spaces between, which all servers know; JSON only where words have spaces."""
    if any(" " in word for word in words):
        return json.dumps(dict.fromkeys(words, 20), ensure_ascii=False)
    return " ".join(words)


@dataclass(frozen=True)
class Said:
    """A message of the server.

    Attributes:
        text: "" says nothing.
        partial: whether it is of the first pass, to be appended.
        start: in ms of this connection's audio; None: it does not tell.
        end: likewise.
        speaker: the server's name; None: it does not tell.
        ended: whether a segment ends with it for which there is no second pass.
        is_final: what it says of that.
        is_end: the end of the utterance is acknowledged.
        error: code and message; None: there is none.
    """

    text: str
    partial: bool
    start: int | None
    end: int | None
    speaker: str | None
    ended: bool
    is_final: bool
    is_end: bool
    error: tuple[str, str] | None


def read(message: str | bytes) -> Said:
    """Read a message.

    Raises:
        ServerError: it is none of the protocol's.
    """
    try:
        said = json.loads(message)
        mode = str(said.get("mode", ""))
        start, end = _times(said)
        partial = mode.endswith("online")
        return Said(
            text=str(said.get("text") or ""),
            partial=partial,
            start=start,
            end=end,
            speaker=_speaker(said),
            ended=partial and said.get("slice_type") == _ENDED,
            is_final=said.get("is_final") is True,
            is_end=said.get("is_end") is True,
            error=_error(said.get("error")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        shown = printable(message if isinstance(message, str) else message[:100])
        raise ServerError(f"the server speaks another protocol: {shown}") from error


def _times(said: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Start and end of a sentence.

    A `timestamp` that is a list is of FunASR's Python server, which counts from the beginning of
    each segment: it says nothing of the session.
    """
    times: list[tuple[int, int]] = []
    stamps = said.get("timestamp")
    if isinstance(stamps, str) and stamps:
        times += [(round(start), round(end)) for start, end, *_ in json.loads(stamps)]
    sentences = said.get("stamp_sents")
    if isinstance(sentences, list):
        times += [(round(one["start"]), round(one["end"])) for one in sentences]
    if not times and isinstance(said.get("end_time"), int):
        times = [(int(said.get("start_time") or 0), int(said["end_time"]))]
    if not times:
        return None, None
    return min(start for start, _ in times), max(end for _, end in times)


def _speaker(said: Mapping[str, Any]) -> str | None:
    name = said.get("spk_name")
    return None if name is None else str(name)


def _error(error: Any) -> tuple[str, str] | None:
    if not error:
        return None
    if isinstance(error, Mapping):
        code = error.get("code") or error.get("type") or "server_error"
        return printable(code, 60), printable(error.get("message", ""))
    return "server_error", printable(error)


class Ending:
    """Tells when a server has said all.

    ``safeasr serve`` and FunASR's Python server since July 2026 acknowledge the end. FunASR's C++
    server marks its last message as final in modes 2pass and online, and no message in mode
    offline, where there is one only; older Python servers mark all of them. So a message that is
    marked, or the one of mode offline, is the last if nothing follows for a while.
    """

    def __init__(self, mode: str) -> None:
        """The client has not ended yet."""
        self._offline = mode == "offline"
        self._ended = False
        self._acknowledged = False
        self._since: float | None = None

    def ended(self) -> None:
        """The client has said that it has said all."""
        self._ended = True

    def heard(self, said: Said, now: float) -> None:
        """A message has come; `now` in seconds."""
        self._acknowledged |= said.is_end
        if self._ended:
            self._since = now if said.is_final or self._offline else None

    def patience(self, now: float) -> float | None:
        """For how many more seconds silence would not mean that all was said.

        Returns:
            0 if all was said; None if only a message can say so.
        """
        if self._acknowledged:
            return 0.0
        return None if self._since is None else max(0.0, self._since + _QUIET_S - now)

    @property
    def plausible(self) -> bool:
        """Whether a server that closes now may have said all."""
        return self._acknowledged or self._since is not None
