"""Model names: the embedded demo, local directories, and hub names, which FunASR downloads."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

from safeasr.bundles.cache import cache_dir
from safeasr.errors import ExportError, UnsupportedModelError

__all__ = ["EMBEDDED", "find_model"]

#: Models that come with the package.
EMBEDDED = ("demo", "demo-streaming", "demo-vad")


def find_model(
    name: str,
    *,
    hub: str = "ms",
    revision: str | None = None,
    check_latest: bool = False,
) -> Path:
    """The local directory of a model.

    Args:
        name: of an embedded model, a directory (FunASR model or bundle), or a name on the hub.
        hub: "ms" or "hf", as in FunASR.
        revision: of a model on the hub.
        check_latest: ask the hub although the model was downloaded before.

    Raises:
        UnsupportedModelError: if the name is of a hub that is not supported.
        ExportError: if there is no such directory and it cannot be downloaded.
    """
    if name in EMBEDDED:
        return Path(str(resources.files("safeasr") / "models" / name))
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise ExportError(f"{name} is a file: give the model's directory")
    if hub not in ("ms", "modelscope", "hf", "huggingface"):
        raise UnsupportedModelError(f"hub={hub!r} is not supported: use 'ms' or 'hf'")
    return _download(name, hub, revision, check_latest)


def _download(name: str, hub: str, revision: str | None, check_latest: bool) -> Path:
    # FunASR takes seconds to import and asks the hub each time. What it answered is remembered.
    key = hashlib.sha256(json.dumps([name, hub, revision]).encode()).hexdigest()[:32]
    note = cache_dir() / "names" / key
    if not check_latest:
        with contextlib.suppress(OSError):
            known = Path(note.read_text(encoding="utf-8"))
            if known.is_dir():
                return known
    try:
        from funasr.download.download_model_from_hub import download_model
    except ImportError as error:
        raise ExportError(
            f"there is no directory {name!r}, and downloading it by name needs funasr: "
            "pip install 'safeasr[funasr]'"
        ) from error
    options: dict[str, Any] = {"model": name, "hub": hub}
    if revision:
        options["model_revision"] = revision
    try:
        found = download_model(**options).get("model_path")
    except Exception as error:
        raise ExportError(f"{name!r} is no directory and cannot be downloaded: {error}") from error
    if not isinstance(found, str) or not os.path.isdir(found):
        raise ExportError(f"{name!r} is no directory and no model that the hub {hub!r} could give")
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(found, encoding="utf-8")
    return Path(found)
