"""Voice activity detection: models with seeded random weights, and FunASR's answers."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml

from support.audio import Samples, speech
from support.funasr_model import funasr_model
from support.models import write_cmvn
from support.paths import DATA

INFINITY = float("inf")
#: Standard deviation of how much more likely silence is than speech, as a logarithm.
CONTRAST = 2.0
Segments = list[list[int]]


@dataclass(frozen=True)
class VadShape:
    """A small FSMN-VAD: what differs from the base below.

    Attributes:
        name: of the test case.
        encoder: keys of encoder_conf.
        frontend: keys of frontend_conf.
        conf: keys of model_conf.
        lean: towards speech; 0: half of the frames are silence.
    """

    name: str
    encoder: Mapping[str, Any] = field(default_factory=dict)
    frontend: Mapping[str, Any] = field(default_factory=dict)
    conf: Mapping[str, Any] = field(default_factory=dict)
    lean: float = 0.0


SHAPES = [
    VadShape("usual", lean=0.8),
    VadShape(
        "two classes of silence, strides",
        encoder={"fsmn_layers": 2, "lorder": 5, "lstride": 3, "output_dim": 9},
        conf={"sil_pdf_ids": [0, 4], "silence_pdf_num": 2},
    ),
    VadShape(
        "8 kHz",
        encoder={"input_dim": 96},
        frontend={"fs": 8000, "n_mels": 32, "lfr_m": 3},
        conf={"sample_rate": 8000, "max_end_silence_time": 500, "do_extend": 0},
    ),
]


def write_vad_dir(path: Path, shape: VadShape, seed: int = 0) -> Path:
    """Make a FunASR model directory whose decisions vary with what is said; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    encoder = {
        "input_dim": 400, "input_affine_dim": 24, "fsmn_layers": 3, "linear_dim": 32,
        "proj_dim": 20, "lorder": 10, "rorder": 0, "lstride": 1, "rstride": 0,
        "output_affine_dim": 24, "output_dim": 6, **shape.encoder,
    }  # fmt: skip
    frontend = {
        "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
        "lfr_m": 5, "lfr_n": 1, "dither": 0.0, **shape.frontend,
    }  # fmt: skip
    config = {
        "model": "FsmnVADStreaming", "model_conf": {"speech_noise_thres": 0.3, **shape.conf},
        "encoder": "FSMN", "encoder_conf": encoder,
        "frontend": "WavFrontendOnline", "frontend_conf": frontend,
    }  # fmt: skip
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    write_cmvn(path / "am.mvn", encoder["input_dim"], seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _random_scorer(config, path / "am.mvn", shape.lean)
    state = {f"encoder.{name}": value for name, value in network.state_dict().items()}
    torch.save(state, path / "model.pt")
    return path


def _random_scorer(config: Mapping[str, Any], cmvn: Path, lean: float) -> torch.nn.Module:
    """FunASR's network; half of the frames of speech are silence to it, and it is sure of most."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    network = tables.encoder_classes["FSMN"](**config["encoder_conf"]).eval()
    frontend = tables.frontend_classes["WavFrontendOnline"](
        **config["frontend_conf"], cmvn_file=str(cmvn)
    )
    wave = torch.from_numpy(speech(20.0, seed=77, rate=frontend.fs))
    features, _ = frontend(wave[None], [len(wave)], cache={}, is_final=True)
    silence = config["model_conf"].get("sil_pdf_ids", [0])
    spoken = [i for i in range(config["encoder_conf"]["output_dim"]) if i not in silence]
    network.use_softmax = False
    with torch.no_grad():
        for _ in range(12):
            # An answer for each frame: how much more likely silence is, as a logarithm.
            scores = network(features, cache=None)[0].double()
            odds = scores[:, silence].logsumexp(-1) - scores[:, spoken].logsumexp(-1)
            last = network.out_linear2.linear
            factor = float((CONTRAST / odds.std()).clamp(0.2, 5))
            last.weight.mul_(factor)
            last.bias[silence] -= float(odds.median()) + lean
    network.use_softmax = True
    return network


class VadOracle:
    """A fresh FunASR model, used by one thread, one session at a time."""

    def __init__(self, path: Path | str, rate: int = 16000, **options: Any) -> None:
        self.model = funasr_model(model=str(path), **options)
        self.rate = rate
        self._fresh = copy.deepcopy(self.model.model.vad_opts)

    def _renew(self) -> None:
        # FunASR writes options of a call into the model, and the next call would find them there.
        self.model.model.vad_opts = copy.deepcopy(self._fresh)

    def offline(self, audio: Any, **options: Any) -> Segments:
        """The segments of one call."""
        self._renew()
        kept = audio.copy() if isinstance(audio, np.ndarray) else audio
        with contextlib.redirect_stdout(io.StringIO()):  # it prints doubts about itself
            return plain(self.model.generate(kept, fs=self.rate, **options)[0]["value"])

    def stream(self, pieces: list[Samples], **options: Any) -> list[Segments]:
        """What each piece brings; the last one is final."""
        self._renew()
        cache: dict[str, Any] = {}
        answers = []
        for index, piece in enumerate(pieces):
            final = index == len(pieces) - 1
            with contextlib.redirect_stdout(io.StringIO()):
                result = self.model.generate(
                    piece.copy(), cache=cache, is_final=final, fs=self.rate, **options
                )
            answers.append(plain(result[0]["value"]))
        return answers


def plain(segments: Any) -> Segments:
    """Segments as lists of Python's numbers."""
    return [[int(start), int(end)] for start, end in segments]


def cut(wave: Samples, size: int | None, seed: int = 0) -> list[Samples]:
    """Pieces of `size` samples, or of random sizes from a millisecond to half a second."""
    if size is not None:
        return [wave[i : i + size] for i in range(0, len(wave), size)]
    rng = np.random.default_rng(seed)
    pieces, at = [], 0
    while at < len(wave):
        count = int(rng.choice([rng.integers(16, 400), rng.integers(400, 8000)]))
        pieces.append(wave[at : at + count])
        at += count
    return pieces


def conversation(seconds: float, seed: int, rate: int = 16000) -> Samples:
    """Turns of speech, and pauses of very different length between them."""
    rng = np.random.default_rng(seed)
    parts: list[Samples] = []
    while sum(map(len, parts)) < seconds * rate:
        turn = speech(float(rng.uniform(0.5, 6)), seed=int(rng.integers(1 << 30)), rate=rate)
        pause = 0.002 * rng.standard_normal(int(rng.uniform(0.1, 3) * rate))
        parts += [(turn * rng.uniform(0.1, 1)).astype(np.float32), pause.astype(np.float32)]
    return np.concatenate(parts)[: int(seconds * rate)]


def shared_data() -> Path | None:
    """Where real weights and recordings are, if they are."""
    return DATA if (DATA / "models" / "fsmn-vad" / "model.pt").is_file() else None


def real_recordings() -> Iterator[tuple[str, Samples]]:
    """Name and samples of the recordings at 16 kHz."""
    root = shared_data()
    for file in sorted((root / "audio").glob("*.wav")) if root else []:
        samples, rate = soundfile.read(file, dtype="float32")
        if rate == 16000 and samples.ndim == 1:
            yield file.name, samples
