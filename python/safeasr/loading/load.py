"""From a model's name to a recogniser that is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle, is_bundle, read_bundle
from safeasr.bundles.cache import cache_dir
from safeasr.bundles.damage import out_of_memory
from safeasr.bundles.model_dir import read_model_dir
from safeasr.bundles.trust import require_trust
from safeasr.errors import (
    CorruptBundleError,
    OutOfMemoryError,
    SafeASRError,
    UnsupportedModelError,
)
from safeasr.families import family_of_bundle, family_of_class
from safeasr.families.base import Recognizer, StepwiseRecognizer, UsesGraphs
from safeasr.loading.export import open_bundle
from safeasr.loading.find import find_model
from safeasr.options.declared import Options
from safeasr.options.model import ModelOptions
from safeasr.warn import warn

__all__ = ["Loaded", "load_model", "options_of"]


@dataclass(frozen=True)
class Loaded:
    """A model in memory.

    Attributes:
        directory: of the FunASR model or bundle.
        recognizer: what runs it.
        precision: of its linear layers.
        weights_bytes: size of its programs, weights included; about what they take in memory.
    """

    directory: Path
    recognizer: Recognizer | StepwiseRecognizer
    precision: str
    weights_bytes: int = 0


def _check_precision(bundle: Bundle, wanted: str, device: str) -> None:
    """Say so if a finished bundle is of another precision, or of one that this machine lacks."""
    have = bundle.precision
    # A detector is in float32 beside any recogniser: nobody asked for something else.
    of_family = family_of_bundle(bundle).precisions
    if device != "cpu" and have == "int8":
        raise UnsupportedModelError(
            f"the bundle {bundle.path} holds int8 weights, which run on the CPU only, not on "
            f"{device}: export the model in another precision"
        )
    if have != wanted and wanted != "float32" and wanted in of_family:
        message = f"the bundle {bundle.path} holds {have} weights: running in that, not in {wanted}"
    elif device == "cpu" and not _ext.cpu_supports(have):
        message = (
            f"the bundle {bundle.path} holds {have} weights, and this processor has no "
            "instructions for them: slow, and less exact. Export the model in float32"
        )
    else:
        return
    warn(message)


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
        trust_remote_code: read checkpoints that can run code when they are read, and load bundles
            that were exported elsewhere.
        overrides: keys of the model's config.yaml.

    Raises:
        UnsupportedModelError: if the model's class is not supported, or a bundle's precision not on
            the device.
        ExportError: if the model cannot be found, downloaded or exported.
        CorruptBundleError: if a bundle is damaged.
        UntrustedBundleError: if it is a bundle that was not exported here, and not trusted.
        OutOfMemoryError: if there is no room for it.
    """
    directory = find_model(name, hub=hub, revision=revision, check_latest=check_latest)
    try:
        bundle, recognizer = _open(directory, options, overrides or {}, trust_remote_code)
    except Exception as error:
        if isinstance(error, SafeASRError) or not out_of_memory(error):
            raise
        raise OutOfMemoryError(f"no memory left to load {name}: {error}") from error
    if options.cuda_graphs and isinstance(recognizer, UsesGraphs):
        recognizer.use_graphs()
    weights_bytes = sum(int(bundle.files[one]["bytes"]) for one in bundle.programs.values())
    return Loaded(directory, recognizer, bundle.precision, weights_bytes)


def _open(
    directory: Path, options: ModelOptions, overrides: Mapping[str, Any], trusted: bool
) -> tuple[Bundle, Recognizer | StepwiseRecognizer]:
    """The bundle of a directory, and what runs it."""

    def opened(anew: bool) -> Bundle:
        return open_bundle(
            directory,
            dict(overrides),
            trust_remote_code=trusted,
            precision=options.precision,
            anew=anew,
        )

    bundle = opened(anew=False)
    if not trusted:
        require_trust(bundle, cache_dir())
    _check_precision(bundle, options.precision, options.device)
    try:
        return bundle, _load(bundle, options)
    except CorruptBundleError as error:
        if is_bundle(directory):
            raise
        # What lies in the cache is as it was written, and still this torch cannot load it.
        warn(f"{error}; it lies in the cache and is made anew")
    bundle = opened(anew=True)
    return bundle, _load(bundle, options)


def _load(bundle: Bundle, options: ModelOptions) -> Recognizer | StepwiseRecognizer:
    limits = {
        "max_requests": options.max_batch_size,
        "max_cost": options.max_batch_frames,
        "max_wait_ms": options.max_wait_ms,
        "share": options.device == "cpu",
    }
    return family_of_bundle(bundle).load(bundle, options.device, limits)


def options_of(name: str) -> Options:
    """What a model that is on this machine understands, without loading it.

    Args:
        name: of an embedded model, or a directory.

    Raises:
        UnsupportedModelError: if its class is not supported.
        ExportError: if there is no such model.
        CorruptBundleError: if it is a damaged bundle.
    """
    directory = find_model(name)
    if is_bundle(directory):
        return family_of_bundle(read_bundle(directory)).options
    return family_of_class(read_model_dir(directory).model_class).options
