"""No option of one call is visible in another: every one is set while 15 threads set none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, SafeASRError
from safeasr.options.declared import Where
from safeasr.options.names import COMMON, HOTWORDS
from support.audio import Samples
from support.diarized import named, same
from support.seaco import write_seaco
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models")

WATCHING = 15
#: Values of each option that are not its default: what can show, does.
VALUES: dict[str, list[Any]] = {
    "begin_time": [1000, 5000],
    "pred_timestamp": [True],
    "output_timestamp": [True],
    "hotword": ["今天", "hello 天气"],
    "language": ["en", "zh"],
    "use_itn": [True],
    "text_norm": ["withitn"],
    "ban_emo_unk": [True],
    "max_end_silence_time": [100, 3000],
    "speech_noise_thres": [-0.9, 0.99],
    "dynamic_silence": [True],
    "silence_schedule": [[[2000, 50], [60000, 10]]],
    "is_streaming_input": [True],
    "merge_vad": [True],
    "merge_length_s": [3],
    "sentence_timestamp": [True],
    "en_post_proc": [True],
    "split_size": [3, 7],
    "vad_indexes": [[1, 2]],
    "return_raw_text": [True],
    "return_spk_res": [False],
    "return_spk_center": [True],
    "preset_spk_num": [1, 3],
    "spk_mode": ["vad_segment"],
    "postprocess_hotwords": [["hello world"], ["go=>come"]],
    "postprocess_hotword_threshold": [0.3],
    "postprocess_hotword_fuzzy": [False],
    "return_postprocess_hotword_matches": [True],
    "fs": [8000, 48000],
    "data_type": ["sound"],
    "max_audio_seconds": [1],
    "strict_audio": [True],
    "disable_pbar": [True],
    "on_error": ["return"],
    "download_timeout": [1],
    "max_download_bytes": [10],
    "batch_size": [1],
    "batch_size_s": [1],
    "batch_size_threshold_s": [1],
    "ncpu": [1],
    "maxlenratio": [0.1],
    "minlenratio": [0.9],
    "device": ["cpu"],
    "lm_file": ["/nowhere"],
    "decoding_ctc_weight": [0.5],
    "lm_weight": [0.5],
}
#: Set by the test itself, or paths that it makes.
ELSEWHERE = {"key", "output_dir", "postprocess_hotword_file"}


@pytest.fixture(scope="module")
def wave() -> Samples:
    return conversation(5, seed=5)


def options_of(model: AutoModel) -> set[str]:
    known = model._recognizer.options | COMMON | HOTWORDS
    return {name for name, option in known.items() if option.where is not Where.CONSTRUCTOR}


def outcome(call: Callable[[], list[dict[str, Any]]]) -> Any:
    """The result, or what it is refused with."""
    try:
        return call()[0]
    except SafeASRError as error:
        return type(error)


def equal(one: Any, other: Any) -> None:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        same(dict(one), dict(other))
    else:
        assert one == other


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["seaco", "sense_voice"])
@pytest.mark.slow
def test_no_option_is_seen_by_others(
    kind: str, wave: Samples, tmp_path: Path, speaker_models: dict[str, str]
) -> None:
    main = str(write_seaco(tmp_path / "seaco")) if kind == "seaco" else speaker_models[kind]
    words = tmp_path / "words.txt"
    words.write_text("hello world\n", "utf-8")
    values = {
        **VALUES,
        "output_dir": [str(tmp_path / "out")],
        "postprocess_hotword_file": [str(words)],
    }
    with AutoModel(**named(speaker_models, model=main), disable_pbar=True) as model:
        options = options_of(model)
        assert options <= set(values) | ELSEWHERE, "say here how a new option is set"
        if kind != "seaco":
            options = set(model._companions.main.options)  # the others were seen with that
        rows = [{name: value} for name in sorted(options - {"key"}) for value in values[name]]
        expected = model.generate(wave, key="k")[0]
        alone = [outcome(lambda row=row: model.generate(wave, key="k", **row)) for row in rows]
        changed = sum(str(one) != str(expected) for one in alone)
        assert changed >= len(rows) / 4, "options that change nothing show nothing"
        stop = threading.Event()

        def watch() -> int:
            count = 0
            while not stop.is_set():
                same(model.generate(wave, key="k")[0], expected)
                count += 1
                stop.wait(0.1)  # or this would take a minute
            return count

        with ThreadPoolExecutor(WATCHING) as pool:
            watching = [pool.submit(watch) for _ in range(WATCHING)]
            try:
                for row, wanted in zip(rows, alone, strict=True):
                    equal(outcome(lambda row=row: model.generate(wave, key="k", **row)), wanted)
            finally:
                stop.set()
            assert sum(one.result() for one in watching) > WATCHING
        same(model.generate(wave, key="k")[0], expected)
