"""bfloat16 and 8 bit integers: the same promises as float32, and close to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from safeasr import AutoModel, _ext
from safeasr.export.bundle import Bundle
from safeasr.export.exporter import export_bundle, open_bundle
from safeasr.options import pick_precision
from support.audio import Samples, speech

#: The argument of AutoModel for each precision.
ARGUMENT = {"bfloat16": {"bf16": True}, "int8": {"quantize": True}}
#: Largest error of hidden vectors beside float32's largest, and of CIF weights, which are 0 to 1.
HIDDEN_ERROR = {"bfloat16": 0.03, "int8": 0.12}
WEIGHT_ERROR = {"bfloat16": 0.03, "int8": 0.12}
LENGTHS = [0.05, 0.2, 0.7, 1.1, 1.7, 2.9, 4.7, 8.3]

reduced = pytest.mark.parametrize("precision", list(ARGUMENT))


def needs(precision: str) -> None:
    """Skip where the processor computes in that precision only by emulation."""
    if not _ext.cpu_supports(precision):
        pytest.skip(f"this processor has no instructions for {precision}")


@pytest.fixture(scope="module")
def clips() -> list[Samples]:
    return [speech(seconds, seed=40 + i) for i, seconds in enumerate(LENGTHS)]


def neighbours(lengths: list[int], left: int, right: int) -> NDArray[np.int64]:
    """Rows that the predictor's convolution sees, from 1; 0 where there is none."""
    out, first = [], 0
    for length in lengths:
        for t in range(length):
            span = range(t - left, t + right + 1)
            out.append([first + n + 1 if 0 <= n < length else 0 for n in span])
        first += length
    return np.asarray(out, np.int64)


def encode(bundle: Bundle, arrays: list[NDArray[np.float32]]) -> list[tuple[Any, Any]]:
    """Hidden vectors and CIF weights of utterances that share a batch."""
    program = _ext.Program.load(bundle.program("encoder"))
    lengths = [len(array) for array in arrays]
    positions = np.concatenate([np.arange(1, n + 1) for n in lengths]).astype(np.float32)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    seen = neighbours(lengths, bundle.decoding["cif_left"], bundle.decoding["cif_right"])
    hidden, alphas = program.run([np.concatenate(arrays), positions, offsets, seen])
    return list(zip(np.split(hidden, offsets[1:-1]), np.split(alphas, offsets[1:-1]), strict=True))


