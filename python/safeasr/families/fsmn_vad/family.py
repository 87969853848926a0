"""FSMN-VAD: FunASR's class ``FsmnVADStreaming``, on recordings and on live streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.fsmn_vad.export import export
from safeasr.families.fsmn_vad.options import CONSTRUCTOR_OPTIONS, OPTIONS
from safeasr.families.fsmn_vad.recognizer import FsmnVadRecognizer

__all__ = ["FAMILY", "FsmnVadFamily"]


class FsmnVadFamily:
    """Export and loading of FSMN-VAD models."""

    name = "fsmn_vad"
    model_classes: tuple[str, ...] = ("FsmnVADStreaming",)
    precisions: tuple[str, ...] = ("float32",)
    options = OPTIONS
    constructor_options = CONSTRUCTOR_OPTIONS

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write scorer.ts."""
        return export(model, out, trust_remote_code=trust_remote_code, precision=precision)

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> FsmnVadRecognizer:
        """Load the program of a bundle."""
        return FsmnVadRecognizer(bundle, device, limits)


FAMILY = FsmnVadFamily()
