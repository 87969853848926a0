"""Bundles: what export writes and a model is loaded from.

A bundle is a directory with ``bundle.json`` and one file for each program. It says everything that
is needed to run the model: family, frontend, vocabulary, decoding settings. ``bundle.json`` is
written last, so a directory that has one is complete.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safeasr.errors import CorruptBundleError

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Bundle",
    "file_digest",
    "is_bundle",
    "read_bundle",
    "write_manifest",
]

#: Raised when bundles written before cannot be read any more.
FORMAT_VERSION = 2
MANIFEST = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """The manifest of a bundle.

    Attributes:
        path: the directory.
        family: name of the family that wrote it and can load it.
        model_class: FunASR's class of the model.
        programs: file of each program, relative to the directory.
        frontend: arguments of the speech frontend.
        tokens: the vocabulary.
        decoding: the family's own settings.
        precision: of the linear layers: float32, bfloat16, int8 or float16.
        assets: other files that the family needs, relative to the directory.
        signatures: inputs and outputs of each program, for readers.
        files: size in bytes and SHA-256 of each program file and asset.
        versions: what the bundle was made with.
        source: where the model came from.
    """

    path: Path
    family: str
    model_class: str
    programs: dict[str, str]
    frontend: dict[str, Any]
    tokens: list[str]
    decoding: dict[str, Any]
    precision: str = "float32"
    assets: dict[str, str] = field(default_factory=dict)
    signatures: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)

    def program(self, name: str) -> str:
        """The path of a program's file."""
        return str(self.path / self.programs[name])

    def asset(self, name: str) -> Path:
        """The path of another file."""
        return self.path / self.assets[name]

    def verify(self) -> None:
        """Compare every file's content with its digest; raises CorruptBundleError."""
        for name, facts in self.files.items():
            if file_digest(self.path / name) != facts["sha256"]:
                raise CorruptBundleError(f"{self.path / name} is not what the bundle was made with")


def is_bundle(path: Path) -> bool:
    """Whether a directory is a bundle."""
    return (path / MANIFEST).is_file()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(bundle: Bundle) -> Bundle:
    """Write bundle.json, which completes the bundle; returns it with sizes and digests."""
    files = {
        name: {
            "bytes": (bundle.path / name).stat().st_size,
            "sha256": file_digest(bundle.path / name),
        }
        for name in [*bundle.programs.values(), *bundle.assets.values()]
    }
    facts = asdict(bundle) | {"files": files, "format": FORMAT_VERSION}
    del facts["path"]
    (bundle.path / MANIFEST).write_text(
        json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return read_bundle(bundle.path)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's manifest and check that its files are whole.

    Raises:
        CorruptBundleError: if the manifest or a file is missing, damaged or of another format.
    """
    manifest = path / MANIFEST
    try:
        facts = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CorruptBundleError(f"{path} has no {MANIFEST}") from error
    except (ValueError, OSError) as error:
        raise CorruptBundleError(f"{manifest} cannot be read: {error}") from error
    found = facts.pop("format", None) if isinstance(facts, dict) else None
    if found != FORMAT_VERSION:
        raise CorruptBundleError(
            f"{manifest} has format {found!r}, this safeasr reads {FORMAT_VERSION}: export it again"
        )
    try:
        bundle = Bundle(path=path, **facts)
        for name in [*bundle.programs.values(), *bundle.assets.values()]:
            expected, file = bundle.files[name]["bytes"], path / name
            if not file.is_file():
                raise CorruptBundleError(f"{file} is missing")
            if file.stat().st_size != expected:
                raise CorruptBundleError(
                    f"{file} has {file.stat().st_size} bytes, expected {expected}: export it again"
                )
    except (TypeError, KeyError, AttributeError) as error:
        raise CorruptBundleError(f"{manifest} is not complete: {error!r}") from error
    return bundle
