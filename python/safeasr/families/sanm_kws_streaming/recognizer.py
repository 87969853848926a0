"""A loaded model for keywords in live streams: chunks to requests, and what their ends tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.families.base import Accepts, Task
from safeasr.families.frontends import frontend_of
from safeasr.families.in_steps import InSteps, step_options
from safeasr.families.keyword_lists import KEYWORDS, detection, keyword_lists
from safeasr.families.programs import live_limits, load_programs, reading
from safeasr.nets.ctc_candidates import CANDIDATES
from safeasr.options.declared import Options

__all__ = ["OPTIONS", "StreamingKeywordSpotter"]

OPTIONS = Options(KEYWORDS) | step_options([4, 8, 4], "rows of features", "encoder")


def _shapes(shapes: Settings) -> dict[str, Any]:
    """What the extension has to know of the network to keep streams."""
    return {
        "layers": shapes.whole("layers", least=1, most=MOST_LAYERS),
        "size": shapes.whole("size", least=1, most=65536),
        "candidates": shapes.whole("candidates", least=1, most=CANDIDATES),
        "narrow": shapes.flag("narrow"),
        "half": shapes.flag("half"),
    }


class StreamingKeywordSpotter(InSteps):
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
        return {
            **super().stream_options(options),
            "keywords": self._keywords.get(options)[0].words,
        }

    def step_samples(self, options: Mapping[str, Any]) -> int:
        """Nothing is held back: who heard too little so far tells nothing either."""
        return 1

    def _runner_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """By the extension's names."""
        chosen = self.stream_options(options)
        return {
            "chunk_size": chosen["chunk_size"],
            "look_back": chosen["encoder_chunk_look_back"],
            "keywords": self._keywords.get(options)[0].search,
        }

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
