"""CT-Transformer's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.checkpoints import ENCODER_KEYS, load_parameters, pick, require, section
from safeasr.families.ct_transformer.network import CtTransformerNetwork
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["DICTIONARY", "MakeNetwork", "build_network", "export", "export_as"]

#: A dictionary that words are cut by: its key in configurations, and its file.
DICTIONARY = "jieba_usr_dict"
#: An encoder, the size of the vocabulary, the width of embeddings and the number of marks, to a
#: network.
MakeNetwork = Callable[[SanmEncoder, int, int, int], nn.Module]


def _marks(conf: Mapping[str, Any]) -> dict[str, Any]:
    names, end = conf.get("punc_list"), conf.get("sentence_end_id", 3)
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ExportError(f"model_conf.punc_list must be a list of marks, got {names!r}")
    if not isinstance(end, int) or not 0 <= end < len(names):
        raise ExportError(
            f"model_conf.sentence_end_id must be the number of one of the {len(names)} marks, "
            f"got {end!r}"
        )
    return {"marks": names, "sentence_end": end}


def _vocabulary(model: ModelDir) -> tuple[list[str], int]:
    """The words, and the number of the one that stands for all others."""
    tokens = read_vocabulary(model.tokens)
    unknown = str(dict(model.config.get("tokenizer_conf") or {}).get("unk_symbol", "<unk>"))
    if unknown not in tokens:
        raise ExportError(f"the vocabulary {model.tokens} has no {unknown!r}")
    if len(set(tokens)) < len(tokens):
        raise ExportError(f"the vocabulary {model.tokens} has a word twice")
    return tokens, tokens.index(unknown)


def build_network(
    kind: str,
    encoder_class: str,
    make: MakeNetwork,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    vocabulary: int,
) -> nn.Module:
    """The network, with the checkpoint's weights in float32.

    Args:
        kind: FunASR's class of the model.
        encoder_class: FunASR's class of its encoder.
        make: makes the network of an encoder.
        config: config.yaml.
        weights: of the checkpoint.
        vocabulary: words.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    require(kind, config, "encoder", encoder_class)
    conf, encoder_conf = section(config, "model_conf"), section(config, "encoder_conf")
    require(kind, encoder_conf, "normalize_before", True)
    require(kind, encoder_conf, "concat_after", False)
    require(kind, encoder_conf, "lora_list", None)
    require(kind, encoder_conf, "selfattention_layer_type", "sanm")
    require(kind, encoder_conf, "positionwise_layer_type", "linear")
    require(kind, encoder_conf, "interctc_layer_idx", [])
    # FunASR's own default is "conv2d".
    require(kind, {"input_layer": "conv2d", **encoder_conf}, "input_layer", "pe")
    width, hidden = int(conf.get("embed_unit", 128)), int(conf.get("att_unit", 256))
    for key, name, size in (
        ("input_size", "embed_unit", width),
        ("output_size", "att_unit", hidden),
    ):
        if int(encoder_conf.get(key, 256)) != size:
            raise UnsupportedModelError(
                f"encoder_conf.{key}={encoder_conf.get(key, 256)!r} does not fit "
                f"model_conf.{name}={size}"
            )
    with torch.device("meta"):
        encoder = SanmEncoder(width, **pick(encoder_conf, *ENCODER_KEYS), input_layer="pe")
        network = make(encoder, vocabulary, width, len(_marks(conf)["marks"]))
    load_parameters(network, weights, "")
    return network


def export_as(
    family: str,
    kind: str,
    encoder_class: str,
    make: MakeNetwork,
    model: ModelDir,
    out: Path,
    *,
    trust_remote_code: bool,
    precision: str,
    with_dictionary: bool,
) -> Bundle:
    """Write model.ts, and the dictionary if there is one; arguments as of :func:`build_network`."""
    require(kind, model.config, "tokenizer", "CharTokenizer")
    tokenizer = dict(model.config.get("tokenizer_conf") or {})
    require(kind, tokenizer, "seg_dict", None)
    require(kind, tokenizer, "non_linguistic_symbols", None, [])
    tokens, unknown = _vocabulary(model)
    marks = _marks(section(model.config, "model_conf"))
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network = build_network(kind, encoder_class, make, model.config, weights, len(tokens))
    narrow(network, precision)
    save_program(network, out / "model.ts")
    dictionary = model.find(DICTIONARY) if with_dictionary else None
    if dictionary is not None:
        _check_dictionary(dictionary)
        shutil.copyfile(dictionary, out / DICTIONARY)
    return Bundle(
        path=out,
        family=family,
        model_class=model.model_class,
        programs={"model": "model.ts"},
        assets={} if dictionary is None else {"dictionary": DICTIONARY},
        frontend={},
        tokens=tokens,
        precision=precision,
        decoding={"unknown": unknown, **marks},
        signatures={
            "model": {
                "inputs": [
                    "word ids (rows) int64",
                    "positions (rows) float32",
                    "offsets (B + 1) int64",
                ],
                "outputs": ["numbers of marks (rows) int64"],
            },
        },
    )


def _check_dictionary(path: Path) -> None:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ExportError(f"the dictionary {path} is not UTF-8 text: {error}") from error


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write the bundle of a CTTransformer."""
    return export_as(
        "ct_transformer",
        "CTTransformer",
        "SANMEncoder",
        CtTransformerNetwork,
        model,
        out,
        trust_remote_code=trust_remote_code,
        precision=precision,
        with_dictionary=True,
    )
