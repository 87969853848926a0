"""Reading a FunASR model directory: its configuration, vocabulary, CMVN and checkpoint."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from safeasr.errors import ExportError

__all__ = ["ModelDir", "read_cmvn", "read_model_dir", "read_weights"]


@dataclass(frozen=True)
class ModelDir:
    """A FunASR model directory with the caller's overrides applied.

    Attributes:
        path: the directory.
        config: config.yaml merged with the overrides.
        checkpoint: the weights' file.
        tokens: vocabulary file, or None.
        cmvn: am.mvn file, or None.
        bpemodel: SentencePiece model, or None.
    """

    path: Path
    config: dict[str, Any]
    checkpoint: Path
    tokens: Path | None
    cmvn: Path | None
    bpemodel: Path | None = None

    @property
    def model_class(self) -> str:
        """FunASR's class of the model, such as "Paraformer"."""
        return str(self.config.get("model", ""))

    def files(self) -> list[Path]:
        """Every file that the export reads."""
        given = (self.checkpoint, self.tokens, self.cmvn, self.bpemodel)
        return [f for f in given if f is not None]


def _merge(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _existing(*candidates: Path | None) -> Path | None:
    return next((c for c in candidates if c is not None and c.is_file()), None)


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
            metas = json.loads(configuration.read_text(encoding="utf-8")).get("file_path_metas", {})
        except (ValueError, AttributeError) as error:
            raise ExportError(f"{configuration} is not valid JSON: {error}") from error
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
    config = _merge(config, overrides or {})

    def named(*keys: str) -> Path | None:
        value: Any = metas
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return path / str(value) if isinstance(value, str) else None

    init_param = config.get("init_param")
    tokenizer_conf = config.get("tokenizer_conf")
    bpemodel = tokenizer_conf.get("bpemodel") if isinstance(tokenizer_conf, dict) else None
    checkpoint = _existing(
        Path(str(init_param)) if init_param else None, named("init_param"), path / "model.pt"
    )
    if checkpoint is None:
        raise ExportError(f"{path} has no checkpoint: model.pt is missing")
    return ModelDir(
        path=path,
        config=config,
        checkpoint=checkpoint,
        tokens=_existing(
            named("tokenizer_conf", "token_list"), path / "tokens.json", path / "tokens.txt"
        ),
        cmvn=_existing(named("frontend_conf", "cmvn_file"), path / "am.mvn"),
        bpemodel=_existing(
            named("tokenizer_conf", "bpemodel"),
            path / str(bpemodel) if bpemodel else None,
            path / "bpe.model",
        ),
    )


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
