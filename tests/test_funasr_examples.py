"""The examples of FunASR's README and tutorial, with nothing but the import changed.

Their names are those of the hub; what they lead to are small models with seeded random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import safeasr
from safeasr.utils.postprocess_utils import rich_transcription_postprocess
from support.audio import Samples
from support.cases import plain
from support.guarded_real import write_nano
from support.hub import made_up_hub
from support.mended import mend_funasr
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.seaco import write_seaco
from support.sense_voice import write_model_dir as write_sense_voice
from support.speakers import write_bare_eres2netv2, write_speaker_dir
from support.streaming import write_streaming_dir
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr is the reference")

DETECTOR = Path(safeasr.__file__).parent / "models" / "demo-vad"
SPEAKERS = {"growth_rate": 4, "bn_size": 2, "init_channels": 16, "embedding_size": 24}
#: What the hub has under each name, by how it is made here.
MAKERS: dict[str, Callable[[Path], object]] = {
    "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch": write_seaco,
    "iic/SenseVoiceSmall": write_sense_voice,
    "iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online": write_streaming_dir,
    "iic/punc_ct-transformer_cn-en-common-vocab471067-large": lambda path: write_punc_dir(
        path, WHOLE_SHAPES[0]
    ),
    "iic/speech_campplus_sv_zh-cn_16k-common": lambda path: write_speaker_dir(
        path, "CAMPPlus", SPEAKERS
    ),
    "iic/speech_eres2netv2_sv_zh-cn_16k-common": write_bare_eres2netv2,
    # The class itself, with a language model of two layers: the smallest that it takes.
    "FunAudioLLM/Fun-ASR-Nano-2512": write_nano,
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Directories by the names of the hub."""
    root = tmp_path_factory.mktemp("hub")
    found = {"iic/speech_fsmn_vad_zh-cn-16k-common-pytorch": str(DETECTOR)}
    for number, (name, make) in enumerate(MAKERS.items()):
        make(root / str(number))
        found[name] = str(root / str(number))
    return found


@pytest.fixture(scope="module")
def funasr(hub: dict[str, str]) -> Iterator[Any]:
    """FunASR's AutoModel, which finds the hub's models here."""
    from funasr import AutoModel
    from funasr.download import download_model_from_hub

    mend_funasr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            download_model_from_hub, "get_or_download_model_dir", lambda name, *_, **__: hub[name]
        )
        yield AutoModel


