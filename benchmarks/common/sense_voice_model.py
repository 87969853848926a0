"""The full-size SenseVoiceSmall of the benchmarks: 234 M parameters, random weights.

Speed depends neither on what the weights are nor on the vocabulary's texts, only on its size. So
the weights are FunASR's fresh ones under a fixed seed, with the blank's bias set so that about
one frame in four brings a token, and the vocabulary is made up.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.common.cmvn import write_cmvn
from safeasr.bench.audio.noise import speech_like
from safeasr.bundles.cache import cache_dir

TOKENS_PER_FRAME = 0.25  # a frame is 60 ms: 4.2 tokens a second
VOCABULARY_SIZE = 25055
#: Tags that FunASR knows by number.
TAGS = {24884: "zh", 24885: "en", 24888: "yue", 24892: "ja", 24896: "ko", 24992: "nospeech",
        25001: "HAPPY", 25002: "SAD", 25003: "ANGRY", 25004: "NEUTRAL", 25009: "EMO_UNKNOWN",
        25016: "withitn", 25017: "woitn"}  # fmt: skip
#: config.yaml of SenseVoiceSmall as published on the hubs, without its training settings.
CONFIG: dict[str, Any] = {
    "model": "SenseVoiceSmall",
    "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": {
        "output_size": 512,
        "attention_heads": 4,
        "linear_units": 2048,
        "num_blocks": 50,
        "tp_blocks": 20,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    },
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16000,
        "window": "hamming",
        "n_mels": 80,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 7,
        "lfr_n": 6,
        "dither": 0.0,
    },
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
    "ctc_conf": {
        "dropout_rate": 0.0,
        "ctc_type": "builtin",
        "reduce": True,
        "ignore_nan_grad": True,
    },
    "normalize": None,
}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes | int) -> bytes:
    """A field in protobuf's wire format."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def pieces() -> bytes:
    """A SentencePiece model of the right size: special pieces, made-up characters, tags."""
    normal, unknown, control, user_defined = 1, 2, 3, 4
    out = bytearray()
    for i in range(VOCABULARY_SIZE):
        if i in TAGS:
            text, kind = f"<|{TAGS[i]}|>", user_defined
        elif i < 3:
            text, kind = ("<unk>", "<s>", "</s>")[i], unknown if i == 0 else control
        elif i == 124:
            text, kind = "▁", normal  # what FunASR aligns a lone word boundary with
        else:
            text, kind = chr(0x4E00 + i if i < 20000 else 0xAC00 + i - 20000), normal
        out += _field(1, _field(1, text.encode()) + _field(3, kind))
    byte_pairs = _field(2, _field(3, 2))
    no_prefix = _field(3, _field(3, 0))
    return bytes(out) + byte_pairs + no_prefix


def _random_network(out: Path) -> torch.nn.Module:
    from funasr import AutoModel  # noqa: F401  (registers the classes)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **CONFIG["frontend_conf"], cmvn_file=str(out / "am.mvn")
    )
    torch.manual_seed(0)
    network = tables.model_classes["SenseVoiceSmall"](
        **copy.deepcopy({**CONFIG, **CONFIG["model_conf"]}),
        input_size=frontend.output_size(),
        vocab_size=VOCABULARY_SIZE,
    ).eval()
    wave = torch.from_numpy(speech_like(8.0, seed=99))
    with torch.no_grad():
        features, frames = frontend(wave[None], torch.tensor([len(wave)]))
        queries = network.embed(torch.tensor([[0, 1, 2, 15]]))
        hidden, _ = network.encoder(torch.cat([queries, features], 1), frames + 4)
        head = network.ctc.ctc_lo
        head.bias.sub_(head(hidden)[0].mean(0))  # no token is the best one everywhere
        scores = head(hidden)[0]
        ahead = scores[:, 1:].max(1).values - scores[:, 0]
        head.bias[0] += ahead.quantile(1 - TOKENS_PER_FRAME)
    return network


def sense_voice_model() -> Path:
    """The model's directory; made once and kept in safeasr's cache, never in the repository."""
    out = cache_dir() / "benchmark-models" / "sense-voice-small"
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
        (out / "bpe.model").write_bytes(pieces())
        write_cmvn(out / "am.mvn", 560)  # 80 mels x 7 frames
        draft = out / f"model.{os.getpid()}.draft"
        torch.save(_random_network(out).state_dict(), draft)
        draft.replace(out / "model.pt")
    return out
