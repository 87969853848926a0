"""What families that take hotwords share: export, loading, and the lists that a model knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.bundles.settings import Settings
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import load_parameters, unknown_token
from safeasr.families.kept import KeptLists
from safeasr.families.lexicons import SEG_DICT, copy_lexicon, read_lexicon
from safeasr.nets.bias_encoder import BiasEncoderProgram
from safeasr.options.declared import HOTWORD, Option
from safeasr.text.hotword_pieces import HotwordPieces, Hotwords

__all__ = [
    "HOTWORD_OPTION",
    "HotwordLists",
    "build_bias_encoder",
    "check_inner_size",
    "copy_seg_dict",
    "hotword_lists",
    "hotword_settings",
]

HOTWORD_OPTION = Option(
    "hotword",
    HOTWORD,
    help="Words that are likely: a string, a list, a .txt file or a URL of them.",
    hotwords=True,
)


class HotwordLists:
    """The lists that were used last, with what the network made of them. For any thread.

    A list is taken to pieces by who first brings it, and encoded by the first batch that needs it
    (``_ext.HotwordList``).

    Args:
        pieces: from words to ids.
        no_word: ids of what stands behind the words for none of them.
    """

    def __init__(self, pieces: HotwordPieces, no_word: list[int]) -> None:
        self._pieces = pieces
        self._no_word = no_word
        self._known = KeptLists(self._made)

    def get(self, hotwords: Hotwords) -> _ext.HotwordList:
        """The list of these words, with one entry behind them that stands for none."""
        return self._known.get(hotwords)

    def _made(self, hotwords: Hotwords) -> _ext.HotwordList:
        ids = [self._pieces.ids(word) for word in hotwords.words]
        # A word of which FunASR's file of pieces makes nothing is no word.
        return _ext.HotwordList([*(word for word in ids if word), self._no_word])

    def __len__(self) -> int:
        return len(self._known)


def check_inner_size(kind: str, config: Settings, size: int) -> None:
    """Refuse hotwords of another size than the encoder's; FunASR's default is 256."""
    inner = config.section("model_conf", optional=True).whole("inner_dim", 256)
    if inner != size:
        raise UnsupportedModelError(
            f"model_conf.inner_dim={inner!r} is not supported for {kind} with an encoder of {size}"
        )


def build_bias_encoder(
    weights: Mapping[str, Tensor],
    taken: set[str],
    vocab_size: int,
    size: int,
    *,
    layers: int,
    embedding: str,
) -> BiasEncoderProgram:
    """The program from hotwords to rows.

    Args:
        weights: the checkpoint.
        taken: gets the names of the parameters that it takes.
        vocab_size: tokens.
        size: of the rows.
        layers: of the LSTM.
        embedding: prefix of the names of the embedding's parameters.
    """
    # Loaded parameters replace these, so none are drawn.
    embed, lstm = (
        nn.Embedding(vocab_size, size, device="meta"),
        nn.LSTM(size, size, layers, device="meta"),
    )
    taken |= load_parameters(embed, weights, embedding)
    taken |= load_parameters(lstm, weights, "bias_encoder.")
    return BiasEncoderProgram(embed, lstm)


def hotword_settings(config: Settings, tokens: list[str]) -> dict[str, int]:
    """What a bundle says about hotwords, for its ``decoding``.

    Raises:
        ExportError: if the vocabulary lacks the token for what it does not have, or the one that
            stands for no hotword.
    """
    config.section("model_conf", optional=True).whole("sos", 1, most=len(tokens) - 1)
    return {"unknown": unknown_token(config, tokens)}


def copy_seg_dict(model: ModelDir, out: Path) -> dict[str, str]:
    """The bundle's assets: the model's words and their pieces, if they are beside its CMVN.

    Raises:
        ExportError: if the file cannot be read, or is something else.
    """
    words = None if model.cmvn is None else model.cmvn.parent / SEG_DICT
    return copy_lexicon(words if words is not None and words.is_file() else None, out)


def hotword_lists(bundle: Bundle) -> HotwordLists:
    """No lists yet, for a model of that bundle."""
    settings, last = bundle.settings, len(bundle.tokens) - 1
    pieces = HotwordPieces(
        bundle.tokens, settings.whole("unknown", most=last), read_lexicon(bundle)
    )
    return HotwordLists(pieces, [settings.whole("sos", most=last)])
