"""A FunASR model directory: its configuration, and which files it names."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safeasr.bundles.files import read_json, read_yaml
from safeasr.bundles.settings import Settings, check_depth, shown
from safeasr.bundles.tables import read_cmvn, read_vocabulary
from safeasr.bundles.weights import read_weights
from safeasr.errors import ExportError

__all__ = ["ModelDir", "read_cmvn", "read_model_dir", "read_vocabulary", "read_weights"]

#: Classes of models that there are without a config.yaml, by the names of their checkpoints: all is
#: as the class has it.
_WITHOUT_CONFIG = {
    "pretrained_eres2netv2.ckpt": "ERes2NetV2",
    "silero_vad.jit": "SileroVad",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelDir:
    """A FunASR model directory with the caller's overrides applied.

    Attributes:
        path: the directory.
        config: config.yaml merged with the overrides.
        metas: ``file_path_metas`` of configuration.json, which names the files of hub models.
        overrides: what the caller gave.
        config_file: where ``config`` was read.
    """

    path: Path
    config: dict[str, Any]
    metas: dict[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    config_file: str = "config.yaml"

    @property
    def model_class(self) -> str:
        """FunASR's class of the model, such as "Paraformer"."""
        return str(self.config.get("model", ""))

    @property
    def settings(self) -> Settings:
        """``config``, each value with its type; ExportError for others."""
        own = f" with {', '.join(self.overrides)} of the caller" if self.overrides else ""
        return Settings(self.config, f"{self.path / self.config_file}{own}")

    def find(self, key: str, *usual: str) -> Path | None:
        """A file of the directory, or None if there is none.

        Args:
            key: what the caller, configuration.json or config.yaml call it, at any depth, such as
                "bpemodel".
            usual: names that it has where nobody says one; default: the key itself.

        Raises:
            ExportError: if the caller names a file that is not there.
        """
        given = _value_of(key, self.overrides)
        if given is not None:
            return _given_file(key, given, self.path)
        named = (_value_of(key, place) for place in (self.metas, self.config))
        candidates = [self.path / name for name in named if name is not None]
        candidates += [self.path / name for name in usual or (key,)]
        return next((one for one in candidates if _is_file(one)), None)

    def file(self, key: str, *usual: str, what: str | None = None) -> Path:
        """A file of the directory that must be there.

        Args:
            key: as of :meth:`find`.
            usual: as of :meth:`find`.
            what: what it is, for the message; default: the key.

        Raises:
            ExportError: if it is not there; says what was looked for.
        """
        found = self.find(key, *usual)
        if found is None:
            raise ExportError(
                f"{self.path} has no {what or key}: configuration.json and config.yaml name none "
                f"that is there, and there is no {' or '.join(usual or (key,))}"
            )
        return found

    def find_all(self, key: str) -> list[Path]:
        """The files of a list that configuration.json or config.yaml has under that key.

        Raises:
            ExportError: if one of them is not there.
        """
        for place in (self.metas, self.config):
            named = place.get(key)
            if isinstance(named, list) and named and all(isinstance(one, str) for one in named):
                missing = [name for name in named if not _is_file(self.path / name)]
                if missing:
                    raise ExportError(f"{self.path} has no {shown(missing[0], 300)} ({key})")
                return [self.path / name for name in named]
        return []

    def check_complete(self) -> None:
        """Refuse a directory that lacks files which its own configuration names.

        FunASR goes on without them, and a model without its CMVN, say, answers other things.

        Raises:
            ExportError: naming all that is missing.
        """
        # The caller's files take the place of the directory's own.
        names = _named({k: v for k, v in self.metas.items() if k != "config"}, self.overrides)
        missing = [name for name in dict.fromkeys(names) if not _exists(self.path / name)]
        if missing:
            raise ExportError(
                f"{self.path} is not complete: configuration.json names {', '.join(missing)}, "
                "which it does not have. Download the model again"
            )
        named = _value_of("cmvn_file", self.config)
        if named is not None and self.cmvn is None:
            raise ExportError(
                f"{self.path} is not complete: {self.config_file} names {shown(named)} "
                "(cmvn_file), which is not there, and there is no am.mvn"
            )

    def digest_by_hub(self, file: Path) -> str | None:
        """The SHA-256 that a file had on the hub, where the hub's own cache tells.

        Hugging Face's cache names large files after their digest and links to them.
        """
        try:
            target = file.resolve() if file.is_symlink() else None
        except (OSError, RuntimeError):
            return None
        if target is None or target.parent.name != "blobs" or not _SHA256.fullmatch(target.name):
            return None
        return target.name

    @property
    def checkpoint(self) -> Path:
        """The weights' file: ``init_param`` of the caller or of configuration.json, or model.pt.

        Raises:
            ExportError: if there is none.
        """
        found = self.find("init_param", "model.pt")
        if found is None:
            named = _value_of("init_param", self.metas)
            missing = "model.pt" if named in (None, "model.pt") else f"{named} and model.pt"
            verb = "are" if " and " in missing else "is"
            raise ExportError(f"{self.path} has no checkpoint: {missing} {verb} missing")
        return found

    @property
    def tokens(self) -> Path | None:
        """The vocabulary's file."""
        return self.find("token_list", "tokens.json", "tokens.txt")

    @property
    def cmvn(self) -> Path | None:
        """Mean and variance of the features, in Kaldi's format."""
        return self.find("cmvn_file", "am.mvn")

    @property
    def bpemodel(self) -> Path | None:
        """The SentencePiece model."""
        return self.find("bpemodel", "bpe.model")

    def files(self, also: Iterable[str] = ()) -> list[Path]:
        """Every file that an export may read.

        Args:
            also: keys or names of more of them, as of :meth:`find`.
        """
        found: list[Path | None] = [self.checkpoint, self.tokens, self.cmvn, self.bpemodel]
        # The configuration itself counts by what it says, which is in `config`.
        named = {key: one for key, one in self.metas.items() if key != "config"}
        found += [self.path / name for name in _named(named, {})]
        found += [self.find(one) for one in also]
        found += [file for one in also for file in self.find_all(one)]
        return list(dict.fromkeys(one for one in found if one is not None and _is_file(one)))


