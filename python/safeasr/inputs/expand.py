"""From the ``input`` of a call to a list of utterances.

Nothing is decoded here: an :class:`Utterance` knows where its audio is and loads it when asked,
so that long lists do not sit in memory and one bad item fails alone. The forms of input and their
keys are those of ``prepare_data_iterator`` in FunASR's ``auto/auto_model.py``;
``docs/differences.md`` lists where they are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from safeasr.deadlines import require_time
from safeasr.errors import AudioError, OptionError, UnsupportedModelError
from safeasr.inputs.audio import (
    DEFAULT_MAX_SECONDS,
    DEFAULT_SAMPLE_RATE,
    checked_rate,
    is_buffer,
    is_tensor,
)
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S
from safeasr.inputs.features import split_features
from safeasr.inputs.listfiles import LIST_EXTENSIONS, read_list, require_urls_only
from safeasr.inputs.urls import is_url, parse_url, shown_url, url_path, url_stem
from safeasr.inputs.utterance import Utterance, random_key
from safeasr.options.access import ANYTHING, Access
from safeasr.printable import printable, quoted

__all__ = ["Utterance", "expand_inputs", "random_key", "waits_for_others"]

_KINDS: Final = ("sound", "pcm", "fbank", "text")


def expand_inputs(
    input: Any,
    *,
    key: str | Sequence[str] | None = None,
    fs: float | None = None,
    data_type: str | Sequence[str] | None = None,
    input_len: Any = None,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
    access: Access = ANYTHING,
    max_seconds: float = DEFAULT_MAX_SECONDS,
    strict: bool = False,
) -> list[Utterance]:
    """The utterances of one call, in order.

    Args:
        input: what :func:`safeasr.inputs.audio.load_audio` takes; or the path or URL of a list file
            (``.scp``, ``.txt``, ``.text``, ``.json``, ``.jsonl``); or a list or tuple of any of
            these but list files. A list of floats is one utterance.
        key: name of the utterance. One name for a list of several is used for those that are no
            files, which are named after the file. A list of names is used one by one. None: the
            file's name without ending, the key in the list file, or a random key each.
        fs: rate in Hz of arrays and raw PCM. Given, it says too that bytes without a header are raw
            PCM. None: 16,000.
        data_type: "sound" (also None), "pcm" for files and bytes of raw 16-bit samples, "fbank" for
            features, or "text".
        input_len: frames of each row of a batch of features; only for "fbank".
        sample_rate: the model's rate in Hz.
        timeout_s: time limit of each download, in seconds.
        max_bytes: size limit of each download and of list files, in bytes.
        deadline: time of the monotonic clock by which a list file must have come; None: no limit.
        access: which files and hosts may be named.
        max_seconds: the longest recording that is taken.
        strict: damaged audio is refused.

    Returns:
        At least one utterance, unless a list or list file is empty.

    Raises:
        AudioError: if ``input`` is of a type that cannot be audio, a list file is malformed, or
            features have a wrong shape. Audio files are looked at only when an utterance is loaded.
        OptionError: if a key is no string, or the number of keys is not that of utterances.
        NotAllowedError: if a file or URL is named that ``access`` does not allow, and for a list
            file from a URL that names anything but URLs.
        UnsupportedModelError: if ``data_type`` is of another kind, such as ("sound", "text").
        DeadlineExceededError: if the deadline passed.
    """
    kind = _checked_kind(data_type)
    is_pcm = kind == "pcm"
    if is_pcm:
        kind = "sound"
    names = _checked_keys(key)
    name = names if isinstance(names, str) else None
    finder = _Finder(name, kind, timeout_s, max_bytes, deadline, access)
    found: list[tuple[str, object]]
    template = Utterance(
        key="",
        source=None,
        kind=kind,
        fs=None if fs is None else checked_rate(fs),
        sample_rate=checked_rate(sample_rate, "sample_rate"),
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        access=access,
        is_pcm=is_pcm,
        max_seconds=max_seconds,
        strict=strict,
    )
    if kind == "fbank":
        found = [(name or random_key(), one) for one in split_features(input, input_len)]
    elif isinstance(input, (list, tuple)) and not _is_flat_samples(input):
        found = [finder.item(one) for one in input]
    else:
        found = finder.single(input)
    if isinstance(names, list):
        if len(names) != len(found):
            raise OptionError(f"{len(names)} keys were given for {len(found)} inputs")
        found = [(new, source) for new, (_, source) in zip(names, found, strict=True)]
    return [
        replace(template, key=name_, source=source, index=index)
        for index, (name_, source) in enumerate(found)
    ]


def waits_for_others(input: Any) -> bool:
    """Whether reading an input may have to wait for what is not this machine: URLs, odd files."""
    items = input if isinstance(input, (list, tuple)) else (input,)
    return not _is_flat_samples(items) and any(
        (isinstance(one, (str, os.PathLike)) and (is_url(text := str(one)) or _may_be_list(text)))
        or (hasattr(one, "read") and not hasattr(one, "getbuffer"))
        for one in items
    )


def _checked_kind(data_type: Any) -> str:
    if data_type is None:
        return "sound"
    if isinstance(data_type, str) and data_type in _KINDS:
        return data_type
    shown = tuple(data_type) if isinstance(data_type, list) else data_type
    raise UnsupportedModelError(
        f"data_type={printable(repr(shown))} is not supported: use 'sound', 'pcm', 'fbank' or "
        "'text'"
    )


def _checked_keys(key: Any) -> str | list[str] | None:
    if key is None or isinstance(key, str):
        return key
    if isinstance(key, (bytes, bytearray, Mapping, Set)) or not isinstance(key, Iterable):
        raise OptionError(f"key must be a str or a list of str, got {type(key).__name__}")
    keys = list(key)
    for one in keys:
        # Numbers are fine, as they are in list files.
        if isinstance(one, bool) or not isinstance(one, (str, int, np.integer)):
            raise OptionError(f"key must be a str or a list of str, got {type(one).__name__} in it")
    return [str(one) for one in keys]


def _is_flat_samples(items: Sequence[Any]) -> bool:
    """Whether a list is one recording's samples; only the first item is looked at."""
    return bool(items) and isinstance(items[0], (float, int, np.number))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _as_path(item: Any) -> str | None:
    """The path if the item may be one (a str that is no URL, or os.PathLike)."""
    if isinstance(item, os.PathLike):
        try:
            return os.fsdecode(item)
        except (TypeError, UnicodeError) as error:
            raise AudioError(
                f"expected audio, got a path that is none: {printable(error)}"
            ) from error
    return item if isinstance(item, str) and not is_url(item) else None


