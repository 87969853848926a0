"""AutoModel's interface from end to end: inputs, keys, progress, files, bad input, life cycle."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from safeasr import (
    AudioError,
    AutoModel,
    DeadlineExceededError,
    EngineClosedError,
)
from support.audio import speech
from support.audio_files import write_encoded

#: Whole 16-bit samples, so that every lossless form below holds exactly the same audio.
PCM = (speech(4.2, seed=2) * 32767).astype("<i2")
CLIP = PCM.astype(np.float32) / 32768
RANDOM_KEY = re.compile(r"rand_key_[a-zA-Z0-9]{13}")


@pytest.fixture
def expected(model: AutoModel) -> str:
    text: str = model.generate(CLIP)[0]["text"]
    assert len(text) > 3
    return text


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "one.wav"
    soundfile.write(path, PCM, 16000, subtype="PCM_16")
    return path


def lossless_forms(wav: Path) -> dict[str, tuple[Any, str | None]]:
    """Inputs with the same samples, and the key each gets (None: a random one)."""
    flac, scp, jsonl = (wav.with_name(f"two.{end}") for end in ("flac", "scp", "jsonl"))
    soundfile.write(flac, PCM, 16000, subtype="PCM_16")
    stereo = wav.with_name("stereo.wav")
    soundfile.write(stereo, np.stack([PCM, PCM], axis=1), 16000, subtype="PCM_16")
    scp.write_text(f"from_scp {wav}\n")
    jsonl.write_text(json.dumps({"key": "from_jsonl", "source": str(wav)}) + "\n")
    return {
        "path": (str(wav), "one"),
        "PathLike": (wav, "one"),
        "flac": (str(flac), "two"),
        "stereo": (str(stereo), "stereo"),
        "scp": (str(scp), "from_scp"),
        "jsonl": (str(jsonl), "from_jsonl"),
        "float32": (CLIP, None),
        "float64": (CLIP.astype(np.float64), None),
        "int16": (PCM.astype(np.int16), None),
        "not contiguous": (np.repeat(CLIP, 2)[::2], None),
        "big-endian": (PCM.astype(">i2"), None),
        "tensor": (torch.from_numpy(CLIP), None),
        "tensor with gradient": (torch.from_numpy(CLIP).requires_grad_(), None),
        "list of floats": (CLIP.tolist(), None),
        "wav bytes": (wav.read_bytes(), None),
        "raw bytes": (PCM.tobytes(), None),
        "bytearray": (bytearray(wav.read_bytes()), None),
        "file object": (io.BytesIO(wav.read_bytes()), None),
    }


def test_every_lossless_form_of_input(model: AutoModel, wav: Path, expected: str) -> None:
    forms = lossless_forms(wav)
    for name, (value, key) in forms.items():
        result = model.generate(value)
        assert [r["text"] for r in result] == [expected], name
        got = result[0]["key"]
        assert got == key if key else RANDOM_KEY.fullmatch(got), name
        assert model.generate(forms[name][0], key="mine")[0]["text"] == expected, name


def test_a_list_of_mixed_forms(model: AutoModel, wav: Path, expected: str) -> None:
    forms = {k: v for k, v in lossless_forms(wav).items() if k not in ("scp", "jsonl")}
    results = model.generate([value for value, _ in forms.values()])
    assert [r["text"] for r in results] == [expected] * len(forms)
    keys = [r["key"] for r in results]
    # Unlike FunASR, arrays of a list do not share one random key.
    assert len(set(keys)) >= len([k for _, k in forms.values() if k is None])
    names = [f"k{i}" for i in range(len(forms))]
    inputs = [value for value, _ in lossless_forms(wav).values()][: len(names)]
    inputs = [value for value, _ in forms.values()]
    for value in inputs:
        if isinstance(value, io.BytesIO):
            value.seek(0)
    assert [r["key"] for r in model.generate(inputs, key=names)] == names


@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_rates(model: AutoModel, tmp_path: Path, rate: int) -> None:
    """A file that states its rate and an array with ``fs`` are the same audio."""
    samples = speech(2.0, seed=9, rate=rate)
    path = tmp_path / "rate.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    text = model.generate(str(path))[0]["text"]
    assert text == model.generate(samples, fs=rate)[0]["text"]
    assert text != model.generate(samples)[0]["text"], "fs had no effect"


@pytest.mark.parametrize("ending", ["ogg", "mp3", "m4a"])
def test_lossy_formats(model: AutoModel, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"some.{ending}"
    if ending == "m4a":
        write_encoded(path, CLIP, 16000)
    else:
        soundfile.write(path, CLIP, 16000)
    result = model.generate(str(path))
    assert result[0]["key"] == "some"
    assert result[0]["text"]
    assert model.generate(path.read_bytes())[0]["text"] == result[0]["text"]


def test_features(model: AutoModel, expected: str) -> None:
    from safeasr import _ext

    frontend: _ext.Frontend = _ext.Frontend(**_bundle(model).frontend)
    features, _ = frontend.compute([CLIP])
    features = np.asarray(features).reshape(1, -1, frontend.feature_size)
    for value in (features, features[0], torch.from_numpy(features.copy())):
        assert model.generate(value, data_type="fbank")[0]["text"] == expected
    padded = np.concatenate([features, np.zeros((1, 9, features.shape[2]), np.float32)], axis=1)
    result = model.generate(padded, input_len=[features.shape[1]], data_type="fbank", key="f")
    assert result == [{"key": "f", "text": expected}]
    with pytest.raises(AudioError, match=r"key 'f'.*560"):
        model.generate(features[:, :, :80].copy(), data_type="fbank", key="f")


def _bundle(model: AutoModel) -> Any:
    from safeasr.loading.export import open_bundle

    return open_bundle(Path(model.model_path))


def test_no_input_no_result(model: AutoModel, tmp_path: Path) -> None:
    empty = tmp_path / "empty.scp"
    empty.write_text("\n")
    assert model.generate([]) == []
    assert model.generate(str(empty)) == []
    assert model.submit([]).result() == []


def test_silence_has_an_entry_too(make_model: Callable[..., AutoModel], model: AutoModel) -> None:
    """FunASR drops inputs without text from the list, and raises for less than 257 samples."""
    short, shortest = np.zeros(401, np.float32), np.zeros(1, np.float32)
    results = model.generate([short, CLIP, shortest], key=["a", "b", "c"], pred_timestamp=True)
    assert [r["key"] for r in results] == ["a", "b", "c"]
    assert all(set(r) == {"key", "text", "timestamp"} for r in results)


def test_progress_callback(model: AutoModel, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[int, int]] = []
    model.generate([CLIP] * 5, progress_callback=lambda *a: seen.append(a))
    assert seen == [(n, 5) for n in range(1, 6)]

    def broken(done: int, total: int) -> None:
        raise RuntimeError("my own mistake")

    with caplog.at_level(logging.ERROR, "safeasr"):
        assert len(model.generate([CLIP] * 3, progress_callback=broken)) == 3
    assert caplog.text.count("RuntimeError: my own mistake") == 3


def test_progress_bar(
    make_model: Callable[..., AutoModel], capfd: pytest.CaptureFixture[str]
) -> None:
    loud, quiet = make_model(disable_pbar=False), make_model(disable_pbar=True)
    quiet.generate([CLIP] * 2)
    loud.generate([CLIP] * 2, disable_pbar=True)
    loud.submit([CLIP] * 2).result()
    assert "2/2" not in capfd.readouterr().err
    loud.generate([CLIP] * 2)
    assert "2/2" in capfd.readouterr().err
    with pytest.raises(AudioError):
        loud.generate([CLIP, b"abc"])


def test_output_dir(model: AutoModel, tmp_path: Path, expected: str) -> None:
    out = tmp_path / "out"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: model.generate([CLIP] * 2, key=[f"a{i}", f"b{i}"],
                                               output_dir=str(out)), range(20)))  # fmt: skip
    lines = (out / "1best_recog" / "text").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == sorted(f"{n}{i} {expected}" for i in range(20) for n in "ab")
    # The lines of one call stay together.
    assert all(lines[i][1:].split()[0] == lines[i + 1][1:].split()[0] for i in range(0, 40, 2))


def test_postprocess_hotwords(model: AutoModel, expected: str) -> None:
    word = expected[:2]
    result = model.generate(
        CLIP, postprocess_hotwords=f"{word}=>REPLACED", return_postprocess_hotword_matches=True
    )[0]
    assert result["text"] == expected.replace(word, "REPLACED")
    assert result["postprocess_hotword_matches"]
    assert model.generate(CLIP)[0]["text"] == expected


def test_stats_add_up(make_model: Callable[..., AutoModel]) -> None:
    model = make_model(num_workers=2, queue_size=7)
    before = model.stats()
    assert (before["workers"], before["queue_size"]) == (2, 7)
    assert before["submitted"] == before["completed"] == before["batches"] == 0
    assert (before["mean_batch_size"], before["padding"]) == (0.0, 0)
    model.generate([CLIP[: 4000 * n] for n in range(1, 9)] * 2)
    model.close()  # the times of a batch are added when it is over, just after its results are out
    stats = model.stats()
    assert stats["submitted"] == stats["completed"] == stats["batched_requests"] == 16
    assert stats["failed"] == stats["cancelled"] == stats["expired"] == stats["rejected"] == 0
    assert stats["mean_batch_size"] == 16 / stats["batches"]
    assert 0 <= stats["padding"] < 1
    assert stats["run_seconds"] > 0
    assert sum(stats["queue_time_us_log2"]) == 16
    assert sum(stats["run_time_us_log2"]) == stats["batches"]
    assert stats["waiting"] == 0


def test_close(make_model: Callable[..., AutoModel]) -> None:
    with make_model() as model:
        assert model.generate(CLIP)
        assert not model.closed
    assert model.closed
    model.close()
    model.close(drain=False)
    for call in (model.generate, model.submit):
        with pytest.raises(EngineClosedError):
            call(CLIP)
    assert model.stats()["completed"] == 1


def test_a_failed_with_block_still_closes(make_model: Callable[..., AutoModel]) -> None:
    model = make_model()

    def fail() -> None:
        with model:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert model.closed


def test_timeouts(make_model: Callable[..., AutoModel]) -> None:
    model = make_model(timeout=60)
    assert model.generate(CLIP)[0]["text"]
    for enough in (50, float("inf"), 1e300):
        assert model.generate(CLIP, timeout=enough)[0]["text"]
    with pytest.raises(DeadlineExceededError):
        model.generate([CLIP] * 3, timeout=0)
    assert issubclass(DeadlineExceededError, TimeoutError)
