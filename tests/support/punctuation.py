"""CT-Transformers with seeded random weights, made by FunASR's own classes; texts; the oracle."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from support.funasr_model import funasr_model
from support.models import ENGLISH, HAN
from support.oracle import LOGIT_MARGIN

FULL_WIDTH = ("<unk>", "_", "，", "。", "？", "、")
HALF_WIDTH = ("<unk>", "_", ",", "。", "?", "、")
#: Words of several characters, which a dictionary cuts out.
LONG_WORDS = ["今天", "天气", "人我在", "学对家", "中大来上"]
#: Lines of a dictionary in jieba's format.
DICTIONARY = "今天 10000 n\n天气 9000\n人我在 20000 n\n学对家\n中大来上 300 nz\n的是Hello 400\n"
VOCABULARY = ["<blank>", *HAN, *ENGLISH, *LONG_WORDS, "1", "2", "12", "2024", "Hello", "<unk>"]
#: How often each mark is the best one, in the order of the lists.
USUAL_SHARES = (0.0, 0.66, 0.16, 0.09, 0.05, 0.04)
#: No sentence ends, so pieces grow until they are cut at a comma, if there is one.
ENDLESS_SHARES = (0.0, 0.99, 0.01, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PuncShape:
    """A small CT-Transformer: what differs from the base below.

    Attributes:
        name: of the test case.
        encoder: keys of encoder_conf.
        marks: the list of marks.
        shares: how often each is the best one.
        sentence_end: number of the mark that ends what is cut.
        dictionary: words are cut by one.
        configuration: write a configuration.json that renames the files, as hub models have.
        size: width of the network.
    """

    name: str
    encoder: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[str, ...] = FULL_WIDTH
    shares: tuple[float, ...] = USUAL_SHARES
    sentence_end: int = 3
    dictionary: bool = False
    configuration: bool = False
    size: int = 32


WHOLE_SHAPES = [
    PuncShape("usual"),
    PuncShape("dictionary", dictionary=True),
    PuncShape(
        "half-width marks, hub layout",
        {"num_blocks": 3, "kernel_size": 5, "sanm_shfit": 1},
        HALF_WIDTH,
        configuration=True,
    ),
    PuncShape("narrow heads", {"attention_heads": 12, "num_blocks": 1}, size=36),
    PuncShape("endless", shares=ENDLESS_SHARES, sentence_end=4),
    PuncShape("unknown marks", shares=(0.1, 0.5, 0.1, 0.1, 0.1, 0.1)),
]
LIVE_SHAPES = [
    PuncShape("usual", {"num_blocks": 3, "sanm_shfit": 5}),
    PuncShape("one layer", {"num_blocks": 1, "sanm_shfit": 5}, HALF_WIDTH),
    PuncShape(
        "a memory that looks ahead, narrow heads",
        {"num_blocks": 4, "kernel_size": 7, "attention_heads": 12},
        size=36,
        configuration=True,
    ),
    PuncShape("endless", {"num_blocks": 2, "sanm_shfit": 5}, shares=ENDLESS_SHARES),
]


def config_of(shape: PuncShape, live: bool) -> dict[str, Any]:
    """The config.yaml of a shape."""
    return {
        "model": "CTTransformerStreaming" if live else "CTTransformer",
        "model_conf": {
            "ignore_id": 0, "embed_unit": shape.size, "att_unit": shape.size, "dropout_rate": 0.1,
            "punc_list": list(shape.marks), "punc_weight": [1.0] * len(shape.marks),
            "sentence_end_id": shape.sentence_end,
        },
        "encoder": "SANMVadEncoder" if live else "SANMEncoder",
        "encoder_conf": {
            "input_size": shape.size, "output_size": shape.size, "attention_heads": 2,
            "linear_units": 64, "num_blocks": 2, "dropout_rate": 0.1,
            "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.0, "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True,
            "kernel_size": 11, "sanm_shfit": 0, "selfattention_layer_type": "sanm",
            "padding_idx": 0, **shape.encoder,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }  # fmt: skip


def _random_network(config: Mapping[str, Any], shares: tuple[float, ...]) -> torch.nn.Module:
    """FunASR's network with random weights that give each mark its share."""
    from funasr import AutoModel  # noqa: F401  (fills the register)
    from funasr.register import tables

    conf = copy.deepcopy(dict(config)) | copy.deepcopy(dict(config["model_conf"]))
    network = tables.model_classes[config["model"]](**conf, vocab_size=len(VOCABULARY)).eval()
    ids = torch.randint(0, len(VOCABULARY), (40, 25))
    arguments = {"vad_indexes": torch.zeros(40, dtype=torch.int32)}
    wanted = torch.tensor(shares)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.add_(0.1 * torch.randn(value.shape))
            elif "norm" in name:
                value.mul_(1 + 0.2 * torch.randn(value.shape))
        network.decoder.weight.mul_(8)
        network.decoder.bias[wanted == 0] = -1e4
        for _ in range(80):
            scores = network.punc_forward(ids, torch.full((40,), 25), **arguments)[0]
            found = torch.bincount(scores.argmax(-1).flatten(), minlength=len(shares)) / 1000
            network.decoder.bias.add_((wanted - found) * 2)
    return network