def _may_be_list(name: str) -> bool:
    return (url_path(name) if is_url(name) else name).lower().endswith(LIST_EXTENSIONS)


def _is_list_file(path: str) -> bool:
    return _may_be_list(path) and os.path.isfile(path)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds the keyed sources of one call's input."""

    name: str | None
    kind: str
    timeout_s: float
    max_bytes: int
    deadline: float | None
    access: Access

    def single(self, item: Any) -> list[tuple[str, object]]:
        """Of an input that is no list."""
        path = self._allowed_path(item)
        if path is not None and _is_list_file(path):
            return self._entries(path)
        if isinstance(item, str) and is_url(item):
            if _may_be_list(item):
                return self._entries(item)
            self._require_url(item)
            return [(self.name if self.name is not None else url_stem(item) or random_key(), item)]
        if path is not None and self.kind == "sound" and os.path.exists(path):
            return [(self.name if self.name is not None else _stem(path), path)]
        return [self._unnamed(item if path is None else path)]

    def item(self, item: Any) -> tuple[str, object]:
        """Of one item of a list."""
        path = self._allowed_path(item)
        if isinstance(item, str) and is_url(item):
            self._require_url(item)
        if path is not None and self.kind == "sound" and os.path.exists(path):
            if _is_list_file(path):
                raise AudioError(
                    "a list file cannot be an item of a list, give it alone: "
                    f"{quoted(os.path.basename(path))}"
                )
            return _stem(path), path
        return self._unnamed(item if path is None else path)

    def _allowed_path(self, item: Any) -> str | None:
        """The path if the item may be one, before anything is looked up on the disk."""
        path = _as_path(item)
        if path is not None:
            if self.kind == "text" and not self.access.paths:
                return None  # then it is text, whatever file has that name
            self.access.require_path("an input that names a file")
        return path

    def _require_url(self, url: str) -> None:
        """Raise if its host may not be asked; a malformed one fails when it is loaded."""
        what = f"download of {shown_url(url)}"
        if self.kind != "text":
            self.access.require_urls(what)
            if isinstance(self.access.urls, tuple):
                self.access.require_host(parse_url(url).raw_host.decode("ascii"), what)

    def _entries(self, path: str) -> list[tuple[str, object]]:
        """Of a list file."""
        entries = read_list(
            path,
            timeout_s=self.timeout_s,
            max_bytes=self.max_bytes,
            deadline=self.deadline,
            access=self.access,
        )
        if is_url(path) and self.kind == "sound":
            require_urls_only(entries, path)
        for _, source in entries:
            if is_url(source):
                self._require_url(source)
        require_time(self.deadline)
        return [(key or random_key(), source) for key, source in entries]

    def _unnamed(self, item: Any) -> tuple[str, object]:
        if self.kind == "text" and not isinstance(item, str):
            raise AudioError(f"expected text, got {type(item).__name__}")
        if self.kind == "sound" and not _may_be_audio(item):
            raise AudioError(
                "expected audio (a path, URL, array, tensor, bytes or binary file object) or a "
                f"list of them, got {type(item).__name__}"
            )
        return (self.name if self.name is not None else random_key()), item


def _may_be_audio(item: Any) -> bool:
    return (
        isinstance(item, str)
        or is_buffer(item)
        or (isinstance(item, (list, tuple)) and _is_flat_samples(item))
        or is_tensor(item)
        or hasattr(item, "__array__")
        or hasattr(item, "read")
    )
