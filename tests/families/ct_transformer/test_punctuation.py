"""CTTransformer equal to FunASR: words, marks and text, whatever the others ask for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel
from support.cases import plain
from support.punctuation import (
    HALF_WIDTH,
    WHOLE_SHAPES,
    PuncAnswer,
    PuncOracle,
    PuncShape,
    text_of,
    write_punc_dir,
)
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the oracle")
pytest.importorskip("jieba")

SIZES: list[dict[str, Any]] = [{}, {"split_size": 2}, {"split_size": 7}, {"split_size": 10_000}]
#: Texts and options; in the last ones a piece grows beyond 200 words.
JOBS = [
    *((text_of(1 + 3 * seed, seed), SIZES[seed % 4 if seed % 3 else 0]) for seed in range(26)),
    *((text, {}) for text in ["a", "今", "hello world", "，。？", "...", "😀", "\x00", "it's 好"]),
    *((text_of(count, 7, odd=0), {}) for count in (20, 21, 40, 260, 700)),
]


class Served:
    """A model, and FunASR's answers to all jobs."""

    def __init__(self, shape: PuncShape, path: Path) -> None:
        self.directory = write_punc_dir(path, shape)
        oracle = PuncOracle(self.directory)
        self.answers = [oracle(text, **options) for text, options in JOBS]
        self.model = AutoModel(str(self.directory), num_workers=2, disable_pbar=True)


@pytest.fixture(scope="module", params=usual_first(WHOLE_SHAPES), ids=lambda shape: shape.name)
def served(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Served]:
    one = Served(request.param, tmp_path_factory.mktemp("punc"))
    yield one
    one.model.close()


def same(result: dict[str, Any], answer: PuncAnswer) -> bool:
    return (result["text"], result["punc_array"].tolist()) == (answer.text, answer.numbers)


def test_one_text_at_a_time(served: Served) -> None:
    clear = 0
    for (text, options), answer in zip(JOBS, served.answers, strict=True):
        [result] = served.model.generate(text, key="k", **options)
        assert list(result) == ["key", "text", "punc_array"]
        assert result["key"] == "k" and result["punc_array"].dtype == torch.int64
        clear += answer.clear
        assert same(result, answer) or not answer.clear, text
    assert clear > 0.6 * len(JOBS)


def test_16_threads_with_other_options_each(served: Served) -> None:
    """Pieces of all share batches; each answer is the one that it is alone, to the last mark."""
    alone = [plain(served.model.generate(text, key="k", **given)) for text, given in JOBS]
    before = served.model.stats()
    order = random.Random(3).choices(range(len(JOBS)), k=112)

    def run(thread: int) -> list[int]:
        return [
            i
            for i in order[thread::16]
            if plain(served.model.generate(JOBS[i][0], key="k", **JOBS[i][1])) != alone[i]
        ]

    with ThreadPoolExecutor(16) as pool:
        assert not [i for part in pool.map(run, range(16)) for i in part]
    after = served.model.stats()
    requests = after["batched_requests"] - before["batched_requests"]
    assert requests > 1.5 * (after["batches"] - before["batches"]), "nobody had company"


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_punc_dir(tmp_path_factory.mktemp("usual"), WHOLE_SHAPES[0])


def test_lists_and_their_keys(
    usual: Path, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """One answer for each text, blank ones too; FunASR refuses several at a time."""
    model, oracle = make_model(usual), PuncOracle(usual)
    texts = ["今天 hello", "", "好的", " \n", "its no speech"]
    results = model.generate(texts, key=list("abcde"), batch_size=4)
    assert [one["key"] for one in results] == list("abcde")
    for text, result in zip(texts, results, strict=True):
        if text.strip():
            assert result["text"] == oracle(text).text
        else:
            answer = oracle(text)
            assert (result["text"], result["punc_array"]) == (answer.text, answer.numbers)
            assert result["punc_array"] is None
    lines = tmp_path / "lines.txt"
    lines.write_text("one 今天 hello\ntwo 好的\n", encoding="utf-8")
    found = model.generate(str(lines), data_type="text")
    expected = oracle.model.generate(str(lines), data_type="text")
    assert plain(found) == plain(expected)
    assert [one["key"] for one in found] == ["one", "two"]
    written = tmp_path / "out" / "1best_recog" / "text"
    model.generate(["今天", "好的"], key=["a", "b"], output_dir=str(tmp_path / "out"))
    assert [line.split()[0] for line in written.read_text("utf-8").splitlines()] == ["a", "b"]


def test_futures_and_postprocessing(usual: Path, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(usual, split_size=3)
    text = text_of(50, 1)
    threes = plain(model.generate(text, key="k", split_size=3))
    assert plain(model.submit(text, key="k").result(60)) == threes, "of the constructor"
    assert plain(model.generate(text, key="k", split_size=None)) == threes, "None: not given"
    twenty = plain(model.generate(text, key="k", split_size=20))
    assert twenty != threes
    assert plain(make_model(usual).generate(text, key="k")) == twenty, "FunASR's default"
    [result] = model.generate("今天", postprocess_hotwords="今天=>昨天")
    assert result["text"].startswith("昨天")


def test_a_dictionary_of_ones_own(usual: Path, tmp_path: Path, make_model: Any) -> None:
    """As FunASR's argument; without one characters are words."""
    words = tmp_path / "words"
    words.write_text("很好的 99999\n", encoding="utf-8")
    text = "今天很好的天气很好的"
    plainly = make_model(usual)._recognizer._main.words_of(text)
    assert plainly == list(text)
    model = make_model(usual, jieba_usr_dict=str(words))
    cut = model._recognizer._main._pieces.cut
    assert "很好的" in list(cut(text))
    assert model._recognizer._main.words_of(text) == list(text)
    assert len(model.generate(text)[0]["punc_array"]) == len(text)


def test_marks_are_named(make_model: Any, tmp_path: Path) -> None:
    directory = write_punc_dir(tmp_path, WHOLE_SHAPES[2])
    assert make_model(directory)._recognizer._main.marks == HALF_WIDTH
