"""Streams that are used in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import stateful as sf
from hypothesis import strategies as st

from fuzz.judge import Refused, sane
from safeasr import AutoModel, CancelledError
from support.audio import speech

WAVE = speech(12.0, seed=9)
_SIZES = st.one_of(st.integers(0, 2000), st.sampled_from([9600, 16000, 959, 961, 30000]))
_BAD = st.sampled_from(
    [np.full(50, np.nan, np.float32), b"odd", "text", np.zeros((4, 4, 4)), None, 5, [[]], {"a": 1}]
)


@pytest.fixture(scope="module", autouse=True)
def served(streaming_model: AutoModel) -> None:
    Sessions.model = streaming_model


class Sessions(sf.RuleBasedStateMachine):
    """A stream as users may treat it, beside one that is treated well and brings the same.

    What is refused leaves the stream as it was; after a reset it begins anew.
    """

    model: AutoModel

    def __init__(self) -> None:
        super().__init__()
        self.stream = self.model.stream()
        self.at = 0
        self.fed: list[tuple[int, int, bool]] = []
        self.texts: list[str] = []
        self.waiting: list[Any] = []
        self.closed = False

    def _piece(self, size: int) -> Any:
        self.at = 0 if self.at + size > len(WAVE) else self.at
        return WAVE[self.at : self.at + size]

    def _settle(self) -> None:
        for future in self.waiting:
            self.texts.append(future.result(60)["text"])
        self.waiting.clear()

    def _accepted(self, size: int, is_final: bool) -> None:
        self.fed.append((self.at, size, is_final))
        self.at += size

    @sf.precondition(lambda self: not self.closed)
    @sf.rule(size=_SIZES, is_final=st.booleans())
    def feed(self, size: int, is_final: bool) -> None:
        """Wait for each."""
        piece = self._piece(size)
        self._settle()
        self.texts.append(self.stream.feed(piece, is_final)["text"])
        self._accepted(size, is_final)

    @sf.precondition(lambda self: not self.closed)
    @sf.rule(size=_SIZES, is_final=st.booleans())
    def submit(self, size: int, is_final: bool) -> None:
        """Do not wait."""
        piece = self._piece(size)
        self.waiting.append(self.stream.submit(piece, is_final))
        self._accepted(size, is_final)

    @sf.precondition(lambda self: not self.closed)
    @sf.rule(value=_BAD, is_final=st.booleans())
    def refused(self, value: Any, is_final: bool) -> None:
        """What is no samples."""
        with pytest.raises(Refused), sane():
            self.stream.feed(value, is_final)

    @sf.precondition(lambda self: not self.closed)
    @sf.rule()
    def reset(self) -> None:
        """Begin anew: what waits is taken back or done."""
        self.stream.reset()
        self.waiting.clear()
        self.texts.clear()
        self.fed.clear()

    @sf.precondition(lambda self: not self.closed)
    @sf.rule()
    def close(self) -> None:
        """The end; nothing else is taken."""
        self._settle()
        self.stream.close()
        self.closed = True

    @sf.precondition(lambda self: self.closed)
    @sf.rule(size=_SIZES)
    def after(self, size: int) -> None:
        """A closed stream says so."""
        with pytest.raises(Refused), sane(CancelledError):
            self.stream.feed(WAVE[:size])

    @sf.invariant()
    def bounded(self) -> None:
        """Nothing waits for ever."""
        if len(self.waiting) > 20:
            self._settle()

    def teardown(self) -> None:
        """All that was taken brought what it brings alone."""
        self._settle()
        with self.model.stream() as alone:
            texts = [alone.feed(WAVE[at : at + size], end)["text"] for at, size, end in self.fed]
        assert self.texts == texts
        self.stream.close()


TestSessions = Sessions.TestCase
