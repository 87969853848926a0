"""Bundles: what export writes and a model is loaded from.

A bundle is a directory with ``bundle.json`` and one file for each program. It says everything that
is needed to run the model: family, frontend, vocabulary, decoding settings. ``bundle.json`` is
written last, so a directory that has one is complete. It holds the digest of every file and one of
its own, so a bit that changes anywhere is found when the bundle is opened.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safeasr.bundles.digests import file_digest, known_digest
from safeasr.bundles.settings import Settings, check_depth, shown
from safeasr.errors import CorruptBundleError, ExportError

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Bundle",
    "file_digest",
    "is_bundle",
    "manifest_digest",
    "read_bundle",
    "write_manifest",
]

#: Raised when bundles written before cannot be read any more.
FORMAT_VERSION = 3
MANIFEST = "bundle.json"
#: A vocabulary of 25,000 tokens takes half a megabyte.
_MOST_BYTES = 64 << 20


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
        digest: SHA-256 of all of the above but the path, empty before it is written.
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
    digest: str = ""

    def program(self, name: str) -> str:
        """The path of a program's file; CorruptBundleError if the bundle has no such program."""
        return str(self.path / Settings(self.programs, *self._blame, ("programs",)).text(name))

    def asset(self, name: str) -> Path:
        """The path of another file; CorruptBundleError if the bundle has no such file."""
        return self.path / Settings(self.assets, *self._blame, ("assets",)).text(name)

    @property
    def _blame(self) -> tuple[str, type[CorruptBundleError]]:
        return str(self.path / MANIFEST), CorruptBundleError

    @property
    def frontend_settings(self) -> Settings:
        """``frontend``, each value with its type; CorruptBundleError for others."""
        return Settings(self.frontend, *self._blame, ("frontend",))

    @property
    def settings(self) -> Settings:
        """``decoding``, each value with its type; CorruptBundleError for others."""
        return Settings(self.decoding, *self._blame, ("decoding",))

    def verify(self) -> None:
        """Compare every file's content with its digest; raises CorruptBundleError.

        Reads every file once for a process, 1.5 GB a second; later only those that have changed.
        """
        for name, facts in self.files.items():
            try:
                same = known_digest(self.path / name) == facts["sha256"]
            except OSError as error:
                raise CorruptBundleError(f"{self.path / name} cannot be read: {error}") from error
            if not same:
                raise CorruptBundleError(
                    f"{self.path / name} is not what the bundle was made with: export the model "
                    "again"
                )


def is_bundle(path: Path) -> bool:
    """Whether a directory is a bundle.

    Raises:
        ExportError: if one may not look.
    """
    try:
        return (path / MANIFEST).is_file()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error


def manifest_digest(facts: dict[str, Any]) -> str:
    """The digest of a manifest, which stands in it as ``digest``."""
    content = {name: value for name, value in facts.items() if name != "digest"}
    # With ASCII alone there is one way to write it, also for strings that UTF-8 cannot hold.
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def write_manifest(bundle: Bundle) -> Bundle:
    """Write bundle.json, which completes the bundle; returns it with sizes and digests.

    Raises:
        ExportError: if it cannot be written.
    """
    files = {
        name: {
            "bytes": (bundle.path / name).stat().st_size,
            "sha256": file_digest(bundle.path / name),
        }
        for name in [*bundle.programs.values(), *bundle.assets.values()]
    }
    facts = asdict(bundle) | {"files": files, "format": FORMAT_VERSION}
    del facts["path"]
    try:
        facts["digest"] = manifest_digest(facts)
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        (bundle.path / MANIFEST).write_text(text, encoding="utf-8")
    except (UnicodeEncodeError, TypeError) as error:
        raise ExportError(f"a setting cannot be written to {MANIFEST}: {error}") from error
    return read_bundle(bundle.path)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's manifest and check that its files are whole.

    Their content is compared by :meth:`Bundle.verify`.

    Raises:
        CorruptBundleError: if the manifest or a file is missing, damaged or of another format.
    """
    manifest = path / MANIFEST
    try:
        with manifest.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise CorruptBundleError(f"{manifest} is larger than {_MOST_BYTES >> 20} MB")
        facts = json.loads(content.decode("utf-8"))
    except FileNotFoundError as error:
        raise CorruptBundleError(f"{path} has no {MANIFEST}") from error
    except CorruptBundleError:
        raise
    except (ValueError, RecursionError, OSError) as error:
        raise CorruptBundleError(f"{manifest} cannot be read: {error}") from error
    check_depth(facts, str(manifest), CorruptBundleError)
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT_VERSION or isinstance(found, bool):
        raise CorruptBundleError(
            f"{manifest} has format {shown(found)}, this safeasr reads {FORMAT_VERSION}: export "
            "it again"
        )
    return _checked(path, facts)


def _checked(path: Path, facts: dict[str, Any]) -> Bundle:
    """The manifest's content, if all of it is there, of the right type, and as it was written."""
    manifest = Settings(facts, str(path / MANIFEST), CorruptBundleError)
    lists = {name: manifest.section(name) for name in ("programs", "assets", "files")}
    for name in ("programs", "assets"):
        for key in lists[name]:
            _check_file(path, lists[name].text(key), lists["files"])
    tokens = facts.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(one, str) for one in tokens):
        raise manifest.wrong("tokens", "a list of strings")
    strings = ("family", "model_class", "precision", "digest")
    mappings = (
        *("programs", "assets", "files", "frontend"),
        *("decoding", "signatures", "versions", "source"),
    )
    found: dict[str, Any] = {name: manifest.text(name) for name in strings}
    found |= {name: dict(manifest.section(name).values) for name in mappings}
    bundle = Bundle(path=path, tokens=tokens, **found)
    unknown = facts.keys() - ({"format", *Bundle.__dataclass_fields__} - {"path"})
    if unknown:
        raise CorruptBundleError(f"{manifest.where} has unknown keys: {shown(sorted(unknown))}")
    if manifest_digest(facts) != bundle.digest:
        raise CorruptBundleError(
            f"{manifest.where} is not as it was written: its digest is another. Export the model "
            "again"
        )
    return bundle


def _check_file(path: Path, name: str, files: Settings) -> None:
    """Refuse a file that is not whole, or not in the bundle's own directory."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise CorruptBundleError(
            f"{files.where}: expected the name of a file in the bundle, got {shown(name)}"
        )
    file = path / name
    facts = files.section(name)
    size, digest = facts.whole("bytes", most=1 << 50), facts.text("sha256")
    if len(digest) != 64:
        raise facts.wrong("sha256", "64 hexadecimal digits")
    try:
        if not file.is_file():
            raise CorruptBundleError(f"{file} is missing")
        if not file.resolve().is_relative_to(path.resolve()):
            raise CorruptBundleError(
                f"{file} is a link to {file.resolve()}, outside of the bundle: copy the file there"
            )
        found = file.stat().st_size
    except OSError as error:
        raise CorruptBundleError(f"{file} cannot be read: {error}") from error
    if found != size:
        raise CorruptBundleError(f"{file} has {found} bytes, expected {size}: export it again")
