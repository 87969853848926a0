"""SenseVoiceSmall: models with seeded random weights, and FunASR's answers."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from support.audio import Samples, speech
from support.funasr_model import funasr_model
from support.models import write_cmvn

VOCAB_SIZE = 25055
#: The tags that FunASR knows by number, and events where the real vocabulary may have others.
TAGS = {
    24884: "zh", 24885: "en", 24888: "yue", 24892: "ja", 24896: "ko", 24992: "nospeech",
    24993: "Speech", 24994: "BGM", 24995: "Applause", 24996: "Laughter", 24997: "Event_UNK",
    25001: "HAPPY", 25002: "SAD", 25003: "ANGRY", 25004: "NEUTRAL", 25009: "EMO_UNKNOWN",
    25016: "withitn", 25017: "woitn",
}  # fmt: skip
UNKNOWN_EMOTION = 25009
WORDS = "hello world speech is nice today we go home the and yes no it".split()
HAN = "今天气很好的是不了人我在有他这中大来上国語音識別안녕세계こんにちは"
#: How far apart the two best scores must lie, in standard deviations of the scores.
LOGIT_MARGIN = 3e-4
#: Changes of loudness that FunASR's own times must survive.
LOUDNESS = (1 - 3e-5, 1 + 3e-5)


def _message(number: int, content: bytes) -> bytes:
    """A field of bytes in protobuf's wire format."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _piece(text: str, kind: int) -> bytes:
    score = b"\x15" + np.float32(-1e4).tobytes()
    return _message(1, _message(1, text.encode()) + score + b"\x18" + _varint(kind))


def write_pieces(path: Path, *, size: int = VOCAB_SIZE, prefix: bool = False) -> int:
    """A SentencePiece model of `size` pieces; returns how many of them are of text.

    Trained on a few words, then filled up with pieces that no text contains and with the tags at
    their numbers: a model file is a list of pieces, so more can be written behind.

    prefix: a word boundary before every text (FunASR's alignment then fails for Chinese).
    """
    import sentencepiece

    rng = np.random.default_rng(0)
    units = [*WORDS, *HAN]
    lines = [*units, *(f"{a} {b}" for a in WORDS for b in WORDS)] * 4
    lines += ["".join(rng.choice(list(HAN), 4)) for _ in range(100)]
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=buffer, model_type="bpe", vocab_size=170,
        character_coverage=1.0, add_dummy_prefix=prefix, num_threads=1, minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=buffer.getvalue())
    trained = int(processor.GetPieceSize())
    more = [
        _piece(f"<|{TAGS[i]}|>", 4) if i in TAGS else _piece(f"⟨{i}⟩", 1)
        for i in range(trained, size)
    ]
    path.write_bytes(buffer.getvalue() + b"".join(more))
    return trained


@dataclass(frozen=True)
class SenseShape:
    """A small SenseVoice: what differs from the base below.

    Attributes:
        name: of the test case.
        encoder: keys of encoder_conf.
        frontend: keys of frontend_conf.
        configuration: write a configuration.json that names the files, as hub models have.
        prefix: as of `write_pieces`.
        size: of the vocabulary.
    """

    name: str
    encoder: Mapping[str, Any] = field(default_factory=dict)
    frontend: Mapping[str, Any] = field(default_factory=dict)
    configuration: bool = False
    prefix: bool = False
    size: int = VOCAB_SIZE


USUAL = SenseShape("usual")
SHAPES = [
    USUAL,
    SenseShape(
        "hub layout, shifted memory",
        encoder={"num_blocks": 2, "tp_blocks": 1, "sanm_shfit": 2, "kernel_size": 7},
        configuration=True,
    ),
    SenseShape(
        "no second part, 8 kHz",
        encoder={"num_blocks": 4, "tp_blocks": 0, "attention_heads": 2, "output_size": 96},
        frontend={"fs": 8000, "n_mels": 24, "lfr_m": 4, "lfr_n": 6},
        size=400,
    ),
]


def config_of(shape: SenseShape) -> dict[str, Any]:
    """The config.yaml of a shape."""
    return {
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {
            "output_size": 64, "attention_heads": 4, "linear_units": 128, "num_blocks": 3,
            "tp_blocks": 2, "dropout_rate": 0.1, "positional_dropout_rate": 0.1,
            "attention_dropout_rate": 0.1, "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
            "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm",
            **shape.encoder,
        },
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
            "lfr_m": 7, "lfr_n": 6, "dither": 0.0, **shape.frontend,
        },
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True,
                     "ignore_nan_grad": True},
        "normalize": None,
    }  # fmt: skip


