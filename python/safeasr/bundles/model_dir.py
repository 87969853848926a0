"""Reading a FunASR model directory: its configuration, vocabulary, CMVN and checkpoint."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from safeasr.errors import ExportError

__all__ = ["ModelDir", "read_cmvn", "read_model_dir", "read_vocabulary", "read_weights"]


@dataclass(frozen=True)
class ModelDir:
    """A FunASR model directory with the caller's overrides applied.

    Attributes:
        path: the directory.
        config: config.yaml merged with the overrides.
        metas: ``file_path_metas`` of configuration.json, which names the files of hub models.
    """

    path: Path
    config: dict[str, Any]
    metas: dict[str, Any] = field(default_factory=dict)

    @property
    def model_class(self) -> str:
        """FunASR's class of the model, such as "Paraformer"."""
        return str(self.config.get("model", ""))

    def find(self, key: str, *usual: str) -> Path | None:
        """A file of the directory, or None if there is none.

        Args:
            key: what configuration.json or config.yaml call it, at any depth, such as "bpemodel".
            usual: names that it has where neither says one; default: the key itself.
        """
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

    @property
    def checkpoint(self) -> Path:
        """The weights' file: ``init_param`` of the caller or of configuration.json, or model.pt.

        Raises:
            ExportError: if there is none.
        """
        given = self.config.get("init_param")
        candidates = (Path(str(given)), self.path / str(given)) if given else ()
        found = next(filter(_is_file, candidates), None) or self.find("init_param", "model.pt")
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
        found += [self.path / name for name in _strings(named)]
        found += [self.find(one) for one in also]
        return list(dict.fromkeys(one for one in found if one is not None and _is_file(one)))


def _value_of(key: str, place: Mapping[str, Any]) -> str | None:
    """The first string of that key in nested mappings."""
    if isinstance(place.get(key), str):
        return str(place[key])
    inner = (_value_of(key, one) for one in place.values() if isinstance(one, Mapping))
    return next((one for one in inner if one is not None), None)


def _strings(place: Mapping[str, Any]) -> Iterator[str]:
    for one in place.values():
        if isinstance(one, Mapping):
            yield from _strings(one)
        elif isinstance(one, str):
            yield one


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


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
        ExportError: if the directory is not a FunASR model or lacks a file; says which.
    """
    metas: dict[str, Any] = {}
    configuration = path / "configuration.json"
    if configuration.is_file():
        try:
            found = json.loads(configuration.read_text(encoding="utf-8")).get("file_path_metas")
        except (ValueError, AttributeError) as error:
            raise ExportError(f"{configuration} is not valid JSON: {error}") from error
        metas = found if isinstance(found, dict) else {}
    config_file = path / str(metas.get("config", "config.yaml"))
    if not config_file.is_file():
        raise ExportError(
            f"{path} is not a FunASR model directory: it has no {config_file.name} "
            "(and no bundle.json, so it is not a safeasr bundle either)"
        )
    try:
        config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ExportError(f"{config_file} is not valid YAML: {error}") from error
    if not isinstance(config, dict) or "model" not in config:
        raise ExportError(f"{config_file} does not name a model class (key 'model')")
    given = (overrides or {}).get("init_param")
    if given and not any(_is_file(one) for one in (Path(str(given)), path / str(given))):
        raise ExportError(f"init_param={given!r} is not a file")
    config = _merge(config, overrides or {})
    return ModelDir(path, config, metas)


def read_vocabulary(path: Path | None) -> list[str]:
    """The tokens of a tokens.json (a list) or tokens.txt (one a line)."""
    if path is None:
        raise ExportError("the model directory has no tokens.json or tokens.txt")
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return [line.rstrip() for line in text.splitlines()]
    try:
        tokens = json.loads(text)
    except ValueError as error:
        raise ExportError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise ExportError(f"{path} must hold a list of strings")
    return tokens


def read_cmvn(path: Path | None) -> tuple[list[float], list[float]]:
    """Shift and scale from an am.mvn file (Kaldi nnet text); empty lists without a file.

    Raises:
        ExportError: if the file holds no pair of equally long vectors.
    """
    if path is None:
        return [], []
    words = path.read_text(encoding="utf-8").split()

    def vector(after: str) -> list[float]:
        # <AddShift> 560 560 <LearnRateCoef> 0 [ v v ... ]
        start = words.index("[", words.index(after)) + 1
        return [float(np.float32(w)) for w in words[start : words.index("]", start)]]

    try:
        shift, scale = vector("<AddShift>"), vector("<Rescale>")
    except ValueError as error:
        raise ExportError(f"{path} is not a CMVN file in Kaldi's nnet format: {error}") from error
    if len(shift) != len(scale):
        raise ExportError(f"{path}: {len(shift)} shifts but {len(scale)} scales")
    return shift, scale


def read_weights(path: Path, *, trust_remote_code: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by FunASR's parameter names.

    Nothing pickled in the file is executed, unless ``trust_remote_code``.

    Raises:
        ExportError: if the file cannot be read or holds no state dict.
    """

    def load(mmap: bool) -> Any:
        return torch.load(path, map_location="cpu", mmap=mmap, weights_only=not trust_remote_code)

    try:
        # Mapped, the weights need no second copy in memory; files in torch's old format cannot be.
        state = load(zipfile.is_zipfile(path))
    except Exception as error:
        hint = (
            ""
            if trust_remote_code
            else (
                ". Only tensors are read; if you trust this file and it needs more, "
                "pass trust_remote_code=True"
            )
        )
        raise ExportError(f"cannot read the checkpoint {path}: {error}{hint}") from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ExportError(f"{path} holds a {type(state).__name__}, not a state dict")
    return {
        name.removeprefix("module."): value
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
