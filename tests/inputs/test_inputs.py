"""What a call's input expands to, compared with FunASR's."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from safeasr.errors import AudioError, AudioFileNotFoundError, UnsupportedModelError
from safeasr.inputs.expand import Utterance, expand_inputs, random_key

RANDOM_KEY = re.compile(r"rand_key_[a-zA-Z0-9]{13}")
WAVE = (0.1 * np.random.default_rng(0).standard_normal(1600)).astype(np.float32)


@pytest.fixture(scope="session")
def oracle() -> Any:
    """FunASR's expansion of inputs."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.auto.auto_model import prepare_data_iterator

    return prepare_data_iterator


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """A file whose samples are exactly those of WAVE."""
    path = tmp_path / "some.name.wav"
    soundfile.write(path, WAVE, 16000, subtype="FLOAT")
    return path


def shown(utterances: list[Utterance]) -> list[tuple[str, Any]]:
    """Keys and sources, random keys all alike."""
    return [("random" if RANDOM_KEY.fullmatch(u.key) else u.key, u.source) for u in utterances]


def expected(oracle: Any, *args: Any, **options: Any) -> list[tuple[str, Any]]:
    keys, data = oracle(*args, **options)
    keys = ["random" if RANDOM_KEY.fullmatch(key) else key for key in keys]
    return list(zip(keys, data, strict=True))


def test_keys_of_single_inputs_are_funasrs(oracle: Any, wav: Path) -> None:
    for item in (str(wav), WAVE, torch.from_numpy(WAVE), io.BytesIO(b""), "no such file"):
        for key in (None, "mine"):
            ours = shown(expand_inputs(item, key=key))
            theirs = expected(oracle, item, key=key)
            assert [key for key, _ in ours] == [key for key, _ in theirs]
            assert ours[0][1] is item


def test_a_path_object_is_like_its_str(wav: Path) -> None:
    (one,) = expand_inputs(wav)
    assert one.key == "some.name"
    np.testing.assert_array_equal(one.load(), WAVE)


LISTS = {
    "plain.scp": "a /x/1.wav\nb\t/x/2.wav\n  c   /x/with space.wav  \n/x/only.wav\n",
    "words.txt": "id1 今天 天气\n你好\n",
    "UPPER.TXT": "k v\n",
    "one.text": "utt1 text of it",
    "windows.scp": "a 1.wav\r\nb 2.wav\r\n",
    "odd.scp": "a\u2028b 1.wav\nc\u00a0d\n",
    "some.jsonl": '{"source": "/x/1.wav", "key": "k1"}\n{"source": "/x/2.wav"}\n',
    "lines.json": "a /x/1.wav\n/x/2.wav\n",
    "empty.scp": "",
}


