"""Options of every name with values of every kind, at every door."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.judge import Refused, sane
from safeasr import AutoModel
from safeasr.options.names import CONFIG_KEYS
from support.audio import speech

WAVE = speech(0.8, seed=4)
#: Names that people give: ours, FunASR's, those of other models, and mistyped ones.
NAMES = sorted(
    """
    key fs data_type output_dir disable_pbar batch_size batch_size_s hotword use_itn language
    output_timestamp pred_timestamp sentence_timestamp merge_vad merge_length_s cache is_final
    chunk_size encoder_chunk_look_back decoder_chunk_look_back max_end_silence_time timeout
    postprocess_hotwords postprocess_hotword_file input_len progress_callback
    max_single_segement_time
    batch_size_threshold_s ban_emo_unk begin_time end_time speech_noise_thres vad_kwargs spk_mode
    on_error max_audio_seconds
    """.split()
)
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400]),
        st.floats(),
        st.floats(width=32).map(np.float32),
        st.integers(-128, 127).map(np.int8),
        st.text(max_size=12),
        st.binary(max_size=12),
        st.sampled_from(
            [[0, 10, 5], [5, 10, 5], "zh", "auto", "sound", "pcm", "return", "/dev/null"]
        ),
        st.sampled_from([object(), len, print, np.zeros(3), np.float64("nan"), math.pi, ...]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_OPTIONS = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), _VALUES, max_size=4
)
_TUNING = """
    num_workers max_batch_size max_batch_frames max_wait_ms queue_size timeout intra_op_threads
    max_streams device ncpu fp16 bf16 quantize cuda_graphs disable_pbar hub model_revision
    vad_kwargs
    trust_remote_code log_level seed batch_size init_param encoder_conf cmvn_file max_audio_seconds
    on_error allow_urls allow_paths tokenizer frontend_conf
""".split()


@pytest.fixture(scope="module")
def models(model: AutoModel, streaming_model: AutoModel) -> dict[str, Any]:
    return {
        "offline": model,
        "streaming": streaming_model,
        "plain": model.generate(WAVE, key="k"),
    }


@given(options=_OPTIONS, door=st.sampled_from(["generate", "submit", "stream", "cache"]))
@pytest.mark.filterwarnings("ignore")
def test_of_calls(
    models: dict[str, Any],
    options: dict[str, Any],
    door: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: Any,
) -> None:
    """An answer of FunASR's form or a typed error; and the next call knows nothing of it."""
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    if not isinstance(options.get("output_dir"), (type(None), bool, int, float, list, dict)):
        options = {name: value for name, value in options.items() if name != "output_dir"}
    offline, streaming = models["offline"], models["streaming"]
    try:
        with sane():
            if door == "generate":
                found = offline.generate(WAVE, **options)
            elif door == "submit":
                found = offline.submit(WAVE, **options).result(60)
            elif door == "cache":
                found = streaming.generate(WAVE, **{"cache": {}, **options})
            else:
                with streaming.stream(**options) as stream:
                    found = [stream.finish(WAVE)]
    except Refused:
        pass
    else:
        assert all(isinstance(one, dict) and "key" in one for one in found), found
    assert offline.generate(WAVE, key="k") == models["plain"]


@given(
    options=st.dictionaries(
        st.sampled_from([*_TUNING, *CONFIG_KEYS]), _VALUES, min_size=1, max_size=2
    )
)
@pytest.mark.filterwarnings("ignore")
def test_of_constructors(
    model_dir: Any,
    options: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: Any,
) -> None:
    """A model that answers, or a typed error."""
    monkeypatch.chdir(tmp_path_factory.getbasetemp())
    try:
        with sane(), AutoModel(str(model_dir), **options) as model:
            found = model.generate(WAVE, disable_pbar=True)
            assert set(found[0]) >= {"key", "text"}
    except Refused:
        pass
