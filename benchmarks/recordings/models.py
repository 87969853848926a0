"""The models of the pipeline at the size of the published ones, weights random but fixed."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.common.cmvn import write_cmvn
from benchmarks.common.models import CONFIG, DROPOUT, VOCABULARY, random_network
from benchmarks.common.vad_model import vad_model
from safeasr.bundles.cache import cache_dir

__all__ = ["pipeline_models"]

#: What SeacoParaformer has beside Paraformer-large.
SEACO_CONFIG: dict[str, Any] = {
    **CONFIG,
    "model": "SeacoParaformer",
    "model_conf": {
        **CONFIG["model_conf"],
        "inner_dim": 512,
        "bias_encoder_type": "lstm",
        "bias_encoder_bid": False,
        "seaco_lsm_weight": 0.1,
        "seaco_length_normal": True,
        "train_decoder": True,
        "NO_BIAS": 8377,
    },
    "seaco_decoder": "ParaformerSANMDecoder",
    "seaco_decoder_conf": {
        "attention_heads": 4,
        "linear_units": 1024,
        "num_blocks": 4,
        "kernel_size": 21,
        "sanm_shfit": 0,
        "use_output_layer": False,
        "wo_input_layer": True,
        "self_attention_dropout_rate": 0.1,
        "src_attention_dropout_rate": 0.1,
        **DROPOUT,
    },
    "predictor": "CifPredictorV3",
    "predictor_conf": {
        **CONFIG["predictor_conf"],
        "smooth_factor2": 0.25,
        "noise_threshold2": 0.01,
        "upsample_times": 3,
        "use_cif1_cnn": False,
        "upsample_type": "cnn_blstm",
    },
}
_MARKS = ["<unk>", "_", "，", "。", "？", "、"]
#: Behind how many of a hundred words each mark stands.
_SHARES = torch.tensor([0.0, 0.86, 0.08, 0.04, 0.01, 0.01])
_WORDS = 272727
PUNC_CONFIG: dict[str, Any] = {
    "model": "CTTransformer",
    "model_conf": {
        "ignore_id": 0,
        "embed_unit": 256,
        "att_unit": 256,
        "dropout_rate": 0.1,
        "punc_list": _MARKS,
        "punc_weight": [1.0] * len(_MARKS),
        "sentence_end_id": 3,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": {
        **CONFIG["encoder_conf"],
        "input_size": 256,
        "output_size": 256,
        "attention_heads": 8,
        "linear_units": 1024,
        "num_blocks": 4,
        "attention_dropout_rate": 0.0,
        "padding_idx": 0,
    },
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>"},
}


def _made(name: str, make: Callable[[Path], torch.nn.Module]) -> str:
    """A model's directory in safeasr's cache; made once."""
    out = cache_dir() / "benchmark-models" / name
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        draft = out / f"model.{os.getpid()}.draft"
        torch.save(make(out).state_dict(), draft)
        draft.replace(out / "model.pt")
    return str(out)


def _describe(out: Path, config: dict[str, Any], tokens: list[str] | None = None) -> None:
    text = yaml.safe_dump(config, allow_unicode=True)
    (out / "config.yaml").write_text(text, encoding="utf-8")
    if tokens is not None:
        (out / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")


def _seaco(out: Path) -> torch.nn.Module:
    _describe(out, SEACO_CONFIG, VOCABULARY)
    write_cmvn(out / "am.mvn", 560)
    return random_network(out)


def _punc(out: Path) -> torch.nn.Module:
    """Whose marks have the shares that they have in speech, or nearly."""
    from funasr.register import tables

    _describe(
        out, PUNC_CONFIG, [*VOCABULARY, *(f"word{i}" for i in range(len(VOCABULARY), _WORDS))]
    )
    torch.manual_seed(0)
    conf = copy.deepcopy(PUNC_CONFIG) | copy.deepcopy(PUNC_CONFIG["model_conf"])
    network = tables.model_classes["CTTransformer"](**conf, vocab_size=_WORDS).eval()
    ids = torch.randint(3, 8403, (40, 25))
    with torch.no_grad():
        network.decoder.weight.mul_(8)
        network.decoder.bias[_SHARES == 0] = -1e4
        for _ in range(80):
            lengths = torch.full((40,), 25)
            indexes = torch.zeros(40, dtype=torch.int32)
            scores = network.punc_forward(ids, lengths, vad_indexes=indexes)[0]
            found = torch.bincount(scores.argmax(-1).flatten(), minlength=len(_MARKS)) / 1000
            network.decoder.bias.add_((_SHARES - found) * 2)
    return network


def _speakers(out: Path) -> torch.nn.Module:
    from funasr.register import tables

    _describe(out, {"model": "CAMPPlus", "model_conf": {}})
    torch.manual_seed(0)
    network = tables.model_classes["CAMPPlus"]().eval()
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network


def pipeline_models() -> dict[str, str]:
    """Arguments of ``AutoModel``: SeacoParaformer-large, FSMN-VAD, CT-Transformer and CAM++."""
    from funasr import AutoModel  # noqa: F401  (registers the classes)

    return {
        "model": _made("seaco-paraformer-large", _seaco),
        "vad_model": str(vad_model()),
        "punc_model": _made("ct-transformer", _punc),
        "spk_model": _made("campplus", _speakers),
    }
