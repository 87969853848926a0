"""Words that may come, from a prompt."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["words_of_prompt"]

_BETWEEN: Final = re.compile(r"[\s,，、。；;！？!?]+")
#: Letters of the longest hotword that models take.
_LONGEST: Final = 100


def words_of_prompt(prompt: str) -> list[str]:
    """A prompt's words, of which models here make hotwords.

    What is too long to be a word is left out: a prompt may be of whole sentences, and Chinese ones
    have no spaces.
    """
    return [word for word in _BETWEEN.split(prompt) if 0 < len(word) <= _LONGEST]
