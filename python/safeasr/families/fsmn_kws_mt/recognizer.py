"""A loaded FsmnKWSMT: each head looks for the keywords in its own tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from safeasr.families.keyword_spotter import KeywordSpotter

__all__ = ["TwoHeadedSpotter"]


class TwoHeadedSpotter(KeywordSpotter):
    """What the second head finds is ``text2``."""

    result_files: ClassVar[Mapping[str, str]] = {"text": "detect", "text2": "detect2"}
