"""SenseVoiceSmall: FunASR's class ``SenseVoiceSmall``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.sense_voice.export import export
from safeasr.families.sense_voice.recognizer import (
    CONSTRUCTOR_OPTIONS,
    OPTIONS,
    SenseVoiceRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY", "SenseVoiceFamily"]


class SenseVoiceFamily:
    """Export and loading of SenseVoiceSmall models."""

    name = "sense_voice"
    model_classes: tuple[str, ...] = ("SenseVoiceSmall",)
    precisions: tuple[str, ...] = PRECISIONS
    options = OPTIONS
    constructor_options = CONSTRUCTOR_OPTIONS

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write model.ts and the SentencePiece model."""
        return export(model, out, trust_remote_code=trust_remote_code, precision=precision)

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> SenseVoiceRecognizer:
        """Load the program and the vocabulary of a bundle."""
        return SenseVoiceRecognizer(bundle, device, limits)


FAMILY = SenseVoiceFamily()
