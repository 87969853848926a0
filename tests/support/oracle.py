"""FunASR's answers, and how sure FunASR itself is of them.

Networks with random weights have genuine ties: the two best tokens of a position may lie within a
millionth of each other, and then the rounding of the features decides. Such an utterance says
nothing about parity. Whether it is one is decided here, from FunASR's own numbers alone, before
anything is compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from support.audio import Samples
from support.funasr_model import funasr_model
from support.mended import mend_funasr

#: Smallest distance of the two best logits that counts as a decision, in standard deviations of
#: the logits. The features' rounding alone moves them by up to 4e-4 in a minute of audio.
LOGIT_MARGIN = 1e-3
#: Smallest distance of the sum of the CIF weights from where the number of tokens changes.
SUM_MARGIN = 2e-4
#: Changes of the weights of frames that timestamps must survive: of one frame at a time, and of
#: all alike, which adds up.
FRAME_STEP, DRIFT_STEP = 1e-5, 2e-7


@dataclass(frozen=True)
class Answer:
    """What FunASR says about one utterance.

    Attributes:
        text: its text.
        timed: text and timestamps of ``pred_timestamp=True``; None where FunASR raises.
        clear: whether its numbers leave no doubt about the text.
        clear_times: whether they leave none about the timestamps.
    """

    text: str
    timed: tuple[str, list[list[int]]] | None
    clear: bool
    clear_times: bool


class Oracle:
    """A fresh FunASR model, used by one thread, one utterance at a time."""

    def __init__(self, path: Path | str, rate: int = 16000) -> None:
        mend_funasr()
        self.model = funasr_model(model=str(path))
        self.network = self.model.model
        self.rate = rate
        self._seen: dict[str, Any] = {}
        self.network.predictor.register_forward_hook(self._note("predictor"))
        self.network.decoder.register_forward_hook(self._note("decoder"))

    def _note(self, name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            self._seen[name] = [o.detach().clone() for o in output if isinstance(o, torch.Tensor)]

        return hook

    def generate(self, audio: Any, **options: Any) -> list[dict[str, Any]]:
        """FunASR's own ``generate``; nothing is left of the call before."""
        self._seen.clear()
        kept = audio.copy() if isinstance(audio, np.ndarray) else audio
        answer: list[dict[str, Any]] = self.model.generate(kept, **{"fs": self.rate, **options})
        return answer

    def __call__(self, audio: Samples) -> Answer:
        timed: tuple[str, list[list[int]]] | None = None
        with contextlib.suppress(IndexError):  # FunASR's timestamps need some frames
            timed = answer_of(self.generate(audio, pred_timestamp=True)[0])
        text = self.generate(audio, pred_timestamp=False)[0]["text"]
        return Answer(text, timed, self._text_is_clear(), self._times_are_clear())

    def _text_is_clear(self) -> bool:
        _, _, alphas, _ = self._seen["predictor"]
        total = float(alphas[0].double().sum())
        tail = self.network.predictor.tail_threshold > 0
        # With a tail the sum is rounded down, else to the nearest number.
        edge = total if tail else total + 0.5
        if abs(edge - round(edge)) < SUM_MARGIN:
            return False
        if "decoder" not in self._seen:
            return True  # no token at all
        logits = self._seen["decoder"][0][0]
        best = logits.topk(2, dim=-1).values
        gap = float((best[:, 0] - best[:, 1]).min())
        return gap > LOGIT_MARGIN * float(logits.std())

    def _times_are_clear(self) -> bool:
        """Whether FunASR's own timestamps stay when the weights of frames change a very little."""
        from funasr.models.paraformer.cif_predictor import cif_wo_hidden_v1

        _, _, alphas, _ = self._seen["predictor"]
        if "decoder" not in self._seen:
            return True
        count = self._seen["decoder"][0].shape[1]
        rng = torch.Generator().manual_seed(0)
        seen = []
        for step in (0.0, DRIFT_STEP, -DRIFT_STEP, None, None, None):
            if step is None:
                move = FRAME_STEP * torch.sign(torch.randn(alphas.shape, generator=rng))
            else:
                move = torch.full_like(alphas, step)
            changed = torch.where(alphas > 0, alphas + move, alphas)
            seen.append(self._times(changed, cif_wo_hidden_v1(changed, 1.0), count))
        return all(times == seen[0] for times in seen)

    @staticmethod
    def _times(alphas: torch.Tensor, peaks: torch.Tensor, count: int) -> Any:
        from funasr.utils.timestamp_tools import ts_prediction_lfr6_standard

        with contextlib.suppress(IndexError):
            return ts_prediction_lfr6_standard(
                alphas[0].clone(), peaks[0].clone(), ["字"] * count, upsample_rate=1
            )[1]
        return None


def answer_of(result: Mapping[str, Any]) -> tuple[str, list[list[int]]]:
    """Text and timestamps of one of safeasr's results."""
    return result["text"], [list(pair) for pair in result.get("timestamp", [])]


def pipeline_oracle(**models: Any) -> Any:
    """A fresh ``AutoModel`` of FunASR with models beside the main one."""
    mend_funasr()
    return funasr_model(**models)
