"""Recordings with their texts: what expands to pairs, compared with FunASR, and what is refused."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AudioError, InputError, NotAllowedError, OptionError
from safeasr.inputs.expand import waits_for_others
from safeasr.inputs.pairs import (
    PairedUtterance,
    expand_pairs,
    pair_waits_for_others,
    pairs_one_by_one,
)
from safeasr.inputs.utterance import is_random_key
from safeasr.options.access import ANYTHING, Access
from safeasr.pair import Pair
from support.web import serve

KINDS = ("sound", "text")
WAVE = (0.1 * np.random.default_rng(0).standard_normal(1600)).astype(np.float32)


def pairs(input: Any, *, access: Access = ANYTHING, **options: Any) -> list[PairedUtterance]:
    found = expand_pairs(input, data_type=KINDS, access=access, **options)
    assert all(isinstance(one, PairedUtterance) for one in found)
    return found  # type: ignore[return-value]


def texts(input: Any, **options: Any) -> list[str]:
    return [one.load().text for one in pairs(input, **options)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings and texts in all forms; the working directory."""
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", WAVE, 16000, subtype="FLOAT")
    files = {
        "wav.scp": "u1 a.wav\nu2 b.wav\n",
        "wav.jsonl": '{"source": "a.wav", "key": "j1"}\n{"source": "b.wav"}\n',
        "text.txt": "t1 今天 天气\nt2 hello\n",
        "bare.txt": "今天\n天气\n",
        "text.jsonl": '{"source": "今天", "key": "x1"}\n{"source": "很好", "key": "x2"}\n',
        "words.lab": "\ufeff 今天\n天气 \n",
        "other.lab": "hello",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FORMS: list[Any] = [
    (WAVE, "今天"),
    [WAVE, "今天"],
    ("a.wav", "今天"),
    ("a.wav", "words.lab"),
    ("a.wav", "今天.txt"),
    (["a.wav", "b.wav"], ["今天", "hello"]),
    (["a.wav", "b.wav"], ["words.lab", "other.lab"]),
    ("wav.scp", "text.txt"),
    ("wav.scp", "bare.txt"),
    ("wav.jsonl", "text.jsonl"),
    ("wav.scp", ["今天", "hello"]),
    (["a.wav", WAVE], "text.txt"),
]


@pytest.mark.parametrize("input", FORMS, ids=lambda one: re.sub(r"array.*?\)", "WAVE", repr(one)))
def test_forms_are_funasrs(folder: Path, input: Any) -> None:
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.auto.auto_model import prepare_data_iterator
    from funasr.utils.load_utils import load_audio_text_image_video

    class Asis:
        def encode(self, text: str) -> str:
            return text.removeprefix("\ufeff").strip()  # FunASR keeps the mark: differences.md

    keys, data = prepare_data_iterator(input, data_type=KINDS)
    waves, written = load_audio_text_image_video(data, data_type=KINDS, tokenizer=Asis())
    found = pairs(input)
    loaded = [one.load() for one in found]
    assert [one.text for one in loaded] == written
    for one, wave in zip(loaded, waves, strict=True):
        np.testing.assert_array_equal(one.samples, np.asarray(wave))
    assert [one.index for one in found] == list(range(len(found)))
    for one, key in zip(found, keys, strict=True):
        # Where FunASR draws a name, ours is the recording's, if that has one.
        assert one.key == key or is_random_key(key)


def test_names(folder: Path) -> None:
    def names(input: Any, **options: Any) -> list[str]:
        return [one.key for one in pairs(input, **options)]

    assert names(("a.wav", "今天")) == ["a"]
    assert names(("a.wav", "words.lab")) == ["words"]
    assert names(("a.wav", "今天"), key="mine") == ["mine"]
    assert names((WAVE, "今天"), key="mine") == ["mine"]
    assert names(("wav.scp", "text.txt"), key="ignored") == ["t1", "t2"]
    assert names(("wav.scp", "bare.txt")) == ["u1", "u2"]
    assert names(("wav.scp", ["今天", "hello"])) == ["u1", "u2"]
    assert names((["a.wav", WAVE], ["x", "y"]), key=["k1", "k2"]) == ["k1", "k2"]
    assert is_random_key(names((WAVE, "今天"))[0])
    with pytest.raises(OptionError, match="3 keys were given for 2 inputs"):
        names((["a.wav", WAVE], ["x", "y"]), key=["k1", "k2", "k3"])


def test_every_kind_of_audio(folder: Path) -> None:
    data = (folder / "a.wav").read_bytes()
    for audio in (data, bytearray(data), io.BytesIO(data), folder / "a.wav", WAVE.tolist()):
        [one] = pairs((audio, "今天"))
        loaded = one.load()
        assert isinstance(loaded, Pair) and loaded.text == "今天"
        np.testing.assert_allclose(loaded.samples, WAVE, atol=1e-6)
    raw = (WAVE * 32767).astype(np.int16).tobytes()
    [one] = expand_pairs((raw, "今天"), data_type=("pcm", "text"), access=ANYTHING)
    assert len(one.load()[0]) == len(WAVE)  # type: ignore[index]


@pytest.mark.parametrize(
    ("input", "said"),
    [
        ("a.wav", r"input=\(recordings, texts\), got str$"),
        (WAVE, "got ndarray$"),
        (None, "got NoneType$"),
        ({"a.wav": "今天"}, "got dict$"),
        ((WAVE,), "got 1 items: all recordings come first$"),
        ([], "got 0 items"),
        ((WAVE, "今天", "天气"), "got 3 items"),
        ((WAVE, None), "got NoneType for a text"),
        ((WAVE, 7), "got int for a text"),
        ((WAVE, b"text"), "got bytes for a text"),
        ((WAVE, ["今天", None]), "got NoneType for a text"),
        # Pair by pair: FunASR takes columns.
        ([(WAVE, "今天"), (WAVE, "天气")], "got ndarray for a text: .* then all texts$"),
        (([WAVE, WAVE], ["今天"]), "each recording needs a text: got 2 recordings and 1 texts$"),
        ((WAVE, ["今天", "天气"]), "got 1 recordings and 2 texts$"),
        (("wav.scp", "words.lab"), "got 2 recordings and 1 texts$"),
        ((WAVE, "今天\ud83d"), "half of a surrogate pair"),
        ((WAVE, "b.wav"), r"expected text, got the path of a recording: 'b\.wav'$"),
        ((WAVE, Path("words.lab")), r"expected text \(str\), got PosixPath$"),
        (([WAVE, object()], ["今天", "天气"]), "expected audio .* got object$"),
    ],
)
def test_what_is_no_pair(folder: Path, input: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        pairs(input)


def test_what_fails_when_it_is_loaded(folder: Path) -> None:
    (folder / "latin.lab").write_bytes("für".encode("latin-1"))
    (folder / "large.lab").write_bytes(b" " * (1 << 24) + b"a")
    (folder / "locked").mkdir()
    both = pairs((["nowhere.wav", WAVE, WAVE, WAVE], ["今天", "latin.lab", "large.lab", "locked"]))
    with pytest.raises(AudioError, match=r"input 0 .*names no file"):
        both[0].load()
    with pytest.raises(InputError, match=r"input 1 \(key 'latin'\): .* not UTF-8: byte 1 is 0xfc"):
        both[1].load()
    with pytest.raises(InputError, match="larger than 16777216 bytes"):
        both[2].load()
    assert both[3].load().text == "locked", "a folder's name is a text"


def test_blank_texts_are_texts(folder: Path) -> None:
    """As in FunASR, whose answer to them has no words."""
    assert texts(([WAVE] * 3, ["", "  ", "\n"])) == ["", "  ", "\n"]


def test_where_nothing_may_be_opened(folder: Path) -> None:
    closed = Access(paths=False)
    assert texts((WAVE, "words.lab"), access=closed) == ["words.lab"]
    assert texts((WAVE, "text.txt"), access=closed) == ["text.txt"]
    with pytest.raises(NotAllowedError, match="allow_paths=False"):
        pairs(("a.wav", "今天"), access=closed)


def test_a_list_from_a_url_chooses_no_file_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert Path("/etc/hostname").is_file(), "or this shows nothing"
    with serve() as server:
        _, two = pairs(([WAVE, WAVE], f"{server.url}/local.scp"))
        assert (two.key, two.load().text) == ("two", "/etc/hostname")
        with pytest.raises(NotAllowedError, match="may name URLs only"):
            pairs((f"{server.url}/local.scp", ["x", "y"]))


def test_one_by_one() -> None:
    assert pairs_one_by_one((["a", "b"], ["x", "y"])) == [(["a"], ["x"]), (["b"], ["y"])]
    for whole in (("a", "x"), (["a", "b"], ["x"]), "a", ("wav.scp", ["x"])):
        assert pairs_one_by_one(whole) == [whole]


def test_what_waits_for_a_network() -> None:
    for input, waits in (
        ((WAVE, "x"), False), (("a.wav", "x"), False), (([WAVE], ["x"]), False), (WAVE, False),
        (("http://x/a.wav", "x"), True), ((["http://x/a.wav"], ["x"]), True),
        ((WAVE, "texts.txt"), True),
    ):  # fmt: skip
        assert pair_waits_for_others(input) == waits
    assert waits_for_others("texts.txt"), "or the last one would say nothing"
