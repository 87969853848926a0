"""FunASR model directories with seeded random weights, made by FunASR's own classes.

Random networks are a harsh test of parity: nothing in them is smooth or redundant, so a wrong mask,
order or epsilon changes the text at once.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from support.audio import speech

SPECIAL = ["<blank>", "<s>", "</s>"]
HAN = list(
    "今天气很好的是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对"
)
ENGLISH = "hello world the of and speech is yes no it don't a i b c".split()
PIECES = "hel@@ lo wor@@ ld s@@ pee@@ ch re@@ cog@@ nize 中@@".split()
DIGITS = "1 2 12 2024".split()
VOCABULARY = [*SPECIAL, *HAN, *ENGLISH, *PIECES, *DIGITS, "<space>", "<unk>"]


@dataclass(frozen=True)
class Shape:
    """A small Paraformer: what differs from the base below.

    Attributes:
        name: of the test case.
        encoder: keys of encoder_conf.
        decoder: keys of decoder_conf.
        predictor: keys of predictor_conf.
        frontend: keys of frontend_conf.
        vocabulary: the tokens.
        configuration: write a configuration.json that renames the files, as hub models have.
        rate: how many tokens a frame brings, on average.
    """

    name: str
    encoder: Mapping[str, Any] = field(default_factory=dict)
    decoder: Mapping[str, Any] = field(default_factory=dict)
    predictor: Mapping[str, Any] = field(default_factory=dict)
    frontend: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = tuple(VOCABULARY)
    configuration: bool = False
    rate: float = 0.1


USUAL = Shape("usual")
SHAPES = [
    USUAL,
    Shape(
        "no tail, hub layout",
        encoder={"num_blocks": 3, "kernel_size": 5},
        predictor={"tail_threshold": 0.0, "l_order": 2, "r_order": 0},
        configuration=True,
    ),
    Shape(
        "decoder layers without attention",
        encoder={"num_blocks": 1, "attention_heads": 4},
        decoder={"num_blocks": 4, "att_layer_num": 2, "attention_heads": 4, "kernel_size": 7},
        predictor={"l_order": 0, "r_order": 2, "smooth_factor": 1.2, "noise_threshold": 0.02},
    ),
    Shape(
        "shifted memory, unmasked tail",
        encoder={"sanm_shfit": 3, "output_size": 48, "linear_units": 96, "attention_heads": 3},
        decoder={
            "sanm_shfit": 2,
            "linear_units": 40,
            "attention_heads": 1,
            "num_blocks": 1,
            "att_layer_num": 1,
        },
        predictor={"tail_mask": False, "tail_threshold": 0.3},
        frontend={"lfr_m": 5, "lfr_n": 4},
    ),
    Shape(
        "first block with a residual, 8 kHz",
        # 16 mels x 4 frames are as wide as the encoder: its first block then has a residual too.
        encoder={"output_size": 64, "num_blocks": 2},
        predictor={"l_order": 3, "r_order": 3},
        frontend={"fs": 8000, "n_mels": 16, "lfr_m": 4, "lfr_n": 6},
        vocabulary=(
            *SPECIAL,
            *"zero one two three four five six seven eight nine".split(),
            "<unk>",
        ),
    ),
]


def config_of(shape: Shape) -> dict[str, Any]:
    """The config.yaml of a shape."""
    encoder = {
        "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2,
        "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.1,
        "input_layer": "pe", "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
        "selfattention_layer_type": "sanm", **shape.encoder,
    }  # fmt: skip
    decoder = {
        "attention_heads": 2, "linear_units": 64, "num_blocks": 2, "att_layer_num": 2,
        "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "self_attention_dropout_rate": 0.1,
        "src_attention_dropout_rate": 0.1, "kernel_size": 11, "sanm_shfit": 0, **shape.decoder,
    }  # fmt: skip
    predictor = {
        "idim": encoder["output_size"], "threshold": 1.0, "l_order": 1, "r_order": 1,
        "tail_threshold": 0.45, **shape.predictor,
    }  # fmt: skip
    frontend = {
        "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
        "lfr_m": 7, "lfr_n": 6, "dither": 0.0, **shape.frontend,
    }  # fmt: skip
    return {
        "model": "Paraformer",
        "model_conf": {
            "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True,
            "predictor_weight": 1.0, "predictor_bias": 1, "sampling_ratio": 0.75,
        },
        "encoder": "SANMEncoder", "encoder_conf": encoder,
        "decoder": "ParaformerSANMDecoder", "decoder_conf": decoder,
        "predictor": "CifPredictorV2", "predictor_conf": predictor,
        "frontend": "WavFrontend", "frontend_conf": frontend,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True,
                     "ignore_nan_grad": True},
        "normalize": None,
    }  # fmt: skip


#: Changes a network in place: takes it, hidden vectors of speech and their number, embeddings of
#: its tokens and their number, each of one utterance.
Tune = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], None]


def random_network(
    config: Mapping[str, Any],
    vocab_size: int,
    cmvn: Path,
    rate: float,
    tune: Tune | None = None,
) -> torch.nn.Module:
    """FunASR's Paraformer of some kind for a config, with random weights of some contrast.

    Fresh weights of torch give nearly constant weights of frames and the same token everywhere;
    a comparison of such texts would prove little.
    """
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **config["frontend_conf"], cmvn_file=str(cmvn)
    )
    conf = copy.deepcopy(dict(config)) | copy.deepcopy(dict(config.get("model_conf") or {}))
    network = tables.model_classes[config["model"]](
        **conf, input_size=frontend.output_size(), vocab_size=vocab_size
    ).eval()
    wave = torch.from_numpy(speech(6.0, seed=77, rate=frontend.fs))
    features, frames = frontend(wave[None], torch.tensor([len(wave)]))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        network.predictor.cif_output.weight.mul_(6)
        hidden, _ = network.encode(features, frames)
        for _ in range(20):  # until a frame brings as many tokens as it shall
            tokens, count, weights, _ = network.calc_predictor(hidden, frames)
            network.predictor.cif_output.bias.add_(float(np.log(rate / float(weights.mean()))))
        # No token may be the best one everywhere, whatever was said.
        if config["decoder"] == "ParaformerSANMDecoder":  # others need more than this
            logits = network.decoder(hidden, frames, tokens, count.round().long())[0]
            network.decoder.output_layer.bias.sub_(logits[0].mean(0))
        if tune is not None:
            tune(network, hidden, frames, tokens, count.round().long())
    return network


def write_cmvn(path: Path, size: int, seed: int = 0) -> None:
    """An am.mvn of the magnitude of real statistics."""
    rng = np.random.default_rng(seed)
    shift, scale = -10 - 2 * rng.random(size), 0.2 + 0.1 * rng.random(size)

    def block(name: str, values: np.ndarray) -> str:
        numbers = " ".join(f"{v:.6f}" for v in values)
        return f"<{name}> {size} {size}\n<LearnRateCoef> 0 [ {numbers} ]\n"

    text = f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n{block('AddShift', shift)}"
    path.write_text(f"{text}{block('Rescale', scale)}</Nnet>\n", encoding="utf-8")


def write_model_dir(
    path: Path,
    shape: Shape = USUAL,
    seed: int = 0,
    *,
    config: Mapping[str, Any] | None = None,
    tune: Tune | None = None,
) -> Path:
    """Make a FunASR model directory; returns it.

    Args:
        path: where.
        shape: of the model.
        seed: of its weights.
        config: config.yaml, if not the shape's.
        tune: what is done with the weights at last.
    """
    path.mkdir(parents=True, exist_ok=True)
    config = config or config_of(shape)
    names = {"config": "config.yaml", "tokens": "tokens.json", "cmvn": "am.mvn",
             "weights": "model.pt"}  # fmt: skip
    if shape.configuration:
        names = {"config": "the_config.yaml", "tokens": "words.json", "cmvn": "stats.mvn",
                 "weights": "net.pt"}  # fmt: skip
        metas = {
            "init_param": names["weights"],
            "config": names["config"],
            "tokenizer_conf": {"token_list": names["tokens"]},
            "frontend_conf": {"cmvn_file": names["cmvn"]},
        }
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (path / names["config"]).write_text(yaml.safe_dump(dict(config), allow_unicode=True))
    tokens = json.dumps(list(shape.vocabulary), ensure_ascii=False)
    (path / names["tokens"]).write_text(tokens, encoding="utf-8")
    frontend = config["frontend_conf"]
    write_cmvn(path / names["cmvn"], frontend["n_mels"] * frontend["lfr_m"], seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = random_network(
            config, len(shape.vocabulary), path / names["cmvn"], shape.rate, tune
        )
    torch.save(network.state_dict(), path / names["weights"])
    return path
