"""Parts of guarded models: what is put back after a call, and messages between processes."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from safeasr.guarded.restoring import Keeper
from safeasr.guarded.tasks import accepted, task_of, wants_tensors
from safeasr.guarded.wire import Channel


class Inner:
    def __init__(self) -> None:
        self.values = {"a": [1, 2], "b": {3}}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("count", torch.zeros(2))
        self.option: Any = None
        self.inner = Inner()
        self.pair = ([1], {"x": 1})
        self.table = torch.zeros(3)
        self.loop: list[Any] = []
        self.loop.append(self.loop)


def state(model: Model) -> Any:
    return (
        model.option, model.inner.values["a"][:], set(model.inner.values["b"]), model.pair[0][:],
        dict(model.pair[1]), model.linear.weight.dtype, model.linear.weight.tolist(),
        model.count.tolist(), model.table.tolist(), model.training,
        sorted(vars(model)), sorted(vars(model.inner)),
    )  # fmt: skip


CHANGES = {
    "an attribute": lambda m: setattr(m, "option", 5),
    "a new attribute": lambda m: setattr(m, "beam_search", object()),
    "one that is gone": lambda m: delattr(m, "option"),
    "a list": lambda m: m.inner.values["a"].append(3),
    "an item": lambda m: m.inner.values["a"].__setitem__(0, 9),
    "a set": lambda m: m.inner.values["b"].add(4),
    "a dict": lambda m: m.pair[1].update(x=2, y=3),
    "a dict that is another": lambda m: setattr(m.inner, "values", {"a": [0], "b": set()}),
    "within a tuple": lambda m: m.pair[0].clear(),
    "a buffer": lambda m: m.count.add_(1),
    "a buffer that is another": lambda m: setattr(m, "count", torch.ones(2)),
    "a tensor": lambda m: m.table.fill_(7),
    "the type of its weights": lambda m: m.linear.to(torch.bfloat16),
    "its mode": lambda m: m.train(not m.training),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_put_back(change: str) -> None:
    model = Model()
    before = state(model)
    keeper = Keeper(model)
    for _ in range(2):
        CHANGES[change](model)
        if change != "one that is gone":
            assert state(model) != before
        keeper.restore()
        assert state(model) == before


def test_what_is_left_alone() -> None:
    """Parameters are the model; large lists are vocabularies."""
    model = Model()
    model.inner.values["a"] = list(range(20_000))
    keeper = Keeper(model)
    with torch.no_grad():
        model.linear.weight.fill_(3.0)
    model.inner.values["a"].append(1)
    keeper.restore()
    assert float(model.linear.weight.detach().max()) == 3.0
    assert len(model.inner.values["a"]) == 20_001


def test_an_attribute_that_fails_to_compare() -> None:
    """Objects are told apart by what they are, and never compared."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("never")

        __hash__ = None  # type: ignore[assignment]

    model = Model()
    model.option = [Odd(), np.zeros(3), deque([Odd()])]
    keeper = Keeper(model)
    model.option.append(Odd())
    keeper.restore()
    assert len(model.option) == 3


def channels() -> tuple[Channel, Channel]:
    a, b = os.pipe()
    c, d = os.pipe()
    return Channel(a, d), Channel(c, b)


def test_messages() -> None:
    here, there = channels()
    sent = [
        {"text": "é", "numbers": [1, None]},
        np.arange(3_000_000, dtype=np.float32),
        [np.zeros((2, 0)), np.ones(5, np.int16)[::2], b"x" * 100],
    ]
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.extend(there.receive() for _ in sent))
    reader.start()
    for one in sent:
        here.send(one)
    reader.join()
    assert got[0] == sent[0]
    assert np.array_equal(got[1], sent[1])
    got[1][0] = 5  # it may be written to
    assert [np.array_equal(x, y) for x, y in zip(got[2][:2], sent[2][:2], strict=True)] == [
        True
    ] * 2
    assert not here.broken
    there.send("back")
    assert here.receive() == "back"
    here.close()
    here.close()
    with pytest.raises(EOFError):
        there.receive()
    there.close()


def test_what_cannot_be_pickled_leaves_the_channel_usable() -> None:
    here, there = channels()
    with pytest.raises(Exception, match=r"[Pp]ickle"):
        here.send(lambda: None)
    assert not here.broken
    here.send(1)
    assert there.receive() == 1
    here.close()
    there.close()


def test_a_message_that_breaks_off() -> None:
    here, there = channels()
    os.write(here._writer, (2).to_bytes(8, "little") + b"\x05")
    here.close()
    with pytest.raises(EOFError):
        there.receive()
    assert there.broken
    there.close()


@pytest.mark.parametrize(
    ("model_class", "task", "takes"),
    [
        ("FsmnVADStreaming", "vad", "samples"),
        ("SileroVad", "vad", "samples"),
        ("CTTransformerStreaming", "punc", "text"),
        ("CAMPPlus", "spk", "samples"),
        ("Emotion2vec", "emotion", "samples"),
        ("SanmKWS", "kws", "samples"),
        ("MonotonicAligner", "align", "pairs"),
        ("UniASR", "asr", "samples"),
        ("Somebodys", "asr", "samples"),
    ],
)
def test_tasks(model_class: str, task: str, takes: str) -> None:
    assert task_of(model_class, None) == task
    assert accepted(task_of(model_class, None))[0] == takes


def test_task_of_a_directory(tmp_path: Any) -> None:
    for said, task in (('{"task": "punctuation"}', "punc"), ("[]", "asr"), ("{", "asr")):
        (tmp_path / "configuration.json").write_text(said)
        assert task_of("Somebodys", tmp_path) == task
    assert wants_tensors("FunASRNano")
    assert not wants_tensors("UniASR")
