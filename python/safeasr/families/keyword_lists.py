"""What families that spot keywords share: the option, the lists of words, what bundles hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary
from safeasr.bundles.tables import check_vocabulary
from safeasr.errors import ExportError, OptionError
from safeasr.families.kept import KeptLists
from safeasr.families.lexicons import LEXICONS, read_lexicon
from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.options.declared import NAME, Kind, Option, list_of
from safeasr.options.kinds import shown
from safeasr.text.keywords import KeywordTokens, split_keywords
from safeasr.warn import warn

__all__ = [
    "INPUTS",
    "KEYWORDS",
    "LEXICON",
    "LEXICON2",
    "OUTPUTS",
    "TOKENS2",
    "KeywordList",
    "KeywordLists",
    "check_scores",
    "detection",
    "keyword_lists",
    "keyword_settings",
    "lexicon_of",
    "read_tokens",
]

#: Words of one list, and letters of one word.
_MOST_WORDS = 10_000
_LONGEST = 100
_LIST = list_of(NAME, "", most=_MOST_WORDS)
KEYWORDS = Option(
    "keywords",
    Kind(
        "a string of words with commas between them, or a list of strings",
        lambda value: isinstance(value, str) or _LIST.accepts(value),
        lambda value: str(value) if isinstance(value, str) else tuple(_LIST.plain(value)),
    ),
    help="The words to look for: a string with commas between them, or a list.",
)
#: Files of bundles: those words, and what the second of two heads has.
LEXICON, LEXICON2, TOKENS2 = "lexicon.txt", "lexicon2.txt", "tokens2.json"
#: What programs take, and give for each head; for readers of bundles.
INPUTS = [
    "features (rows, F) float32",
    "positions (rows) float32",
    "offsets (B + 1) int64",
]
OUTPUTS = ["probabilities (rows, 3) float32", "token ids (rows, 3) int64"]


class KeywordList:
    """Keywords of a call, as a network's tokens. Immutable.

    Args:
        words: as they are named in results.
        tokens: from words to tokens.

    Raises:
        OptionError: for a word that the network has no tokens for.
    """

    def __init__(self, words: Sequence[str], tokens: KeywordTokens) -> None:
        self.words = tuple(words)
        #: What the vocabulary lacks, by the words that have it.
        self.missing: dict[str, list[str]] = {}
        ids = []
        for word in words:
            found, missing = tokens.ids(word)
            if not found:
                raise OptionError(f"keywords: {shown(word)} has no token in the model's vocabulary")
            if missing:
                self.missing[word] = missing
            ids.append(found)
        self.search = _ext.KeywordSearch(
            ids, [word.encode("utf-8", "surrogatepass") for word in words]
        )

    def __len__(self) -> int:
        return len(self.words)


class KeywordLists:
    """The lists that were used last, for a model of one or more heads. For any thread.

    Args:
        heads: the tokens of each head.
        default: keywords of calls that name none; "": there are none.
    """

    def __init__(self, heads: Sequence[KeywordTokens], default: str = "") -> None:
        self._heads = tuple(heads)
        self._default = default
        self._known: KeptLists[str | tuple[str, ...], tuple[KeywordList, ...]] = KeptLists(
            self._made
        )

    def get(self, options: Mapping[str, Any]) -> tuple[KeywordList, ...]:
        """The list that options of a call name, for each head.

        Raises:
            OptionError: if they name no keyword, too many or too long ones, or one that the model
                has no tokens for.
        """
        given = options.get(KEYWORDS.name)
        return self._known.get(self._default if given is None else given)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise as :meth:`get` for what the options name; they need not name anything."""
        if options.get(KEYWORDS.name) is not None:
            self.get(options)

    def _made(self, given: str | tuple[str, ...]) -> tuple[KeywordList, ...]:
        words = split_keywords(given)
        if not words:
            raise OptionError(
                "keywords: there are none to look for: give AutoModel or the call keywords="
            )
        if len(words) > _MOST_WORDS:
            raise OptionError(f"keywords: expected {_MOST_WORDS} words at most, got {len(words)}")
        longest = max(words, key=len)
        if len(longest) > _LONGEST:
            raise OptionError(
                f"keywords: a word of {len(longest)} letters, {longest[:20]!r}..., expected "
                f"{_LONGEST} at most"
            )
        lists = tuple(KeywordList(words, tokens) for tokens in self._heads)
        # A second head knows few tokens by design.
        _name_missing(lists[0].missing)
        return lists

    def __len__(self) -> int:
        return len(self._known)


def _name_missing(missing: Mapping[str, Sequence[str]]) -> None:
    if not missing:
        return
    word, symbols = next(iter(missing.items()))
    others = f", nor for all of {len(missing) - 1} other keywords" if len(missing) > 1 else ""
    warn(
        f"keywords: the model has no token for {', '.join(map(shown, symbols))} of {shown(word)}"
        f"{others}: unknown sounds stand for them, and it will hardly ever find that"
    )


def detection(keyword: str | None, score: float) -> str:
    """What FunASR says of an utterance: which keyword is in it, and how sure that is."""
    return "rejected" if keyword is None else f"detected {keyword} {score}"


# -- Export and loading ---------------------------------------------------------------------------


def read_tokens(path: Path | None) -> list[str]:
    """A vocabulary; ExportError if it cannot be read, or has a token twice."""
    tokens = read_vocabulary(path)
    check_vocabulary(path, tokens, None)
    return tokens


def check_scores(path: Path | None, tokens: list[str], candidates: CtcCandidates) -> None:
    """Refuse a vocabulary with tokens that the network never says; it may lack some.

    Raises:
        ExportError: naming both numbers.
    """
    if len(tokens) > candidates.vocab_size:
        raise ExportError(
            f"{path} does not fit the checkpoint: it has {len(tokens)} tokens, and the network "
            f"gives scores of {candidates.vocab_size}"
        )


def lexicon_of(model: ModelDir) -> Path | None:
    """The file of words and their pieces, if the model has one."""
    return next((file for file in map(model.find, LEXICONS) if file is not None), None)


def keyword_settings(model: ModelDir) -> dict[str, Any]:
    """What a bundle says about keywords, for its ``decoding``: those of config.yaml."""
    if model.settings.section("model_conf", optional=True).whole("blank_id", 0) != 0:
        # FunASR's search takes token 0 for it all the same.
        warn(f"{model.path}: model_conf.blank_id has no effect: the blank is token 0")
    return {"keywords": model.settings.text("keywords", "") if "keywords" in model.config else ""}


def keyword_lists(bundle: Bundle, heads: int = 1) -> KeywordLists:
    """No lists yet, for a model of that bundle.

    The second head's vocabulary and lexicon are assets of their own.
    """
    tokens = [KeywordTokens(bundle.tokens, read_lexicon(bundle, LEXICON))]
    if heads == 2:
        second = json.loads(bundle.asset(TOKENS2).read_text(encoding="utf-8"))
        tokens.append(KeywordTokens(second, read_lexicon(bundle, LEXICON2)))
    return KeywordLists(tokens, bundle.settings.text("keywords"))
