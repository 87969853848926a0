"""Model directories with seeded random weights, made by safeasr's own networks: no FunASR needed.

The weights are torch's fresh ones. The predictor is set so that it gives about four tokens a
second, its weights with more contrast than fresh ones have, and no token is the best one
everywhere: otherwise tokens would fire at the edge of a rounding error, and all texts be alike.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from benchmarks.accuracy.numbers import Utterance, encode, fire, score
from benchmarks.common import sense_voice_model
from benchmarks.common.cmvn import write_cmvn
from benchmarks.common.models import (
    CONFIG,
    STREAMING_CONFIG,
    TOKENS_PER_FRAME,
    VOCABULARY,
)
from safeasr import _ext
from safeasr.bench.audio.noise import speech_like
from safeasr.bundles.cache import cache_dir
from safeasr.bundles.model_dir import ModelDir, read_model_dir
from safeasr.bundles.settings import Settings
from safeasr.families.checkpoints import (
    decoder_arguments,
    encoder_arguments,
    predictor_arguments,
)
from safeasr.families.frontends import offline_frontend as frontend_of
from safeasr.families.paraformer.network import DecoderProgram, EncoderProgram
from safeasr.families.sense_voice.network import CtcHead, SenseVoiceNetwork
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.layers import FsmnMemory, Norm
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.nets.sense_voice_encoder import SenseVoiceEncoder

KINDS = ("paraformer", "paraformer-streaming", "sense-voice")
FEATURES = 560  # 80 mels x 7 frames
#: What makes a small model of a published configuration.
SMALL_ENCODER = {"output_size": 64, "attention_heads": 4, "linear_units": 128, "num_blocks": 3}
SMALL: dict[str, dict[str, Any]] = {
    "encoder_conf": SMALL_ENCODER,
    "decoder_conf": {
        "attention_heads": 4,
        "linear_units": 128,
        "num_blocks": 2,
        "att_layer_num": 2,
    },
    "predictor_conf": {"idim": 64},
}
SMALL_SENSE_VOICE = {"encoder_conf": {**SMALL_ENCODER, "tp_blocks": 2}}
CONTRAST = 6.0
VOICES = 12


def configuration(kind: str, small: bool) -> dict[str, Any]:
    """config.yaml of a kind of model."""
    base = {
        "paraformer": CONFIG,
        "paraformer-streaming": STREAMING_CONFIG,
        "sense-voice": sense_voice_model.CONFIG,
    }[kind]
    config = copy.deepcopy(base)
    if small:
        for name, changes in (SMALL_SENSE_VOICE if kind == "sense-voice" else SMALL).items():
            config[name].update(changes)
    return config


def _fresh(network: nn.Module) -> nn.Module:
    """Give the parameters that safeasr's layers leave empty what torch's own would have."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Norm):
                module.weight.fill_(1.0)
                module.bias.zero_()
            elif isinstance(module, FsmnMemory):
                bound = 1 / math.sqrt(module.taps.size(0))
                module.taps.uniform_(-bound, bound)
    return network.eval().requires_grad_(False)


