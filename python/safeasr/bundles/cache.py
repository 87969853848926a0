"""The cache of exported bundles.

A bundle's place is named after the content it was made from: checkpoint, vocabulary, CMVN,
configuration, exporter. Nothing else identifies a model, neither its path nor a time, so a cache
that was made with an image serves in every copy of it. Processes that export the same model at once
take turns by a file lock, and a bundle appears in its place by one rename, so nobody ever sees half
of one. Files and folders get the permissions that the umask leaves.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_dir

from safeasr.bundles.bundle import FORMAT_VERSION, Bundle, is_bundle, read_bundle
from safeasr.bundles.digests import noted_digest
from safeasr.bundles.model_dir import ModelDir
from safeasr.bundles.trust import record_trust
from safeasr.errors import CorruptBundleError, ExportError
from safeasr.warn import warn

__all__ = ["cache_dir", "cached_bundle", "content_key"]

#: Counted up when an exporter writes something else from the same input.
EXPORTER_VERSION = 8


def cache_dir() -> Path:
    """Where bundles are kept: ``$SAFEASR_CACHE``, or safeasr's folder in the user's cache."""
    return Path(os.environ.get("SAFEASR_CACHE") or user_cache_dir("safeasr"))


def _plain(value: Any) -> Any:
    """A value with the keys of its mappings as strings, so that it can be sorted and written."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def content_key(
    model: ModelDir, root: Path, precision: str = "float32", files: Iterable[str] = ()
) -> str:
    """The name of the bundle that this model becomes; arguments as of cached_bundle.

    Raises:
        ExportError: if a file cannot be read, or is not what a hub says that it is.
    """
    digests = {}
    for number, file in enumerate(model.files(files)):
        inside = file.is_relative_to(model.path)
        # A file of the caller's may have the name of one that it takes the place of.
        name = str(file.relative_to(model.path)) if inside else f"../{number}/{file.name}"
        try:
            digests[name] = noted_digest(file, root / "digests")
        except OSError as error:
            raise ExportError(f"{file} cannot be read: {error}") from error
        expected = model.digest_by_hub(file)
        if expected not in (None, digests[name]):
            raise ExportError(
                f"{file} is not the file that the hub has: its SHA-256 is another than that noted "
                "when it was downloaded. Download it again"
            )
    description: dict[str, Any] = {
        "config": _plain({k: v for k, v in model.config.items() if k != "init_param"}),
        "files": digests,
        "format": FORMAT_VERSION,
        "exporter": EXPORTER_VERSION,
        "precision": precision,
    }
    if files:  # some of them count only if they are named
        description["named"] = _plain(model.metas)
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _sound(place: Path) -> Bundle | None:
    """The bundle in a place of the cache, if there is one and all of it is as it was written.

    Raises:
        CorruptBundleError: if it is damaged.
    """
    if not is_bundle(place):
        return None
    bundle = read_bundle(place)
    bundle.verify()
    return bundle


def cached_bundle(
    model: ModelDir,
    export: Callable[[Path], Bundle],
    root: Path | None = None,
    *,
    precision: str = "float32",
    files: Iterable[str] = (),
    anew: bool = False,
) -> Bundle:
    """The bundle of a model: from the cache, or exported into it now.

    One that is damaged is made anew, with a warning.

    Args:
        model: the model directory.
        export: writes a bundle into an empty directory.
        root: the cache; default :func:`cache_dir`.
        precision: of the linear layers; each has its own bundle.
        files: what the export reads beside checkpoint, vocabulary, CMVN and what configuration.json
            names: keys or names as of ``ModelDir.find``.
        anew: make it although it is there.

    Raises:
        ExportError: if the cache cannot be written.
        CorruptBundleError: if the bundle is damaged and cannot be made anew.
    """
    root = root or cache_dir()
    place = root / "bundles" / content_key(model, root, precision, files)
    damage: CorruptBundleError | None = None
    try:
        try:
            found = None if anew else _sound(place)
            if found is not None:
                return found
        except CorruptBundleError as error:
            damage = error
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            with contextlib.suppress(CorruptBundleError):
                found = None if anew else _sound(place)
                if found is not None:  # another process was faster
                    return found
            if damage is not None:
                warn(f"{damage}; it lies in the cache and is made anew")
            bundle = _make(place, export)
            with contextlib.suppress(OSError):  # it is known by its place, too
                record_trust(bundle, root)
        return bundle
    except OSError as error:
        if damage is not None:
            raise CorruptBundleError(f"{damage}; it cannot be made anew: {error}") from error
        raise ExportError(
            f"the cache {root} cannot be used: {error}. Set SAFEASR_CACHE to a writable directory "
            "that has room"
        ) from error


def _make(place: Path, export: Callable[[Path], Bundle]) -> Bundle:
    """Export into a place that nobody else works at."""
    # Whoever has the lock is alone here: older drafts are of killed processes.
    for abandoned in place.parent.glob(f"{place.name}.draft-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    draft = place.with_name(f"{place.name}.draft-{secrets.token_hex(6)}")
    draft.mkdir()
    try:
        export(draft)
        if place.exists():  # damaged, or an interrupted deletion
            old = place.with_name(f"{place.name}.draft-{secrets.token_hex(6)}-old")
            place.rename(old)
            draft.rename(place)
            shutil.rmtree(old, ignore_errors=True)
        else:
            draft.rename(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return read_bundle(place)
