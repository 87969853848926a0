"""From the frames of pieces to words with times, as FunASR's ``SenseVoiceSmall`` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["TimedPiece", "words_of_pieces"]

#: SentencePiece's mark for the beginning of a word.
_BEGIN = "▁"


class TimedPiece(NamedTuple):
    """A piece and the frames [begin, end) that say it."""

    piece: str
    begin: int
    end: int


def _milliseconds(frame: int) -> int:
    # Frames are 60 ms and begin half a frame early. Through seconds, because FunASR's rounding
    # shows: 570 ms may become 569.
    return int(max((frame * 60 - 30) / 1000, 0) * 1000)


def _is_latin(text: str) -> bool:
    return text.isalpha() and text.isascii()


def words_of_pieces(pieces: Sequence[TimedPiece]) -> tuple[list[list[int]], list[str]]:
    """Join pieces to words.

    A piece begins a word, unless it and the word before it are Latin letters and it carries no
    mark of a beginning. Marks are taken off, but for the very first piece's, as in FunASR.

    Args:
        pieces: in order.

    Returns:
        ``[start_ms, end_ms]`` of each word, and the words.
    """
    times: list[list[int]] = []
    words: list[str] = []
    for index, (piece, begin, end) in enumerate(pieces):
        if piece == _BEGIN:
            continue
        marked = piece.startswith(_BEGIN)
        if index > 0 and not marked and words and _is_latin(words[-1]) and _is_latin(piece):
            words[-1] += piece
            times[-1][1] = _milliseconds(end)
            continue
        words.append(piece[1:] if marked and index > 0 else piece)
        times.append([_milliseconds(begin), _milliseconds(end)])
    return times, words