@pytest.fixture(scope="module")
def ours(hub: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """safeasr's, likewise."""
    with made_up_hub(tmp_path_factory.mktemp("cache"), lambda name: Path(hub[name])):
        yield safeasr.AutoModel


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("audio") / "vad_example.wav"
    soundfile.write(path, conversation(30, seed=7), 16000, subtype="FLOAT")
    return str(path)


def sense_voice(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(
        model="iic/SenseVoiceSmall",
        vad_model="fsmn-vad",
        vad_kwargs={"max_single_segment_time": 30000},
        device="cpu",
    )
    res = model.generate(
        input=wav_file,
        cache={},
        language="auto",
        use_itn=True,
        batch_size_s=60,
        merge_vad=True,
        merge_length_s=15,
    )
    return rich_transcription_postprocess(res[0]["text"]), res


def sense_voice_with_speakers(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(model="iic/SenseVoiceSmall", vad_model="fsmn-vad", spk_model="cam++")
    res = model.generate(input=wav_file, batch_size_s=300)
    return [(one["start"], one["spk"], one["sentence"]) for one in res[0]["sentence_info"]], res


def paraformer_with_all(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(
        model="paraformer-zh", vad_model="fsmn-vad", punc_model="ct-punc", spk_model="cam++"
    )
    return model.generate(input=wav_file, batch_size_s=300, hotword="今天 hello")


def long_audio(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(
        model="paraformer-zh",
        vad_model="fsmn-vad",
        punc_model="ct-punc",
        device="cpu",
        disable_update=True,
    )
    return model.generate(
        input=wav_file, batch_size_s=300, batch_size_threshold_s=60, sentence_timestamp=True
    )


def streaming(AutoModel: Any, wav_file: str) -> Any:
    chunk_size = [0, 10, 5]  # [0, 10, 5] 600ms, [0, 8, 4] 480ms
    encoder_chunk_look_back = 4
    decoder_chunk_look_back = 1
    model = AutoModel(model="paraformer-zh-streaming")
    speech, _ = soundfile.read(wav_file)
    speech = speech[: 16000 * 6]
    chunk_stride = chunk_size[1] * 960  # 600ms
    cache: dict[str, Any] = {}
    total_chunk_num = int((len(speech) - 1) / chunk_stride + 1)
    results = []
    for i in range(total_chunk_num):
        speech_chunk = speech[i * chunk_stride : (i + 1) * chunk_stride]
        is_final = i == total_chunk_num - 1
        res = model.generate(
            input=speech_chunk,
            cache=cache,
            is_final=is_final,
            chunk_size=chunk_size,
            encoder_chunk_look_back=encoder_chunk_look_back,
            decoder_chunk_look_back=decoder_chunk_look_back,
        )
        results.append(res[0]["text"])
    return results


def detector(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(model="fsmn-vad")
    return model.generate(input=wav_file)


def live_detector(AutoModel: Any, wav_file: str) -> Any:
    chunk_size = 200  # ms
    model = AutoModel(model="fsmn-vad")
    speech, sample_rate = soundfile.read(wav_file)
    cache: dict[str, Any] = {}
    chunk_stride = int(chunk_size * sample_rate / 1000)
    total_chunk_num = int((len(speech) - 1) / chunk_stride + 1)
    found = []
    for i in range(total_chunk_num):
        speech_chunk = speech[i * chunk_stride : (i + 1) * chunk_stride]
        is_final = i == total_chunk_num - 1
        res = model.generate(
            input=speech_chunk, cache=cache, is_final=is_final, chunk_size=chunk_size
        )
        if len(res[0]["value"]):
            found.append(res[0]["value"])
    return found


def punctuation(AutoModel: Any, _wav_file: str) -> Any:
    model = AutoModel(model="ct-punc")
    return model.generate(input="那今天的会就到这里吧 happy new year 明年见")


def embedding(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(model="iic/speech_eres2netv2_sv_zh-cn_16k-common")
    return model.generate(input=wav_file)[0]["spk_embedding"]


def language_model(AutoModel: Any, wav_file: str) -> Any:
    """It runs guarded."""
    model = AutoModel(model="FunAudioLLM/Fun-ASR-Nano-2512", device="cpu")
    result = model.generate(input=wav_file)
    return result[0]["text"], result


def language_model_with_hotwords(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(model="FunAudioLLM/Fun-ASR-Nano-2512", device="cpu", disable_update=True)
    res = model.generate(
        input=[wav_file], cache={}, batch_size=1, hotwords=["开放时间"], language="中文", itn=True
    )
    return res[0]["text"], res


def language_model_and_detector(AutoModel: Any, wav_file: str) -> Any:
    model = AutoModel(
        model="FunAudioLLM/Fun-ASR-Nano-2512",
        vad_model="fsmn-vad",
        vad_kwargs={"max_single_segment_time": 30000},
        device="cpu",
    )
    res = model.generate(input=[wav_file], cache={}, batch_size=1)
    return res[0]["text"]


def without_keys(result: Any) -> Any:
    """Random keys say nothing."""
    if isinstance(result, list) and result and isinstance(result[0], dict) and "key" in result[0]:
        return [{name: plain(one[name]) for name in one if name != "key"} for one in result]
    if isinstance(result, tuple):
        return tuple(without_keys(one) for one in result)
    return result


@pytest.mark.parametrize(
    "example",
    [
        sense_voice,
        pytest.param(sense_voice_with_speakers, marks=pytest.mark.slow),
        paraformer_with_all,
        long_audio,
        streaming,
        detector,
        live_detector,
        punctuation,
        language_model,
        language_model_with_hotwords,
        language_model_and_detector,
    ],
    ids=lambda example: example.__name__,
)
@pytest.mark.filterwarnings("ignore:.*no effect:UserWarning")
def test_example(example: Any, funasr: Any, ours: Any, talk: str) -> None:
    np.random.seed(0)  # what FunASR's clustering draws from
    expected = without_keys(example(funasr, talk))
    assert without_keys(example(ours, talk)) == expected
    assert expected


@pytest.mark.slow
def test_embedding(funasr: Any, ours: Any, talk: str) -> None:
    expected, found = (embedding(one, talk) for one in (funasr, ours))
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def samples(path: str) -> Samples:
    wave, _ = soundfile.read(path, dtype="float32")
    return np.asarray(wave)


def test_under_the_hubs_other_names(ours: Any, talk: str, hub: dict[str, str]) -> None:
    """An alias and the full name are the same model."""
    short, full = (
        model.generate(samples(talk), key="k")
        for model in (ours("fsmn-vad"), ours("iic/speech_fsmn_vad_zh-cn-16k-common-pytorch"))
    )
    assert short == full
    with pytest.raises(safeasr.ExportError, match="did you mean 'paraformer-zh'"):
        ours("paraformer-zn")
