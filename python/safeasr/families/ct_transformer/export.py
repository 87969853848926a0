"""CT-Transformer's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.damage import read_small
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import Settings
from safeasr.bundles.tables import check_vocabulary
from safeasr.families.checkpoints import (
    check_sanm_encoder,
    encoder_arguments,
    load_parameters,
    refuse_leftovers,
    require,
    unknown_token,
)
from safeasr.families.ct_transformer.network import CtTransformerNetwork
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["DICTIONARY", "MakeNetwork", "build_network", "export", "export_as"]

#: A dictionary that words are cut by: its key in configurations, and its file.
DICTIONARY = "jieba_usr_dict"
#: An encoder, the size of the vocabulary, the width of embeddings and the number of marks, to a
#: network.
MakeNetwork = Callable[[SanmEncoder, int, int, int], nn.Module]


def _marks(conf: Settings) -> dict[str, Any]:
    names = conf.texts("punc_list", least=1)
    return {"marks": names, "sentence_end": conf.whole("sentence_end_id", 3, most=len(names) - 1)}


def _vocabulary(model: ModelDir) -> tuple[list[str], int]:
    """The words, and the number of the one that stands for all others."""
    tokens = read_vocabulary(model.tokens)
    check_vocabulary(model.tokens, tokens, None)
    return tokens, unknown_token(model.settings, tokens)


def build_network(
    kind: str,
    encoder_class: str,
    make: MakeNetwork,
    config: Mapping[str, Any] | Settings,
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
    config = Settings.of(config)
    check_sanm_encoder(kind, config, encoder=encoder_class, input_layers=("pe",))
    conf, encoder_conf = config.section("model_conf"), config.section("encoder_conf")
    width, hidden = conf.whole("embed_unit", 128, least=1), conf.whole("att_unit", 256, least=1)
    for key, name, size in (
        ("input_size", "embed_unit", width),
        ("output_size", "att_unit", hidden),
    ):
        if encoder_conf.whole(key, 256, least=1) != size:
            raise encoder_conf.wrong(key, f"{size}, as {conf.name(name)}")
    sizes, marks = encoder_arguments(encoder_conf), _marks(conf)["marks"]
    with torch.device("meta"):
        encoder = SanmEncoder(width, **sizes, input_layer="pe")
        network = make(encoder, vocabulary, width, len(marks))
    refuse_leftovers(weights, load_parameters(network, weights, ""))
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
    require(kind, model.settings, "tokenizer", "CharTokenizer")
    tokenizer = model.settings.section("tokenizer_conf", optional=True)
    require(kind, tokenizer, "seg_dict", None)
    require(kind, tokenizer, "non_linguistic_symbols", None, [])
    tokens, unknown = _vocabulary(model)
    marks = _marks(model.settings.section("model_conf"))
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    network = build_network(kind, encoder_class, make, model.settings, weights, len(tokens))
    narrow(network, precision)
    save_program(network, out / "model.ts")
    dictionary = model.find(DICTIONARY) if with_dictionary else None
    if dictionary is not None:
        read_small(dictionary, "dictionary")
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
