"""A loaded model for keywords in live streams: chunks to requests, and what their ends tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.errors import OptionError, SafeASRError
from safeasr.families.base import Accepts, Task
from safeasr.families.cached import CACHE, submit_cached
from safeasr.families.frontends import frontend_of
from safeasr.families.keyword_lists import KEYWORDS, detection, keyword_lists
from safeasr.families.programs import live_limits, load_programs, reading
from safeasr.families.terms import Terms
from safeasr.nets.ctc_candidates import CANDIDATES
from safeasr.options.declared import FLAG, Option, Options, Where, list_of, whole

__all__ = ["OPTIONS", "StreamingKeywordSpotter"]

_CHUNKS = list_of(whole(), "[left, chunk, right] in rows of features", least=3, most=3)
_LOOK_BACK = whole("a whole number of chunks, or -1 for all", least=-1)
OPTIONS = Options(
    KEYWORDS,
    Option("cache", CACHE, where=Where.CALL, help="A dict that holds the stream."),
    Option("is_final", FLAG, False, help="The stream ends with this chunk."),
    Option("chunk_size", _CHUNKS, [4, 8, 4], help="Rows before, of and after a window."),
    Option("encoder_chunk_look_back", _LOOK_BACK, 0, help="Chunks that the encoder looks back."),
)


def _shapes(shapes: Settings) -> dict[str, Any]:
    """What the extension has to know of the network to keep streams."""
    return {
        "layers": shapes.whole("layers", least=1, most=MOST_LAYERS),
        "size": shapes.whole("size", least=1, most=65536),
        "candidates": shapes.whole("candidates", least=1, most=CANDIDATES),
        "narrow": shapes.flag("narrow"),
        "half": shapes.flag("half"),
    }


class StreamingKeywordSpotter:
    """A loaded model that looks for keywords in streams; it tells at their ends."""

    task: Task = "kws"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = True
    options = OPTIONS
    #: FunASR's file in ``output_dir``.
    result_files: ClassVar[Mapping[str, str]] = {"text": "detect"}

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            arguments = frontend_of(bundle)
            self._keywords = keyword_lists(bundle)
            [program] = load_programs(bundle, device, ("window",))
            self._runner = _ext.KeywordStreamRunner(
                frontend=_ext.OnlineFrontend(**arguments),
                program=program,
                limits=live_limits(limits, device, live_priority=1, ragged=True),
                **_shapes(bundle.settings.section("shapes")),
            )
            self.sample_rate: int = arguments["sample_rate"]

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse keywords that cannot be looked for; a constructor need not name any."""
        self._keywords.check(options)

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with: FunASR's names, and its defaults but for the chunk.

        Raises:
            OptionError: if there are no keywords to look for.
        """
        size = options.get("chunk_size")
        left, chunk, right = map(int, OPTIONS["chunk_size"].default if size is None else size)
        return {
            "chunk_size": (left, chunk, right),
            "encoder_chunk_look_back": int(options.get("encoder_chunk_look_back") or 0),
            "keywords": self._keywords.get(options)[0].words,
        }

    def _runner_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """By the extension's names."""
        chosen = self.stream_options(options)
        return {
            "chunk_size": chosen["chunk_size"],
            "look_back": chosen["encoder_chunk_look_back"],
            "keywords": self._keywords.get(options)[0].search,
        }

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _ext.KeywordStream:
        """A new stream with the options of FunASR's ``generate``."""
        chosen = self._runner_options(options)
        try:
            return self._runner.open(engine, **chosen)
        except ValueError as error:  # of a range that only the network knows
            raise OptionError(str(error)) from None

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue the next samples of the stream in ``cache``, or of one of their own."""
        is_final = terms.from_file or bool(options.get("is_final", False))
        if options.get("cache") is None:
            chosen = self._runner_options(options)
            try:
                return self._runner.submit(
                    engine, data, **chosen, is_final=is_final, terms=terms.for_engine()
                )
            except SafeASRError:
                raise
            except ValueError as error:
                raise OptionError(str(error)) from None
        return submit_cached(self, engine, data, options, terms, is_final=is_final)

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "text"}`` at the end of a stream; before it the text is empty."""
        if not result["ended"]:
            return {"key": key, "text": ""}
        word = result["keyword"]
        if word is None:
            return {"key": key, "text": detection(None, 0.0)}
        word = word.decode("utf-8", "surrogatepass")
        return {"key": key, "text": detection(word, result["score"])}

    def text_of(self, ids: list[int]) -> str:
        """Empty: what is told is told at the end."""
        return ""
