"""A loaded streaming Paraformer: chunks to requests, token ids to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.families.base import Accepts, Task
from safeasr.families.beam_search import BEAM_SEARCH, BeamSearch
from safeasr.families.frontends import frontend_of
from safeasr.families.in_steps import InSteps, step_options
from safeasr.families.programs import live_limits, load_programs, reading, skipped_tokens
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "ParaformerStreamingRecognizer"]


OPTIONS = BEAM_SEARCH | step_options([0, 10, 5], "rows of 60 ms", "encoder", "decoder")


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


class ParaformerStreamingRecognizer(InSteps):
    """A loaded streaming Paraformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = True
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            self._search = BeamSearch(bundle.settings)
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
        """Refuse beam search, where FunASR would run it for these options."""
        self._search.check(options)

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

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"}``."""
        return {"key": key, "text": self.text_of(result["tokens"])}

    def text_of(self, ids: list[int]) -> str:
        """The text of token ids: of a chunk, or of several together."""
        return sentence_postprocess(ids_to_tokens(ids, self.tokens, self._skip)).text
