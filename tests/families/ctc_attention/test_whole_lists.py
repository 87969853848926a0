"""Lists of all texts that there are: those with CTC's blank, which are impossible, come last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from safeasr import AutoModel
from support.audio import speech
from support.hybrid_oracle import HybridOracle
from support.hybrids import config_of, write_hybrid_dir
from support.models import SPECIAL

pytest.importorskip("funasr", reason="funasr is the reference")

WORDS = ["one", "two", "three", "four", "<unk>"]
ALL = len(SPECIAL) + len(WORDS)
WIDE = {"decoding_ctc_weight": 0.5, "nbest": 1000}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vocabulary is small enough for a beam to hold all texts of two tokens."""
    path = tmp_path_factory.mktemp("small")
    return write_hybrid_dir(path, config_of("Transformer"), seed=1, vocabulary=[*SPECIAL, *WORDS])


def test_of_one_token(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    oracle, model = HybridOracle(directory), make_model(directory)
    compared = 0
    for seed in range(6):
        clip, one = speech(0.4, seed=seed), {**WIDE, "maxlenratio": -1}
        expected = oracle.decided(clip, beam_size=ALL, **one)
        if expected is None:
            continue
        compared += 1
        assert len(expected) == ALL and expected[-1]["token"] == []  # the blank alone
        for beam in (ALL, 1000):  # the wider one FunASR refuses
            assert model.generate(clip, key="k", beam_size=beam, **one) == expected
    assert compared > 2


def test_of_two_tokens(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR has no beam for them: it fails with those that are wider than the vocabulary."""
    clip, two = speech(0.6, seed=2), {**WIDE, "maxlenratio": -2, "beam_size": 1000}
    found = make_model(directory).generate(clip, key="k", **two)
    # The end alone; else no blank in either place, and the end in the second only.
    possible = 1 + (ALL - 2) * (ALL - 1)
    assert len(found) == 1 + (ALL - 1) * ALL
    said = [tuple(one["token"]) for one in found]
    pairs = Counter(one for one in said[:possible] if len(one) == 2)
    assert pairs == Counter((first, second) for first in WORDS for second in WORDS)
    # The blank before and behind each word, beside itself, and beside the beginning and the end.
    assert Counter(said[possible:]) == Counter({(): 4, **{(word,): 2 for word in WORDS}})
    assert set(said[possible:]) <= set(said[:possible])
