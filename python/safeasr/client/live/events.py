"""What a live session tells."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event", "Final", "PartFailed", "Partial", "Reconnected"]


@dataclass(frozen=True)
class Partial:
    """The sentence that is being spoken, as far as it is understood. What comes later may differ.

    Attributes:
        text: all of it so far.
        added: what is new.
        start: when it began, in seconds of the session; None: the server does not tell.
        end: likewise.
    """

    text: str
    added: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Final:
    """A sentence that has ended, in place of all :class:`Partial` since the one before.

    Attributes:
        text: with its marks.
        start: in seconds of the session; None: the server does not tell.
        end: likewise.
        speaker: the server's name for who says it; None: it does not tell.
    """

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Reconnected:
    """The connection was lost and is there again; the sentence that was open is said anew.

    Attributes:
        reason: why it was lost.
        resent: how much audio is sent again, in seconds.
        lost: how much audio was not kept for so long, in seconds; what was understood of it is a
            :class:`Final` before this.
    """

    reason: str
    resent: float
    lost: float


@dataclass(frozen=True)
class PartFailed:
    """The server could not recognise a part of the audio; the session goes on.

    Attributes:
        code: the server's, such as "inference_failed".
        message: its words.
    """

    code: str
    message: str


Event = Partial | Final | Reconnected | PartFailed
