"""CTC networks: FunASR's answers, alone and in any company."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from safeasr import AutoModel, ExportError, UnsupportedModelError
from safeasr.loading.export import open_bundle
from support.audio import speech
from support.hybrid_oracle import HybridOracle
from support.hybrids import ENCODERS, config_of, write_hybrid_dir

pytest.importorskip("funasr", reason="funasr is the reference")

LENGTHS = (0.05, 0.2, 0.7, 1.4, 2.3, 4.1)


def test_as_funasr(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    directory = write_hybrid_dir(tmp_path, config_of("CTC"), seed=2)
    oracle, model = HybridOracle(directory), make_model(directory, num_workers=2, max_wait_ms=5)
    clips = [speech(seconds, seed=i) for i, seconds in enumerate(LENGTHS)]
    expected = [oracle(clip) for clip in clips]
    assert [model.generate(clip, key="k") for clip in clips] == expected
    assert len(expected[-1][0]["token"]) > 20
    with ThreadPoolExecutor(16) as pool:
        places = list(range(len(clips))) * 4
        found = pool.map(lambda i: model.generate(clips[i], key="k"), places)
        assert list(found) == [expected[i] for i in places]
    # Neither does anything with options of beam search.
    options = {"decoding_ctc_weight": 0.5, "beam_size": 4, "penalty": 1.0, "lm_weight": 0.3}
    assert HybridOracle(directory)(clips[2], **options) == expected[2]
    with pytest.warns(UserWarning, match="no effect for this model"):
        assert model.generate(clips[2], key="k", **options) == expected[2]


@pytest.mark.parametrize("name", ["ConformerEncoder", "SANMEncoder"])
def test_encoders_that_funasr_cannot_use(
    name: str, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """They give three results, of which FunASR's class expects two; here all work."""
    [model_class] = [key for key, (encoder, _) in ENCODERS.items() if encoder == name]
    config = {**config_of(model_class), "model": "CTC"}
    for key in ("decoder", "decoder_conf"):
        del config[key]
    directory = write_hybrid_dir(tmp_path, config, seed=2)
    oracle, model = HybridOracle(directory), make_model(directory)
    clips = [speech(seconds, seed=i) for i, seconds in enumerate(LENGTHS[1:])]
    with pytest.raises(ValueError, match="too many values"):
        oracle(clips[0])
    encoder = oracle.model.model.encoder
    forward = encoder.forward
    encoder.forward = lambda *given: forward(*given)[:2]
    assert [model.generate(clip, key="k") for clip in clips] == [oracle(clip) for clip in clips]


@pytest.mark.parametrize(
    ("section", "key", "value", "error", "match"),
    [
        (None, "encoder", "RWKVEncoder", UnsupportedModelError, "RWKVEncoder.*supported: 'Conf"),
        (None, "normalize", "GlobalMVN", UnsupportedModelError, "normalize"),
        (None, "tokenizer", "SentencepiecesTokenizer", UnsupportedModelError, "tokenizer"),
        ("ctc_conf", "extra_linear", False, UnsupportedModelError, "extra_linear"),
        ("encoder_conf", "num_blocks", 1, ExportError, "no place"),
        ("encoder_conf", "tp_blocks", 2, ExportError, "lacks"),
        ("model_conf", "blank_id", 1000, ExportError, "blank_id"),
    ],
)
def test_what_the_network_cannot_do(
    section: str | None, key: str, value: Any, error: type[Exception], match: str, tmp_path: Path
) -> None:
    directory = write_hybrid_dir(tmp_path, config_of("CTC"))
    config = yaml.safe_load((directory / "config.yaml").read_text())
    (config if section is None else config[section])[key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(error, match=match):
        open_bundle(directory)
