"""The models that come with the package beside the demo itself, on their recordings."""

from __future__ import annotations

import itertools
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from safeasr import AutoModel
from support.funasr_model import funasr_model

MODELS = Path(str(resources.files("safeasr") / "models"))
AUDIO = MODELS / "demo-streaming" / "audio" / "conversation.flac"
DIALOGUE = MODELS / "demo-spk" / "audio" / "dialogue.flac"
ROLES = {
    "model": "demo", "vad_model": "demo-vad", "punc_model": "demo-punc", "spk_model": "demo-spk",
}  # fmt: skip
#: FunASR's own example of streaming: 600 ms at a time.
STREAM: dict[str, Any] = {
    "chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1,
}  # fmt: skip
STEP = STREAM["chunk_size"][1] * 960


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What FunASR said when the models were made."""
    text = (AUDIO.parent / "expected.json").read_text(encoding="utf-8")
    answers: dict[str, Any] = json.loads(text)[AUDIO.name]
    return answers


@pytest.fixture(scope="module")
def wave() -> NDArray[np.float32]:
    samples, rate = soundfile.read(AUDIO, dtype="float32")
    assert rate == 16000
    return samples


def reference(name: str, **beside: str) -> Any:
    pytest.importorskip("funasr", reason="funasr is the reference")
    names = {"model": name, **beside}
    return funasr_model(**{role: str(MODELS / one) for role, one in names.items()})


def dialogue() -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The recording, and what was said in it and what FunASR said of it."""
    text = (DIALOGUE.parent / "expected.json").read_text(encoding="utf-8")
    samples, _ = soundfile.read(DIALOGUE, dtype="float32")
    return samples, json.loads(text)[DIALOGUE.name]


def told(answer: dict[str, Any]) -> list[tuple[int, str]]:
    """Who said what."""
    return [(one["spk"], one["text"]) for one in answer["sentence_info"]]


def test_the_segments_of_the_detector(expected: dict[str, Any], wave: NDArray[np.float32]) -> None:
    with AutoModel(model=str(MODELS / "demo-vad"), disable_pbar=True) as vad:
        assert vad.generate(wave)[0]["value"] == expected["segments"]
        short = vad.generate(wave, max_end_silence_time=800)[0]["value"]
    assert short == expected["segments_max_end_silence_time_800"]
    assert len(short) == len(expected["spoken"])


def test_the_text_of_the_segments(expected: dict[str, Any], wave: NDArray[np.float32]) -> None:
    with AutoModel(model="demo", disable_pbar=True) as model:
        parts = [wave[begin * 16 : end * 16] for begin, end in expected["segments"]]
        texts = [model.generate(part)[0]["text"] for part in parts]
    assert texts == expected["offline_text"]


def test_funasr_streams_the_same_text(expected: dict[str, Any], wave: NDArray[np.float32]) -> None:
    model = reference("demo-streaming")
    cache: dict[str, Any] = {}
    words: list[str] = []
    for at in range(0, len(wave), STEP):
        last = at + STEP >= len(wave)
        answer = model.generate(input=wave[at : at + STEP], cache=cache, is_final=last, **STREAM)
        words += answer[0]["text"].split()
    assert " ".join(words) == expected["streaming_text"]


def test_the_detector_is_never_certain() -> None:
    """FunASR takes the logarithm of both probabilities, so neither may round to zero."""
    vad = reference("demo-vad")
    rng = np.random.default_rng(0)
    count = 32000
    signals = [
        np.zeros(count), np.ones(count), rng.uniform(-1.0, 1.0, count),
        np.sign(np.sin(np.arange(count) * 0.1)), np.sin(np.arange(count) * 1.5),
        rng.standard_normal(count) * 1e-5, (np.arange(count) % 8000 == 0) * 1.0,
        np.concatenate([np.zeros(count // 2), rng.uniform(-1.0, 1.0, count // 2)]),
    ]  # fmt: skip
    frontend = vad.kwargs["frontend"]
    for signal in signals:
        samples = torch.from_numpy(signal.astype(np.float32))[None]
        feats, _ = frontend(samples, torch.tensor([count]), cache={}, is_final=True)
        with torch.no_grad():
            scores = vad.model.encoder(feats, cache={})
        assert float(scores.min()) > 1e-6


def test_a_dialogue() -> None:
    samples, answer = dialogue()
    with AutoModel(**ROLES, disable_pbar=True) as model:
        found = model.generate(samples, pred_timestamp=True)[0]
    assert found["text"] == answer["text"]
    assert told(found) == told(answer)
    # And it is what was said, mark for mark, by whom it was said.
    spoken = answer["spoken"]
    assert found["text"].lower().split() == " ".join(one["text"] for one in spoken).split()
    turns = [who for who, _ in itertools.groupby(told(found), key=lambda one: one[0])]
    assert turns == [one["spk"] for one in spoken]


def test_a_dialogue_as_a_stream() -> None:
    """Whose each segment is, when it ends: the same two people, by turns."""
    samples, answer = dialogue()
    with AutoModel(**ROLES, disable_pbar=True) as model, model.stream() as stream:
        events = stream.feed(samples, True)
    spoken = answer["spoken"]
    assert [one["spk"] for one in events if one["is_final"]] == [one["spk"] for one in spoken]


def test_funasr_says_the_same_of_the_dialogue() -> None:
    samples, answer = dialogue()
    model = reference(**{"name" if role == "model" else role: one for role, one in ROLES.items()})
    found = model.generate(input=samples, pred_timestamp=True)[0]
    assert found["text"] == answer["text"]
    assert told(found) == told(answer)
