"""Paraformer, offline: FunASR's class ``Paraformer`` with SAN-M encoder and decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.paraformer.export import export
from safeasr.families.paraformer.recognizer import (
    CONSTRUCTOR_OPTIONS,
    OPTIONS,
    ParaformerRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY", "ParaformerFamily"]


class ParaformerFamily:
    """Export and loading of offline Paraformer models."""

    name = "paraformer"
    model_classes: tuple[str, ...] = ("Paraformer",)
    precisions: tuple[str, ...] = PRECISIONS
    options = OPTIONS
    constructor_options = CONSTRUCTOR_OPTIONS

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write encoder.ts and decoder.ts."""
        return export(model, out, trust_remote_code=trust_remote_code, precision=precision)

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> ParaformerRecognizer:
        """Load the programs of a bundle."""
        return ParaformerRecognizer(bundle, device, limits)


FAMILY = ParaformerFamily()
