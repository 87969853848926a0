"""What a live event adds to what was said before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeasr.text.sentences import joint

__all__ = ["Added"]


class Added:
    """The text of the segment that is being spoken, and what each event adds to it.

    Clients append what they get: between two words there must be a space, between two Chinese
    characters none.
    """

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._text = ""

    def of(self, event: Mapping[str, Any]) -> str:
        """What a first-pass event adds; "" if it adds nothing."""
        if event.get("is_final"):
            return self._of_the_end(event)
        whole, piece = event.get("segment_text"), str(event.get("text", ""))
        if whole is not None and whole.startswith(self._text):
            added = str(whole[len(self._text) :])
        else:  # marks moved, or the model tells pieces only
            added = joint(self._text, piece) + piece if piece else ""
        self._text += added
        return added

    def _of_the_end(self, event: Mapping[str, Any]) -> str:
        """What the end of a segment adds, whose event has all of its text.

        Marks that came into it cannot be told any more: what was said before stands.
        """
        whole = str(event.get("raw_text", event.get("text", ""))).strip()
        begins = whole.startswith(self._text)
        added = whole[len(self._text) :] if begins else ""
        self._text += added
        return added

    def end(self) -> str:
        """The segment is over; returns all that was said of it."""
        text, self._text = self._text, ""
        return text
