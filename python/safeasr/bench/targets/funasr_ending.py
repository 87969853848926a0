"""When a server of FunASR's websocket protocol has said all: each of them says so in its own way.

After the last audio the client says ``{"is_speaking": false}``. What can be relied on then:

=================  =======================================================  ====================
style              servers                                                  all was said
=================  =======================================================  ====================
"acknowledged"     FunASR's Python server since July 2026, safeasr          at ``is_end: true``,
                                                                            for which we ask
"final"            FunASR's C++ server in modes 2pass and online            at ``is_final: true``
"single"           FunASR's C++ server for recordings: never ``is_final``   at the only message
"quiet"            FunASR's Python server before: ``is_final`` says         after some silence
                   nothing, and where nothing was said nothing comes
=================  =======================================================  ====================

Which one it is shows when a second of silence is said to it (:meth:`Ending.style_shown`). Only
"quiet" can be wrong: a server that pauses for longer is cut off.
"""

from __future__ import annotations

from typing import Any, Final, Literal

__all__ = ["QUIET_S", "STYLES", "Ending", "Style"]

Style = Literal["unknown", "acknowledged", "final", "single", "quiet"]
#: What to tell users of each.
STYLES: Final[dict[Style, str]] = {
    "unknown": "not known yet how the server ends an utterance",
    "acknowledged": "the server acknowledges the end of an utterance (is_end)",
    "final": "the server marks the last message of an utterance (is_final)",
    "single": "the server answers an utterance with one message, never marked as final",
    "quiet": "the server does not tell its last message: an utterance counts as over after "
    "3 s of silence, so a server that pauses for longer is cut off; latencies are those of the "
    "last message",
}
#: A server of style "quiet" that says nothing for so long has said all, in s.
QUIET_S: Final = 3.0
#: While the style is not known: how long to look for more after a message, and for the first, in s.
LOOK_S: Final = 1.0
FIRST_S: Final = 15.0


class Ending:
    """The end of one utterance.

    Attributes:
        done: when the message came that was the last so far, by :func:`time.monotonic`; before
            any came after the end, when the end was said.
    """

    def __init__(self, style: Style) -> None:
        """Of a server whose style is known from before, or "unknown"."""
        self.style = style
        self.done = 0.0
        self._ended = False
        self._after_end = 0
        self._acknowledged = 0
        self._claims = 0
        self._claims_after_end = 0
        self._sentences_not_final = 0

    def ended(self, at: float) -> None:
        """The client has said that it has said all."""
        self._ended = True
        self.done = at

    def heard(self, message: dict[str, Any], at: float) -> None:
        """A message has come."""
        if not self.over(at):
            self.done = at
        self._after_end += self._ended
        acknowledged = message.get("is_end") is True
        self._acknowledged += acknowledged
        final = message.get("is_final") is True and not acknowledged
        self._claims += final
        self._claims_after_end += final and self._ended
        if message.get("is_final") is False and str(message.get("mode")).endswith("offline"):
            self._sentences_not_final += 1

    def over(self, now: float) -> bool:
        """Whether all was said."""
        return self.patience(now) == 0.0

    def patience(self, now: float) -> float | None:
        """For how many more s silence would not mean that all was said.

        Returns:
            0 if all was said; None if only a message can say so.
        """
        if self._acknowledged:
            return 0.0
        if not self._ended or self.style == "acknowledged":
            return None
        if self.style == "final":
            return 0.0 if self._claims_after_end else None
        if self.style == "single":
            return 0.0 if self._after_end else None
        limit = QUIET_S if self.style == "quiet" else LOOK_S if self._after_end else FIRST_S
        return max(0.0, self.done + limit - now)

    def style_shown(self) -> Style:
        """What an utterance that is over has shown of the server's style."""
        if self._acknowledged:
            return "acknowledged"
        if self._claims_after_end:
            return "final"
        return "single" if self._after_end == 1 else "quiet"

    def finals(self) -> int:
        """How many messages claimed to be the last.

        FunASR's Python server says ``is_final: true`` of every sentence; that claims nothing as
        long as it says of none that it is not.
        """
        if self.style == "single":
            return max(1, self._after_end)
        if self.style == "quiet" or (self._acknowledged and not self._sentences_not_final):
            return max(1, self._acknowledged)
        return max(1, self._acknowledged, self._claims)
