"""Streaming Paraformers with random weights, and FunASR's answers to pieces of audio."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from support.audio import Samples, speech
from support.funasr_model import funasr_model
from support.models import Shape, config_of, write_cmvn
from support.oracle import LOGIT_MARGIN, SUM_MARGIN

USUAL = Shape("usual")
SHAPES = [
    USUAL,
    Shape(
        "one layer, no tail",
        encoder={"num_blocks": 1, "attention_heads": 4, "kernel_size": 5},
        decoder={"num_blocks": 1, "att_layer_num": 1, "kernel_size": 5},
        predictor={"tail_threshold": 0.0, "l_order": 2, "r_order": 0},
        rate=0.3,
    ),
    Shape(
        "wide predictor, residual in the first block",
        # 16 mels x 4 frames are as wide as the encoder: its first block then has a residual too.
        encoder={"output_size": 64, "num_blocks": 3, "attention_heads": 1, "sanm_shfit": 2},
        decoder={"num_blocks": 3, "att_layer_num": 3, "kernel_size": 3, "attention_heads": 1},
        predictor={"l_order": 0, "r_order": 3, "smooth_factor": 1.2, "noise_threshold": 0.02},
        frontend={"n_mels": 16, "lfr_m": 4, "lfr_n": 6},
    ),
]


def streaming_config(shape: Shape) -> dict[str, Any]:
    """The config.yaml of a shape, as a streaming model."""
    config = config_of(shape)
    config["model"] = "ParaformerStreaming"
    config["encoder"] = "SANMEncoderChunkOpt"
    config["encoder_conf"] |= {
        "input_layer": "pe_online", "chunk_size": [12, 15], "stride": [8, 10], "pad_left": [0, 0],
        "encoder_att_look_back_factor": [4, 4], "decoder_att_look_back_factor": [1, 1],
    }  # fmt: skip
    kernel = config["decoder_conf"]["kernel_size"]
    config["decoder_conf"]["sanm_shfit"] = (kernel - 1) // 2
    config["frontend"] = "WavFrontendOnline"
    return config


class _Watch:
    """What a FunASR network computes while it streams."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.hidden: list[torch.Tensor] = []
        self.logits: list[torch.Tensor] = []
        self.sums: list[float] = []  # of weights, where they may fire
        encode, decode = network.encoder.forward_chunk, network.decoder.forward_chunk
        weigh = network.predictor.forward_chunk

        def watched_encode(*args: Any, **kwargs: Any) -> Any:
            out = encode(*args, **kwargs)
            self.hidden.append(out[0].detach().clone())
            return out

        def watched_decode(*args: Any, **kwargs: Any) -> Any:
            out = decode(*args, **kwargs)
            self.logits.append(out.detach().clone())
            return out

        def watched_weigh(hidden: Any, cache: Any, **kwargs: Any) -> Any:
            before = float(cache["cif_alphas"].sum())
            self._integrate(network.predictor, hidden, cache, before, kwargs.get("is_final", False))
            return weigh(hidden, cache, **kwargs)

        network.encoder.forward_chunk = watched_encode
        network.decoder.forward_chunk = watched_decode
        network.predictor.forward_chunk = watched_weigh

    def _integrate(
        self, predictor: Any, hidden: torch.Tensor, cache: Any, total: float, is_final: bool
    ) -> None:
        with torch.no_grad():
            x = torch.relu(predictor.cif_conv1d(predictor.pad(hidden.transpose(1, 2))))
            alphas = torch.sigmoid(predictor.cif_output(x.transpose(1, 2)))
            alphas = torch.relu(alphas * predictor.smooth_factor - predictor.noise_threshold)
        left, chunk, _ = cache["chunk_size"]
        row = alphas[0, :, 0].double()
        row[:left] = 0
        if not is_final:
            row[left + chunk :] = 0
        for alpha in [*row.tolist(), *([predictor.tail_threshold] if is_final else [])]:
            if alpha == 0:
                continue
            total += alpha
            self.sums.append(total)
            total -= total >= 1

    def clear(self) -> None:
        self.hidden.clear()
        self.logits.clear()
        self.sums.clear()

    def is_clear(self) -> bool:
        """Whether no decision was a matter of rounding."""
        if any(abs(total - 1) < SUM_MARGIN for total in self.sums):
            return False
        for logits in self.logits:
            best = logits[0].topk(2, dim=-1).values
            if float((best[:, 0] - best[:, 1]).min()) <= LOGIT_MARGIN * float(logits.std()):
                return False
        return True


