"""What the soak asks of: a small model of every family, and what each answers when it is alone."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from safeasr import AutoModel
from support.cases import CASES, FamilyCase, LiveJob, live_answers

__all__ = ["LOST", "Question", "Served", "served_families"]

#: Longer recordings take so long that little else would happen, in s.
_LONGEST = 9.0
_STREAMS = 12
#: A call that takes longer is lost, in s.
LOST: Final = 300.0


@dataclass(frozen=True)
class Question:
    """A recording with options, and the answer; or a text or pair, which has no other forms."""

    wave: Any
    options: dict[str, Any]
    answer: list[dict[str, Any]]
    flac: bytes
    path: str


@dataclass(frozen=True)
class Served:
    """A model that is asked, and the answers that it must give."""

    name: str
    model: AutoModel
    questions: list[Question]
    streams: list[tuple[LiveJob, list[str]]]
    case: FamilyCase


@contextlib.contextmanager
def served_families(folder: Path, **options: Any) -> Iterator[list[Served]]:
    """A model of every family, and a recogniser behind a detector; closed at the end."""
    with contextlib.ExitStack() as closing:

        def load(directory: Path, **more: Any) -> AutoModel:
            given = {"disable_pbar": True, "num_workers": 2, "timeout": LOST, **options, **more}
            return closing.enter_context(AutoModel(str(directory), **given))

        places = {case.name: case.write(folder / case.name) for case in CASES}
        models = [(case, case.name, load(places[case.name])) for case in CASES]
        paraformer = next(case for case in CASES if case.name == "paraformer")
        segmented = load(places["paraformer"], vad_model=str(places["fsmn_vad"]))
        models.append((paraformer, "segments", segmented))
        yield [_asked(case, name, model, folder) for case, name, model in models]


def _asked(case: FamilyCase, name: str, model: AutoModel, folder: Path) -> Served:
    questions = []
    lengths = [seconds for seconds in case.lengths if seconds <= _LONGEST]
    for seed, seconds in enumerate(lengths if case.calls else ()):
        wave = case.clip(seconds, seed)
        if case.text or case.pairs:
            for options in case.calls:
                answer = model.generate(wave, key="k", **options)
                questions.append(Question(wave, options, answer, b"", ""))
            continue
        exact = np.round(wave * 32767).astype(np.int16)
        wave = (exact / np.float32(32768)).astype(np.float32)  # the same samples in every form
        encoded = io.BytesIO()
        soundfile.write(encoded, exact, 16000, format="FLAC", subtype="PCM_16")
        path = folder / f"{name}-{seed}.wav"
        soundfile.write(path, exact, 16000, subtype="PCM_16")
        for options in case.calls:
            answer = model.generate(wave, key="k", **options)
            questions.append(Question(wave, options, answer, encoded.getvalue(), str(path)))
    jobs = case.live(_STREAMS) if case.live and name == case.name else []
    streams = [(job, live_answers(model, job)) for job in jobs]
    return Served(name, model, questions, streams, case)