def write_punc_dir(path: Path, shape: PuncShape, *, live: bool = False, seed: int = 0) -> Path:
    """Make a FunASR model directory; returns it."""
    path.mkdir(parents=True, exist_ok=True)
    config = config_of(shape, live)
    tokens = "words.json" if shape.configuration else "tokens.json"
    if shape.configuration:
        metas = {
            "init_param": "model.pt", "config": "config.yaml",
            "tokenizer_conf": {"token_list": tokens},
        }  # fmt: skip
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    (path / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    (path / tokens).write_text(json.dumps(VOCABULARY, ensure_ascii=False), encoding="utf-8")
    if shape.dictionary:
        (path / "jieba_usr_dict").write_text(DICTIONARY, encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _random_network(config, shape.shares)
    torch.save(network.state_dict(), path / "model.pt")
    return path


_SPACES = [" ", "  ", "\t", "\n", "\u3000", "\xa0", "\u2003", "\x1c"]
_ODD = [
    *"，。?!éßΩÅÿ»_-\x00\x07\u200b\ufeff",
    *"ｈｅｌｌｏ １２ 😀 👩‍👩‍👧 don't it's U.S. 3.14 ไทย 한국어 ひらがな".split(),
]


def text_of(words: int, seed: int, odd: float = 0.1) -> str:
    """A text of so many words of all kinds: with and without spaces, in both scripts and others.

    Args:
        words: how many; some are several to FunASR.
        seed: other seeds, other texts.
        odd: share of what is in no vocabulary: emoji, control characters, marks.
    """
    order = random.Random(f"{words} {seed} {odd}")
    parts: list[str] = []
    while len(parts) < words:
        kind = order.random()
        if kind < odd:
            parts.append(order.choice(_ODD))
        elif kind < 0.6:
            parts += order.choices([*HAN, *LONG_WORDS], k=order.randint(1, 6))
        else:
            english = order.choice([*ENGLISH, "12", "2024", "Hello", "NASA"])
            glued = order.random() < 0.2
            parts.append(english if glued else f" {english}{order.choice(_SPACES)}")
    return "".join(parts[:words]).strip() or "今天"


def spoken(seconds: float, seed: int) -> str:
    """As many words as are said in that time."""
    return text_of(max(1, round(12 * seconds)), seed)


@dataclass(frozen=True)
class PuncAnswer:
    """What FunASR says about one text.

    Attributes:
        text: with marks.
        numbers: ``punc_array``.
        clear: whether its numbers leave no doubt about the marks.
    """

    text: str
    numbers: list[int] | None
    clear: bool


class PuncOracle:
    """A fresh FunASR model, used by one thread, one text at a time."""

    def __init__(self, path: Path | str) -> None:
        import jieba

        # FunASR adds a model's dictionary to this, for the whole process.
        jieba.dt = jieba.Tokenizer()
        jieba.load_userdict, jieba.cut = jieba.dt.load_userdict, jieba.dt.cut
        self.model = funasr_model(model=str(path))
        self._gaps: list[float] = []
        self.model.model.decoder.register_forward_hook(self._note)

    def _note(self, _module: Any, _inputs: Any, output: torch.Tensor) -> None:
        best = output.topk(2, dim=-1).values
        usual = output[output > -100].std()
        self._gaps.append(float((best[..., 0] - best[..., 1]).min() / usual))

    def __call__(self, text: str, **options: Any) -> PuncAnswer:
        self._gaps.clear()
        result = self.model.generate(text, **options)[0]
        assert set(result) == {"key", "text", "punc_array"}
        numbers = result["punc_array"]
        clear = min(self._gaps, default=1.0) > LOGIT_MARGIN
        return PuncAnswer(
            result["text"], None if numbers is None else numbers.flatten().tolist(), clear
        )