def random_network(
    config: Mapping[str, Any], vocab_size: int, texts: int, cmvn: Path
) -> torch.nn.Module:
    """FunASR's SenseVoiceSmall with random weights that say many different things.

    Only pieces of text, tags and the blank are ever the best, the blank in half of the frames.
    """
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    frontend = tables.frontend_classes["WavFrontend"](
        **config["frontend_conf"], cmvn_file=str(cmvn)
    )
    conf = copy.deepcopy(dict(config)) | copy.deepcopy(dict(config.get("model_conf") or {}))
    network = tables.model_classes["SenseVoiceSmall"](
        **conf, input_size=frontend.output_size(), vocab_size=vocab_size
    ).eval()
    wave = torch.from_numpy(speech(20.0, seed=77, rate=frontend.fs))
    features, frames = frontend(wave[None], torch.tensor([len(wave)]))
    said = [0, *range(3, texts), *(i for i in TAGS if i < vocab_size)]
    head = network.ctc.ctc_lo
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        head.weight.mul_(6)
        queries = network.embed(torch.tensor([[0, 1, 2, 15]]))
        hidden, _ = network.encoder(torch.cat([queries, features], 1), frames + 4)
        scores = head(hidden)[0]
        head.bias.sub_(scores.mean(0))
        silent = torch.ones(vocab_size, dtype=torch.bool)
        silent[said] = False
        head.bias[silent] -= 1e3
        scores = head(hidden)[0]
        ahead = scores[:, said[1:]].max(1).values - scores[:, 0]
        head.bias[0] += ahead.median()
        if vocab_size > UNKNOWN_EMOTION:
            scores = head(hidden)[0]
            ahead = scores.max(1).values - scores[:, UNKNOWN_EMOTION]
            head.bias[UNKNOWN_EMOTION] += ahead.quantile(0.1)
    return network


def write_model_dir(path: Path, shape: SenseShape = USUAL, seed: int = 0) -> Path:
    """Make a FunASR model directory; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    config = config_of(shape)
    pieces = "words.bpe.model" if shape.configuration else "bpe.model"
    if shape.configuration:
        import json

        metas = {
            "init_param": "model.pt",
            "config": "config.yaml",
            "tokenizer_conf": {"bpemodel": pieces},
            "frontend_conf": {"cmvn_file": "am.mvn"},
        }
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    texts = write_pieces(path / pieces, size=shape.size, prefix=shape.prefix)
    frontend = config["frontend_conf"]
    write_cmvn(path / "am.mvn", frontend["n_mels"] * frontend["lfr_m"], seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = random_network(config, shape.size, texts, path / "am.mvn")
    torch.save(network.state_dict(), path / "model.pt")
    return path


@dataclass(frozen=True)
class SenseAnswer:
    """What FunASR says about one utterance.

    Attributes:
        result: its dict without the key.
        clear: whether its numbers leave no doubt about the text.
        clear_times: whether they leave none about times and words.
    """

    result: dict[str, Any]
    clear: bool
    clear_times: bool = True


class SenseOracle:
    """A fresh FunASR model, used by one thread, one utterance at a time."""

    def __init__(self, path: Path | str, rate: int = 16000, **options: Any) -> None:
        self.model = funasr_model(model=str(path), **options)
        self.network = self.model.model
        self.rate = rate
        self._scores = torch.empty(0)
        self.network.ctc.ctc_lo.register_forward_hook(self._note)

    def _note(self, _module: Any, _inputs: Any, output: torch.Tensor) -> None:
        self._scores = output.detach().clone()

    def generate(self, audio: Any, **options: Any) -> list[dict[str, Any]]:
        """FunASR's own ``generate``."""
        kept = audio.copy() if isinstance(audio, np.ndarray) else audio
        answer: list[dict[str, Any]] = self.model.generate(kept, **{"fs": self.rate, **options})
        return answer

    def _one(self, audio: Samples, **options: Any) -> dict[str, Any]:
        result = self.generate(audio, **options)[0]
        del result["key"]
        return result

    def __call__(self, audio: Samples, **options: Any) -> SenseAnswer:
        """Its answer; times are of a meaning only if every piece is one token (see the docs)."""
        result = self._one(audio, **{"output_timestamp": False, **options})
        scores = self._scores[0].clone()
        if options.get("ban_emo_unk"):
            scores[:, UNKNOWN_EMOTION] = -1e4
        best = scores.topk(2, dim=-1).values
        said = scores[scores > -100]  # without those that are never the best
        clear = float((best[:, 0] - best[:, 1]).min()) > LOGIT_MARGIN * float(said.std())
        times = True
        if options.get("output_timestamp"):
            louder = [self._one((audio * by).astype(np.float32), **options) for by in LOUDNESS]
            times = all(one == result for one in louder)
        return SenseAnswer(result, clear, times)


def one_token_each(path: Path, text: str) -> bool:
    """Whether every piece of a text, encoded alone, is one token or nothing.

    Otherwise FunASR's words slip behind its times, or it raises IndexError.
    """
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(next(path.glob("*bpe.model"))))
    pieces = model.EncodeAsPieces(text)[4:]
    return all(ids != [0] and len(ids) < 2 for ids in model.EncodeAsIds(pieces))


def clips(lengths: list[float], rate: int = 16000) -> Iterator[Samples]:
    """A clip of each length, all different."""
    for index, seconds in enumerate(lengths):
        yield speech(seconds, seed=index, rate=rate)
