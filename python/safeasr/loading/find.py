"""Model names: the embedded demo, local directories, and hub names, which FunASR downloads."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.util
import itertools
import json
import os
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Final

from safeasr.bundles.cache import cache_dir
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.inputs.urls import is_url, shown_url
from safeasr.loading.hub import HUBS, aliases, ask_hub, local_copy
from safeasr.printable import quoted

__all__ = ["EMBEDDED", "SILERO", "find_here", "find_model"]

#: Models that come with the package.
EMBEDDED = ("demo", "demo-streaming", "demo-vad", "demo-punc", "demo-spk")
#: Names on hubs: an alias, or owner and name.
_ON_HUB: Final = re.compile(r"[\w.+-]{1,128}(/[\w.+-]{1,128})?")
#: FunASR's names of the detector whose weights come with a package of their own.
SILERO: Final = ("silero-vad", "silero_vad")
#: Name on the hub, the hub and a revision to a directory.
_Ask = Callable[[str, str, "str | None"], Path]
#: Names of a directory that are looked at for the nearest one.
_LOOKED_AT: Final = 10_000


def find_model(
    name: str,
    *,
    hub: str = "ms",
    revision: str | None = None,
    check_latest: bool = False,
) -> Path:
    """The local directory of a model.

    Args:
        name: of an embedded model, a directory (FunASR model or bundle), "silero-vad", or a name on
            the hub: ``owner/name``, or one of FunASR's short names.
        hub: "ms" or "hf", as in FunASR.
        revision: of a model on the hub.
        check_latest: ask the hub although the model was downloaded before.

    Raises:
        UnsupportedModelError: if the name is of a hub that is not supported.
        ExportError: if there is no such directory, and it is no name on the hub or cannot be
            downloaded.
    """
    return _find(name, hub, revision, check_latest, ask_hub)


def find_here(name: str, *, hub: str = "ms") -> Path | None:
    """The local directory of a model, if it is on this machine; nothing is downloaded.

    Args:
        name: as of :func:`find_model`.
        hub: likewise.

    Returns:
        The directory; None for a name on the hub whose model was not downloaded yet.

    Raises:
        UnsupportedModelError: as :func:`find_model`.
        ExportError: if it can be neither.
    """
    try:
        return _find(name, hub, None, False, _downloaded)
    except _NotDownloadedError:
        return None


class _NotDownloadedError(ExportError):
    """The hub would have to be asked."""


def _downloaded(name: str, hub: str, revision: str | None) -> Path:
    found = local_copy(name, hub, revision)
    if found is None:
        raise _NotDownloadedError(f"{quoted(name)} was not downloaded yet")
    return Path(found)


def _find(name: str, hub: str, revision: str | None, check_latest: bool, ask: _Ask) -> Path:
    if name in EMBEDDED:
        return Path(str(resources.files("safeasr") / "models" / name))
    if name in SILERO:
        return _of_package("silero_vad", "data", extra="silero")
    try:
        path = Path(name).expanduser()
        if name.strip() and path.is_dir():
            return path
        is_file = bool(name.strip()) and path.exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null character, an unknown ~user
        path, is_file = Path(name), False
    if is_file:
        raise ExportError(f"{quoted(name)} is a file: give the model's directory")
    if is_url(name):
        raise ExportError(f"models are found by directory or name, not by URL: {shown_url(name)}")
    if _is_path(name):
        raise ExportError(f"there is no directory {quoted(name)}{_nearest(path)}")
    if hub not in HUBS:
        raise UnsupportedModelError(f"hub={hub!r} is not supported: use 'ms' or 'hf'")
    return _on_hub(name, HUBS[hub], revision, check_latest, ask)


def _of_package(package: str, folder: str, *, extra: str) -> Path:
    """A folder of a package that is installed; the package itself is not imported.

    Raises:
        ExportError: if it is not there; names the extra that brings it.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    found = next((Path(one) / folder for one in places if (Path(one) / folder).is_dir()), None)
    if found is None:
        raise ExportError(
            f"the weights of {package} come with a package of their own: "
            f"pip install 'safeasr[{extra}]'"
        )
    return found


def _is_path(name: str) -> bool:
    """Whether a name can only be meant as a directory of this machine."""
    if name.startswith((".", "~")) or not _ON_HUB.fullmatch(name):
        return True
    owner, slash, _ = name.partition("/")
    return bool(slash) and os.path.isdir(owner)


def _nearest(path: Path) -> str:
    """For messages: the directory that may have been meant."""
    with contextlib.suppress(OSError, ValueError):
        parent, wrong = path.parent, path.name
        rest: list[str] = []
        while not parent.is_dir() and parent != parent.parent:
            rest.insert(0, wrong)
            parent, wrong = parent.parent, parent.name
        with os.scandir(parent) as entries:
            there = [one.name for one in itertools.islice(entries, _LOOKED_AT) if one.is_dir()]
        for near in difflib.get_close_matches(wrong, there, 3, 0.6):
            if (parent / near).joinpath(*rest).is_dir():
                return f": did you mean {quoted(str((parent / near).joinpath(*rest)))}?"
        if rest:
            return f": there is no {quoted(wrong)} in {quoted(str(parent))}"
    return ""


def _on_hub(name: str, hub: str, revision: str | None, check_latest: bool, ask: _Ask) -> Path:
    # FunASR takes seconds to import and asks the hub each time. What it answered is remembered.
    key = hashlib.sha256(json.dumps([name, hub, revision]).encode()).hexdigest()[:32]
    note = cache_dir() / "names" / key
    if not check_latest:
        with contextlib.suppress(OSError):
            known = Path(note.read_text(encoding="utf-8"))
            if known.is_dir():
                return known
    try:
        short = aliases(hub)
    except ExportError as error:
        raise ExportError(f"there is no directory {quoted(name)}, and {error}") from error
    full = short.get(name, name)
    if "/" not in full:
        near = difflib.get_close_matches(name, [*short, *EMBEDDED], 1, 0.6)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise ExportError(
            f"there is no directory {quoted(name)}, and FunASR knows no model of that name{hint} "
            "Names on the hub are 'owner/name'"
        )
    found = ask(full, hub, revision)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(found), encoding="utf-8")
    return found
