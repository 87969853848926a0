"""FunASR's result files: refused before recognition, or written whole; results are never lost."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, OptionError, OptionFileNotFoundError, OutputError
from safeasr.calls import result_writer
from support.audio import speech

CLIP = speech(1.5)


@pytest.fixture
def model() -> Iterator[AutoModel]:
    with AutoModel("demo", num_workers=1, disable_pbar=True) as one:
        yield one


def lines(folder: Path) -> list[str]:
    text = (folder / "1best_recog" / "text").read_text("utf-8", "surrogateescape")
    return text.splitlines()


def test_what_cannot_be_written_is_refused_first(model: AutoModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / "1best_recog" / "text").mkdir(parents=True)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "1best_recog").write_text("mine")
    bad = [
        tmp_path / "file", tmp_path / "file" / "below", tmp_path / "taken", tmp_path / "half",
        "/proc/none/here", "/dev/null", "x" * 300,
    ]  # fmt: skip
    for folder in bad:
        for ask in (model.generate, model.submit):
            with pytest.raises(OutputError, match=r"output_dir: .* cannot be written") as caught:
                ask(CLIP, output_dir=folder)
            assert isinstance(caught.value, OSError)
            assert caught.value.errno
    for value in (2, 1, True, b"x", ["a"], 1.5, "a\0b"):
        for name in ("output_dir", "postprocess_hotword_file"):
            with pytest.raises(OptionError, match=f"{name} must be a path"):
                model.generate(CLIP, **{name: value})
    os.fstat(1), os.fstat(2)  # nobody closed them
    assert model.stats()["submitted"] == 0
    assert (tmp_path / "file").read_text() == "mine"


def test_parents_are_made_and_a_call_that_fails_leaves_the_file(
    model: AutoModel, tmp_path: Path
) -> None:
    folder = tmp_path / "a" / "b" / "c"
    model.generate(CLIP, key="one", output_dir=folder)
    with AutoModel("demo", num_workers=1, disable_pbar=True) as other:
        with pytest.raises(FileNotFoundError):
            other.generate("missing.wav", output_dir=folder)
        assert lines(folder)[0].startswith("one ")
        other.generate(CLIP, key="two", output_dir=folder)
        other.generate(CLIP, key="\udce9 語", output_dir=folder)
    assert [line.split(" ")[0] for line in lines(folder)] == ["two", "\udce9"]


def test_a_full_disk(model: AutoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the lines were written: they are taken back, and the results are in the error."""
    expected = model.generate([CLIP, CLIP], key=["a", "b"], output_dir=tmp_path)
    before = lines(tmp_path)
    write = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(result_writer.os, "write", full)
    options: dict[str, Any] = {"key": ["a", "b"], "output_dir": tmp_path}
    future = model.submit([CLIP, CLIP], **options)
    for ask in (lambda: model.generate([CLIP, CLIP], **options), future.result, future.result):
        with pytest.raises(OutputError, match="No space left") as caught:
            ask()
        assert caught.value.results == expected
        assert caught.value.errno == errno.ENOSPC
        assert lines(tmp_path) == before


def test_a_future_writes_once(model: AutoModel, tmp_path: Path) -> None:
    future = model.submit([CLIP, CLIP], key=["a", "b"], output_dir=tmp_path)
    threads = [threading.Thread(target=future.result) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert future.exception() is None
    assert [line.split(" ")[0] for line in lines(tmp_path)] == ["a", "b"]


def test_hotwords_are_read_first(model: AutoModel, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9=>x\n")
    with pytest.raises(OptionFileNotFoundError, match="postprocess_hotword_file not found"):
        model.generate(CLIP, postprocess_hotword_file=tmp_path / "none")
    with pytest.raises(OptionError, match=r"postprocess_hotword_file .* cannot be read"):
        model.generate(CLIP, postprocess_hotword_file=tmp_path / "latin")
    for bad in ({"postprocess_hotword_threshold": 2}, {"postprocess_hotwords": 5}):
        with pytest.raises(OptionError, match=next(iter(bad))):
            model.generate(CLIP, **bad)
    assert model.stats()["submitted"] == 0


@pytest.mark.parametrize("bad", [{"begin_time": "1"}, {"merge_length_s": "long"}])
def test_times_are_checked_first(bad: dict[str, Any]) -> None:
    with AutoModel("demo", vad_model="demo-vad", num_workers=1, disable_pbar=True) as one:
        with pytest.raises(OptionError, match=next(iter(bad))):
            one.generate(CLIP, merge_vad=True, pred_timestamp=True, **bad)
        assert one.stats()["submitted"] == 0
