"""CTTransformerStreaming equal to FunASR: texts alone, and texts that come bit by bit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel, CancelledError, InterruptedCallError, OptionError
from safeasr.families.cached import CACHE_ENTRY
from safeasr.families.ct_transformer_streaming.network import VisibleAttention
from safeasr.text.word_split import split_words
from support.cases import plain
from support.punctuation import LIVE_SHAPES, PuncOracle, PuncShape, text_of, write_punc_dir
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the oracle")

SIZES: list[dict[str, Any]] = [{}, {"split_size": 3}, {"split_size": 11}]
#: FunASR itself fails where a text is one word.
TEXTS = [text_of(2 + 4 * seed, seed) for seed in range(18)] + [text_of(260, 1, odd=0)]
#: What comes bit by bit, from words to more than are read at a time.
SPOKEN = [
    [text_of(2 + (7 * who + 5 * i) % 29, 100 * who + i) for i in range(7)] for who in range(6)
]
State = tuple[str, list[int] | None, list[str]]


def by_bits(model: AutoModel, texts: list[str], **options: Any) -> list[State]:
    """What each text brings, and what is kept for the next."""
    cache: dict[str, Any] = {}
    states = []
    for text in texts:
        [result] = model.generate(text, cache=cache, **options)
        states.append((result["text"], plain(result["punc_array"]), list(cache["pre_text"])))
    return states


class Served:
    """A model, and FunASR's."""

    def __init__(self, shape: PuncShape, path: Path) -> None:
        directory = write_punc_dir(path, shape, live=True)
        self.oracle = PuncOracle(directory)
        self.model = AutoModel(str(directory), num_workers=2, disable_pbar=True)


@pytest.fixture(scope="module", params=usual_first(LIVE_SHAPES), ids=lambda shape: shape.name)
def served(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Served]:
    one = Served(request.param, tmp_path_factory.mktemp("punc"))
    yield one
    one.model.close()


def test_texts_alone(served: Served) -> None:
    clear = 0
    for i, text in enumerate(TEXTS):
        options = SIZES[i % 3]
        answer = served.oracle(text, **options)
        [result] = served.model.generate(text, key="k", **options)
        assert list(result) == ["key", "text", "punc_array"]
        clear += answer.clear
        found = (result["text"], result["punc_array"].tolist())
        assert found == (answer.text, answer.numbers) or not answer.clear, text
    assert clear > 0.6 * len(TEXTS)


def test_texts_that_come_bit_by_bit(served: Served) -> None:
    """FunASR's texts and FunASR's own entry of the cache, as far as its numbers are clear."""
    compared = kept = 0
    for who, texts in enumerate(SPOKEN):
        options = SIZES[who % 3]
        funasrs: dict[str, Any] = {}
        for text, state in zip(texts, by_bits(served.model, texts, **options), strict=True):
            before = len(funasrs.get("pre_text", []))
            answer = served.oracle(text, cache=funasrs, **options)
            if not answer.clear:
                break  # the words that are kept may differ from here on
            assert state == (answer.text, answer.numbers, funasrs["pre_text"]), (who, text)
            compared += 1
            kept += before > 0
    assert compared > 15 and kept > 8


def test_16_threads_with_a_cache_each(served: Served) -> None:
    alone = [by_bits(served.model, texts, **SIZES[i % 3]) for i, texts in enumerate(SPOKEN)]
    before = served.model.stats()

    def run(thread: int) -> bool:
        which = thread % len(SPOKEN)
        return by_bits(served.model, SPOKEN[which], **SIZES[which % 3]) == alone[which]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(run, range(16)))
    after = served.model.stats()
    requests = after["batched_requests"] - before["batched_requests"]
    assert requests > 1.2 * (after["batches"] - before["batches"]), "nobody had company"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoModel]:
    directory = write_punc_dir(tmp_path_factory.mktemp("live"), LIVE_SHAPES[0], live=True)
    with AutoModel(str(directory), num_workers=2, disable_pbar=True) as one:
        yield one


def test_calls_with_one_cache_take_turns(model: AutoModel) -> None:
    """A list, and futures that nobody has waited for: each goes on where the one before ended."""
    texts = SPOKEN[1]
    expected = by_bits(model, texts)
    for answers in (
        model.generate(texts, cache={}),
        [one.result(60)[0] for one in submitted(model, texts)],
    ):
        assert [(one["text"], plain(one["punc_array"])) for one in answers] == [
            state[:2] for state in expected
        ]


def submitted(model: AutoModel, texts: list[str]) -> list[Any]:
    cache: dict[str, Any] = {}
    return [model.submit(text, cache=cache) for text in texts]


def test_what_was_cancelled_never_came(model: AutoModel) -> None:
    first, second = text_of(15, 1), text_of(15, 2)
    expected = [state[1] for state in by_bits(model, [first, second])]
    for waits in (False, True):
        cache: dict[str, Any] = {}
        # One that waits is given up, too: who comes behind it still waits for those before.
        kept = model.submit(first, cache=cache, split_size=2 if waits else 20)
        given_up = model.submit(text_of(900, 3), cache=cache)
        last = model.submit(second, cache=cache)
        if not waits:
            kept.result(30)
        given_up.cancel()
        with pytest.raises(CancelledError):
            given_up.result(30)
        assert last.result(30)
        if not waits:
            assert [plain(one.result(30)[0]["punc_array"]) for one in (kept, last)] == expected
        else:
            assert kept.done()


