"""FunASR's hubs: the names that they have, and getting a model from them."""

from __future__ import annotations

import importlib.util
import os
import runpy
from pathlib import Path
from typing import Final

from safeasr.errors import ExportError
from safeasr.printable import printable, quoted

__all__ = ["CLASSES", "HUBS", "OPENAI_CLASS", "aliases", "ask_hub", "have_funasr", "local_copy"]

#: FunASR's names of the hubs that models come from, and the one that stands for each.
HUBS: Final = {"ms": "ms", "modelscope": "ms", "hf": "hf", "huggingface": "hf"}
#: FunASR's class of what ``hub="openai"`` has.
OPENAI_CLASS: Final = "WhisperWarp"
#: Where to find out whether there is a network at all, in seconds. The hubs' own programs try again
#: and again for half a minute, and what FunASR makes of their errors does not say why.
_REACH_S: Final = 2.0
#: FunASR's class of the model that each of its short names stands for on ModelScope, as far as
#: anybody can tell without the model: that of some is known from what others publish of them.
CLASSES: Final = {
    "paraformer": "Paraformer",
    "paraformer-zh": "SeacoParaformer",
    "paraformer-en": "Paraformer",
    "paraformer-en-spk": "Paraformer",
    "paraformer-zh-streaming": "ParaformerStreaming",
    "fsmn-vad": "FsmnVADStreaming",
    "ct-punc": "CTTransformer",
    "ct-punc-c": "CTTransformer",
    "fa-zh": "MonotonicAligner",
    "cam++": "CAMPPlus",
    "emotion2vec_plus_large": "Emotion2vec",
    "emotion2vec_plus_base": "Emotion2vec",
    "emotion2vec_plus_seed": "Emotion2vec",
    "Whisper-large-v2": "WhisperWarp",
    "Whisper-large-v3": "WhisperWarp",
    "Whisper-large-v3-turbo": "WhisperWarp",
    "Qwen-Audio": "QwenAudioWarp",
}


def have_funasr() -> bool:
    """Whether FunASR is installed; does not import it."""
    return _funasr_init() is not None


def _funasr_init() -> str | None:
    """The file that FunASR begins with."""
    try:
        spec = importlib.util.find_spec("funasr")
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin


def aliases(hub: str) -> dict[str, str]:
    """FunASR's short names of models: ``owner/name`` of each.

    Args:
        hub: "ms", "hf" or "openai".

    Raises:
        ExportError: if funasr is not installed.
    """
    begins = _funasr_init()
    if begins is None:
        raise ExportError(
            "downloading a model by its name needs funasr: pip install 'safeasr[funasr]'"
        )
    # A module of nothing but names. To import it as a part of funasr would take seconds.
    names = runpy.run_path(str(Path(begins).parent / "download" / "name_maps_from_hub.py"))
    known: dict[str, str] = names[f"name_maps_{hub}"]
    return known


def ask_hub(name: str, hub: str, revision: str | None) -> Path:
    """The directory of a model that FunASR downloads, or has downloaded before.

    Args:
        name: owner and name.
        hub: "ms" or "hf".
        revision: of the model; None: the newest.

    Raises:
        ExportError: if it cannot be had; says why, in the words of the network or hub.
    """
    from safeasr.inputs.transport import why_unreachable  # takes a while to import

    server = _server(hub)
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    reason = why_unreachable(server, _REACH_S) if hub == "ms" or not offline else "HF_HUB_OFFLINE"
    found: str | None
    try:
        if reason is None:
            found = _download(name, hub, revision)
        else:
            found = local_copy(name, hub, revision)
    except ImportError as error:
        raise ExportError(
            f"downloading {quoted(name)} needs funasr and what it downloads with: "
            f"pip install 'safeasr[funasr]' ({printable(error)})"
        ) from error
    except Exception as error:
        why = f"the hub cannot be reached: {reason}" if reason else printable(error, 500)
        raise ExportError(f"{quoted(name)} cannot be downloaded from {server}: {why}") from error
    if found is None or not os.path.isdir(found):
        why = f"the hub cannot be reached: {reason}" if reason else "the hub gave no directory"
        raise ExportError(f"{quoted(name)} cannot be downloaded from {server}: {why}")
    return Path(found)


def _server(hub: str) -> str:
    if hub == "hf":
        return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    domain = os.environ.get("MODELSCOPE_DOMAIN") or "www.modelscope.cn"
    return domain if "://" in domain else f"https://{domain}"


def _download(name: str, hub: str, revision: str | None) -> str:
    from funasr.download import download_model_from_hub as funasr_hub

    # Not download_model, which prints what goes wrong and answers as if nothing had.
    if hub == "hf":
        found = funasr_hub.get_or_download_model_dir_hf(name, revision or "master")
    else:
        found = funasr_hub.get_or_download_model_dir(name, revision or "master")
    return str(found)


def local_copy(name: str, hub: str, revision: str | None) -> str | None:
    """What was downloaded before, without asking the hub; None if there is nothing.

    Args:
        name: owner and name.
        hub: "ms" or "hf".
        revision: of the model; None: the newest.
    """
    home = Path.home() / ".cache"
    if hub == "hf":
        root = Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub"
        root = Path(os.environ.get("HF_HUB_CACHE") or root)
        if not (root / f"models--{name.replace('/', '--')}").is_dir():
            return None
        from huggingface_hub import snapshot_download

        return str(snapshot_download(name, local_files_only=True))
    root = Path(os.environ.get("MODELSCOPE_CACHE") or home / "modelscope")
    folders = [
        root / part / name.replace(".", "___") for part in ("hub/models", "models", "hub", "")
    ]
    if not any(folder.is_dir() for folder in folders):
        return None  # importing modelscope takes seconds
    from modelscope.hub.snapshot_download import snapshot_download as of_modelscope

    return str(of_modelscope(name, revision=revision or "master", local_files_only=True))
