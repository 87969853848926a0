# SPDX-License-Identifier: Apache-2.0
"""Builds the small Paraformer with FunASR and writes its model directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import funasr  # noqa: F401  (importing it registers the model classes)
import torch
import yaml
from funasr.register import tables

from .dataset import FRONTEND_CONF, MELS, STACK
from .vocabulary import TOKENS

WIDTH, FEED_FORWARD, HEADS, ENCODER_BLOCKS, DECODER_BLOCKS = 192, 768, 4, 6, 3
CTC_WEIGHT = 0.3


def model_config() -> dict[str, Any]:
    """The model's config.yaml.

    `ctc_weight` is 0 here: the CTC head only helps training to find where
    words are, so the published model does without it. Dropout is off: in so
    short a training the varied features are enough against overfitting, and
    drawing its random numbers takes a quarter of the time on a CPU.
    """
    return {
        "model": "Paraformer",
        "model_conf": {
            "ctc_weight": 0.0,
            "lsm_weight": 0.1,
            "length_normalized_loss": True,
            "predictor_weight": 1.0,
            "predictor_bias": 1,
            "sampling_ratio": 0.75,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {
            "output_size": WIDTH,
            "attention_heads": HEADS,
            "linear_units": FEED_FORWARD,
            "num_blocks": ENCODER_BLOCKS,
            "dropout_rate": 0.0,
            "positional_dropout_rate": 0.0,
            "attention_dropout_rate": 0.0,
            "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder",
            "normalize_before": True,
            "kernel_size": 11,
            "sanm_shfit": 0,
            "selfattention_layer_type": "sanm",
        },
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": HEADS,
            "linear_units": FEED_FORWARD,
            "num_blocks": DECODER_BLOCKS,
            "att_layer_num": DECODER_BLOCKS,
            "dropout_rate": 0.0,
            "positional_dropout_rate": 0.0,
            "self_attention_dropout_rate": 0.0,
            "src_attention_dropout_rate": 0.0,
            "kernel_size": 11,
            "sanm_shfit": 0,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {
            "idim": WIDTH,
            "threshold": 1.0,
            "l_order": 1,
            "r_order": 1,
            "tail_threshold": 0.45,
        },
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND_CONF,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"split_with_space": True, "unk_symbol": "<unk>"},
        "ctc_conf": {
            "dropout_rate": 0.0,
            "ctc_type": "builtin",
            "reduce": True,
            "ignore_nan_grad": True,
        },
        "normalize": None,
    }


def build_from(conf: dict[str, Any], with_ctc: bool) -> torch.nn.Module:
    """Make the FunASR model of a configuration with random weights."""
    parts = {
        key: conf[key]
        for name in ("encoder", "decoder", "predictor")
        for key in (name, f"{name}_conf")
    }
    return tables.model_classes[conf["model"]](
        **parts,
        **{**conf["model_conf"], "ctc_weight": CTC_WEIGHT if with_ctc else 0.0},
        ctc_conf=conf["ctc_conf"],
        input_size=MELS * STACK,
        vocab_size=len(TOKENS),
    )


def build_model(with_ctc: bool = True) -> torch.nn.Module:
    """Make FunASR's Paraformer with random weights, by default with a CTC head."""
    return build_from(model_config(), with_ctc)


def _mvn_text(cmvn: tuple[torch.Tensor, torch.Tensor]) -> str:
    """CMVN statistics in the Kaldi nnet text form that FunASR reads."""
    size = len(cmvn[0])
    shift, scale = (" ".join(f"{v:.7g}" for v in part.tolist()) for part in cmvn)
    return (
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n"
        f"<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )


def save_weights(model: torch.nn.Module, out: Path) -> None:
    """Store the weights as float16, without the CTC head.

    The file is written beside the old one and then renamed, so a reader never
    sees half of it.
    """
    state = {
        name: value.to(torch.float16) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
        if not name.startswith("ctc.")
    }
    temporary = out / "model.pt.tmp"
    torch.save(state, temporary)
    temporary.replace(out / "model.pt")


def write_directory(
    out: Path,
    cmvn: tuple[torch.Tensor, torch.Tensor] | None,
    config: dict[str, Any] | None = None,
    task: str = "auto-speech-recognition",
) -> None:
    """Write everything of the model directory but the weights.

    Models that make their own features, or take text, have no `cmvn`.
    """
    config = config or model_config()
    out.mkdir(parents=True, exist_ok=True)
    header = "# SPDX-License-Identifier: Apache-2.0\n"
    body = yaml.safe_dump(config, sort_keys=False)
    (out / "config.yaml").write_text(header + body, encoding="utf-8")
    files: dict[str, Any] = {"init_param": "model.pt", "config": "config.yaml"}
    if "tokenizer" in config:
        text = json.dumps(TOKENS, indent=0) + "\n"
        (out / "tokens.json").write_text(text, encoding="utf-8")
        files["tokenizer_conf"] = {"token_list": "tokens.json"}
    if cmvn is not None:
        (out / "am.mvn").write_text(_mvn_text(cmvn), encoding="utf-8")
        files["frontend_conf"] = {"cmvn_file": "am.mvn"}
    configuration = {
        "framework": "pytorch",
        "task": task,
        "model": {"type": "funasr"},
        "file_path_metas": files,
    }
    text = json.dumps(configuration, indent=2) + "\n"
    (out / "configuration.json").write_text(text, encoding="utf-8")
