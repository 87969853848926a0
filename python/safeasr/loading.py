"""From a model's name to a recogniser that is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safeasr.export.exporter import open_bundle
from safeasr.export.hub import find_model
from safeasr.families import family_of_bundle
from safeasr.families.base import Recognizer
from safeasr.options import ModelOptions

__all__ = ["Loaded", "load_model"]


@dataclass(frozen=True)
class Loaded:
    """A model in memory.

    Attributes:
        directory: of the FunASR model or bundle.
        recognizer: what runs it.
    """

    directory: Path
    recognizer: Recognizer


def load_model(
    name: str,
    options: ModelOptions,
    *,
    hub: str = "ms",
    revision: str | None = None,
    check_latest: bool = False,
    trust_remote_code: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Find a model, export it if that was not done before, and load it.

    Args:
        name: as the argument ``model`` of ``AutoModel``.
        options: how it shall run.
        hub: "ms" or "hf".
        revision: of a model on the hub.
        check_latest: ask the hub although the model was downloaded before.
        trust_remote_code: read checkpoints that can run code when they are read.
        overrides: keys of the model's config.yaml.

    Raises:
        UnsupportedModelError: if the model's class is not supported.
        ExportError: if the model cannot be found, downloaded or exported.
        CorruptBundleError: if a bundle is damaged.
    """
    directory = find_model(name, hub=hub, revision=revision, check_latest=check_latest)
    bundle = open_bundle(
        directory,
        dict(overrides or {}),
        trust_remote_code=trust_remote_code,
        precision=options.precision,
    )
    recognizer = family_of_bundle(bundle.family).load(
        bundle,
        options.device,
        {
            "max_requests": options.max_batch_size,
            "max_cost": options.max_batch_frames,
            "max_wait_ms": options.max_wait_ms,
            "share": options.device == "cpu",
        },
    )
    return Loaded(directory, recognizer)
