"""The options of one call: checked, and never shared or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeasr.options.checker import GENERATE, checked, without_none
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
        data_type: "sound", "pcm", "fbank", "text", or ("sound", "text") for recordings with
            their texts; None: what the model takes.
        max_audio_seconds: the longest recording that is taken.
        strict_audio: damaged audio is refused.
        output_dir: directory for FunASR's result files, or None.
        disable_pbar: no progress bar.
        download_timeout: longest that the download of a URL may take, in seconds.
        max_download_bytes: largest download, and largest list file.
        keep_errors: an input that fails has its error in the place of its result.
        family: options that the model's family understands.
        hotwords: options of the hotword correction.
    """

    key: Any
    fs: int | None
    data_type: Any
    max_audio_seconds: float
    strict_audio: bool
    output_dir: str | None
    disable_pbar: bool
    download_timeout: float
    max_download_bytes: int
    keep_errors: bool
    family: Mapping[str, Any]
    hotwords: Mapping[str, Any]


def call_options(given: Mapping[str, Any], defaults: ModelOptions, family: Options) -> CallOptions:
    """Sort and check the options of a call; those that nobody understands are named in a warning.

    Args:
        given: the arguments of the call.
        defaults: of the model.
        family: options of the model's family.

    Raises:
        OptionError: for a value that an option cannot have.
        NotAllowedError: for one that names a file or URL that the model may not open.
    """
    # Those of the constructor are the operator's own.
    defaults.access.require_options(given)
    own = checked(given, GENERATE, family)
    merged = {**defaults.call_defaults, **without_none(own)}

    def common(name: str) -> Any:
        return merged.get(name, COMMON[name].default)

    return CallOptions(
        key=merged.get("key"),
        fs=merged.get("fs"),
        data_type=merged.get("data_type"),
        max_audio_seconds=float(common("max_audio_seconds")),
        strict_audio=bool(common("strict_audio")),
        output_dir=merged.get("output_dir"),
        disable_pbar=bool(merged.get("disable_pbar", defaults.disable_pbar)),
        download_timeout=float(common("download_timeout")),
        max_download_bytes=int(common("max_download_bytes")),
        keep_errors=merged.get("on_error") == "return",
        family={k: v for k, v in merged.items() if k not in HOTWORDS},
        hotwords=HOTWORDS.own(merged),
    )
