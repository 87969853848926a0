"""``punc_model`` in two passes: marks as FunASR's websocket service puts them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel
from safeasr.families.cached import CACHE_ENTRY
from safeasr.text.word_split import split_words
from support.punctuation import LIVE_SHAPES, WHOLE_SHAPES, write_punc_dir
from support.two_pass import Events, events_of
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr is the reference")

from support.punctuation import PuncOracle


@pytest.fixture(scope="module", params=["whole", "live"])
def punctuation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    live = request.param == "live"
    shape = (LIVE_SHAPES if live else WHOLE_SHAPES)[0]
    path = tmp_path_factory.mktemp("punc") / request.param
    return write_punc_dir(path, shape, live=live, seed=2 * live)


@pytest.fixture(scope="module")
def model(punctuation: Path) -> Iterator[AutoModel]:
    with AutoModel("demo", punc_model=str(punctuation), disable_pbar=True) as made:
        yield made


@pytest.fixture(scope="module")
def plain() -> Iterator[AutoModel]:
    with AutoModel("demo", disable_pbar=True) as made:
        yield made


class Reference:
    """FunASR's model as its service calls it: one cache for the ends of all segments."""

    def __init__(self, directory: Path) -> None:
        self.oracle = PuncOracle(directory)
        self.ours = AutoModel(str(directory), disable_pbar=True)
        self.live = directory.name == "live"

    def punctuated(self, text: str, cache: dict[str, Any]) -> str:
        before = copy.deepcopy(cache)
        try:
            return self.oracle(text, cache=cache).text
        except TypeError:  # FunASR fails on a text of one word
            assert len(split_words("".join(before.get("pre_text", [])) + " " + text)) == 1
            cache.clear()
            cache.update(before)
            marked: str = self.ours.generate(text, cache=cache)[0]["text"]
            del cache[CACHE_ENTRY]
            return marked

    def marked(self, events: Events) -> Events:
        """What the service makes of events without marks."""
        cache: dict[str, Any] = {}
        found = []
        for event in events:
            if event["is_final"]:
                text = self.punctuated(event["text"], cache) if event["text"] else ""
                event = {**event, "text": text}
            elif self.live:
                text = self.punctuated(event["segment_text"], copy.deepcopy(cache))
                event = {**event, "segment_text": text}
            found.append(event)
        return found


@pytest.mark.parametrize("mode", ["2pass", "online", "offline"])
def test_marks(model: AutoModel, plain: AutoModel, punctuation: Path, mode: str) -> None:
    waves = [conversation(12, seed=seed) for seed in range(4)]
    reference = Reference(punctuation)
    expected = [reference.marked(events_of(plain, wave, mode=mode)) for wave in waves]
    reference.ours.close()
    ends = [one["text"] for events in expected for one in events if one["is_final"]]
    assert len(ends) > 8 and sum(any(mark in end for mark in "，。？、,.?") for end in ends) > 2
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: events_of(model, waves[i % 4], mode=mode), range(8)))
    assert got == expected * 2


def test_another_recording_in_the_same_stream(model: AutoModel) -> None:
    """What the punctuation model remembers ends with the recording."""
    first, second = (conversation(8, seed=seed) for seed in (1, 2))
    alone = [one["text"] for one in events_of(model, second, mode="offline")]
    with model.stream(key="k", mode="offline") as stream:
        stream.feed(first, True)
        assert [one["text"] for one in stream.feed(second, True)] == alone


def test_options_of_a_stream(model: AutoModel, plain: AutoModel) -> None:
    wave = conversation(12, seed=1)
    events = events_of(model, wave, return_raw_text=True, split_size=3, mode="offline")
    raw = [one["text"] for one in events_of(plain, wave, mode="offline")]
    assert [one["raw_text"] for one in events if "raw_text" in one] == [one for one in raw if one]
    with pytest.raises(ValueError, match="split_size"):
        model.stream(split_size="many")
    with pytest.warns(UserWarning, match="return_raw_text"):
        plain.stream(return_raw_text=True).close()