def _value_of(key: str, place: Mapping[str, Any]) -> str | None:
    """The first string of that key in nested mappings."""
    if isinstance(place.get(key), str):
        return str(place[key])
    inner = (_value_of(key, one) for one in place.values() if isinstance(one, Mapping))
    return next((one for one in inner if one is not None), None)


def _named(place: Mapping[str, Any], replaced: Mapping[str, Any]) -> Iterator[str]:
    """The names of files in nested mappings and lists, but for those whose key was replaced."""
    for key, one in place.items():
        if isinstance(one, Mapping):
            yield from _named(one, replaced)
        elif isinstance(one, str) and _value_of(key, replaced) is None:
            yield one
        elif isinstance(one, list):
            yield from (name for name in one if isinstance(name, str))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _given_file(key: str, given: str, directory: Path) -> Path:
    """A file that the caller named, from where they are or from the directory."""
    for one in (Path(given).expanduser(), directory / given):
        if given and _is_file(one):
            return one
    raise ExportError(f"{key}={shown(given, 300)} is not a file")


def _merge(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def read_model_dir(path: Path, overrides: Mapping[str, Any] | None = None) -> ModelDir:
    """Read the configuration of a FunASR model directory.

    Args:
        path: a directory with config.yaml, the checkpoint and what the configuration names.
        overrides: keys of config.yaml that replace what stands there; dicts are merged.

    Raises:
        ExportError: if the directory is not a FunASR model, or a file cannot be what it should.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    check_depth(given, "an option of the model")
    metas: dict[str, Any] = {}
    configuration = path / "configuration.json"
    if _is_file(configuration):
        content = read_json(configuration)
        if not isinstance(content, dict):
            raise ExportError(
                f"{configuration} must hold a mapping, got a {type(content).__name__}"
            )
        found = content.get("file_path_metas")
        metas = found if isinstance(found, dict) else {}
    name = Settings(metas, str(configuration), path=("file_path_metas",)).text(
        "config", "config.yaml"
    )
    config_file = path / name
    bare = next((one for one in _WITHOUT_CONFIG if _is_file(path / one)), None)
    if _is_file(config_file):
        config = read_yaml(config_file)
    elif bare is not None:
        config, name = {"model": _WITHOUT_CONFIG[bare], "init_param": bare}, bare
    else:
        raise ExportError(
            f"{path} is not a FunASR model directory: it has no {name} "
            "(and no bundle.json, so it is not a safeasr bundle either)"
        )
    if not isinstance(config, dict):
        raise ExportError(
            f"{config_file} must hold a mapping with a model class (key 'model'), got a "
            f"{type(config).__name__}"
        )
    if not isinstance(config.get("model"), str):
        raise ExportError(
            f"{config_file} does not name a model class (key 'model'), got "
            f"{shown(config.get('model'))}"
        )
    checkpoint = given.get("init_param")
    if checkpoint is not None:
        given["init_param"] = str(_given_file("init_param", str(checkpoint), path))
    return ModelDir(path, _merge(config, given), metas, given, name)
