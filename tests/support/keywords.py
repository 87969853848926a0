"""Models that spot keywords, with seeded random weights, and FunASR's answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
import yaml

from support.audio import speech
from support.models import write_cmvn

__all__ = [
    "CALLS",
    "KEYWORDS",
    "LEXICON",
    "LIVE",
    "SANM",
    "SHAPES",
    "TOKENS",
    "TWO_HEADS",
    "KeywordShape",
    "write_keyword_dir",
]

TOKENS = ["<blank>", "sil", *"小云你好开灯关机打", "goodbye", "b", "c", "'s", "<unk>"]
#: Of the second head.
TOKENS2 = ["<blank>", "小云", "goodbye", "<unk>"]
#: Words and their pieces. FunASR goes through the pieces letter by letter.
LEXICON = {"筱": "小", "ok": "b c", "hay": "goodbye"}
KEYWORDS = "小云,你好,开灯,goodbye"


def _words(letters: str) -> list[str]:
    """Words of three and two of these letters, then every token that is none of silence."""
    words = ["".join(word) for size in (3, 2) for word in permutations(letters, size)]
    return [*words, *TOKENS[2:-1], "<sil>"]


#: Options of calls. FunASR forgets what it heard when its probability has shrunk below a
#: millionth, which other tokens than the keywords' bring about; so they have every token.
CALLS: list[dict[str, Any]] = [
    {"keywords": ",".join(_words("小云你好开"))},
    {"keywords": _words("关机打灯小")},
    {"keywords": ",".join(["goodbye", *_words("灯云好bc")])},
]


@dataclass(frozen=True)
class KeywordShape:
    """A small model for keywords.

    Attributes:
        name: of the test case.
        model_class: FunASR's.
        encoder: keys of encoder_conf that differ from the class's base below.
        frontend: keys of frontend_conf likewise.
        ctc: keys of ctc_conf likewise.
        configuration: write a configuration.json that names the files, as hub models have.
        lexicon: write a file of words and their pieces.
    """

    name: str
    model_class: str = "FsmnKWS"
    encoder: Mapping[str, Any] = field(default_factory=dict)
    frontend: Mapping[str, Any] = field(default_factory=dict)
    ctc: Mapping[str, Any] = field(default_factory=dict)
    configuration: bool = False
    lexicon: bool = True


SHAPES = [
    KeywordShape("usual"),
    KeywordShape(
        "strides, layers of probabilities, hub layout",
        encoder={"lorder": 4, "rorder": 3, "lstride": 2, "rstride": 3, "use_softmax": True},
        ctc={"extra_linear": True},
        configuration=True,
    ),
    KeywordShape(
        "no look-ahead, no lexicon, 8 kHz",
        encoder={"rorder": 0, "fsmn_layers": 1, "proj_dim": 7, "linear_dim": 12},
        frontend={"fs": 8000, "n_mels": 24, "lfr_m": 4, "lfr_n": 2},
        lexicon=False,
    ),
]
TWO_HEADS = KeywordShape("two heads", "FsmnKWSMT", configuration=True)
SANM = [
    KeywordShape("usual", "SanmKWS"),
    KeywordShape(
        "shifted memory, hub layout",
        "SanmKWS",
        encoder={"sanm_shfit": 2, "kernel_size": 7, "num_blocks": 2},
        configuration=True,
    ),
]
LIVE = [
    KeywordShape("usual", "SanmKWSStreaming"),
    KeywordShape(
        "shifted memory, other rows",
        "SanmKWSStreaming",
        encoder={"sanm_shfit": 2, "kernel_size": 7, "num_blocks": 2, "attention_heads": 2},
        frontend={"n_mels": 24, "lfr_m": 5, "lfr_n": 4},
        configuration=True,
    ),
]


def _fsmn(shape: KeywordShape, width: int) -> dict[str, Any]:
    second = {"output_dim2": len(TOKENS2)} if shape.model_class == "FsmnKWSMT" else {}
    return {
        "input_dim": width, "input_affine_dim": 20, "fsmn_layers": 3, "linear_dim": 24,
        "proj_dim": 16, "lorder": 10, "rorder": 2, "lstride": 1, "rstride": 1,
        "output_affine_dim": 20, "output_dim": len(TOKENS), **second, "use_softmax": False,
        **shape.encoder,
    }  # fmt: skip


def _sanm(shape: KeywordShape) -> dict[str, Any]:
    live = shape.model_class == "SanmKWSStreaming"
    chunks = {
        "chunk_size": [16, 20], "stride": [8, 10], "pad_left": [4, 5],
        "encoder_att_look_back_factor": [0, 0], "decoder_att_look_back_factor": [0, 0],
    }  # fmt: skip
    return {
        "output_size": 32, "attention_heads": 4, "linear_units": 40, "num_blocks": 3,
        "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.1,
        "input_layer": "pe_online" if live else "pe", "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
        "selfattention_layer_type": "sanm", **(chunks if live else {}), **shape.encoder,
    }  # fmt: skip


def config_of(shape: KeywordShape) -> dict[str, Any]:
    """The config.yaml of a shape, which names some keywords."""
    fsmn, live = shape.model_class.startswith("Fsmn"), shape.model_class.endswith("Streaming")
    lfr = {"lfr_m": 9, "lfr_n": 3} if fsmn else {"lfr_m": 7, "lfr_n": 6}
    frontend = {
        "fs": 16000, "window": "hamming", "n_mels": 40, "frame_length": 25, "frame_shift": 10,
        **lfr, "dither": 0.0, **shape.frontend,
    }  # fmt: skip
    two = shape.model_class == "FsmnKWSMT"
    tokenizer = {"unk_symbol": "<unk>", "split_with_space": True}
    return {
        "model": shape.model_class,
        "model_conf": {"ctc_weight": 1.0},
        "keywords": KEYWORDS,
        "encoder": ("FSMNMT" if two else "FSMN") if fsmn
        else "SANMEncoderChunkOpt" if live else "SANMEncoder",
        "encoder_conf": _fsmn(shape, frontend["n_mels"] * frontend["lfr_m"]) if fsmn
        else _sanm(shape),
        "frontend": "WavFrontendOnline" if live else "WavFrontend",
        "frontend_conf": frontend,
        "tokenizer": ["CharTokenizer", "CharTokenizer"] if two else "CharTokenizer",
        "tokenizer_conf": [tokenizer, dict(tokenizer)] if two else tokenizer,
        "ctc_conf": {
            "dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True,
            "extra_linear": not fsmn, **shape.ctc,
        },
        "normalize": None,
    }  # fmt: skip


def _network(config: dict[str, Any], cmvn: Path) -> torch.nn.Module:
    """FunASR's network with random weights whose rows say one thing or another, often the blank."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **config["frontend_conf"], cmvn_file=str(cmvn)
    )
    two = config["model"] == "FsmnKWSMT"
    conf = copy.deepcopy(config) | copy.deepcopy(config["model_conf"])
    network = tables.model_classes[config["model"]](
        **conf,
        input_size=frontend.output_size(),
        vocab_size=[len(TOKENS), len(TOKENS2)] if two else len(TOKENS),
    ).eval()
    wave = torch.from_numpy(speech(20.0, seed=77, rate=frontend.fs))
    features, frames = frontend(wave[None], torch.tensor([len(wave)]))
    encoder = network.encoder

    def scores() -> list[torch.Tensor]:
        if not config["model"].startswith("Fsmn"):
            # Live networks cut what they are given into overlapping chunks.
            return [network.ctc.ctc_lo(encoder(features.clone(), frames)[0])[0]]
        found = encoder(features)
        heads = list(found) if two else [found]
        if network.ctc.ctc_lo is not None:
            heads = [network.ctc.ctc_lo(one) for one in heads]
        return [one[0] for one in heads]

    if config["model"].startswith("Fsmn"):
        last = [encoder.out_linear2.linear, *([encoder.out_linear2_2.linear] if two else [])]
    if network.ctc.ctc_lo is not None:
        last = [network.ctc.ctc_lo]
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        for place, layer in enumerate(last):
            for _ in range(3):
                layer.weight.mul_(8 / scores()[place].std(0).mean())
                layer.bias.sub_(scores()[place].mean(0))
            layer.bias[0] += 10
            layer.bias[-1] -= 1e3  # unknown sounds
    return network


