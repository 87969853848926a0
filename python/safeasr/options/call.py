"""The options of one call: checked, and never shared or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeasr.options.checker import GENERATE, checked
from safeasr.options.declared import Options
from safeasr.options.model import ModelOptions
from safeasr.options.names import HOTWORDS

__all__ = ["CallOptions", "call_options"]


@dataclass(frozen=True)
class CallOptions:
    """Options of one call. Made once, read by everyone who serves the call, changed by nobody.

    Attributes:
        key: name or names of the input.
        fs: rate in Hz of arrays.
        data_type: "sound", "fbank" or "text"; None: what the model takes.
        output_dir: directory for FunASR's result files, or None.
        disable_pbar: no progress bar.
        family: options that the model's family understands.
        hotwords: options of the hotword correction.
    """

    key: Any
    fs: int
    data_type: Any
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
    merged = {**defaults.call_defaults, **checked(given, GENERATE, family)}
    return CallOptions(
        key=merged.get("key"),
        fs=int(merged.get("fs") or 16000),
        data_type=merged.get("data_type"),
        output_dir=merged.get("output_dir"),
        disable_pbar=bool(merged.get("disable_pbar", defaults.disable_pbar)),
        family={k: v for k, v in merged.items() if k not in HOTWORDS},
        hotwords=HOTWORDS.own(merged),
    )
