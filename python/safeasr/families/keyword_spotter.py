"""A loaded model that spots keywords in recordings, whatever its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.families.base import Accepts, Task
from safeasr.families.frontends import frontend_of
from safeasr.families.keyword_lists import KEYWORDS, KeywordList, detection, keyword_lists
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import Options

__all__ = ["OPTIONS", "KeywordSpotter"]

OPTIONS = Options(KEYWORDS)


class KeywordSpotter:
    """A loaded model for keywords.

    Its program maps rows of features to the candidates of each row, probabilities and ids, of each
    of its heads.
    """

    task: Task = "kws"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS
    #: FunASR's files in ``output_dir``, by keys of results; one for each head.
    result_files: ClassVar[Mapping[str, str]] = {"text": "detect"}

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        heads = len(self.result_files)
        with reading(bundle):
            arguments = frontend_of(bundle)
            self._keywords = keyword_lists(bundle, heads)
            [program] = load_programs(bundle, device, ("model",))
            self._runner = _ext.RaggedRunner(
                program=program,
                outputs=["rows", "rows"] * heads,
                frontend=_ext.Frontend(**arguments),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )
            self.sample_rate: int = arguments["sample_rate"]

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse keywords that cannot be looked for; a constructor need not name any."""
        self._keywords.check(options)

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance: samples (n,) or features (frames, size).

        Raises:
            OptionError: if there are no keywords to look for.
        """
        self._keywords.get(options)
        return self._runner.submit(engine, data, terms=terms.for_engine())

    def finish(
        self, result: list[NDArray[Any]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Candidates to FunASR's ``{"key", "text"[, "text2"]}``."""
        answer: dict[str, Any] = {"key": key}
        lists = self._keywords.get(options)
        for head, (name, words) in enumerate(zip(self.result_files, lists, strict=True)):
            answer[name] = _found(words, *result[2 * head : 2 * head + 2])
        return answer


def _found(words: KeywordList, probabilities: NDArray[np.float32], ids: NDArray[np.int64]) -> str:
    hit = words.search.find(probabilities, ids)
    return detection(None, 0.0) if hit is None else detection(words.words[hit[0]], hit[1])