@pytest.mark.parametrize("name", LISTS)
def test_list_files_are_read_as_by_funasr(oracle: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(LISTS[name].encode())
    for data_type in (None, "sound"):
        ours = expand_inputs(str(path), key="ignored", data_type=data_type)
        assert shown(ours) == expected(oracle, str(path), key="ignored")
        assert [one.index for one in ours] == list(range(len(ours)))
        keys = [one.key for one in ours]
        assert len(set(keys)) == len(keys)


def test_random_list_files_are_read_as_by_funasr(oracle: Any, tmp_path: Path) -> None:
    rng = random.Random(3)
    path = tmp_path / "wav.scp"
    for _ in range(300):
        lines = [
            "k" + "".join(rng.choice("ab  \t中/.\u3000") for _ in range(rng.randrange(0, 12)))
            for _ in range(rng.randrange(0, 5))
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        assert shown(expand_inputs(path)) == expected(oracle, str(path))


def test_blank_lines_and_byte_order_marks_are_skipped(tmp_path: Path) -> None:
    """FunASR raises IndexError for a blank line and keeps the mark in the first key."""
    path = tmp_path / "wav.scp"
    path.write_text("\ufeffa 1.wav\n\n   \nb 2.wav\n\n", encoding="utf-8")
    assert shown(expand_inputs(path)) == [("a", "1.wav"), ("b", "2.wav")]
    path = tmp_path / "wav.jsonl"
    path.write_text('\n{"source": "1.wav", "key": 7}\n\n', encoding="utf-8")
    assert shown(expand_inputs(path)) == [("7", "1.wav")]


def test_json_documents(tmp_path: Path) -> None:
    """FunASR reads .json line by line, which only suits files that are no JSON."""
    path = tmp_path / "a.json"
    entries = [{"source": "1.wav", "key": "k"}, {"source": "2.wav"}]
    wanted = [("k", "1.wav"), ("random", "2.wav")]
    path.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    assert shown(expand_inputs(path)) == wanted
    path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    assert shown(expand_inputs(path)) == wanted
    path.write_text('["1.wav", "2.wav"]', encoding="utf-8")
    assert shown(expand_inputs(path)) == [("random", "1.wav"), ("random", "2.wav")]
    path.write_text('{"source": "1.wav"}', encoding="utf-8")
    assert shown(expand_inputs(path)) == [("random", "1.wav")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"source": "1.wav"}\n{oops', "line 2: not JSON"),
        ("a.jsonl", b'{"path": "1.wav"}', '"source" is a path'),
        ("a.jsonl", b'{"source": ["1.wav"]}', '"source" is a path'),
        ("a.json", b"[1]", r"entry 1: expected an object"),
        ("a.scp", b"\xff\xfe\x00a", "not UTF-8"),
    ],
)
def test_malformed_list_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message):
        expand_inputs(path)


def test_lists_of_any_mix_load_in_order(wav: Path) -> None:
    file = io.BytesIO(wav.read_bytes())
    int16 = np.array([0, 16384], np.int16)
    mix = [str(wav), wav, WAVE, torch.from_numpy(WAVE), wav.read_bytes(), file, WAVE.tolist()]
    ours = expand_inputs([*mix, int16, int16.tobytes()])
    for one in ours[:-2]:
        np.testing.assert_array_equal(one.load(), WAVE)
    for one in ours[-2:]:
        np.testing.assert_array_equal(one.load(), [0.0, 0.5])
    assert [key for key, _ in shown(ours)] == ["some.name"] * 2 + ["random"] * 7
    assert len({one.key for one in ours}) == 8
    assert expand_inputs([]) == []
    assert expand_inputs(()) == []


def test_one_recording_as_a_list_of_floats() -> None:
    (one,) = expand_inputs(WAVE.tolist())
    np.testing.assert_array_equal(one.load(), WAVE)


def test_keys_of_lists(oracle: Any, wav: Path) -> None:
    items = [WAVE, str(wav), WAVE]
    assert [u.key for u in expand_inputs(items, key="k")] == ["k", "some.name", "k"]
    # FunASR hands the file's name on to the array behind it.
    assert oracle(items, key="k")[0] == ["k", "some.name", "some.name"]
    assert [u.key for u in expand_inputs(items, key=["a", "b", "c"])] == ["a", "b", "c"]
    assert [u.key for u in expand_inputs(str(wav), key=["a"])] == ["a"]
    with pytest.raises(ValueError, match="2 keys were given for 3 inputs"):
        expand_inputs(items, key=["a", "b"])


def test_random_keys_leave_pythons_generator_alone() -> None:
    random.seed(1)
    before = random.getstate()
    keys = {random_key() for _ in range(1000)}
    assert random.getstate() == before
    assert len(keys) == 1000
    assert all(RANDOM_KEY.fullmatch(key) for key in keys)


def test_loading_is_lazy_and_errors_name_the_item(wav: Path) -> None:
    good, bad, missing = expand_inputs([WAVE, np.array([np.nan]), "none.wav"], key=["a", "b", "c"])
    assert good.load() is WAVE
    with pytest.raises(AudioError, match=r"input 1 \(key 'b'\): expected finite"):
        bad.load()
    with pytest.raises(AudioFileNotFoundError, match=r"input 2 \(key 'c'\): .*'none.wav'"):
        missing.load()
    (later,) = expand_inputs(wav)
    wav.unlink()
    with pytest.raises(FileNotFoundError):
        later.load()


