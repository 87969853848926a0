"""What a live session is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from safeasr.client.live.protocol import configuration
from safeasr.client.requests import hotword_list
from safeasr.errors import OptionError

__all__ = ["LiveOptions", "Mode", "live_options"]

Mode = Literal["2pass", "online", "offline"]
_RATES: Final = (8000, 48000)


@dataclass(frozen=True)
class LiveOptions:
    """Of one session; see :meth:`safeasr.client.Client.live`."""

    mode: Mode
    fs: int
    hotwords: Sequence[str]
    language: str | None
    itn: bool | None
    speakers: bool | None
    reconnect_s: float
    keep_s: float
    more: Mapping[str, Any]

    def first_message(self, first_samples: int) -> str:
        """What the server is told first, if the first piece of audio has so many samples."""
        return configuration(
            mode=self.mode,
            fs=self.fs,
            hotwords=self.hotwords,
            language=self.language,
            itn=self.itn,
            speakers=self.speakers,
            first_samples=first_samples,
            more=self.more,
        )


def live_options(
    *,
    mode: Mode,
    fs: int,
    hotwords: str | Sequence[str] | None,
    language: str | None,
    itn: bool | None,
    speakers: bool | None,
    reconnect_s: float,
    keep_s: float,
    options: Mapping[str, Any] | None,
) -> LiveOptions:
    """Check what a session is asked for.

    Raises:
        OptionError: something of it makes no sense.
    """
    if mode not in get_args(Mode):
        raise OptionError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
    if isinstance(fs, bool) or not isinstance(fs, int) or not _RATES[0] <= fs <= _RATES[1]:
        raise OptionError(f"fs must be a rate from {_RATES[0]} to {_RATES[1]} Hz, got {fs!r}")
    for name, value in (("reconnect_s", reconnect_s), ("keep_s", keep_s)):
        if not (isinstance(value, (int, float)) and 0 <= value < float("inf")):
            raise OptionError(f"{name} must be a number of seconds, got {value!r}")
    return LiveOptions(
        mode=mode,
        fs=fs,
        hotwords=hotword_list(hotwords or ()),
        language=language,
        itn=itn,
        speakers=speakers,
        reconnect_s=reconnect_s,
        keep_s=keep_s,
        more=dict(options or {}),
    )
