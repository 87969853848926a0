"""A loaded SenseVoice: utterances to requests, token ids to text, times and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import Accepts, Task
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading
from safeasr.families.sense_voice.network import (
    EMOTION,
    EVENT,
    LANGUAGES,
    QUERIES,
    TEXT_FORMS,
    UNKNOWN_EMOTION,
)
from safeasr.families.terms import Terms
from safeasr.options.declared import ANY, FLAG, Option, Options, one_of
from safeasr.options.kinds import shown
from safeasr.text.pieces import Pieces
from safeasr.text.word_times import TimedPiece, words_of_pieces
from safeasr.warn import warn

__all__ = ["OPTIONS", "SenseVoiceRecognizer"]

OPTIONS = Options(
    # Not one_of: FunASR takes a language that it does not know for "auto".
    Option("language", ANY, "auto", help=f"One of {', '.join(LANGUAGES)}."),
    Option("use_itn", FLAG, False, help="Numbers as digits, and punctuation."),
    Option("text_norm", one_of(*TEXT_FORMS), help="The same, by name; goes before use_itn."),
    Option("ban_emo_unk", FLAG, False, help="Some emotion in place of an unknown one."),
    Option("output_timestamp", FLAG, False, help="Words, and when they were said."),
)


class SenseVoiceRecognizer:
    """A loaded SenseVoiceSmall."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            self._pieces = Pieces(bundle.asset("tokenizer"))
            settings, arguments = bundle.settings, frontend_of(bundle)
            self._vocab_size = settings.whole("vocab_size", least=1)
            if len(self._pieces) != self._vocab_size:
                raise ValueError(
                    f"{len(self._pieces)} pieces, but the network has {self._vocab_size} tokens"
                )
            self.sample_rate: int = arguments["sample_rate"]
            [program] = load_programs(bundle, device, ("model",))
            self._runner = _ext.SenseVoiceRunner(
                frontend=_ext.Frontend(**arguments),
                program=program,
                blank=settings.whole("blank_id", most=self._vocab_size - 1),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Name languages that are none; raise for a ban of a token that is not there."""
        language = options.get("language")
        if language is not None and self._language(language) is None:
            # FunASR says nothing and lets the model guess.
            warn(
                f"language={shown(language)} is not one of {', '.join(LANGUAGES)}: taken for 'auto'"
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
