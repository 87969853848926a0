"""A loaded speaker model: a recording to an embedding of whoever speaks in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import AudioError
from safeasr.families.base import Accepts, Task
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import Options

__all__ = ["OPTIONS", "SpeakerRecognizer"]

OPTIONS = Options()
#: The deviation over time is of at least two frames, of which the networks make one from up to
#: eight.
_LEAST_MS: Final = {"campplus": 55, "eres2netv2": 185}


class SpeakerRecognizer:
    """A loaded CAM++ or ERes2NetV2."""

    task: Task = "spk"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            self.embedding_size = bundle.settings.whole("embedding_size", least=1)
            self._least = self.sample_rate * _LEAST_MS[bundle.family] // 1000
            self._runner = _ext.RaggedRunner(
                program=program,
                outputs=["utterances"],
                frontend=_ext.Frontend(**arguments),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing to refuse."""

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one recording."""
        if data.ndim != 1:
            raise AudioError(f"expected samples, got features of shape {data.shape}")
        if len(data) < self._least:
            raise AudioError(
                f"{len(data) / self.sample_rate:.3f} s are too short to tell who speaks: the "
                f"network needs {self._least / self.sample_rate:.3f} s"
            )
        return self._runner.submit(engine, data, terms=terms.for_engine())

    def finish(
        self, result: list[NDArray[Any]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"spk_embedding": tensor (1, size)}``, with the key of the recording."""
        embedding = torch.from_numpy(np.array(result[0], np.float32)).reshape(1, -1)
        return {"key": key, "spk_embedding": embedding}
