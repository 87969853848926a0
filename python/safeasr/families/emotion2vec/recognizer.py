"""A loaded emotion2vec: a recording to labels with scores, and to vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import AudioError
from safeasr.families.base import Accepts, Task
from safeasr.families.emotion2vec.export import UNUSED
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options, one_of

__all__ = ["OPTIONS", "EmotionRecognizer"]

OPTIONS = Options(
    Option(
        "granularity",
        one_of("utterance", "frame"),
        "utterance",
        help="One vector for a recording, or one for each 20 ms of it.",
    ),
    Option("extract_embedding", FLAG, True, help="Give vectors (feats) beside labels."),
)
#: Added to the variance of the samples, as to that of rows.
_EPSILON: Final = 1e-5
_LARGEST: Final = 1 << 20


class EmotionRecognizer:
    """A loaded emotion2vec."""

    task: Task = "emotion"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            settings = bundle.settings
            self.sample_rate = bundle.frontend_settings.whole("sample_rate", least=1000)
            self._hop = settings.whole("hop", least=1, most=_LARGEST)
            self._window = settings.whole("window", least=1, most=_LARGEST)
            self._extra = settings.whole("extra_tokens", least=1)
            self._normalize = settings.flag("normalize")
            self._labels = [
                (number, label)
                for number, label in enumerate(bundle.tokens)
                if not label.startswith(UNUSED)
            ]
            self._has_labels = bool(bundle.tokens)
            self._runner = _ext.RaggedRunner(
                program=program,
                outputs=["rows", "utterances", "utterances"],
                feature_size=self._hop,
                neighbours=(0, self._extra),
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
        if len(data) < self._window:
            raise AudioError(
                f"{len(data) / self.sample_rate:.3f} s are too short to hear an emotion: the "
                f"network needs {self._window / self.sample_rate:.3f} s"
            )
        return self._runner.submit(engine, self._rows(data), terms=terms.for_engine())

    def _rows(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """A row of samples for each frame, and one for each token (rows.py)."""
        frames = (len(data) - self._window) // self._hop + 1
        rows = np.zeros((frames + self._extra, self._hop), np.float32)
        used = min(len(data), rows.size)
        flat = rows.reshape(-1)
        if self._normalize:
            mean = data.mean(dtype=np.float64)
            scale = 1.0 / np.sqrt(data.var(dtype=np.float64) + _EPSILON)
            np.subtract(data[:used], np.float32(mean), out=flat[:used])
            flat[:used] *= np.float32(scale)
        else:
            flat[:used] = data[:used]
        return rows

    def finish(
        self, result: list[NDArray[Any]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "labels", "scores"[, "feats"]}``."""
        rows, mean, scores = result
        answer: dict[str, Any] = {
            "key": key,
            "labels": [label for _, label in self._labels],
            "scores": [float(scores[number]) for number, _ in self._labels],
        }
        if options.get("extract_embedding", True) or not self._has_labels:
            by_frame = options.get("granularity") == "frame"
            # Not a view of the rows, which would keep those of the tokens.
            answer["feats"] = np.array(rows[: -self._extra] if by_frame else mean, np.float32)
        return answer