def features(lengths: list[int], width: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(5)
    return [rng.standard_normal((n, width)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("precision", ["float32", *ARGUMENT])
def test_company_changes_no_bit(precision: str, model_dir: Path) -> None:
    """The encoder's numbers alone and in a batch: the same bits, in every precision."""
    needs(precision)
    bundle = open_bundle(model_dir, precision=precision)
    width = bundle.frontend["n_mels"] * bundle.frontend["lfr_m"]
    arrays = features([2, 3, 7, 31, 32, 33, 93, 200], width)
    together = encode(bundle, arrays)
    backwards = encode(bundle, arrays[::-1])[::-1]
    for array, (hidden, alphas), (other, others) in zip(arrays, together, backwards, strict=True):
        [(alone, weights)] = encode(bundle, [array])
        assert np.array_equal(hidden, alone) and np.array_equal(alphas, weights)
        assert np.array_equal(hidden, other) and np.array_equal(alphas, others)


@reduced
def test_close_to_float32(precision: str, model_dir: Path) -> None:
    needs(precision)
    plain, narrow = open_bundle(model_dir), open_bundle(model_dir, precision=precision)
    width = plain.frontend["n_mels"] * plain.frontend["lfr_m"]
    arrays = features([20, 93, 200], width)
    exact, near = encode(plain, arrays), encode(narrow, arrays)
    for (hidden, alphas), (other, others) in zip(exact, near, strict=True):
        error = np.abs(hidden - other).max() / np.abs(hidden).max()
        assert 0 < error < HIDDEN_ERROR[precision]
        assert np.abs(alphas - others).max() < WEIGHT_ERROR[precision]


@reduced
def test_text_alone_in_a_list_and_from_16_threads(
    precision: str, make_model: Callable[..., AutoModel], clips: list[Samples]
) -> None:
    needs(precision)
    model = make_model(num_workers=2, max_batch_size=8, max_batch_frames=600, **ARGUMENT[precision])
    alone = [model.generate(clip, pred_timestamp=len(clip) > 9000)[0] for clip in clips]
    assert len({answer["text"] for answer in alone}) > len(clips) // 2

    def ask(index: int) -> tuple[int, dict[str, Any]]:
        clip = clips[index]
        return index, model.generate(clip, pred_timestamp=len(clip) > 9000)[0]

    with ThreadPoolExecutor(16) as pool:
        for index, answer in pool.map(ask, [*range(len(clips))] * 12):
            assert {k: v for k, v in answer.items() if k != "key"} == {
                k: v for k, v in alone[index].items() if k != "key"
            }
    stats = model.stats()
    assert stats["batched_requests"] > stats["batches"], "nobody had company"


@reduced
def test_streams_alone_and_together(precision: str) -> None:
    """The embedded streaming model, chunk by chunk, 12 sessions of mixed options at once."""
    needs(precision)
    with AutoModel("demo-streaming", disable_pbar=True, **ARGUMENT[precision]) as model:
        waves = [speech(2.5, seed=70 + i) for i in range(12)]

        def listen(index: int) -> list[str]:
            chunk = (5, 8, 10)[index % 3]
            stream = model.stream(
                chunk_size=[0, chunk, 5], encoder_chunk_look_back=index % 4,
                decoder_chunk_look_back=index % 2,
            )  # fmt: skip
            wave, size = waves[index], chunk * 960
            cuts = range(0, len(wave), size)
            return [
                stream.feed(wave[at : at + size], is_final=at + size >= len(wave))["text"]
                for at in cuts
            ]

        alone = [listen(index) for index in range(12)]
        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(listen, range(12))) == alone
        assert any(text for texts in alone for text in texts)


@reduced
def test_detectors_stay_in_float32(precision: str) -> None:
    needs(precision)
    with AutoModel("demo-vad", disable_pbar=True) as plain:
        expected = plain.generate(speech(3.0, seed=4))
    with AutoModel("demo-vad", disable_pbar=True, **ARGUMENT[precision]) as model:
        assert model.generate(speech(3.0, seed=4))[0]["value"] == expected[0]["value"]


@reduced
def test_each_precision_has_its_bundle(precision: str, model_dir: Path, tmp_path: Path) -> None:
    plain, narrow = open_bundle(model_dir), open_bundle(model_dir, precision=precision)
    assert plain.path != narrow.path
    assert (plain.precision, narrow.precision) == ("float32", precision)
    sizes = [b.files[b.programs["encoder"]]["bytes"] for b in (plain, narrow)]
    assert sizes[1] < 0.75 * sizes[0]

    own = export_bundle(model_dir, tmp_path / "own", precision=precision)
    with pytest.warns(UserWarning, match=f"holds {precision} weights"):
        other = next(p for p in ARGUMENT if p != precision)
        assert open_bundle(own.path, precision=other).precision == precision
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_bundle(own.path).precision == precision


def test_what_is_asked_for() -> None:
    for precision, argument in ARGUMENT.items():
        needs(precision)
        assert pick_precision(argument, "cpu") == precision
    assert pick_precision({"bf16": True, "quantize": True}, "cpu") == "int8"
    assert pick_precision({"bf16": False}, "cpu") == "float32"
    with pytest.warns(UserWarning, match="fp16=True is not supported"):
        assert pick_precision({"fp16": True}, "cpu") == "float32"
    with pytest.warns(UserWarning, match="bf16=True is not supported on cuda:0"):
        assert pick_precision({"bf16": True}, "cuda:0") == "float32"


@reduced
def test_a_processor_without_instructions(
    precision: str,
    make_model: Callable[..., AutoModel],
    clips: list[Samples],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = make_model().generate(clips[5])[0]["text"]
    monkeypatch.setattr(_ext, "cpu_supports", lambda name: name == "float32")
    with pytest.warns(UserWarning, match="no instructions for") as caught:
        model = make_model(**ARGUMENT[precision])
    # The warning must point at the caller's line, or nobody finds it.
    assert any(Path(w.filename).name == "conftest.py" for w in caught)
    assert model.generate(clips[5])[0]["text"] == expected


def test_unknown_precisions_are_refused(model_dir: Path) -> None:
    from safeasr.nets.precision import narrow

    with pytest.raises(ValueError, match="expected a precision"):
        narrow(None, "int4")  # type: ignore[arg-type]
