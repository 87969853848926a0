"""AutoModel: a class of the registry, called with options that are merged into those it has."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
import yaml

from funasr.register import tables


class AutoModel:
    def __init__(self, **kwargs: Any) -> None:
        self.model_path = kwargs["model"]
        spec = importlib.util.spec_from_file_location("toys", kwargs["remote_code"])
        assert spec is not None and spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        config = yaml.safe_load((Path(self.model_path) / "config.yaml").read_text())
        self.kwargs = {**config, **kwargs}
        self.model = tables.model_classes[config["model"]](**config["model_conf"])

    def generate(self, input: Any, key: str, **options: Any) -> Any:
        self.kwargs.update(options)
        given = {k: v for k, v in self.kwargs.items() if k != "model"}
        with torch.no_grad():
            found, _ = self.model.inference(input, key=[key], **given)
        return list(found)
