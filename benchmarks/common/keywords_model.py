"""The FSMN-KWS of the benchmarks at its published size: 1.8 million parameters, random weights.

Speed depends neither on what the weights are nor on the vocabulary's texts, only on its size. So
the weights are FunASR's fresh ones under a fixed seed, sharpened so that three rows in four say the
blank, and the vocabulary is made up.
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

__all__ = ["keywords_model"]

VOCABULARY_SIZE = 2602
SILENT = 0.75
#: FunASR's recipe fsmn_4e_l10r2_280_200_fdim40_t2602, without its training settings.
CONFIG: dict[str, Any] = {
    "model": "FsmnKWS",
    "model_conf": {"ctc_weight": 1.0},
    "encoder": "FSMN",
    "encoder_conf": {
        "input_dim": 360,
        "input_affine_dim": 280,
        "fsmn_layers": 4,
        "linear_dim": 280,
        "proj_dim": 200,
        "lorder": 10,
        "rorder": 2,
        "lstride": 1,
        "rstride": 1,
        "output_affine_dim": 400,
        "output_dim": VOCABULARY_SIZE,
        "use_softmax": False,
    },
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16000,
        "window": "hamming",
        "n_mels": 40,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 9,
        "lfr_n": 3,
        "dither": 0.0,
    },
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    "ctc_conf": {
        "dropout_rate": 0.0,
        "ctc_type": "builtin",
        "reduce": True,
        "ignore_nan_grad": True,
        "extra_linear": False,
    },
    "normalize": None,
}


def _tokens() -> list[str]:
    return ["<blank>", *(chr(0x4E00 + i) for i in range(VOCABULARY_SIZE - 2)), "<unk>"]


def _random_network(out: Path) -> tuple[torch.nn.Module, list[int]]:
    """The network, and the tokens that it says most often."""
    from funasr import AutoModel  # noqa: F401  (registers the classes)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **CONFIG["frontend_conf"], cmvn_file=str(out / "am.mvn")
    )
    torch.manual_seed(0)
    network = tables.model_classes["FsmnKWS"](
        **copy.deepcopy({**CONFIG, **CONFIG["model_conf"]}),
        input_size=frontend.output_size(),
        vocab_size=VOCABULARY_SIZE,
    ).eval()
    wave = torch.from_numpy(speech_like(20.0, seed=99))
    head = network.encoder.out_linear2.linear
    with torch.no_grad():
        features, _ = frontend(wave[None], torch.tensor([len(wave)]))
        head.weight.mul_(8 / network.encoder(features)[0].std(0).mean())
        head.bias.sub_(network.encoder(features)[0].mean(0))
        scores = network.encoder(features)[0]
        ahead = scores[:, 1:].max(1).values - scores[:, 0]
        head.bias[0] += ahead.quantile(SILENT)
        said = network.encoder(features)[0].argmax(-1)
    often = torch.bincount(said, minlength=VOCABULARY_SIZE)[1:].topk(8).indices + 1
    return network, [int(one) for one in often]


def keywords_model() -> Path:
    """The model's directory; made once and kept in safeasr's cache, never in the repository."""
    out = cache_dir() / "benchmark-models" / "fsmn-kws"
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        tokens = _tokens()
        (out / "tokens.txt").write_text("".join(f"{one}\n" for one in tokens), encoding="utf-8")
        write_cmvn(out / "am.mvn", 360)  # 40 mels x 9 frames
        network, often = _random_network(out)
        words = [
            "".join(tokens[one] for one in pair)
            for pair in zip(often[::2], often[1::2], strict=True)
        ]
        config = {**CONFIG, "keywords": ",".join(words)}
        (out / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
        (out / "seg_dict").write_text(f"{tokens[1]} {tokens[1]}\n", encoding="utf-8")
        draft = out / f"model.{os.getpid()}.draft"
        torch.save(network.state_dict(), draft)
        draft.replace(out / "model.pt")
    return out