def test_a_signal_handler_with_the_cache_that_it_interrupted(model: AutoModel) -> None:
    """In the middle of a call's first step: it may submit, but not wait. Order is kept."""
    first, second = text_of(15, 1), text_of(15, 2)
    expected = [state[1] for state in by_bits(model, [first, second])]
    cache: dict[str, Any] = {}
    inner: list[Any] = []

    def handler(*_: Any) -> None:
        inner.append(model.submit(second, cache=cache))
        with pytest.raises(InterruptedCallError):
            inner[0].result(30)

    pieces = model._recognizer._main._pieces
    ids_of = pieces.ids_of

    def in_the_middle(words: list[str]) -> Any:
        pieces.ids_of = ids_of
        signal.raise_signal(signal.SIGUSR1)
        return ids_of(words)

    before = signal.signal(signal.SIGUSR1, handler)
    pieces.ids_of = in_the_middle
    try:
        outer = model.submit(first, cache=cache)
    finally:
        pieces.ids_of = ids_of
        signal.signal(signal.SIGUSR1, before)
    assert [plain(one.result(30)[0]["punc_array"]) for one in (outer, *inner)] == expected


def test_signals_at_any_moment(model: AutoModel) -> None:
    cache: dict[str, Any] = {}
    answers: list[Any] = []

    def handler(*_: Any) -> None:
        answers.append(model.submit("今天", cache=cache))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    try:
        for _ in range(100):
            answers.append(model.submit("hello", cache=cache))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(one.result(60) for one in answers)
    assert not cache[CACHE_ENTRY]._waiting


def test_what_funasr_raises_for(model: AutoModel) -> None:
    """Blank text is answered and changes nothing; a word alone has one mark."""
    cache: dict[str, Any] = {}
    for blank in ("", " \u3000\n"):
        [result] = model.generate(blank, cache=cache, key="k")
        assert result == {"key": "k", "text": "", "punc_array": None}
    assert "pre_text" not in cache
    expected = by_bits(model, [SPOKEN[0][0], SPOKEN[0][1]])
    answers = []
    for text in (SPOKEN[0][0], " ", SPOKEN[0][1]):
        answers.append(model.generate(text, cache=cache)[0]["text"])
    assert answers == [expected[0][0], "", expected[1][0]]
    [one] = model.generate("今")
    assert one["text"] == "今" and one["punc_array"].shape == (1,)


@pytest.mark.parametrize(
    ("cache", "message"),
    [
        ([], r"cache must be a dict, got \[\]"),
        ("x", "cache must be a dict, got 'x'"),
        ({"pre_text": "今天"}, r"cache\['pre_text'\] must be a list of words, got '今天'"),
        ({"pre_text": [1]}, r"cache\['pre_text'\] must be a list of words, got \[1\]"),
        ({"safeasr": object()}, "belongs to another model"),
        ({"frontend": {}}, r"filled by something else \(it has 'frontend'\)"),
    ],
)
def test_caches_that_are_none(model: AutoModel, cache: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        model.generate("今天", cache=cache)


def test_a_cache_of_funasr_is_gone_on_with(model: AutoModel) -> None:
    first, second = SPOKEN[2][:2]
    cache: dict[str, Any] = {}
    model.generate(first, cache=cache)
    funasrs = {"pre_text": list(cache["pre_text"])}
    assert plain(model.generate(second, cache=funasrs, key="k")) == plain(
        model.generate(second, cache=cache, key="k")
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_both_ways_of_attention(kind: torch.dtype) -> None:
    """That of the CPU and that of devices, for whatever words see."""
    torch.manual_seed(0)
    attention = VisibleAttention(24, 24, 4, 5, 2, 0)
    lengths = [1, 7, 40, 2, 230]
    offsets = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()])
    rows = int(offsets[-1]) + 3
    q, k, v = torch.randn(3, rows, 24).to(kind)
    visible = torch.cat([torch.randint(1, n + 1, (n,)) for n in lengths] + [torch.zeros(3)]).long()
    rings = attention.by_rings(q, k, v, offsets, visible)
    masks = attention.by_masks(q, k, v, offsets, visible)
    assert rings.dtype == masks.dtype == kind
    close = 1e-5 if kind is torch.float32 else 2e-2
    torch.testing.assert_close(rings, masks, rtol=close, atol=close)
    assert not rings[-3:].any()


def test_words_of_former_calls(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    """In the network: the mark of a former word but the last does not know what comes now."""
    shape = PuncShape("two layers", {"num_blocks": 2, "sanm_shfit": 5})
    model = make_model(write_punc_dir(tmp_path, shape, live=True))
    former = "今天气很好的 hello world 是不了人我在 the"
    count = len(split_words(former))

    def marks(now: str) -> list[int]:
        cache = {"pre_text": split_words(former)}
        numbers: list[int] = model.generate(now, cache=cache, split_size=100)[0]["punc_array"]
        return plain(numbers)[: count - 1]

    assert len({tuple(marks(text_of(6, seed))) for seed in range(12)}) == 1
