"""FunASR's files of words and their pieces (``seg_dict``): into bundles, and out of them again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.damage import read_small
from safeasr.text.hotword_pieces import parse_seg_dict

__all__ = ["LEXICONS", "SEG_DICT", "copy_lexicon", "read_lexicon"]

#: What such a file is called; bundles of some families have it under that name.
SEG_DICT: Final = "seg_dict"
#: What configurations call it.
LEXICONS: Final = (SEG_DICT, "seg_dict_file")


def copy_lexicon(source: Path | None, out: Path, name: str = SEG_DICT) -> dict[str, str]:
    """The bundle's asset of words and their pieces, if there is such a file.

    Raises:
        ExportError: if the file cannot be read, or is something else.
    """
    if source is None:
        return {}
    (out / name).write_text(read_small(source, "words and their pieces"), encoding="utf-8")
    return {name: name}


def read_lexicon(bundle: Bundle, name: str = SEG_DICT) -> dict[str, list[str]] | None:
    """The pieces of words that a bundle has, if it has any."""
    if name not in bundle.assets:
        return None
    return parse_seg_dict(bundle.asset(name).read_text(encoding="utf-8"))
