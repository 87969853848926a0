"""The options of a model and of a call: told apart, checked, and never shared or changed."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeasr import _ext
from safeasr.errors import UnsupportedModelError
from safeasr.options.cores import usable_cores
from safeasr.options.device import pick_device

__all__ = ["CallOptions", "ModelOptions", "call_options", "model_options"]

#: Options of FunASR that have no meaning here: accepted, and nothing is lost without them.
_NO_EFFECT = frozenset(
    "disable_update disable_log seed log_level remote_code punc_kwargs spk_kwargs "
    "vad_model_revision punc_model_revision spk_model_revision spk_mode ngpu hub model_revision "
    "check_latest trust_remote_code ignore_init_mismatch".split()
)
#: Options of FunASR that would change results, and that safeasr cannot honour yet.
_UNSUPPORTED_MODELS = ("punc_model", "spk_model")
#: Names of config.yaml at its top level: overrides of these go into the export.
_CONFIG_KEYS = frozenset(
    "model_conf encoder encoder_conf decoder decoder_conf predictor predictor_conf frontend "
    "frontend_conf tokenizer tokenizer_conf ctc_conf normalize specaug specaug_conf "
    "init_param".split()
)
#: Options of ``generate`` that every family understands, or that only say how FunASR batches.
_CALL_COMMON = frozenset(
    "key fs data_type batch_size batch_size_s batch_size_threshold_s output_dir disable_pbar "
    "cache is_final merge_vad merge_length_s sentence_timestamp return_raw_text en_post_proc "
    "return_spk_res device ncpu use_itn language hotword nbest decoding_ctc_weight lm_weight "
    "lm_file maxlenratio minlenratio".split()
)
_HOTWORDS = (
    "postprocess_hotwords",
    "postprocess_hotword_file",
    "postprocess_hotword_threshold",
    "postprocess_hotword_fuzzy",
    "return_postprocess_hotword_matches",
)
#: Of these, some change results in families that know them; elsewhere they are named in a warning.
_FAMILY_OPTIONS = frozenset(
    "hotword use_itn language nbest merge_vad merge_length_s sentence_timestamp "
    "return_spk_res en_post_proc return_raw_text cache is_final".split()
)

#: Threads of one batch while nobody else has work: beyond, the pieces of one utterance get so small
#: that threads wait for each other more than they compute.
_MOST_IDLE_THREADS = 4


def _warn(message: str, stacklevel: int = 4) -> None:
    # By default the line that is blamed is the one that called the caller of our caller.
    warnings.warn(message, UserWarning, stacklevel=stacklevel)


@dataclass(frozen=True)
class ModelOptions:
    """Arguments of ``AutoModel``, sorted.

    Attributes:
        num_workers: threads that run batches, for each device.
        intra_op_threads: cores that one batch uses on the CPU.
        idle_threads: the same while other workers have nothing to do, at most.
        max_batch_size: utterances in a batch at most.
        max_batch_frames: limit of count x longest of a batch, in encoder frames (60 ms).
        max_wait_ms: how long an utterance may wait for company although a worker is free.
        queue_size: requests that may wait, for each device.
        timeout: seconds that a call may take; None: as long as it takes.
        device: torch's name of the device, or names of several of one kind: "cuda:0,cuda:1".
        precision: of the linear layers: "float32", "bfloat16", "int8" or
            "float16".
        cuda_graphs: steps of live streams are recorded and replayed.
        disable_pbar: no progress bar.
        overrides: keys of config.yaml.
        call_defaults: options of ``generate`` that were given to the constructor, as FunASR allows.
    """

    num_workers: int
    intra_op_threads: int
    idle_threads: int
    max_batch_size: int
    max_batch_frames: int
    max_wait_ms: float
    queue_size: int
    timeout: float | None
    device: str
    precision: str
    cuda_graphs: bool
    disable_pbar: bool
    overrides: Mapping[str, Any] = field(default_factory=dict)
    call_defaults: Mapping[str, Any] = field(default_factory=dict)


def pick_precision(given: Mapping[str, Any], device: str) -> str:
    """What ``bf16``, ``quantize`` and ``fp16`` ask for, as far as the device has it.

    ``quantize`` goes before ``bf16``: it is the smaller one, and what is not in 8 bits is bfloat16
    then anyway. ``fp16`` comes last: who asks for bfloat16 too can do without its range.
    """
    wanted = "int8" if given.get("quantize") else "bfloat16" if given.get("bf16") else "float32"
    if device != "cpu":
        if wanted == "int8":
            _warn(f"quantize=True is not supported on {device}: running in float32", stacklevel=5)
            return "float32"
        return "float16" if wanted == "float32" and given.get("fp16") else wanted
    if given.get("fp16"):
        _warn(
            f"fp16=True is not supported: running in {wanted}. On the CPU bf16=True is",
            stacklevel=5,
        )
    if wanted != "float32" and not _ext.cpu_supports(wanted):
        name, needed = (
            ("quantize", "AVX-512 VNNI") if wanted == "int8" else ("bf16", "AVX-512 BF16")
        )
        _warn(
            f"{name}=True: this processor has no instructions for {wanted} ({needed}): running in "
            "float32",
            stacklevel=5,
        )
        return "float32"
    return wanted


def positive(name: str, value: Any) -> int:
    """A positive whole number, or ValueError with the option's name."""
    # Numbers.Real, not int: numpy's integers are fine. A bool is a slip, though it is one.
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or int(value) != value or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def not_negative(name: str, value: Any) -> float:
    """A number of at least 0, or ValueError with the option's name."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not value >= 0:  # "not >=": NaN too
        raise ValueError(f"{name} must be a number that is not negative, got {value!r}")
    return float(value)


def _have_graphs(device: str) -> bool:
    """Whether graphs can be recorded there; says so if they cannot."""
    if _ext.graphs_supported(device.split(",")[0].strip()):
        return True
    hint = ": this safeasr was built without CUDA's headers" if device.startswith("cuda") else ""
    _warn(f"cuda_graphs=True has no effect on {device}{hint}", stacklevel=5)
    return False


def model_options(
    given: Mapping[str, Any],
    *,
    num_workers: int | None,
    intra_op_threads: int | None = None,
    max_batch_size: int | None,
    max_batch_frames: int | None,
    max_wait_ms: float,
    queue_size: int | None,
    timeout: float | None,
    device: str | None,
    cuda_graphs: bool = False,
    family_options: frozenset[str] = frozenset(),
) -> ModelOptions:
    """Sort and check the arguments of ``AutoModel``; ``family_options``: those of any family.

    Raises:
        TypeError: for ``vda_model``, as in FunASR.
        UnsupportedModelError: for models beside the recogniser.
        ValueError: for numbers out of range.
    """
    if "vda_model" in given:
        raise TypeError("`vda_model` is not an argument of AutoModel; did you mean `vad_model`?")
    for name in _UNSUPPORTED_MODELS:
        if given.get(name) is not None:
            raise UnsupportedModelError(f"{name}={given[name]!r} is not supported yet")
    known = {"fp16", "bf16", "quantize", "dtype", "llm_dtype", "ncpu", "disable_pbar"}
    known |= _NO_EFFECT | set(_UNSUPPORTED_MODELS)
    overrides = {k: v for k, v in given.items() if k in _CONFIG_KEYS}
    call_defaults = {
        k: v
        for k, v in given.items()
        if k in _CALL_COMMON | set(_HOTWORDS) | family_options and k not in known
    }
    for name in given.keys() - known - overrides.keys() - call_defaults.keys():
        _warn(f"unknown option {name!r} of AutoModel is ignored")

    chosen = pick_device(device, int(given.get("ngpu", 1)))
    threads = 1 if intra_op_threads is None else positive("intra_op_threads", intra_op_threads)
    cores = usable_cores()
    cores = min(cores, int(given.get("ncpu") or cores))
    workers = num_workers
    if workers is None:
        # One thread a worker: batches of different callers in parallel use cores better than
        # operators split over threads. An accelerator needs a few, to overlap copies and launches.
        workers = max(1, cores // threads) if chosen == "cpu" else min(4, cores)
    if max_batch_size is None:
        max_batch_size = 16 if chosen == "cpu" else 128
    if queue_size is None:
        # Enough for every live stream of a device to bring a chunk at the same moment.
        queue_size = 1024 if chosen == "cpu" else 8192
    if max_batch_frames is None:
        # Enough rows to keep the CPU's matrix units busy while activations stay in cache; beyond
        # that a larger batch only adds latency.
        max_batch_frames = 320 if chosen == "cpu" else 40_000
    return ModelOptions(
        num_workers=positive("num_workers", workers),
        intra_op_threads=threads,
        idle_threads=threads if intra_op_threads is not None else min(cores, _MOST_IDLE_THREADS),
        max_batch_size=positive("max_batch_size", max_batch_size),
        max_batch_frames=positive("max_batch_frames", max_batch_frames),
        # Limited because the engine counts nanoseconds in 64 bits.
        max_wait_ms=min(not_negative("max_wait_ms", max_wait_ms), 1e9),
        queue_size=positive("queue_size", queue_size),
        timeout=None if timeout is None else not_negative("timeout", timeout),
        device=chosen,
        precision=pick_precision(given, chosen),
        cuda_graphs=cuda_graphs and _have_graphs(chosen),
        disable_pbar=bool(given.get("disable_pbar", False)),
        overrides=overrides,
        call_defaults=call_defaults,
    )


@dataclass(frozen=True)
class CallOptions:
    """Options of one call. Made once, read by everyone who serves the call, changed by nobody.

    Attributes:
        key: name or names of the input.
        fs: rate in Hz of arrays.
        data_type: "sound" or "fbank".
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


