"""A model in this process, as ``safeasr transcribe`` uses it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from safeasr.cli.models import load_model
from safeasr.cli.running import Feed, callers_for

__all__ = ["Local"]


class Local:
    """See :class:`safeasr.cli.running.Recogniser`."""

    def __init__(
        self,
        model: str,
        *,
        vad: str | None,
        punc: str | None,
        spk: str | None,
        online: str | None,
        device: str | None,
        workers: int | None,
        batch_size: int | None,
        trust_remote_code: bool,
        timestamps: bool,
        sentences: bool,
        hotwords: str | None,
        keywords: str | None,
    ) -> None:
        """Load the model.

        Args:
            model: its name or directory.
            vad: names of its companions, like the next three; None: none.
            punc: likewise.
            spk: likewise.
            online: likewise.
            device: of the model; None: its own choice, like the next two.
            workers: threads that compute.
            batch_size: utterances in a batch at most.
            trust_remote_code: read checkpoints that hold Python objects.
            timestamps: tell the times of tokens.
            sentences: tell sentences with their times.
            hotwords: words to look out for, or a file of them.
            keywords: what a model for keywords looks for.
        """
        companions = {
            "vad_model": vad,
            "punc_model": punc,
            "spk_model": spk,
            "online_model": online,
        }
        self._model = load_model(
            model,
            device=device,
            num_workers=workers,
            max_batch_size=batch_size,
            trust_remote_code=trust_remote_code,
            **{role: name for role, name in companions.items() if name},
        )
        self._batch_size = batch_size
        self._segments = bool(vad)
        self._options: dict[str, Any] = {}
        if timestamps or sentences:
            self._options["output_timestamp"] = True
        if sentences:
            self._options["sentence_timestamp"] = True
        if hotwords:
            self._options["hotword"] = hotwords
        if keywords:
            self._options["keywords"] = keywords

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._model.__exit__(kind, error, trace)

    def recognise(self, key: str, source: object) -> dict[str, Any]:
        """See there."""
        return self._model.generate(source, key=key, **self._options)[0]

    def live(self, key: str, rate: int) -> AbstractContextManager[Feed]:
        """See there."""
        return self._model.stream(key=key, fs=rate, **self._options)

    def callers(self, inputs: int) -> int:
        """See there."""
        running = int(self._model.stats()["workers"])
        return callers_for(self._batch_size, running, inputs, segments=self._segments)

    def stop(self) -> None:
        """See there."""
        self._model.close(drain=False)
