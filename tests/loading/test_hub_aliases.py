"""FunASR's short names: which model of which hub each means, and which of them run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from safeasr import AutoModel, UnsupportedModelError
from safeasr.families import model_classes
from safeasr.loading.find import find_model
from safeasr.loading.hub import aliases
from support.cases import CASES
from support.hub import made_up_hub

pytest.importorskip("funasr", reason="the short names are funasr's")

#: Name, its model on ModelScope and on Hugging Face (None: the name means nothing there), and
#: FunASR's class of it, as far as its configuration is known to us.
TABLE = [
    ("paraformer", "iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
     "funasr/paraformer-zh", "Paraformer"),
    ("paraformer-zh",
     "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
     "funasr/paraformer-zh", "SeacoParaformer"),
    ("paraformer-en", "iic/speech_paraformer-large-vad-punc_asr_nat-en-16k-common-vocab10020",
     "funasr/paraformer-en", "Paraformer"),
    ("paraformer-en-spk", "iic/speech_paraformer-large-vad-punc_asr_nat-en-16k-common-vocab10020",
     None, "Paraformer"),
    ("paraformer-zh-streaming",
     "iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online",
     "funasr/paraformer-zh-streaming", "ParaformerStreaming"),
    ("fsmn-vad", "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch", "funasr/fsmn-vad",
     "FsmnVADStreaming"),
    ("ct-punc", "iic/punc_ct-transformer_cn-en-common-vocab471067-large", "funasr/ct-punc",
     "CTTransformer"),
    ("ct-punc-c", "iic/punc_ct-transformer_zh-cn-common-vocab272727-pytorch",
     "iic/punc_ct-transformer_zh-cn-common-vocab272727-pytorch", "CTTransformer"),
    ("cam++", "iic/speech_campplus_sv_zh-cn_16k-common", "funasr/campplus", "CAMPPlus"),
    ("fa-zh", "iic/speech_timestamp_prediction-v1-16k-offline", "funasr/fa-zh",
     "MonotonicAligner"),
    ("emotion2vec_plus_large", "iic/emotion2vec_plus_large", "emotion2vec/emotion2vec_plus_large",
     "Emotion2vec"),
    ("emotion2vec_plus_base", "iic/emotion2vec_plus_base", "emotion2vec/emotion2vec_plus_base",
     "Emotion2vec"),
    ("emotion2vec_plus_seed", "iic/emotion2vec_plus_seed", "emotion2vec/emotion2vec_plus_seed",
     "Emotion2vec"),
    ("Whisper-large-v2", "iic/speech_whisper-large_asr_multilingual",
     "iic/speech_whisper-large_asr_multilingual", "WhisperWarp"),
    ("Whisper-large-v3", "iic/Whisper-large-v3", "iic/Whisper-large-v3", "WhisperWarp"),
    ("Whisper-large-v3-turbo", "iic/Whisper-large-v3-turbo", "iic/Whisper-large-v3-turbo",
     "WhisperWarp"),
    ("Qwen-Audio", "Qwen/Qwen-Audio", "Qwen/Qwen-Audio", "QwenAudioWarp"),
]  # fmt: skip
NAMES = [name for name, *_ in TABLE]
RUN = {name: cls for name, _, _, cls in TABLE if cls in model_classes()}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[str]]:
    """What the hub is asked for; it gives the folder `model`."""
    names: list[str] = []

    def give(name: str) -> Path:
        names.append(name)
        return tmp_path / "model"

    (tmp_path / "model").mkdir()
    with made_up_hub(tmp_path / "cache", give):
        yield names


def test_the_table_is_whole() -> None:
    assert sorted(aliases("ms")) == sorted(NAMES)
    plain = {name for name in aliases("hf") if "/" not in name}
    assert plain == {name for name, _, on_hf, _ in TABLE if on_hf}


@pytest.mark.parametrize(("name", "on_ms", "on_hf", "_cls"), TABLE, ids=NAMES)
def test_what_a_name_means(
    name: str, on_ms: str, on_hf: str | None, _cls: str, asked: list[str]
) -> None:
    find_model(name)
    assert asked == [on_ms]
    if on_hf is not None:
        find_model(name, hub="hf")
        assert asked[1:] == [on_hf]


def test_half_of_the_names_run() -> None:
    """The number is here to be raised."""
    assert len(RUN) == 13


@pytest.mark.parametrize("name", RUN)
def test_a_name_loads_what_the_hub_gives(name: str, asked: list[str], tmp_path: Path) -> None:
    case = next(case for case in CASES if RUN[name] == case.model_class)
    case.write(tmp_path / "model")
    with AutoModel(name, num_workers=1, disable_pbar=True) as model:
        assert model.model_path == str(tmp_path / "model")
    assert asked


def test_a_name_of_a_class_that_does_not_run(asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "model" / "config.yaml").write_text("model: WhisperWarp\nmodel_conf: {}\n")
    (tmp_path / "model" / "model.pt").write_bytes(b"")
    with pytest.raises(UnsupportedModelError, match="WhisperWarp"):
        AutoModel("Whisper-large-v3", guarded=False)