def test_list_files_within_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wav.scp"
    path.write_text("a b.wav\n")
    with pytest.raises(AudioError, match="cannot be an item of a list"):
        expand_inputs([str(path)])


@pytest.mark.parametrize("item", [None, 5, {"a": 1}, object(), iter([WAVE]), [None], [[WAVE]]])
def test_what_cannot_be_audio_is_refused_at_once(item: Any) -> None:
    with pytest.raises(AudioError, match="expected audio"):
        expand_inputs(item)


def test_rate_of_samples_and_model() -> None:
    (one,) = expand_inputs(WAVE, fs=8000, sample_rate=16000)
    assert one.load().shape == (3200,)
    with pytest.raises(AudioError, match="fs must be"):
        expand_inputs(WAVE, fs=0)


def test_utterances_are_immutable() -> None:
    (one,) = expand_inputs(WAVE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.key = "other"  # type: ignore[misc]


def test_features() -> None:
    feats = torch.arange(2 * 5 * 560, dtype=torch.float32).reshape(2, 5, 560)
    (one,) = expand_inputs(feats[0], data_type="fbank", key="k")
    assert (one.kind, one.key) == ("fbank", "k")
    np.testing.assert_array_equal(one.load(), feats[0].numpy())
    (one,) = expand_inputs(feats[:1], data_type="fbank", input_len=torch.tensor([[3]]))
    np.testing.assert_array_equal(one.load(), feats[0, :3].numpy())
    both = expand_inputs(feats.double().numpy(), data_type="fbank", input_len=[5, 2])
    assert [u.load().shape for u in both] == [(5, 560), (2, 560)]
    assert all(u.load().dtype == np.float32 for u in both)
    both = expand_inputs([feats[0], feats[1:].half()], data_type="fbank")
    assert [u.load().shape for u in both] == [(5, 560)] * 2
    assert len({u.key for u in both}) == 2


@pytest.mark.parametrize(
    ("value", "length", "message"),
    [
        (np.zeros(560, np.float32), None, r"got shape \(560,\)"),
        ("a.ark", None, "got str"),
        (np.zeros((2, 5, 8), np.float32), [5], "one whole number per row: 2 rows"),
        (np.zeros((5, 8), np.float32), 6, r"input_len\[0\] is 6, but the row has 5"),
        (np.zeros((5, 8), np.float32), 0, r"is 0"),
        (np.zeros((5, 8), np.float32), 2.5, "whole number"),
    ],
)
def test_malformed_features_are_refused(value: Any, length: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        expand_inputs(value, data_type="fbank", input_len=length)


@pytest.mark.parametrize(
    "value", [np.zeros((5, 8), int), np.zeros((0, 8)), np.full((5, 8), np.inf)]
)
def test_unusable_features_fail_when_loaded(value: Any) -> None:
    (one,) = expand_inputs(value, data_type="fbank", key="k")
    with pytest.raises(AudioError, match=r"input 0 \(key 'k'\): expected"):
        one.load()


def test_text_inputs(oracle: Any, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("id1 今天天气\nhello\n", encoding="utf-8")
    for item in ("今天天气真好", ["a b", "c"], str(path)):
        ours = expand_inputs(item, data_type="text")
        assert [source for _, source in shown(ours)] == list(oracle(item)[1])
        assert all(one.kind == "text" for one in ours)
    assert [one.load() for one in expand_inputs(["a b", "c"], data_type="text")] == ["a b", "c"]


@pytest.mark.parametrize("data_type", [("sound", "text"), ["sound"], "image", "kaldi_ark"])
def test_other_kinds_are_named(data_type: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=r"data_type=.*(sound|image|kaldi_ark)"):
        expand_inputs(("a.wav", "text"), data_type=data_type)
