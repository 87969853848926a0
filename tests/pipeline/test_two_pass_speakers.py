"""``spk_model`` in two passes: whose each segment is, as soon as it ends."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from safeasr import AutoModel, OptionError
from support.diarized import named
from support.funasr_model import funasr_model
from support.two_pass import Events, ended, events_of
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models")

WAVE = conversation(30, seed=5)
WINDOW, SHIFT = 24000, 12000


@pytest.fixture(scope="module")
def model(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    names = named(speaker_models, punc_model=None, online_model="demo-streaming")
    with AutoModel(**names, disable_pbar=True) as made:
        yield made


def directions(speaker_model: str, events: Events) -> list[np.ndarray]:
    """FunASR's embeddings of the windows of each segment, of length 1, added up."""
    oracle = funasr_model(model=speaker_model)
    found = []
    for event in ended(events):
        speech = WAVE[event["start"] * 16 : event["end"] * 16]
        begins = [0] if len(speech) <= WINDOW else list(range(0, len(speech) - WINDOW, SHIFT))
        if len(speech) > WINDOW:
            begins.append(len(speech) - WINDOW)
        windows = [speech[at : at + WINDOW] for at in begins]
        windows = [np.pad(one, (0, WINDOW - len(one))) for one in windows]
        embeddings = [oracle.generate(input=one)[0]["spk_embedding"].numpy() for one in windows]
        found.append(sum(one[0] / np.linalg.norm(one) for one in embeddings))
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_each_segment_is_somebodys(model: AutoModel, speaker_models: dict[str, str]) -> None:
    plain = events_of(model, WAVE, return_spk_res=False)
    heard = directions(speaker_models["CAMPPlus"], plain)
    likeness = [cosine(a, b) for i, a in enumerate(heard) for b in heard[:i]]
    threshold = float(np.median(likeness))  # random weights: where it parts some and joins some
    events = events_of(model, WAVE, spk_threshold=threshold, return_spk_center=True)
    sums: list[np.ndarray] = []
    for event, voice in zip(ended(events), heard, strict=True):
        scores = [cosine(voice, one) for one in sums]
        who = int(np.argmax(scores)) if scores else 0
        if not scores or scores[who] < threshold:
            who = len(sums)
            sums.append(np.zeros_like(voice))
            scores.append(1.0)
        assert event.pop("spk") == who
        assert event.pop("spk_score") == pytest.approx(scores[who], abs=1e-4)
        sums[who] = sums[who] + voice
        centre = event.pop("spk_center")
        assert centre.dtype == torch.float32
        assert cosine(centre.numpy(), sums[who]) == pytest.approx(1, abs=1e-6)
        assert float(centre.norm()) == pytest.approx(1, abs=1e-5)
    assert 1 < len(sums) < len(heard)
    assert events == plain  # nothing else has changed


def test_the_threshold_parts_and_joins(model: AutoModel) -> None:
    joined = [event["spk"] for event in ended(events_of(model, WAVE, spk_threshold=-1.0))]
    parted = [event["spk"] for event in ended(events_of(model, WAVE, spk_threshold=1.0))]
    assert joined == [0] * len(joined) and parted == list(range(len(parted)))


@pytest.mark.slow
def test_streams_know_nothing_of_each_other(model: AutoModel) -> None:
    waves = [np.roll(WAVE, 16000 * i) for i in range(4)]
    alone = [events_of(model, wave, spk_threshold=0.9) for wave in waves]
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(events_of, model, waves[i % 4], spk_threshold=0.9) for i in range(16)]
        for i, job in enumerate(jobs):
            for event, expected in zip(job.result(), alone[i % 4], strict=True):
                assert event.pop("spk_score", 0) == pytest.approx(
                    expected.get("spk_score", 0), abs=1e-4
                )
                assert event == {k: v for k, v in expected.items() if k != "spk_score"}


def test_the_demo_brings_the_detector_of_its_streams(speaker_models: dict[str, str]) -> None:
    with pytest.warns(UserWarning, match="spk_model has no effect in generate without vad_model"):
        model = AutoModel("demo", spk_model=speaker_models["CAMPPlus"], disable_pbar=True)
    with model:
        assert all("spk" in event for event in ended(events_of(model, WAVE)))
        assert all("spk" in event for event in events_of(model, WAVE, mode="offline"))
        assert not any("spk" in event for event in events_of(model, WAVE, mode="online"))


def test_wrong_options(model: AutoModel) -> None:
    for wrong in (1.5, "0.5", float("nan"), True):
        with pytest.raises(OptionError, match="spk_threshold"):
            model.stream(spk_threshold=wrong)
    with AutoModel("demo", disable_pbar=True) as none, pytest.warns(UserWarning, match="spk_thr"):
        none.stream(spk_threshold=0.5).close()
