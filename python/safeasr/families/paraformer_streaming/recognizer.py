"""A loaded streaming Paraformer: chunks to requests, token ids to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.errors import OptionError, SafeASRError
from safeasr.families.base import Accepts, Task
from safeasr.families.cached import CACHE, submit_cached
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import (
    live_limits,
    load_programs,
    reading,
    refuse_beam_search,
    skipped_tokens,
)
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options, Where, list_of, whole
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "ParaformerStreamingRecognizer"]


_CHUNKS = list_of(whole(), "[left, chunk, right] in rows of 60 ms", least=3, most=3)
_LOOK_BACK = whole("a whole number of chunks, or -1 for all", least=-1)
OPTIONS = Options(
    Option("cache", CACHE, where=Where.CALL, help="A dict that holds the stream."),
    Option("is_final", FLAG, False, help="The stream ends with this chunk."),
    Option("chunk_size", _CHUNKS, [0, 10, 5], help="Rows before, of and after a step."),
    Option("encoder_chunk_look_back", _LOOK_BACK, 0, help="Chunks that the encoder looks back."),
    Option("decoder_chunk_look_back", _LOOK_BACK, 0, help="Chunks that the decoder looks back."),
)


def _shapes(shapes: Settings) -> dict[str, Any]:
    """What the extension has to know of the network to keep streams."""
    layers, sizes = {"least": 1, "most": MOST_LAYERS}, {"least": 1, "most": 65536}
    return {
        "encoder_layers": shapes.whole("encoder_layers", **layers),
        "encoder_size": shapes.whole("encoder_size", **sizes),
        "decoder_layers": shapes.whole("decoder_layers", **layers),
        "decoder_kernel": shapes.whole("decoder_kernel", least=1, most=1000),
        "cif_left": shapes.whole("cif_left", most=1000),
        "cif_right": shapes.whole("cif_right", most=1000),
        "tail_threshold": shapes.number("tail_threshold"),
        "feature_scale": shapes.number("feature_scale"),
        "narrow": shapes.flag("narrow"),
        "half": shapes.flag("half"),
    }


class ParaformerStreamingRecognizer:
    """A loaded streaming Paraformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = True
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            self._skip = skipped_tokens(bundle.settings)
            arguments = frontend_of(bundle)
            self._runner = _ext.ParaformerStreamRunner(
                frontend=_ext.OnlineFrontend(**arguments),
                encoder=encoder,
                decoder=decoder,
                limits=live_limits(limits, device, live_priority=1, ragged=True),
                **_shapes(bundle.settings.section("shapes")),
            )
            self.sample_rate: int = arguments["sample_rate"]
        self.tokens = bundle.tokens

    def use_graphs(self) -> None:
        """Record steps as graphs, and replay them where that is faster."""
        self._runner.use_graphs()

    def graph_counts(self) -> dict[str, int]:
        """What became of graphs: made, replayed, slower (given up), failed."""
        return self._runner.graph_counts()

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, which FunASR would run for these options."""
        refuse_beam_search(options)

    @staticmethod
    def stream_options(options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with: FunASR's names and defaults."""
        size = options.get("chunk_size")
        left, chunk, right = map(int, OPTIONS["chunk_size"].default if size is None else size)
        return {
            "chunk_size": (left, chunk, right),
            "encoder_chunk_look_back": int(options.get("encoder_chunk_look_back") or 0),
            "decoder_chunk_look_back": int(options.get("decoder_chunk_look_back") or 0),
        }

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _ext.ParaformerStream:
        """A new stream with the options of FunASR's ``generate``."""
        chosen = self._runner_options(options)
        try:
            return self._runner.open(engine, **chosen)
        except ValueError as error:  # of a range that only the network knows
            raise OptionError(str(error)) from None

    def step_samples(self, options: Mapping[str, Any]) -> int:
        """A chunk; as in FunASR, 960 samples a row at any rate."""
        return 960 * int(self.stream_options(options)["chunk_size"][1])

    def _runner_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """By the extension's names."""
        chosen = self.stream_options(options)
        return {
            "chunk_size": chosen["chunk_size"],
            "encoder_look_back": chosen["encoder_chunk_look_back"],
            "decoder_look_back": chosen["decoder_chunk_look_back"],
        }

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
        """Token ids to FunASR's ``{"key", "text"}``."""
        return {"key": key, "text": self.text_of(result["tokens"])}

    def text_of(self, ids: list[int]) -> str:
        """The text of token ids: of a chunk, or of several together."""
        return sentence_postprocess(ids_to_tokens(ids, self.tokens, self._skip)).text
