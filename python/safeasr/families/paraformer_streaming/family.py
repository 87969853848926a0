"""Streaming Paraformer: FunASR's class ``ParaformerStreaming``, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.paraformer_streaming.export import export
from safeasr.families.paraformer_streaming.recognizer import (
    CONSTRUCTOR_OPTIONS,
    OPTIONS,
    ParaformerStreamingRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY", "ParaformerStreamingFamily"]


class ParaformerStreamingFamily:
    """Export and loading of streaming Paraformer models."""

    name = "paraformer_streaming"
    model_classes: tuple[str, ...] = ("ParaformerStreaming",)
    precisions: tuple[str, ...] = PRECISIONS
    options = OPTIONS
    constructor_options = CONSTRUCTOR_OPTIONS

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write encoder.ts and decoder.ts."""
        return export(model, out, trust_remote_code=trust_remote_code, precision=precision)

    def load(
        self, bundle: Bundle, device: str, limits: Mapping[str, Any]
    ) -> ParaformerStreamingRecognizer:
        """Load the programs of a bundle."""
        return ParaformerStreamingRecognizer(bundle, device, limits)


FAMILY = ParaformerStreamingFamily()
