"""SenseVoiceSmall: FunASR's class ``SenseVoiceSmall``."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from safeasr import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.base import Terms
from safeasr.families.checkpoints import load_parameters, offline_frontend, pick, require, section
from safeasr.families.programs import reading
from safeasr.families.sense_voice.network import (
    EMOTION,
    EVENT,
    LANGUAGES,
    QUERIES,
    TEXT_FORMS,
    CtcHead,
    SenseVoiceEncoder,
    SenseVoiceNetwork,
)
from safeasr.nets.precision import PRECISIONS, narrow
from safeasr.text.pieces import Pieces
from safeasr.text.word_times import TimedPiece, words_of_pieces

__all__ = ["SenseVoiceFamily", "SenseVoiceRecognizer", "build_network"]

_KIND = "SenseVoiceSmall"
#: The token that ``ban_emo_unk`` bans; FunASR knows it by this number.
UNKNOWN_EMOTION = 25009
_TOKENIZER = "bpe.model"


def build_network(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> SenseVoiceNetwork:
    """The network, with the checkpoint's weights in float32.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    require(_KIND, config, "encoder", "SenseVoiceEncoderSmall")
    require(_KIND, config, "normalize", None, "null")
    require(_KIND, dict(config.get("ctc_conf") or {}), "extra_linear", True)
    conf = section(config, "encoder_conf")
    with torch.device("meta"):
        encoder = SenseVoiceEncoder(
            input_size,
            **pick(
                conf,
                "output_size",
                "attention_heads",
                "linear_units",
                "num_blocks",
                "tp_blocks",
                "kernel_size",
                "sanm_shfit",
            ),
        )
        size = int(conf.get("output_size", 256))
        head = CtcHead(size, vocab_size, UNKNOWN_EMOTION)
        network = SenseVoiceNetwork(encoder, head, input_size)
    load_parameters(network, weights, "")
    return network


class SenseVoiceFamily:
    """Export and loading of SenseVoiceSmall models."""

    name = "sense_voice"
    model_classes: tuple[str, ...] = ("SenseVoiceSmall",)
    precisions: tuple[str, ...] = PRECISIONS
    options = frozenset({"language", "use_itn", "text_norm", "ban_emo_unk", "output_timestamp"})
    constructor_options: frozenset[str] = frozenset()

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write model.ts and the SentencePiece model."""
        from safeasr.loading.export import save_program

        require(_KIND, model.config, "tokenizer", "SentencepiecesTokenizer")
        if model.bpemodel is None:
            raise ExportError(
                f"{model.path} has no SentencePiece model: configuration.json and config.yaml "
                "name none that is there, and there is no bpe.model"
            )
        try:
            vocab_size = len(Pieces(model.bpemodel))
        except ValueError as error:
            raise ExportError(str(error)) from error
        frontend = offline_frontend(_KIND, model)
        weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
        network = build_network(
            model.config, weights, frontend["n_mels"] * frontend["lfr_m"], vocab_size
        )
        narrow(network, precision)
        save_program(network, out / "model.ts")
        shutil.copyfile(model.bpemodel, out / _TOKENIZER)
        conf = dict(model.config.get("model_conf") or {})
        return Bundle(
            path=out,
            family=self.name,
            model_class=model.model_class,
            programs={"model": "model.ts"},
            assets={"tokenizer": _TOKENIZER},
            frontend=frontend,
            tokens=[],
            precision=precision,
            decoding={"blank_id": int(conf.get("blank_id", 0)), "vocab_size": vocab_size},
            signatures={
                "model": {
                    "inputs": [
                        "features (frames, F) float32",
                        "queries (4 B) int64",
                        "order (rows) int64",
                        "positions (rows) float32",
                        "offsets (B + 1) int64",
                        "banned (rows) bool",
                        "wanted (rows) bool",
                    ],
                    "outputs": ["token ids (rows) int64", "log probabilities (M, V) float32"],
                },
            },
        )

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> SenseVoiceRecognizer:
        """Load the program and the vocabulary of a bundle."""
        return SenseVoiceRecognizer(bundle, device, limits)


class SenseVoiceRecognizer:
    """A loaded SenseVoiceSmall."""

    options = SenseVoiceFamily.options
    constructor_options = SenseVoiceFamily.constructor_options

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            self._pieces = Pieces(bundle.asset("tokenizer"))
            self._vocab_size = int(bundle.decoding["vocab_size"])
            if len(self._pieces) != self._vocab_size:
                raise ValueError(
                    f"{len(self._pieces)} pieces, but the network has {self._vocab_size} tokens"
                )
            self.sample_rate = int(bundle.frontend["sample_rate"])
            self._runner = _ext.SenseVoiceRunner(
                frontend=_ext.Frontend(**bundle.frontend),
                program=_ext.Program.load(bundle.program("model"), device),
                blank=int(bundle.decoding["blank_id"]),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for a text form that is none; name languages that are none."""
        self._text_form(options)
        language = options.get("language")
        if language is not None and self._language(language) is None:
            # FunASR says nothing and lets the model guess.
            warnings.warn(
                f"language={language!r} is not one of {', '.join(LANGUAGES)}: taken for 'auto'",
                UserWarning,
                stacklevel=4,
            )
        if options.get("ban_emo_unk") and self._vocab_size <= UNKNOWN_EMOTION:
            raise UnsupportedModelError(
                f"ban_emo_unk: the model has {self._vocab_size} tokens, and none with the number "
                f"{UNKNOWN_EMOTION}, which stands for an unknown emotion"
            )

    @staticmethod
    def _language(value: Any) -> int | None:
        return LANGUAGES.get(value) if isinstance(value, str) else None

    @staticmethod
    def _text_form(options: Mapping[str, Any]) -> int:
        form = options.get("text_norm")
        if form is None:
            form = "withitn" if options.get("use_itn") else "woitn"
        if not isinstance(form, str) or form not in TEXT_FORMS:
            raise ValueError(f"text_norm must be one of {', '.join(TEXT_FORMS)}, got {form!r}")
        return TEXT_FORMS[form]

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance."""
        language = self._language(options.get("language")) or LANGUAGES["auto"]
        return self._runner.submit(
            engine,
            data,
            queries=[language, EVENT, EMOTION, self._text_form(options)],
            ban_unknown_emotion=bool(options.get("ban_emo_unk")),
            want_alignment=bool(options.get("output_timestamp")),
            terms=terms.for_engine(),
        )

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"[, "timestamp", "words"]}``."""
        text = self._pieces.text(result["tokens"])
        answer: dict[str, Any] = {"key": key, "text": text}
        if not options.get("output_timestamp"):
            return answer
        # As in FunASR: the text is split anew, and its first pieces are taken for the tags.
        pieces = self._pieces.split(text)[QUERIES:]
        if pieces:  # without text, FunASR gives no times either
            spans = result["emission"].align([self._pieces.aligned_id(p) for p in pieces])
            timed = [
                TimedPiece(piece, begin, end)
                for piece, (begin, end) in zip(pieces, spans, strict=False)  # maybe no spans at all
                if end > begin
            ]
            answer["timestamp"], answer["words"] = words_of_pieces(timed)
        return answer
