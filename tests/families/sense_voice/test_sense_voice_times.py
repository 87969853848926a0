"""Times of SenseVoice's words: the parts against FunASR's, and what FunASR has no answer for."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel, _ext
from safeasr.text.pieces import Pieces
from safeasr.text.word_times import TimedPiece, words_of_pieces
from support.audio import speech
from support.sense_voice import SenseOracle, SenseShape, write_model_dir

pytest.importorskip("funasr", reason="funasr is the reference")

Spans = list[tuple[int, int]]


def spans_of_funasr(scores: torch.Tensor, targets: list[int]) -> Spans:
    """The frames of each target, as FunASR's inference reads them off its alignment."""
    from funasr.models.sense_voice.utils.ctc_alignment import ctc_forced_align

    scores = scores.clone()
    scores[scores.argmax(-1) == 0, 0] = 0
    path = ctc_forced_align(
        scores[None], torch.tensor([targets]), torch.tensor(len(scores)),
        torch.tensor([len(targets)]),
    )[0].tolist()  # fmt: skip
    spans, start = [], 0
    for token, group in groupby(path):
        end = start + len(list(group))
        if token:
            spans.append((start, end))
        start = end
    return spans


def test_alignment_is_funasrs() -> None:
    rng = np.random.default_rng(0)
    for case in range(400):
        frames, classes = int(rng.integers(1, 60)), int(rng.integers(2, 9))
        scores = rng.normal(0, 3, (frames, classes))
        if case % 2:  # many equal paths: the choices among them are FunASR's, too
            scores = np.round(scores)
        values = torch.from_numpy(scores.astype(np.float32)).log_softmax(-1)
        if case % 2:
            values = values.round()
        targets = rng.integers(1, classes, int(rng.integers(1, 1 + (frames + 1) // 2))).tolist()
        got = _ext.CtcEmission(values.numpy()).align(targets)
        needed = len(targets) + sum(a == b for a, b in pairwise(targets))
        if needed > frames:
            assert got == []
            assert len(spans_of_funasr(values, targets)) == 1  # one word is given all of it
        else:
            assert got == spans_of_funasr(values, targets)


def test_words_are_funasrs() -> None:
    from funasr.models.sense_voice.model import SenseVoiceSmall

    rng = random.Random(0)
    for _ in range(2000):
        pieces, frame = [], 0
        for _ in range(rng.randrange(1, 12)):
            begin = frame + rng.randrange(3)
            frame = begin + rng.randrange(1, 4)
            piece = rng.choice(["▁", "▁he", "llo", "▁a", "b", "好", "▁好", "1", "<|zh|>", "é", "'"])
            pieces.append(TimedPiece(piece, begin, frame))
        timestamp = [
            [piece, max((begin * 60 - 30) / 1000, 0), (end * 60 - 30) / 1000]
            for piece, begin, end in pieces
        ]
        assert words_of_pieces(pieces) == SenseVoiceSmall.post(None, timestamp)


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary that puts a word boundary before every text, also before a lone piece."""
    directory = tmp_path_factory.mktemp("prefixed")
    return write_model_dir(directory, SenseShape("prefixed", prefix=True), seed=4)


def test_pieces_of_several_tokens(prefixed: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR raises, or its words slip behind their times; here each piece keeps its own."""
    oracle, model = SenseOracle(prefixed), make_model(prefixed)
    pieces = Pieces(prefixed / "bpe.model")
    raised = 0
    for seed in range(6):
        wave = speech(4.0, seed=seed)
        expected = oracle.generate(wave)[0]["text"]
        result = model.generate(wave, output_timestamp=True)[0]
        assert result["text"] == expected
        try:
            oracle.generate(wave, output_timestamp=True)
        except IndexError:
            raised += 1
        spoken = "".join(pieces.split(expected)[4:]).replace("▁", "")
        assert "".join(result["words"]).replace("▁", "") == spoken
        times = result["timestamp"]
        assert len(times) == len(result["words"]) > 5
        assert all(start < end for start, end in times)
        assert all(a[1] <= b[0] for a, b in pairwise(times))
        assert times[-1][1] <= 4000
    assert raised > 0


def test_what_is_aligned(prefixed: Path) -> None:
    pieces = Pieces(prefixed / "bpe.model")
    assert pieces.aligned_id("▁hello") == pieces._processor.PieceToId("▁hello")
    trained = {i: pieces._processor.IdToPiece(i) for i in range(3, 150)}
    several = {i: one for i, one in trained.items() if len(pieces._processor.EncodeAsIds(one)) > 1}
    assert several
    assert all(pieces.aligned_id(one) == i for i, one in several.items())
    assert pieces.aligned_id("▁") == 124  # FunASR's number
    assert pieces.aligned_id("<|zh|>") == 24884


def test_too_few_frames_for_the_text(prefixed: Path, make_model: Callable[..., AutoModel]) -> None:
    """No times rather than wrong ones."""
    model = make_model(prefixed)
    recognizer: Any = model._recognizer
    scores = np.log(np.full((2, 25055), 1 / 25055, np.float32))
    ids = [24884, 25004, 24993, 25017, *(recognizer._pieces.aligned_id(c) for c in "今天气")]
    result = {"tokens": ids, "emission": _ext.CtcEmission(scores)}
    answer = recognizer.finish(result, "k", {"output_timestamp": True})
    assert answer["text"].startswith("<|zh|><|NEUTRAL|><|Speech|><|woitn|>")
    assert answer["timestamp"] == [] and answer["words"] == []
    assert recognizer.finish({"tokens": ids}, "k", {}) == {"key": "k", "text": answer["text"]}


def test_text_outside_the_vocabulary(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """A word that splits into the unknown token, which is the blank, has no time: it is left out.

    FunASR gives its name to the next word's time, and so on.
    """
    recognizer: Any = make_model(write_model_dir(tmp_path))._recognizer
    pieces = recognizer._pieces
    han = [pieces.aligned_id(one) for one in "今天"]
    ids = [24884, 25004, 24993, 25017, han[0], 300, han[1]]  # 300: signs that no text has
    assert pieces.split(pieces.text(ids))[5] == "⟨300⟩" and pieces.aligned_id("⟨300⟩") == 0
    scores = np.full((5, 25055), -20, np.float32)
    scores[range(5), [0, han[0], 0, 0, han[1]]] = 0
    result = {"tokens": ids, "emission": _ext.CtcEmission(scores)}
    answer = recognizer.finish(result, "k", {"output_timestamp": True})
    assert answer["words"] == ["今", "天"]
    assert answer["timestamp"] == [[30, 90], [210, 270]]


def test_no_text_no_times(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """As in FunASR, which leaves both keys out."""
    recognizer: Any = make_model(write_model_dir(tmp_path))._recognizer
    emission = _ext.CtcEmission(np.zeros((3, 25055), np.float32))
    for ids in ([], [24884, 25004, 24993, 25017]):
        answer = recognizer.finish(
            {"tokens": ids, "emission": emission}, "k", {"output_timestamp": True}
        )
        assert answer.keys() == {"key", "text"}
