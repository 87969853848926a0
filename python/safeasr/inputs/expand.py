"""From the ``input`` of a call to a list of utterances.

Nothing is decoded here: an :class:`Utterance` knows where its audio is and loads it when asked,
so that long lists do not sit in memory and one bad item fails alone. The forms of input and their
keys are those of ``prepare_data_iterator`` in FunASR's ``auto/auto_model.py``;
``docs/differences.md`` lists where they are not.
"""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError, InputError, UnsupportedModelError
from safeasr.inputs.audio import DEFAULT_SAMPLE_RATE, checked_rate, is_tensor, load_audio
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, is_url, url_path, url_stem
from safeasr.inputs.features import load_features, split_features
from safeasr.inputs.listfiles import LIST_EXTENSIONS, read_list
from safeasr.inputs.texts import checked_text

__all__ = ["Utterance", "expand_inputs", "random_key"]

_KEY_CHARACTERS: Final = string.ascii_letters + string.digits
_KINDS: Final = ("sound", "fbank", "text")


def random_key() -> str:
    """A key for an utterance without a name: ``rand_key_`` and 13 letters or digits.

    The operating system's generator is used; Python's own, which programs seed, is left alone.
    """
    return "rand_key_" + "".join(secrets.choice(_KEY_CHARACTERS) for _ in range(13))


@dataclass(frozen=True, eq=False)
class Utterance:
    """One item of a call's input. Immutable; :meth:`load` may be called from any thread.

    Attributes:
        key: name of the item in results.
        source: what the caller gave: path, URL, array, tensor, bytes, file object, or text.
        kind: "sound", "fbank" (features) or "text".
        index: position in the expanded input.
        fs: rate in Hz of samples that do not state their own.
        sample_rate: rate in Hz of what :meth:`load` returns.
        timeout_s: time limit of a download, in seconds.
        max_bytes: size limit of a download, in bytes.
    """

    key: str
    source: object
    kind: str = "sound"
    index: int = 0
    fs: int = DEFAULT_SAMPLE_RATE
    sample_rate: int = DEFAULT_SAMPLE_RATE
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_bytes: int = DEFAULT_MAX_BYTES

    @property
    def from_file(self) -> bool:
        """Whether it is a file, by path, URL or object; FunASR then knows that it is whole."""
        return isinstance(self.source, (str, os.PathLike)) or hasattr(self.source, "read")

    def load(
        self, *, allow_empty: bool = False, deadline: float | None = None
    ) -> NDArray[np.float32] | str:
        """The item's data; decodes files and downloads URLs.

        Args:
            allow_empty: no samples are samples too, as in a piece of a stream.
            deadline: time of the monotonic clock by which it must be done; None: no limit.

        Returns:
            Samples of shape [samples] at ``sample_rate`` for "sound", features of shape
            [frames, width] for "fbank"; float32, C-contiguous. May share memory with ``source``.
            A str for "text".

        Raises:
            AudioError: if the data cannot be had; the message begins with index and key. It is
                an ``AudioFileNotFoundError`` if a file is missing.
            InputError: if it is no text.
            DeadlineExceededError: if the deadline passed.
        """
        try:
            if self.kind == "fbank":
                return load_features(self.source)
            if self.kind == "text":
                return checked_text(self.source)
            return load_audio(
                self.source,
                self.fs,
                self.sample_rate,
                timeout_s=self.timeout_s,
                max_bytes=self.max_bytes,
                allow_empty=allow_empty,
                deadline=deadline,
            )
        except InputError as error:
            raise type(error)(f"input {self.index} (key {self.key!r}): {error}") from error


