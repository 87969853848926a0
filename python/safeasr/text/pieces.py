"""SentencePiece vocabularies: from token ids to text, and back for timestamps.

What FunASR's ``SentencepiecesTokenizer`` does. The sentencepiece library is imported when a model
needs it, not with the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["Pieces"]

#: What FunASR's SenseVoiceSmall aligns where the pieces of a text give no id of their own: a lone
#: word boundary.
_BOUNDARY_ID = 124


class Pieces:
    """A SentencePiece model. Immutable: serves any number of threads."""

    def __init__(self, path: Path | str) -> None:
        """Read a ``.model`` file.

        Raises:
            ValueError: if it is none.
        """
        from sentencepiece import SentencePieceProcessor

        try:
            self._processor = SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path} is no SentencePiece model: {error}") from error

    def __len__(self) -> int:
        return int(self._processor.GetPieceSize())

    def text(self, ids: Sequence[int]) -> str:
        """The text of token ids.

        Raises:
            IndexError: if an id is not in the vocabulary.
        """
        return str(self._processor.DecodeIds(list(ids)))

    def split(self, text: str) -> list[str]:
        """The pieces of a text."""
        return list(self._processor.EncodeAsPieces(text))

    def aligned_id(self, piece: str) -> int:
        """The token that stands for a piece when it is aligned.

        As in FunASR, the piece's text is encoded once more, alone; where that is not one token,
        the piece itself is taken.
        """
        ids: list[int] = self._processor.EncodeAsIds(piece)
        if len(ids) == 1:
            return ids[0]
        if not ids and len(self) > _BOUNDARY_ID:
            return _BOUNDARY_ID
        return int(self._processor.PieceToId(piece))