def write_keyword_dir(path: Path, shape: KeywordShape = SHAPES[0], seed: int = 0) -> Path:
    """Make a FunASR model directory; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    config = config_of(shape)
    frontend = config["frontend_conf"]
    two = shape.model_class == "FsmnKWSMT"
    write_cmvn(path / "am.mvn", frontend["n_mels"] * frontend["lfr_m"], seed)
    (path / "tokens.txt").write_text("".join(f"{one}\n" for one in TOKENS), "utf-8")
    lexicon = "lexicon.txt" if shape.configuration else "seg_dict"
    if shape.lexicon:
        (path / lexicon).write_text("".join(f"{a} {b}\n" for a, b in LEXICON.items()), "utf-8")
    if two:
        (path / "tokens2.txt").write_text("".join(f"{one}\n" for one in TOKENS2), "utf-8")
    if shape.configuration:
        files: dict[str, Any] = {"tokenizer_conf": {"token_list": "tokens.txt"}}
        if shape.lexicon:
            files["tokenizer_conf"]["seg_dict_file"] = lexicon
        if two:
            files = {
                "token_lists": ["tokens.txt", "tokens2.txt"],
                "seg_dicts": [lexicon, lexicon],
            }
        metas = {
            "init_param": "model.pt",
            "config": "config.yaml",
            "frontend_conf": {"cmvn_file": "am.mvn"},
            **files,
        }
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(config, path / "am.mvn")
    torch.save(network.state_dict(), path / "model.pt")
    return path