def expand_inputs(
    input: Any,
    *,
    key: str | Sequence[str] | None = None,
    fs: int = DEFAULT_SAMPLE_RATE,
    data_type: str | Sequence[str] | None = None,
    input_len: Any = None,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
) -> list[Utterance]:
    """The utterances of one call, in order.

    Args:
        input: what :func:`safeasr.inputs.audio.load_audio` takes; or the path or URL of a list file
            (``.scp``, ``.txt``, ``.text``, ``.json``, ``.jsonl``); or a list or tuple of any of
            these but list files. A list of floats is one utterance.
        key: name of the utterance. One name for a list of several is used for those that are no
            files, which are named after the file. A list of names is used one by one. None: the
            file's name without ending, the key in the list file, or a random key each.
        fs: rate in Hz of arrays, raw PCM bytes and ``.pcm`` files.
        data_type: "sound" (also None), "fbank" for features, or "text".
        input_len: frames of each row of a batch of features; only for "fbank".
        sample_rate: the model's rate in Hz.
        timeout_s: time limit of each download, in seconds.
        max_bytes: size limit of each download, in bytes.
        deadline: time of the monotonic clock by which a list file must have come; None: no limit.

    Returns:
        At least one utterance, unless a list or list file is empty.

    Raises:
        AudioError: if ``input`` is of a type that cannot be audio, a list file is malformed, or
            features have a wrong shape. Files are looked at only when an utterance is loaded.
        InputError: if it is no text, and ``data_type`` is "text".
        UnsupportedModelError: if ``data_type`` is of another kind, such as ("sound", "text").
        ValueError: if the number of keys is not the number of utterances.
        DeadlineExceededError: if the deadline passed.
    """
    kind = _checked_kind(data_type)
    name = key if isinstance(key, str) else None
    if kind == "fbank":
        found = [(name or random_key(), one) for one in split_features(input, input_len)]
    elif isinstance(input, (list, tuple)) and not _is_flat_samples(input):
        found = [_list_item(one, name, kind) for one in input]
    else:
        fetch = partial(read_list, timeout_s=timeout_s, max_bytes=max_bytes, deadline=deadline)
        found = _single(input, name, kind, fetch)

    template = Utterance(
        key="",
        source=None,
        kind=kind,
        fs=checked_rate(fs),
        sample_rate=checked_rate(sample_rate, "sample_rate"),
        timeout_s=timeout_s,
        max_bytes=max_bytes,
    )
    if key is not None and not isinstance(key, str):
        names = [str(one) for one in key]
        if len(names) != len(found):
            raise ValueError(f"{len(names)} keys were given for {len(found)} inputs")
        found = [(new, source) for new, (_, source) in zip(names, found, strict=True)]
    return [
        replace(template, key=name_, source=source, index=index)
        for index, (name_, source) in enumerate(found)
    ]


def _checked_kind(data_type: str | Sequence[str] | None) -> str:
    if data_type is None:
        return "sound"
    if isinstance(data_type, str) and data_type in _KINDS:
        return data_type
    shown = data_type if isinstance(data_type, str) else tuple(data_type)
    raise UnsupportedModelError(
        f"data_type={shown!r} is not supported: use 'sound', 'fbank' or 'text'"
    )


def _is_flat_samples(items: Sequence[Any]) -> bool:
    """Whether a list is one recording's samples; only the first item is looked at."""
    return bool(items) and isinstance(items[0], (float, int, np.number))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _as_path(item: Any) -> str | None:
    """The path if the item may be one (a str that is no URL, or os.PathLike)."""
    if isinstance(item, os.PathLike):
        path = os.fspath(item)
        return path if isinstance(path, str) else os.fsdecode(path)
    return item if isinstance(item, str) and not is_url(item) else None


def _is_list_file(path: str) -> bool:
    return path.lower().endswith(LIST_EXTENSIONS) and os.path.isfile(path)


def _single(
    item: Any, name: str | None, kind: str, read: Callable[[str], list[tuple[str | None, str]]]
) -> list[tuple[str, object]]:
    """The keyed sources of an input that is no list."""
    path = _as_path(item)
    if path is not None and _is_list_file(path):
        return [(key or random_key(), source) for key, source in read(path)]
    if isinstance(item, str) and is_url(item):
        if url_path(item).lower().endswith(LIST_EXTENSIONS):
            return [(key or random_key(), source) for key, source in read(item)]
        if kind == "text":
            return [_unnamed(item, name, kind)]
        return [(name if name is not None else url_stem(item) or random_key(), item)]
    if path is not None and kind == "sound" and os.path.exists(path):
        return [(name if name is not None else _stem(path), path)]
    return [_unnamed(item if path is None or kind == "text" else path, name, kind)]


def _list_item(item: Any, name: str | None, kind: str) -> tuple[str, object]:
    """The keyed source of one item of a list."""
    path = _as_path(item)
    if path is not None and kind == "sound" and os.path.exists(path):
        if _is_list_file(path):
            raise AudioError(
                f"a list file cannot be an item of a list, give it alone: {os.path.basename(path)}"
            )
        return _stem(path), path
    return _unnamed(item if path is None or kind == "text" else path, name, kind)


def _unnamed(item: Any, name: str | None, kind: str) -> tuple[str, object]:
    if kind == "text":
        checked_text(item)
    if kind == "sound" and not _may_be_audio(item):
        raise AudioError(
            "expected audio (a path, URL, array, tensor, bytes or binary file object) or a list "
            f"of them, got {type(item).__name__}"
        )
    return (name if name is not None else random_key()), item


def _may_be_audio(item: Any) -> bool:
    return (
        isinstance(item, (str, bytes, bytearray, memoryview))
        or (isinstance(item, (list, tuple)) and _is_flat_samples(item))
        or is_tensor(item)
        or hasattr(item, "__array__")
        or hasattr(item, "read")
    )
