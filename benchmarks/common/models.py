"""The full-size models of the benchmarks: Paraformer-large, 220 M parameters, random weights.

Offline and streaming; the two differ in how they are run, not in size.

Speed does not depend on what the weights are, apart from the number of tokens, which decides how
much the decoder has to do. So the weights are FunASR's fresh ones under a fixed seed, and the
predictor is set so that it gives about four tokens a second, as Mandarin speech does.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.common.cmvn import write_cmvn
from safeasr.bench.audio.noise import speech_like
from safeasr.bundles.cache import cache_dir

TOKENS_PER_FRAME = 0.25  # a frame is 60 ms: 4.2 tokens a second
DROPOUT = {"dropout_rate": 0.1, "positional_dropout_rate": 0.1}

#: config.yaml of Paraformer-large as published on the hubs, without its training settings.
CONFIG: dict[str, Any] = {
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
        "output_size": 512,
        "attention_heads": 4,
        "linear_units": 2048,
        "num_blocks": 50,
        "attention_dropout_rate": 0.1,
        "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
        **DROPOUT,
    },
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": {
        "attention_heads": 4,
        "linear_units": 2048,
        "num_blocks": 16,
        "att_layer_num": 16,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "self_attention_dropout_rate": 0.1,
        "src_attention_dropout_rate": 0.1,
        **DROPOUT,
    },
    "predictor": "CifPredictorV2",
    "predictor_conf": {
        "idim": 512,
        "threshold": 1.0,
        "l_order": 1,
        "r_order": 1,
        "tail_threshold": 0.45,
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
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    "ctc_conf": {
        "dropout_rate": 0.0,
        "ctc_type": "builtin",
        "reduce": True,
        "ignore_nan_grad": True,
    },
    "normalize": None,
}
#: The streaming model as published: what differs.
STREAMING_CONFIG: dict[str, Any] = {
    **CONFIG,
    "model": "ParaformerStreaming",
    "encoder": "SANMEncoderChunkOpt",
    "encoder_conf": {
        **CONFIG["encoder_conf"],
        "input_layer": "pe_online",
        "chunk_size": [12, 15],
        "stride": [8, 10],
        "pad_left": [0, 0],
        "encoder_att_look_back_factor": [4, 4],
        "decoder_att_look_back_factor": [1, 1],
    },
    "decoder_conf": {**CONFIG["decoder_conf"], "sanm_shfit": 5},
    "frontend": "WavFrontendOnline",
}
#: As many tokens as the published vocabulary: the three specials, made-up characters, unknown.
VOCABULARY = ["<blank>", "<s>", "</s>", *(chr(0x4E00 + i) for i in range(8400)), "<unk>"]


def data_root() -> Path:
    """Where real configurations and recordings may be: ``$SAFEASR_TEST_DATA``, or ../shared."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("SAFEASR_TEST_DATA") or beside)


def _write_description(out: Path, source: Path | None, config: dict[str, Any]) -> None:
    if source is not None:
        for name in ("config.yaml", "configuration.json", "tokens.json", "am.mvn"):
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
        return
    (out / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (out / "tokens.json").write_text(json.dumps(VOCABULARY, ensure_ascii=False), encoding="utf-8")
    write_cmvn(out / "am.mvn", 560)  # 80 mels x 7 frames


def _build(out: Path) -> tuple[torch.nn.Module, Any]:
    """FunASR's fresh network and frontend for the configuration in a directory."""
    from funasr import AutoModel  # noqa: F401  (registers the classes)
    from funasr.register import tables

    config = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    tokens = json.loads((out / "tokens.json").read_text(encoding="utf-8"))
    frontend = tables.frontend_classes[config["frontend"]](
        **config["frontend_conf"], cmvn_file=str(out / "am.mvn")
    )
    conf = {**copy.deepcopy(config), **config["model_conf"]}
    torch.manual_seed(0)
    network = tables.model_classes[config["model"]](
        **conf, input_size=frontend.output_size(), vocab_size=len(tokens)
    )
    return network.eval(), frontend


def _streamed_hidden(network: torch.nn.Module, frontend: Any, wave: torch.Tensor) -> torch.Tensor:
    """What the encoder gives for the rows of a stream in chunks of 600 ms."""
    cache: dict[str, Any] = {}
    network.init_cache(
        cache,
        chunk_size=[0, 10, 5],
        encoder_chunk_look_back=4,
        encoder_conf={"output_size": network.encoder.output_size()},
        frontend_conf={"n_mels": frontend.n_mels, "lfr_m": frontend.lfr_m},
    )
    parts = []
    for start in range(0, len(wave) - 9599, 9600):
        piece = wave[None, start : start + 9600]
        rows, count = frontend(piece, torch.tensor([9600]), cache=cache["frontend"])
        parts.append(network.encode_chunk(rows, count, cache=cache)[0][:, :10])
    return torch.cat(parts, dim=1)


def random_network(out: Path) -> torch.nn.Module:
    """FunASR's network for the configuration in a directory, with the token rate set."""
    network, frontend = _build(out)
    wave = torch.from_numpy(speech_like(8.0, seed=99))
    with torch.no_grad():
        if hasattr(network, "encode_chunk"):
            hidden = _streamed_hidden(network, frontend, wave)
        else:
            features, frames = frontend(wave[None], torch.tensor([len(wave)]))
            hidden, _ = network.encode(features, frames)
        predictor = network.predictor
        seen = torch.relu(predictor.cif_conv1d(predictor.pad(hidden.transpose(1, 2))))
        for _ in range(30):
            weights = torch.sigmoid(predictor.cif_output(seen.transpose(1, 2)))
            step = math.log(TOKENS_PER_FRAME / float(np.clip(weights.mean(), 1e-6, None)))
            predictor.cif_output.bias.add_(step)
    return network


def full_size_model(source: Path | None = None, *, streaming: bool = False) -> Path:
    """The model's directory; made once and kept in safeasr's cache, never in the repository.

    Args:
        source: directory with config.yaml, tokens.json and am.mvn to use; default: the published
            Paraformer-large's under :func:`data_root` if it is there, otherwise the configuration
            above.
        streaming: the streaming model.
    """
    name = "paraformer-large" + ("-online" if streaming else "")
    if source is None:
        published = data_root() / "models" / name
        source = published if (published / "config.yaml").is_file() else None
    out = cache_dir() / "benchmark-models" / (name + ("" if source is None else "-published"))
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        _write_description(out, source, STREAMING_CONFIG if streaming else CONFIG)
        draft = out / f"model.{os.getpid()}.draft"
        torch.save(random_network(out).state_dict(), draft)
        draft.replace(out / "model.pt")
    return out


def main() -> None:
    """Make the model and print where it is."""
    parser = argparse.ArgumentParser(description="make the full-size model of the benchmarks")
    parser.add_argument("--config", type=Path, help="directory with config.yaml, tokens, CMVN")
    parser.add_argument("--streaming", action="store_true", help="the streaming model")
    parser.add_argument("--sense-voice", action="store_true", help="SenseVoiceSmall")
    arguments = parser.parse_args()
    if arguments.sense_voice:
        from benchmarks.common.sense_voice_model import sense_voice_model

        print(sense_voice_model())
        return
    print(full_size_model(arguments.config, streaming=arguments.streaming))


if __name__ == "__main__":
    main()
