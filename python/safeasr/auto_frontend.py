"""AutoFrontend: the features of a model, as FunASR's class of that name gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from safeasr._extension import _ext
from safeasr.bundles.bundle import is_bundle, read_bundle
from safeasr.bundles.model_dir import read_model_dir
from safeasr.errors import UnsupportedModelError
from safeasr.families.frontends import frontend_of, offline_frontend
from safeasr.inputs.expand import expand_inputs
from safeasr.inputs.utterance import Utterance
from safeasr.loading.find import find_model
from safeasr.options.checker import Place, checked
from safeasr.options.declared import FLAG, NAME, PATH, Option, Options, Where, one_of, whole
from safeasr.options.device import pick_device
from safeasr.options.kinds import DICT, require
from safeasr.options.names import COMMON

__all__ = ["AutoFrontend"]

_OWN = Options(
    Option("return_pt", FLAG, True, help="Tensors; otherwise arrays of numpy."),
    Option("batch_size", whole("a whole number of at least 1", least=1), 1),
    Option("data_type", one_of("sound", "pcm"), "sound"),
    *(COMMON[name] for name in ("fs", "key", "device", "disable_pbar")),
)
_CALL = Place("AutoFrontend", Where.BOTH, _OWN)


class AutoFrontend:
    """Computes features from any number of threads; nothing in it changes.

    Its results are what ``generate(..., data_type="fbank")`` takes.
    """

    def __init__(self, model: str, *, hub: str = "ms", **kwargs: Any) -> None:
        """Find a model and read how its features are made; no network is loaded.

        Args:
            model: as of ``AutoModel``.
            hub: "ms" or "hf".
            **kwargs: defaults of the options of calls, ``model_revision``; FunASR's others mean
                nothing here.

        Raises:
            ExportError: if the model cannot be found, or describes no features.
            UnsupportedModelError: if its frontend is of a class that is not supported.
            OptionError: for a value that an option cannot have.
        """
        name = require(PATH, "model", model)
        self.kwargs: dict[str, Any] = {"model": model, **kwargs}
        self._defaults = checked(_OWN.own(kwargs), _CALL, Options())
        hub = require(NAME, "hub", hub)
        directory = find_model(name, hub=hub, revision=kwargs.get("model_revision"))
        arguments = _arguments(directory)
        self.sample_rate: int = arguments["sample_rate"]
        self._frontend = _ext.Frontend(**arguments)

    def __call__(
        self,
        input: Any,
        input_len: Any = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """The features of some recordings.

        Args:
            input: as of ``AutoModel.generate``.
            input_len: of no effect, as in FunASR.
            kwargs: options, too.
            **options: ``batch_size`` (default 1), ``return_pt`` (default True: tensors), ``fs``,
                ``key``, ``device``.

        Returns:
            A dict for each batch: ``input`` (batch, frames, size) float32, padded with zeros at the
            end; ``input_len`` (batch,) int32; ``key``; ``data_type`` "fbank".

        Raises:
            AudioError: if an input cannot be read as audio.
            OptionError: for a value that an option cannot have.
        """
        given = {
            **self._defaults,
            **checked({**require(DICT, "kwargs", kwargs or {}), **options}, _CALL, Options()),
        }
        utterances = expand_inputs(
            input,
            key=given.get("key"),
            fs=given.get("fs"),
            data_type=given.get("data_type"),
            sample_rate=self.sample_rate,
        )
        size = given.get("batch_size") or 1
        batches = (utterances[i : i + size] for i in range(0, len(utterances), size))
        return [self._batch(batch, given) for batch in batches]

    def _batch(self, utterances: list[Utterance], given: Mapping[str, Any]) -> dict[str, Any]:
        waves = []
        for utterance in utterances:
            wave = utterance.load()
            assert isinstance(wave, np.ndarray)  # it is no text
            waves.append(wave)
        features, lengths = self._frontend.compute(waves)
        tensors: Any = (features, np.array(lengths, np.int32))
        if given.get("return_pt", True):
            device = pick_device(given.get("device") or "cpu", 1)
            tensors = tuple(torch.from_numpy(one).to(device) for one in tensors)
        return {
            "input": tensors[0],
            "input_len": tensors[1],
            "key": [utterance.key for utterance in utterances],
            "data_type": "fbank",
        }


def _arguments(directory: Path) -> dict[str, Any]:
    if is_bundle(directory):
        bundle = read_bundle(directory)
        if bundle.frontend:
            return frontend_of(bundle)
    else:
        model = read_model_dir(directory)
        if model.settings.values.get("frontend"):
            return offline_frontend("AutoFrontend", model)
    raise UnsupportedModelError(f"the model in {directory} has no frontend")
