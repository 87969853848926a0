"""CTTransformerStreaming's bundle."""

from __future__ import annotations

from pathlib import Path

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.ct_transformer.export import export_as
from safeasr.families.ct_transformer_streaming.network import CtTransformerStreamingNetwork

__all__ = ["export"]


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write the bundle of a CTTransformerStreaming."""
    return export_as(
        "ct_transformer_streaming",
        "CTTransformerStreaming",
        "SANMVadEncoder",
        CtTransformerStreamingNetwork,
        model,
        out,
        trust_remote_code=trust_remote_code,
        precision=precision,
        # FunASR reads it for this class too, and never cuts by it.
        with_dictionary=False,
    )
