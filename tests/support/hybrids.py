"""Small CTC networks, and hybrids of CTC and attention, with seeded random weights.

FunASR's own classes make them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from support.audio import speech
from support.models import VOCABULARY, write_cmvn

__all__ = ["CLASSES", "ENCODERS", "config_of", "random_network", "write_hybrid_dir"]

#: FunASR's classes of hybrids.
CLASSES = ("Conformer", "Transformer", "Branchformer", "EBranchformer", "SANM")
_COMMON = {
    "output_size": 32, "attention_heads": 2, "num_blocks": 2, "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.0,
}  # fmt: skip
_GATED = {**_COMMON, "cgmlp_linear_units": 48, "cgmlp_conv_kernel": 7, "input_layer": "conv2d"}
#: Encoders by FunASR's class of the model; its class CTC takes the result of no other one.
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Conformer": (
        "ConformerEncoder",
        {**_COMMON, "linear_units": 48, "input_layer": "conv2d", "normalize_before": True,
         "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn",
         "activation_type": "swish", "macaron_style": True, "use_cnn_module": True,
         "cnn_module_kernel": 15},
    ),
    "Transformer": (
        "TransformerEncoder",
        {**_COMMON, "linear_units": 48, "input_layer": "conv2d", "normalize_before": True},
    ),
    "Branchformer": ("BranchformerEncoder", _GATED),
    "EBranchformer": (
        "EBranchformerEncoder",
        {**_GATED, "use_ffn": True, "macaron_ffn": True, "linear_units": 48},
    ),
    "SANM": (
        "SANMEncoder",
        {**_COMMON, "linear_units": 48, "input_layer": "pe", "normalize_before": True,
         "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm"},
    ),
    "CTC": (
        "SenseVoiceEncoderSmall",
        {**_COMMON, "linear_units": 48, "tp_blocks": 1, "kernel_size": 11, "sanm_shfit": 0},
    ),
}  # fmt: skip


def config_of(
    model: str = "Conformer",
    *,
    encoder: Mapping[str, Any] | None = None,
    decoder: Mapping[str, Any] | None = None,
    model_conf: Mapping[str, Any] | None = None,
    frontend: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A config.yaml; the arguments are what differs from the usual one of that class."""
    name, usual = ENCODERS[model]
    conv2d = str(usual.get("input_layer", "")).startswith("conv2d")
    stacked = {"lfr_m": 1, "lfr_n": 1} if conv2d else {"lfr_m": 7, "lfr_n": 6}
    fsmn = {"att_layer_num": 1, "kernel_size": 5} if model == "SANM" else {}
    return {
        "model": model,
        "model_conf": {"ctc_weight": 0.3, "lsm_weight": 0.1, "length_normalized_loss": False,
                       **(model_conf or {})},
        "encoder": name, "encoder_conf": {**usual, **(encoder or {})},
        "decoder": "FsmnDecoder" if fsmn else "TransformerDecoder",
        "decoder_conf": {"attention_heads": 2, "linear_units": 48, "num_blocks": 2,
                         "dropout_rate": 0.1, "positional_dropout_rate": 0.1,
                         "self_attention_dropout_rate": 0.0, "src_attention_dropout_rate": 0.0,
                         **fsmn, **(decoder or {})},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25,
                          "frame_shift": 10, "dither": 0.0, **stacked, **(frontend or {})},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True,
                     "ignore_nan_grad": True},
        "normalize": None,
    }  # fmt: skip


def random_network(config: Mapping[str, Any], cmvn: Path, tokens: int) -> torch.nn.Module:
    """FunASR's network with random weights of some contrast.

    Fresh ones say the same token everywhere, and nothing is more likely to end a text than to go
    on with it; a comparison of such texts would prove little.
    """
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **config["frontend_conf"], cmvn_file=str(cmvn)
    )
    conf = copy.deepcopy(dict(config)) | copy.deepcopy(dict(config["model_conf"]))
    network = tables.model_classes[config["model"]](
        **conf, input_size=frontend.output_size(), vocab_size=tokens
    ).eval()
    wave = torch.from_numpy(speech(6.0, seed=77, rate=frontend.fs))
    features, frames = frontend(wave[None], torch.tensor([len(wave)]))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        for name, value in network.named_buffers():
            if name.endswith("running_mean"):
                value.copy_(0.3 * torch.randn(value.shape))
            elif name.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape))
        rows = network.encoder(features, frames)[0]
        if network.ctc is not None:
            head = network.ctc.ctc_lo
            head.weight.mul_(3)
            head.bias.sub_(head(rows)[0].mean(0))
            head.bias[0] += 1.0
        if getattr(network, "decoder", None) is not None:
            text = torch.randint(3, tokens, (1, 30))
            out = network.decoder.output_layer
            out.weight.mul_(3)
            scores = network.decoder(rows, torch.tensor([rows.size(1)]), text, torch.tensor([30]))
            out.bias.sub_(scores[0][0].mean(0))
            out.bias[2] += 1.0  # the end
    return network


def write_hybrid_dir(
    path: Path,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    *,
    vocabulary: Sequence[str] = VOCABULARY,
) -> Path:
    """Make a FunASR model directory; returns it.

    Args:
        path: where.
        config: of :func:`config_of`.
        seed: of its weights.
        vocabulary: the tokens.
    """
    config = config or config_of()
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump(dict(config), allow_unicode=True))
    tokens = json.dumps(list(vocabulary), ensure_ascii=False)
    (path / "tokens.json").write_text(tokens, encoding="utf-8")
    frontend = config["frontend_conf"]
    write_cmvn(path / "am.mvn", frontend["n_mels"] * frontend["lfr_m"], seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = random_network(config, path / "am.mvn", len(vocabulary))
    torch.save(network.state_dict(), path / "model.pt")
    return path
