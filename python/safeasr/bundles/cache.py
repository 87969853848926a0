"""The cache of exported bundles.

A bundle's place is named after the content it was made from: checkpoint, vocabulary, CMVN,
configuration, exporter. Processes that export the same model at once take turns by a file lock, and
a bundle appears in its place by one rename, so nobody ever sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_dir

from safeasr.bundles.bundle import FORMAT_VERSION, Bundle, file_digest, is_bundle, read_bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.errors import ExportError

__all__ = ["cache_dir", "cached_bundle", "content_key"]

#: Counted up when an exporter writes something else from the same input.
EXPORTER_VERSION = 5


def cache_dir() -> Path:
    """Where bundles are kept: ``$SAFEASR_CACHE``, or safeasr's folder in the user's cache."""
    return Path(os.environ.get("SAFEASR_CACHE") or user_cache_dir("safeasr"))


def _remembered_digest(file: Path, root: Path) -> str:
    """The file's digest; read again only if its size, time or inode changed since the last time.

    Hashing a gigabyte takes longer than loading a bundle made from it.
    """
    facts = file.stat()
    identity = [str(file.resolve()), facts.st_size, facts.st_mtime_ns, facts.st_ino]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    note = root / "digests" / name
    try:
        return note.read_text(encoding="ascii")
    except OSError:
        digest = file_digest(file)
    note.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as draft:
        draft.write(digest)
    Path(draft.name).replace(note)
    return digest


def content_key(
    model: ModelDir, root: Path, precision: str = "float32", files: Iterable[str] = ()
) -> str:
    """The name of the bundle that this model becomes; arguments as of cached_bundle."""
    description: dict[str, Any] = {
        "config": {k: v for k, v in model.config.items() if k != "init_param"},
        "files": {f.name: _remembered_digest(f, root) for f in model.files(files)},
        "format": FORMAT_VERSION,
        "exporter": EXPORTER_VERSION,
        "precision": precision,
    }
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached_bundle(
    model: ModelDir,
    export: Callable[[Path], Bundle],
    root: Path | None = None,
    *,
    precision: str = "float32",
    files: Iterable[str] = (),
) -> Bundle:
    """The bundle of a model: from the cache, or exported into it now.

    Args:
        model: the model directory.
        export: writes a bundle into an empty directory.
        root: the cache; default :func:`cache_dir`.
        precision: of the linear layers; each has its own bundle.
        files: what the export reads beside checkpoint, vocabulary, CMVN and what configuration.json
            names: keys or names as of ``ModelDir.find``.

    Raises:
        ExportError: if the cache cannot be written.
    """
    root = root or cache_dir()
    try:
        (root / "bundles").mkdir(parents=True, exist_ok=True)
        place = root / "bundles" / content_key(model, root, precision, files)
        if is_bundle(place):
            return read_bundle(place)
        with FileLock(f"{place}.lock"):
            if is_bundle(place):  # another process was faster
                return read_bundle(place)
            # Whoever has the lock is alone at work here: older drafts are of killed processes.
            for abandoned in place.parent.glob(f"{place.name}.draft-*"):
                shutil.rmtree(abandoned, ignore_errors=True)
            draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.draft-", dir=place.parent))
            try:
                export(draft)
                if place.exists():  # what is there is not a bundle: an interrupted deletion
                    shutil.rmtree(place)
                draft.rename(place)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        return read_bundle(place)
    except OSError as error:
        raise ExportError(
            f"the cache {root} cannot be used: {error}. Set SAFEASR_CACHE to a writable directory"
        ) from error