def named_as_funasr(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Parameters by FunASR's names; the reverse of ``configuration.load_parameters``."""
    named = {}
    for name, value in network.state_dict().items():
        if name.endswith(".taps"):
            name, value = name.removesuffix("taps") + "weight", value.t().unsqueeze(1).contiguous()
        named[prefix + name] = value
    return named


def _features(frontend: dict[str, Any]) -> Tensor:
    """Rows of speech-like noise of several voices, which differ more than the rows of one."""
    voices = np.concatenate([speech_like(3.0, seed=90 + voice) for voice in range(VOICES)])
    return torch.from_numpy(np.array(_ext.Frontend(**frontend).compute([voices])[0][0]))


def _paraformer(config: dict[str, Any], frontend: dict[str, Any]) -> dict[str, Tensor]:
    # As an offline model also where it is to be a streaming one: they differ in how they are run.
    settings = Settings(config)
    encoder = SanmEncoder(FEATURES, **encoder_arguments(settings.section("encoder_conf")))
    predictor = CifWeights(**predictor_arguments(settings.section("predictor_conf"), encoder.size))
    sizes = decoder_arguments(settings.section("decoder_conf"), encoder.size)
    sizes.pop("sanm_shfit", None)  # the same in both kinds
    decoder = ParaformerDecoder(len(VOCABULARY), encoder.size, **sizes)
    for network in (encoder, predictor, decoder):
        _fresh(network)
    span = config["predictor_conf"]["l_order"], config["predictor_conf"]["r_order"]
    one = Utterance(_features(frontend), *span)
    predictor.cif_output.weight.mul_(CONTRAST)
    hidden, _ = encode(EncoderProgram(encoder, predictor), one)
    for _ in range(20):
        alphas = predictor(hidden, one.neighbours)
        step = math.log(TOKENS_PER_FRAME / float(alphas.mean().clamp(min=1e-6)))
        predictor.cif_output.bias.add_(step)
    alphas = predictor(hidden, one.neighbours)
    tail = float(config["predictor_conf"]["tail_threshold"])
    scores = score(DecoderProgram(decoder), fire(hidden, alphas, tail), hidden)
    decoder.output_layer.bias.sub_(scores.mean(0))
    networks = {"encoder.": encoder, "predictor.": predictor, "decoder.": decoder}
    return {
        name: value
        for prefix, network in networks.items()
        for name, value in named_as_funasr(network, prefix).items()
    }


def _sense_voice(config: dict[str, Any], frontend: dict[str, Any]) -> dict[str, Tensor]:
    conf = encoder_arguments(Settings(config).section("encoder_conf"), "tp_blocks")
    head = CtcHead(conf["output_size"], sense_voice_model.VOCABULARY_SIZE, 25009)
    network = SenseVoiceNetwork(SenseVoiceEncoder(FEATURES, **conf), head, FEATURES)
    _fresh(network)
    x = torch.cat([network.embed(torch.tensor([0, 1, 2, 15])), _features(frontend)])
    hidden = network.encoder(x, torch.arange(1.0, len(x) + 1), torch.tensor([0, len(x)]))
    last = head.ctc_lo
    # Fresh weights hear voices, not sounds: some would say a token in each row, others none at all.
    # So the head does not look where the voices differ from each other.
    voices = torch.stack([rows.mean(0) for rows in hidden[4:].chunk(VOICES)])
    apart = torch.linalg.svd(voices - voices.mean(0), full_matrices=False).Vh[: VOICES - 1]
    last.weight.sub_(last.weight @ apart.t() @ apart)
    last.bias.sub_(last(hidden).mean(0))
    scores = last(hidden)
    ahead = scores[:, 1:].max(1).values - scores[:, 0]
    last.bias[0] += ahead.quantile(1 - TOKENS_PER_FRAME)
    return named_as_funasr(network, "")


def _write(kind: str, small: bool, out: Path) -> None:
    config = configuration(kind, small)
    (out / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    write_cmvn(out / "am.mvn", FEATURES)
    if kind == "sense-voice":
        (out / "bpe.model").write_bytes(sense_voice_model.pieces())
    else:
        vocabulary = json.dumps(VOCABULARY, ensure_ascii=False)
        (out / "tokens.json").write_text(vocabulary, encoding="utf-8")
    described = ModelDir(out, {**config, "frontend": "WavFrontend"})
    frontend = frontend_of(kind, described)
    make = _sense_voice if kind == "sense-voice" else _paraformer
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        weights = make(config, frontend)
    torch.save(weights, out / "model.pt")


def model_dir(kind: str, small: bool) -> Path:
    """The directory of a model; made once and kept in safeasr's cache.

    Args:
        kind: of :data:`KINDS`.
        small: a few layers of 64 instead of the published size.
    """
    place = cache_dir() / "benchmark-models" / f"seeded-{kind}-{'small' if small else 'full'}"
    if not (place / "model.pt").is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{place.name}.draft-"))
        try:
            _write(kind, small, draft)
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return place


def described(kind: str, small: bool) -> ModelDir:
    """That directory, read."""
    return read_model_dir(model_dir(kind, small))
