"""A family of one's own: a made-up model that names the sound of every 25 ms.

It is the example of docs/adding-a-family.md; test_new_family.py copies it to another folder and
serves it from there, as a package outside of safeasr would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.families.base import Accepts, Family, Task
from safeasr.families.checkpoints import load_parameters, refuse_leftovers
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options


class ToneNetwork(nn.Module):
    """The network, with the parameter names of the checkpoint."""

    def __init__(self, words: int, frame: int = 400, units: int = 32) -> None:
        super().__init__()
        self.hidden = nn.Linear(frame, units)
        self.head = nn.Linear(units, words)

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """The best word of each row, (rows) of (rows, frame), of all requests of a batch."""
        return self.head(torch.relu(self.hidden(rows))).argmax(dim=-1)


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """From a FunASR model directory to a bundle: model.ts, and what else loading needs to know."""
    tokens = read_vocabulary(model.tokens)
    conf = model.settings.section("encoder_conf")
    sizes = {name: conf.whole(name, least=1) for name in ("frame", "units") if name in conf}
    network = ToneNetwork(len(tokens), **sizes)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    refuse_leftovers(weights, load_parameters(network, weights, ""))
    save_program(network, out / "model.ts")
    return Bundle(
        path=out,
        family=FAMILY.name,
        model_class=model.model_class,
        programs={"model": "model.ts"},
        frontend={"sample_rate": 16000},
        tokens=tokens,
        precision=precision,
        decoding={"frame": network.hidden.in_features},
    )


class ToneRecognizer:
    """A loaded model. It is never changed, so any number of threads may use it."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = False
    options = Options(Option("upper", FLAG, False, help="Capital letters."))

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            self.sample_rate = bundle.frontend_settings.whole("sample_rate", least=1000)
            self._frame = bundle.settings.whole("frame", least=1)
        self._tokens = bundle.tokens
        self._runner = _ext.RaggedRunner(
            program=program,
            outputs=["rows"],
            feature_size=self._frame,
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
        """Queue the samples as rows of 25 ms, the last one filled up with silence."""
        rows = np.pad(data, (0, -len(data) % self._frame)).reshape(-1, self._frame)
        return self._runner.submit(engine, rows, terms=terms.for_engine())

    def finish(
        self, result: list[NDArray[Any]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A word for each row to FunASR's result dict; equal neighbours are named once."""
        ids = [int(one) for one in result[0]]
        changes = [one for i, one in enumerate(ids) if i == 0 or one != ids[i - 1]]
        text = " ".join(self._tokens[one] for one in changes)
        return {"key": key, "text": text.upper() if options.get("upper") else text}


FAMILY = Family(
    name="tone_namer",
    model_classes=("ToneNamer",),
    export=export,
    load=ToneRecognizer,
    options=ToneRecognizer.options,
)
