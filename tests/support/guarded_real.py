"""Small directories of FunASR's classes that no family runs, with seeded random weights."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from support.models import VOCABULARY, write_cmvn

__all__ = ["write_nano", "write_scama", "write_uniasr"]

_FRONTEND = {
    "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
    "lfr_m": 7, "lfr_n": 6, "dither": 0.0,
}  # fmt: skip
_TOKENIZER = {
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
}


def _write(path: Path, config: Mapping[str, Any], seed: int = 0) -> Path:
    """A directory whose weights are those of a fresh network, with more contrast."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump(dict(config), allow_unicode=True))
    (path / "tokens.json").write_text(json.dumps(list(VOCABULARY), ensure_ascii=False))
    size = config["frontend_conf"]["n_mels"] * config["frontend_conf"].get("lfr_m", 1)
    write_cmvn(path / "am.mvn", size, seed)
    conf = copy.deepcopy(dict(config)) | copy.deepcopy(dict(config.get("model_conf") or {}))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = tables.model_classes[config["model"]](
            **conf, input_size=size, vocab_size=len(VOCABULARY)
        )
        for name, value in network.named_parameters():
            if value.dim() > 1:
                value.mul_(2.5)
            elif name.endswith("bias"):
                value.add_(0.2 * torch.randn(value.shape))
    torch.save(network.state_dict(), path / "model.pt")
    return path


def _encoder(chunk: list[int], stride: list[int], pad: list[int], blocks: int) -> dict[str, Any]:
    return {
        "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": blocks,
        "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.1,
        "input_layer": "pe", "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
        "selfattention_layer_type": "sanm", "chunk_size": chunk, "stride": stride,
        "pad_left": pad, "encoder_att_look_back_factor": [0, 0],
        "decoder_att_look_back_factor": [0, 0],
    }  # fmt: skip


_DECODER = {
    "attention_dim": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2,
    "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "self_attention_dropout_rate": 0.1,
    "src_attention_dropout_rate": 0.1, "att_layer_num": 2, "kernel_size": 11,
    "concat_embeds": True,
}  # fmt: skip
_PREDICTOR = {"idim": 32, "threshold": 1.0, "l_order": 1, "r_order": 1}


def write_uniasr(path: Path) -> Path:
    """UniASR: two passes, a beam search that the first call sets up."""
    config = {
        "model": "UniASR",
        "model_conf": {
            "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True,
            "predictor_weight": 1.0, "decoder_attention_chunk_type": "chunk",
            "ctc_weight2": 0.0, "predictor_weight2": 1.0,
            "decoder_attention_chunk_type2": "chunk", "loss_weight_model1": 0.5,
        },
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": _encoder([20, 60], [10, 40], [5, 10], 2),
        "decoder": "FsmnDecoderSCAMAOpt", "decoder_conf": _DECODER,
        "predictor": "CifPredictorV2", "predictor_conf": _PREDICTOR,
        "encoder2": "SANMEncoderChunkOpt",
        "encoder2_conf": _encoder([45, 70], [35, 50], [5, 10], 2),
        "decoder2": "FsmnDecoderSCAMAOpt", "decoder2_conf": _DECODER,
        "predictor2": "CifPredictorV2", "predictor2_conf": _PREDICTOR,
        "stride_conv": "stride_conv1d",
        "stride_conv_conf": {"kernel_size": 2, "stride": 2, "pad": [0, 1]},
        "frontend": "WavFrontend", "frontend_conf": _FRONTEND, **_TOKENIZER,
    }  # fmt: skip
    return _write(path, config)


def write_scama(path: Path) -> Path:
    """SCAMA: streams, in pieces that one call brings or several."""
    config = {
        "model": "SCAMA",
        "model_conf": {
            "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True,
            "predictor_weight": 1.0, "decoder_attention_chunk_type": "chunk",
        },
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": {
            **_encoder([12, 15], [8, 10], [0, 0], 2),
            "input_layer": "pe_online", "pos_enc_class": "StreamSinusoidalPositionEncoder",
        },
        "decoder": "FsmnDecoderSCAMAOpt", "decoder_conf": _DECODER,
        "predictor": "CifPredictorV2", "predictor_conf": _PREDICTOR,
        "frontend": "WavFrontendOnline", "frontend_conf": _FRONTEND, **_TOKENIZER,
    }  # fmt: skip
    return _write(path, config)


def _write_llm(path: Path) -> None:
    """A language model's configuration and a tokenizer, as transformers has them."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast, Qwen2Config

    special = ["<|im_start|>", "<|im_end|>", "<|startofspeech|>", "<|endofspeech|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: number for number, token in enumerate([*special, *letters])}
    bare = Tokenizer(BPE(vocab, [], unk_token=None))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|im_end|>",
        additional_special_tokens=special,
    )  # fmt: skip
    tokenizer.save_pretrained(path)
    Qwen2Config(
        vocab_size=len(vocab), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=4096,
        eos_token_id=1, pad_token_id=1, bos_token_id=0,
    ).save_pretrained(path)  # fmt: skip


def write_nano(path: Path) -> Path:
    """Fun-ASR-Nano with a language model of two layers that knows bytes: the smallest stand-in."""
    llm = path / "llm"
    llm.mkdir(parents=True, exist_ok=True)
    _write_llm(llm)
    config = {
        "model": "FunASRNano",
        "model_conf": {"length_normalized_loss": True},
        "audio_encoder": "SenseVoiceEncoderSmall",
        "audio_encoder_conf": {
            "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2,
            "tp_blocks": 1, "dropout_rate": 0.1, "positional_dropout_rate": 0.1,
            "attention_dropout_rate": 0.1, "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
            "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm",
            "freeze": True,
        },
        "audio_adaptor": "Transformer",
        "audio_adaptor_conf": {
            "downsample_rate": 1, "use_low_frame_rate": True, "ffn_dim": 64, "llm_dim": 32,
            "encoder_dim": 32, "n_layer": 0, "freeze": True,
        },
        "llm": "Qwen2",
        "llm_conf": {"hub": "hf", "freeze": True, "llm_dtype": "fp32",
                     "init_param_path": str(llm)},
        "tokenizer": "HuggingfaceTokenizer", "tokenizer_conf": {"init_param_path": str(llm)},
        "frontend": "WavFrontend", "frontend_conf": _FRONTEND,
        # Random weights never come to an end by themselves.
        "max_length": 40,
    }  # fmt: skip
    return _write(path, config)
