"""The options of one call: checked, and never shared or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeasr.options.checker import GENERATE, checked
from safeasr.options.declared import Options
from safeasr.options.model import ModelOptions
from safeasr.options.names import COMMON, HOTWORDS

__all__ = ["CallOptions", "call_options"]


@dataclass(frozen=True)
class CallOptions:
    """Options of one call. Made once, read by everyone who serves the call, changed by nobody.

    Attributes:
        key: name or names of the input.
        fs: rate in Hz of arrays and raw PCM; None: nobody said.
        data_type: "sound", "pcm" or "fbank".
        max_audio_seconds: the longest recording that is taken.
        strict_audio: damaged audio is refused.
        output_dir: directory for FunASR's result files, or None.
        disable_pbar: no progress bar.
        family: options that the model's family understands.
        hotwords: options of the hotword correction.
    """

    key: Any
    fs: float | None
    data_type: Any
    max_audio_seconds: float
    strict_audio: bool
    output_dir: str | None
    disable_pbar: bool
    family: Mapping[str, Any]
    hotwords: Mapping[str, Any]


def call_options(given: Mapping[str, Any], defaults: ModelOptions, family: Options) -> CallOptions:
    """Sort and check the options of a call; those that nobody understands are named in a warning.

    Args:
        given: the arguments of the call.
        defaults: of the model.
        family: options of the model's family.

    Raises:
        ValueError: for a value that an option cannot have.
    """
    own = checked(given, GENERATE, family)
    merged = {**defaults.call_defaults, **own}

    def audio_option(name: str, default: Any = None) -> Any:
        """None in a call stands for what the constructor got."""
        values = (own.get(name), defaults.call_defaults.get(name), default)
        return next((value for value in values if value is not None), None)

    fs = audio_option("fs")
    return CallOptions(
        key=merged.get("key"),
        fs=fs,
        data_type=merged.get("data_type"),
        max_audio_seconds=float(
            audio_option("max_audio_seconds", COMMON["max_audio_seconds"].default)
        ),
        strict_audio=bool(audio_option("strict_audio", False)),
        output_dir=merged.get("output_dir"),
        disable_pbar=bool(merged.get("disable_pbar", defaults.disable_pbar)),
        family={k: v for k, v in merged.items() if k not in HOTWORDS},
        hotwords=HOTWORDS.own(merged),
    )
