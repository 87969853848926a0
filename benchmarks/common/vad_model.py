"""The detector of the benchmarks: the published FSMN-VAD, or one like it with random weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.common.cmvn import write_cmvn
from benchmarks.common.models import data_root
from safeasr.bench.audio.noise import speech_like
from safeasr.bundles.cache import cache_dir

#: config.yaml of the published FSMN-VAD, as far as it is not FunASR's default.
VAD_CONFIG: dict[str, Any] = {
    "model": "FsmnVADStreaming",
    "model_conf": {"speech_noise_thres": 0.6},
    "encoder": "FSMN",
    "encoder_conf": {
        "input_dim": 400,
        "input_affine_dim": 140,
        "fsmn_layers": 4,
        "linear_dim": 250,
        "proj_dim": 128,
        "lorder": 20,
        "rorder": 0,
        "lstride": 1,
        "rstride": 0,
        "output_affine_dim": 140,
        "output_dim": 248,
    },
    "frontend": "WavFrontendOnline",
    "frontend_conf": {
        "fs": 16000,
        "window": "hamming",
        "n_mels": 80,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 5,
        "lfr_n": 1,
        "dither": 0.0,
    },
}


def _random_vad(out: Path) -> torch.nn.Module:
    """FunASR's scorer, to which half of the frames of speech-like noise are silence."""
    from funasr import AutoModel  # noqa: F401  (registers the classes)
    from funasr.register import tables

    torch.manual_seed(0)
    network = tables.encoder_classes["FSMN"](**VAD_CONFIG["encoder_conf"]).eval()
    frontend = tables.frontend_classes["WavFrontendOnline"](
        **VAD_CONFIG["frontend_conf"], cmvn_file=str(out / "am.mvn")
    )
    wave = torch.from_numpy(speech_like(20.0, seed=99))
    features, _ = frontend(wave[None], [len(wave)], cache={}, is_final=True)
    network.use_softmax = False
    last = network.out_linear2.linear
    with torch.no_grad():
        for _ in range(12):
            scores = network(features, cache=None)[0].double()
            odds = scores[:, 0] - scores[:, 1:].logsumexp(-1)
            last.weight.mul_(float((2.0 / odds.std()).clamp(0.2, 5)))
            last.bias[0] -= float(odds.median()) + 0.5
    return network


def vad_model() -> Path:
    """A directory with FSMN-VAD: the published one under :func:`data_root` if it is there.

    Otherwise its architecture with random weights, made once and kept in safeasr's cache.
    """
    published = data_root() / "models" / "fsmn-vad"
    if (published / "model.pt").is_file():
        return published
    out = cache_dir() / "benchmark-models" / "fsmn-vad"
    if not (out / "model.pt").is_file():
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(yaml.safe_dump(VAD_CONFIG), encoding="utf-8")
        write_cmvn(out / "am.mvn", 400)
        state = {f"encoder.{name}": w for name, w in _random_vad(out).state_dict().items()}
        draft = out / f"model.{os.getpid()}.draft"
        torch.save(state, draft)
        draft.replace(out / "model.pt")
    return out
