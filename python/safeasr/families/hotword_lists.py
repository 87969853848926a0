"""Lists of hotwords that a loaded model knows already."""

from __future__ import annotations

import threading
from collections import OrderedDict

from safeasr._extension import _ext
from safeasr.text.hotword_pieces import HotwordPieces, Hotwords

__all__ = ["HotwordLists"]

#: Words of all lists that are kept, some KB each, and lists: a service has few that come again.
_MOST_WORDS = 20_000
_MOST_LISTS = 256


class HotwordLists:
    """The lists that were used last, with what the network made of them. For any thread.

    A list is taken to pieces by who first brings it, and encoded by the first batch that needs it
    (``_ext.HotwordList``). What falls out of here lives on as long as a request has it.

    Args:
        pieces: from words to ids.
        no_word: ids of what stands behind the words for none of them.
    """

    def __init__(self, pieces: HotwordPieces, no_word: list[int]) -> None:
        self._pieces = pieces
        self._no_word = no_word
        self._lock = threading.Lock()
        self._known: OrderedDict[Hotwords, _ext.HotwordList] = OrderedDict()
        self._words = 0

    def get(self, hotwords: Hotwords) -> _ext.HotwordList:
        """The list of these words, with one entry behind them that stands for none."""
        with self._lock:
            found = self._known.get(hotwords)
            if found is not None:
                self._known.move_to_end(hotwords)
                return found
        ids = [self._pieces.ids(word) for word in hotwords.words]
        # A word of which FunASR's file of pieces makes nothing is no word.
        made = _ext.HotwordList([*(word for word in ids if word), self._no_word])
        with self._lock:
            found = self._known.setdefault(hotwords, made)
            if found is made:
                self._words += len(made)
                while len(self._known) > 1 and (
                    self._words > _MOST_WORDS or len(self._known) > _MOST_LISTS
                ):
                    _, dropped = self._known.popitem(last=False)
                    self._words -= len(dropped)
            return found

    def __len__(self) -> int:
        with self._lock:
            return len(self._known)