def write_streaming_dir(path: Path, shape: Shape = USUAL, seed: int = 0) -> Path:
    """Make a FunASR model directory; returns it."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    path.mkdir(parents=True, exist_ok=True)
    config = streaming_config(shape)
    conf = config["frontend_conf"]
    write_cmvn(path / "am.mvn", conf["n_mels"] * conf["lfr_m"], seed)
    vocabulary = list(shape.vocabulary)
    (path / "tokens.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    torch.manual_seed(seed)
    network = tables.model_classes["ParaformerStreaming"](
        **(copy.deepcopy(config) | copy.deepcopy(config["model_conf"])),
        input_size=conf["n_mels"] * conf["lfr_m"],
        vocab_size=len(vocabulary),
    ).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        network.predictor.cif_output.weight.mul_(6)
    torch.save({"state_dict": network.state_dict()}, path / "model.pt")
    _tune(path, network, shape)
    return path


def _tune(path: Path, network: torch.nn.Module, shape: Shape) -> None:
    """Give the frames the wanted weight, and no token the upper hand everywhere."""
    wave = speech(6.0, seed=77)
    for what in ("weights", "tokens"):
        oracle = StreamOracle(path)
        oracle.texts([(wave, True)], chunk_size=[0, 10, 5])
        with torch.no_grad():
            if what == "weights":
                predictor = network.predictor
                hidden = torch.cat([h[:, :10] for h in oracle.watch.hidden], dim=1)
                for _ in range(20):
                    x = torch.relu(predictor.cif_conv1d(predictor.pad(hidden.transpose(1, 2))))
                    alphas = torch.sigmoid(predictor.cif_output(x.transpose(1, 2)))
                    predictor.cif_output.bias.add_(float(np.log(shape.rate / alphas.mean())))
            else:
                logits = torch.cat(oracle.watch.logits, dim=1)
                network.decoder.output_layer.bias.sub_(logits[0].mean(0))
        torch.save({"state_dict": network.state_dict()}, path / "model.pt")


@dataclass(frozen=True)
class Texts:
    """FunASR's text of each piece, and whether its numbers leave no doubt about them."""

    pieces: tuple[str, ...]
    clear: bool


class StreamOracle:
    """A fresh FunASR model, used by one thread, one stream at a time."""

    def __init__(self, path: Path | str) -> None:
        self.model = funasr_model(model=str(path))
        self.watch = _Watch(self.model.model)

    def texts(self, pieces: Sequence[tuple[Samples, bool]], **options: Any) -> Texts:
        """Feed pieces of a stream: samples, and whether it ends with them."""
        self.watch.clear()
        cache: dict[str, Any] = {}
        out = []
        for samples, is_final in pieces:
            result = self.model.generate(
                samples.copy(), cache=cache, is_final=is_final, **copy.deepcopy(options)
            )
            out.append(result[0]["text"])
        return Texts(tuple(out), self.watch.is_clear())


def pieces_of(
    wave: Samples, sizes: Iterator[int] | int, *, empty_end: bool = False
) -> list[tuple[Samples, bool]]:
    """Cut a wave; the last piece, which may be empty, is the final one."""
    out: list[tuple[Samples, bool]] = []
    start = 0
    while start < len(wave):
        size = sizes if isinstance(sizes, int) else next(sizes)
        out.append((wave[start : start + size], False))
        start += size
    if empty_end or not out:
        out.append((wave[:0], True))
    else:
        out[-1] = (out[-1][0], True)
    return out


def random_sizes(seed: int, longest: int) -> Iterator[int]:
    """Sizes of pieces, from one sample on."""
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(1, longest))


def safe_texts(
    model: Any, pieces: Sequence[tuple[Samples, bool]], options: Mapping[str, Any]
) -> tuple[str, ...]:
    """The same pieces through safeasr's ``generate(cache=...)``."""
    cache: dict[str, Any] = {}
    return tuple(
        model.generate(samples, cache=cache, is_final=is_final, **options)[0]["text"]
        for samples, is_final in pieces
    )
