"""Recordings with their texts: the inputs of models that align the two.

FunASR takes two columns, ``input=(recordings, texts)`` with ``data_type=("sound", "text")``: each
is what a call takes that has one of them only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from safeasr.errors import InputError
from safeasr.inputs.expand import expand_inputs, waits_for_others
from safeasr.inputs.texts import names_file, text_or_file
from safeasr.inputs.urls import is_url
from safeasr.inputs.utterance import Utterance, is_random_key
from safeasr.options.access import Access
from safeasr.pair import Pair

__all__ = [
    "PAIR_KINDS",
    "PairedUtterance",
    "expand_pairs",
    "pair_waits_for_others",
    "pairs_one_by_one",
]

#: Each ``data_type`` of pairs; the first is the usual one.
PAIR_KINDS: Final = (("sound", "text"), ("pcm", "text"))
_EXPECTED = "expected recordings and their texts, input=(recordings, texts)"


@dataclass(frozen=True, eq=False)
class PairedUtterance(Utterance):
    """A recording, whose ``source`` is the audio, and its text.

    Attributes:
        text: the text, or a path of a file of it.
        may_be_path: whether a text that names a file stands for what the file holds.
    """

    text: str = ""
    may_be_path: bool = True

    def load(self, *, allow_empty: bool = False, deadline: float | None = None) -> Pair:
        """The samples and the text; arguments and errors as of :meth:`Utterance.load`."""
        with self._named():
            text = text_or_file(self.text, self.access) if self.may_be_path else self.text
        samples = super().load(allow_empty=allow_empty, deadline=deadline)
        assert not isinstance(samples, (str, Pair))
        return Pair(samples, text)


def expand_pairs(
    input: Any, *, data_type: tuple[str, str], access: Access, **how: Any
) -> list[Utterance]:
    """The pairs of one call, in order.

    Args:
        input: recordings and texts, a tuple or list of two, each alone or a list, or the path of a
            list file. A text may be the path of a file that holds it, as in FunASR, but not if it
            stands in a list file from a URL.
        data_type: one of :data:`PAIR_KINDS`.
        access: which files and hosts may be named.
        how: other arguments of :func:`safeasr.inputs.expand.expand_inputs`.

    Returns:
        At least one pair, unless both are empty. A pair has the name of its text: its key in the
        list file, or the file's name; otherwise that of its recording.

    Raises:
        InputError: if the input is no two columns, or they are of different lengths, and as
            ``expand_inputs``.
        OptionError: as ``expand_inputs``; so are other errors.
    """
    recordings, texts = _columns(input)
    heard = expand_inputs(recordings, data_type=data_type[0], access=access, **how)
    written = expand_inputs(texts, data_type=data_type[1], access=access, **how)
    if len(heard) != len(written):
        raise InputError(
            f"each recording needs a text: got {len(heard)} recordings and {len(written)} texts"
        )
    # What is somewhere else has no say in which files of this machine are read.
    may_be_path = access.paths and not (isinstance(texts, str) and is_url(texts))
    return [_paired(one, other, may_be_path) for one, other in zip(heard, written, strict=True)]


def pairs_one_by_one(input: Any) -> list[Any]:
    """Inputs of a single pair each, if the columns are lists of the same length; or the input."""
    try:
        recordings, texts = _columns(input)
    except InputError:
        return [input]
    both = [isinstance(one, (list, tuple)) for one in (recordings, texts)]
    if not all(both) or len(recordings) != len(texts):
        return [input]
    return [([one], [text]) for one, text in zip(recordings, texts, strict=True)]


def pair_waits_for_others(input: Any) -> bool:
    """As :func:`safeasr.inputs.expand.waits_for_others`, of both columns."""
    columns = input if isinstance(input, (list, tuple)) else ()
    return any(waits_for_others(column) for column in columns)


def _columns(input: Any) -> Sequence[Any]:
    if not isinstance(input, (list, tuple)):
        raise InputError(f"{_EXPECTED}, got {type(input).__name__}")
    if len(input) != 2:
        raise InputError(f"{_EXPECTED}, got {len(input)} items: all recordings come first")
    texts = input[1]
    for text in texts if isinstance(texts, (list, tuple)) else [texts]:
        if not isinstance(text, (str, os.PathLike)):
            raise InputError(
                f"{_EXPECTED}, got {type(text).__name__} for a text: all recordings come first, "
                "then all texts"
            )
    return input


def _paired(heard: Utterance, written: Utterance, may_be_path: bool) -> PairedUtterance:
    text = written.source
    assert isinstance(text, str)
    key = written.key
    if is_random_key(key):
        named = may_be_path and names_file(text)
        key = os.path.splitext(os.path.basename(text))[0] if named else heard.key
    own = {one.name: getattr(heard, one.name) for one in fields(heard)}
    return PairedUtterance(**{**own, "key": key}, text=text, may_be_path=may_be_path)
