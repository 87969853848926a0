"""Windows, groups and turns by the rules of FunASR's own functions."""

from __future__ import annotations

import copy
import random
import threading
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from safeasr import UnsupportedModelError
from safeasr.speakers import clustering
from safeasr.speakers.clustering import MERGE_ABOVE, speakers_of
from safeasr.speakers.eigenvectors import eigenvectors
from safeasr.speakers.turns import centres_of, in_order, turns_of, with_speakers
from safeasr.speakers.windows import windows_of

utils: Any = pytest.importorskip("funasr.models.campplus.utils", reason="funasr is the reference")


def voices(windows: int, speakers: int, spread: float, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings around as many centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((speakers, 32))
    order = np.repeat(np.arange(speakers), -(-windows // speakers))[:windows]
    found = centres[order] + spread * rng.standard_normal((windows, 32))
    return found.astype(np.float32)


def funasr_labels(embeddings: NDArray[np.float32], count: int | None) -> NDArray[np.int64]:
    import torch
    from funasr.models.campplus.cluster_backend import ClusterBackend

    np.random.seed(0)  # what FunASR's clustering draws from
    labels = ClusterBackend()(torch.from_numpy(embeddings.copy()), oracle_num=count)
    return np.asarray(labels, np.int64)


@pytest.mark.parametrize("seconds", [0.0001, 0.4, 0.75, 1.5, 1.50007, 2.2, 2.25, 3.0, 7.31])
def test_windows(seconds: float) -> None:
    samples = np.random.default_rng(1).standard_normal(int(seconds * 16000)).astype(np.float32)
    expected = utils.sv_chunk([[12.34, 12.34 + seconds, samples]])
    found = list(windows_of(12.34, samples, 16000))
    assert [(one.start, one.end) for one in found] == [(one[0], one[1]) for one in expected]
    assert all(np.array_equal(a.samples, b[2]) for a, b in zip(found, expected, strict=True))
    assert {len(one.samples) for one in found} <= {24000}


@pytest.mark.parametrize("windows", [1, 19, 20, 60, 280])
@pytest.mark.parametrize("count", [None, 1, 2, 5])
@pytest.mark.parametrize("spread", [0.1, 0.6, 1.5])
def test_groups(windows: int, count: int | None, spread: float) -> None:
    embeddings = voices(windows, 4, spread)
    expected = funasr_labels(embeddings, count)
    before = embeddings.copy()
    found = speakers_of(embeddings, count, MERGE_ABOVE)
    assert found.tolist() == expected.tolist()
    assert np.array_equal(embeddings, before)


def test_many_windows_of_a_known_number_of_speakers() -> None:
    embeddings = voices(2100, 3, 0.5)
    assert speakers_of(embeddings, 3, 1).tolist() == funasr_labels(embeddings, 3).tolist()


@pytest.mark.slow
def test_many_windows() -> None:
    """FunASR's draw differs each time; what is plain comes out plainly."""
    embeddings = voices(2100, 3, 0.3)
    expected = np.repeat([0, 1, 2], 700)
    assert in_order(funasr_labels(embeddings, None)).tolist() == expected.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (speakers_of(embeddings, None, MERGE_ABOVE) for _ in range(2))
    assert in_order(first).tolist() == expected.tolist()
    assert first.tolist() == second.tolist()


def test_neighbours() -> None:
    embeddings = voices(300, 3, 0.3)
    embeddings[7] = 2 * embeddings[6]
    numbers, distances, _ = clustering._neighbours(embeddings)
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = 1 - directions.astype(np.float64) @ directions.T
    np.fill_diagonal(expected, -1)
    assert numbers[:, 0].tolist() == list(range(300)) and not distances[:, 0].any()
    assert {6, 7} == {*numbers[6, :2], *numbers[7, :2]}
    for row, (near, far) in enumerate(zip(numbers, distances, strict=True)):
        assert len(set(near)) == len(near) == 20
        np.testing.assert_allclose(far[1:], np.sort(expected[row])[1:20], atol=1e-6)
        np.testing.assert_allclose(far[1:], expected[row, near[1:]], atol=1e-6)


def test_more_speakers_than_windows() -> None:
    """FunASR raises ValueError; there are never more of them than windows."""
    embeddings = voices(24, 24, 0.1)
    found = speakers_of(embeddings, 1000, MERGE_ABOVE)
    assert len(set(found.tolist())) == 24


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_windows_that_are_all_the_same(value: float) -> None:
    embeddings = np.full((40, 8), value, np.float32)
    assert len(set(speakers_of(embeddings, None, MERGE_ABOVE).tolist())) == 1


def test_nobody_in_any_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """FunASR fails an assertion."""
    monkeypatch.setattr(clustering, "MANY", 30)
    monkeypatch.setattr(clustering, "_by_density", lambda one: np.full(len(one), -1))
    labels = speakers_of(voices(40, 2, 0.1), None, MERGE_ABOVE)
    assert in_order(labels).tolist() == [0] * 40


def test_of_very_many_some_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not asked belongs to whoever is nearest; the others are whose they are."""
    embeddings = voices(90, 3, 0.1)
    asked: list[int] = []

    def densest(some: Any) -> Any:
        asked.append(len(some))
        labels = speakers_of(some, 3, MERGE_ABOVE)
        labels[4] = -1
        return labels

    monkeypatch.setattr(clustering, "MANY", 30)
    monkeypatch.setattr(clustering, "_DECIDING", 25)
    monkeypatch.setattr(clustering, "_densest", densest)
    found = speakers_of(embeddings, None, MERGE_ABOVE)
    assert asked == [23]
    assert found[16] == -1
    whole = speakers_of(embeddings, 3, MERGE_ABOVE)
    pairs = {(a, b) for a, b in zip(found.tolist(), whole.tolist(), strict=True) if a >= 0}
    assert len(pairs) == 3


def test_the_same_whatever_else_draws() -> None:
    embeddings = voices(80, 6, 2.0)
    expected = speakers_of(embeddings, 6, MERGE_ABOVE).tolist()
    state = np.random.get_state()[1].tolist()
    found: list[list[int]] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(speakers_of(embeddings, 6, MERGE_ABOVE).tolist())
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    assert np.random.get_state()[1].tolist() == state


def spans_of(order: random.Random) -> list[tuple[float, float]]:
    """Windows of some segments, as they come."""
    spans: list[tuple[float, float]] = []
    start = 0.0
    for _ in range(order.randint(1, 12)):
        start += order.choice([0.0, 0.05, 0.4, 2.0])
        seconds = order.choice([0.1, 0.5, 1.5, 2.1, 3.77, 6.0])
        samples = np.zeros(int(seconds * 16000), np.float32)
        spans += [(one.start, one.end) for one in windows_of(start, samples, 16000)]
        start += seconds
    return spans


def test_turns_and_whose_sentences_are() -> None:
    order = random.Random(3)
    for _ in range(500):
        spans = spans_of(order)
        labels = np.array([order.choice([-1, 0, 0, 0, 4, 2]) for _ in spans])
        embeddings = voices(len(spans), 2, 1.0)
        expected, centres = utils.postprocess(
            [list(span) for span in spans], None, labels, embeddings, return_spk_center=True
        )
        speakers = in_order(labels)
        turns = turns_of(spans, speakers)
        assert [[one.start, one.end, one.speaker] for one in turns] == expected
        assert np.array_equal(centres_of(embeddings, speakers), centres)
        edges = sorted(order.uniform(0, spans[-1][1] * 1000 + 500) for _ in range(20))
        sentences = [{"start": int(a), "end": int(b)} for a, b in pairwise(edges)]
        wanted = utils.distribute_spk(copy.deepcopy(sentences), expected)
        assert with_speakers(sentences, turns) == wanted


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "_LIBRARIES", {"no_such_module": "no-such-package"})
    with pytest.raises(
        UnsupportedModelError, match=r"no-such-package: pip install 'safeasr\[spk\]"
    ):
        clustering.require_libraries()


@pytest.mark.parametrize("windows", [20, 77, 200])
def test_eigenvectors_are_scipys_to_the_bit(windows: int) -> None:
    from scipy.linalg import eigh

    embeddings = voices(windows, 4, 0.6)
    alike = embeddings @ embeddings.T
    alike = alike + alike.T
    for matrix in (alike, np.diag(np.abs(alike).sum(axis=1)) - alike, np.zeros_like(alike)):
        before = matrix.copy()
        for ours, theirs in zip(eigenvectors(matrix), eigh(matrix), strict=True):
            assert np.array_equal(ours, theirs)
        assert np.array_equal(matrix, before)


def test_no_eigenvectors_of_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="infs or NaNs"):
        eigenvectors(np.full((20, 20), np.nan, np.float32))


def test_other_threads_go_on_while_speakers_are_told_apart() -> None:
    """scipy's `eigh` lets no other thread of the program have a turn."""
    turns, over = 0, threading.Event()

    def take_turns() -> None:
        nonlocal turns
        while not over.wait(0.001):
            turns += 1

    matrix = voices(1500, 4, 0.6)
    matrix = matrix @ matrix.T
    eigenvectors(matrix[:20, :20])
    other = threading.Thread(target=take_turns)
    other.start()
    before = turns
    eigenvectors(matrix)
    during = turns - before
    over.set()
    other.join()
    assert during > 10