def call_options(
    given: Mapping[str, Any],
    defaults: ModelOptions,
    family_options: frozenset[str],
    constructor_options: frozenset[str] = frozenset(),
) -> CallOptions:
    """Sort the options of a call; those that nobody understands are named in a warning.

    Args:
        given: the arguments of the call.
        defaults: of the model.
        family_options: what the model's family takes from a call.
        constructor_options: what it takes from the constructor only, as FunASR does.
    """
    taken = {k: v for k, v in given.items() if k not in constructor_options}
    merged = {**defaults.call_defaults, **taken}
    for name in given:
        if name in family_options or name in _HOTWORDS:
            continue
        if name in constructor_options:
            _warn(f"option {name!r} belongs to AutoModel: generate ignores it", stacklevel=5)
        elif name not in _CALL_COMMON:
            _warn(f"unknown option {name!r} of generate is ignored", stacklevel=5)
        elif name in _FAMILY_OPTIONS and given[name]:
            _warn(f"option {name!r} has no effect for this model", stacklevel=5)
    return CallOptions(
        key=merged.get("key"),
        fs=int(merged.get("fs") or 16000),
        data_type=merged.get("data_type"),
        output_dir=merged.get("output_dir"),
        disable_pbar=bool(merged.get("disable_pbar", defaults.disable_pbar)),
        family={k: v for k, v in merged.items() if k not in _HOTWORDS},
        hotwords={k: merged[k] for k in _HOTWORDS if k in merged},
    )
