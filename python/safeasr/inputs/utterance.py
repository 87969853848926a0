"""One item of a call's input, and its name."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import InputError
from safeasr.inputs.audio import (
    DEFAULT_MAX_SECONDS,
    DEFAULT_SAMPLE_RATE,
    load_audio,
    open_audio,
    reading_of,
)
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S
from safeasr.inputs.features import load_features
from safeasr.inputs.recording import Recording
from safeasr.inputs.texts import checked_text
from safeasr.options.access import ANYTHING, Access
from safeasr.pair import Pair
from safeasr.printable import quoted

__all__ = ["Utterance", "is_random_key", "random_key"]

_KEY_CHARACTERS: Final = (string.ascii_letters + string.digits).encode("ascii")
#: Bytes to characters, each as likely as any other: four bytes for each, and those that are left
#: over are not used.
_LEFT_OVER: Final = bytes(range(4 * len(_KEY_CHARACTERS), 256))
_AS_CHARACTERS: Final = 4 * _KEY_CHARACTERS + _LEFT_OVER
_RANDOM: Final = "rand_key_"


def random_key() -> str:
    """A key for an utterance without a name: ``rand_key_`` and 13 letters or digits.

    The operating system's generator is used; Python's own, which programs seed, is left alone.
    """
    # In a few calls for all characters: long list files have many keys.
    letters = b""
    while len(letters) < 13:
        letters += os.urandom(24).translate(_AS_CHARACTERS, _LEFT_OVER)
    return _RANDOM + letters[:13].decode("ascii")


def is_random_key(key: str) -> bool:
    """Whether nobody gave the key, as far as can be told."""
    return key.startswith(_RANDOM)


@dataclass(frozen=True, eq=False, slots=True)
class Utterance:
    """One item of a call's input. Immutable; :meth:`load` may be called from any thread.

    Attributes:
        key: name of the item in results.
        source: what the caller gave: path, URL, array, tensor, bytes, file object, or text.
        kind: "sound", "fbank" (features) or "text".
        index: position in the expanded input.
        fs: rate in Hz of samples that do not state their own; None: nobody said, 16,000.
        sample_rate: rate in Hz of what :meth:`load` returns.
        timeout_s: time limit of a download, in seconds.
        max_bytes: size limit of a download, in bytes.
        access: which hosts a URL may lead to.
        is_pcm: files and bytes are raw 16-bit samples.
        max_seconds: the longest recording that is taken.
        strict: damaged audio is refused.
    """

    key: str
    source: object
    kind: str = "sound"
    index: int = 0
    fs: int | None = None
    sample_rate: int = DEFAULT_SAMPLE_RATE
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_bytes: int = DEFAULT_MAX_BYTES
    access: Access = ANYTHING
    is_pcm: bool = False
    max_seconds: float = DEFAULT_MAX_SECONDS
    strict: bool = False

    @property
    def from_file(self) -> bool:
        """Whether it is a file, by path, URL or object; FunASR then knows that it is whole."""
        return isinstance(self.source, (str, os.PathLike)) or hasattr(self.source, "read")

    def load(
        self, *, allow_empty: bool = False, deadline: float | None = None
    ) -> NDArray[np.float32] | str | Pair:
        """The item's data; decodes files and downloads URLs.

        Args:
            allow_empty: it is a piece of a stream: it may hold no samples, and bytes are raw ones.
            deadline: time of the monotonic clock by which it must be done; None: no limit.

        Returns:
            Samples of shape [samples] at ``sample_rate`` for "sound", features of shape
            [frames, width] for "fbank"; float32, C-contiguous. May share memory with ``source``.
            A str for "text". With a text of its own, the :class:`Pair` of both.

        Raises:
            AudioError: if the data cannot be had; the message begins with index and key. It is
                an ``AudioFileNotFoundError`` if a file is missing.
            InputError: if it is no text.
            DeadlineExceededError: if the deadline passed.
        """
        with self._named():
            if self.kind == "fbank":
                return load_features(self.source)
            if self.kind == "text":
                return checked_text(self.source, self.access)
            return load_audio(
                self.source,
                self.fs,
                self.sample_rate,
                allow_empty=allow_empty,
                **self._fetching(),
                **self._reading(deadline),
            )

    def open(self, *, deadline: float | None = None, own: bool = False) -> Recording:
        """The samples of the item as they are decoded; with the errors of :meth:`load`.

        A file is open until the recording is closed, or read to its end.

        Args:
            deadline: as of :meth:`load`.
            own: whether it must not share memory with ``source``.
        """
        with self._named():
            reading = reading_of(self.fs, self.sample_rate, **self._reading(deadline))
        return open_audio(self.source, reading, errors=self._named, own=own, **self._fetching())

    def _fetching(self) -> dict[str, Any]:
        return {
            "timeout_s": self.timeout_s,
            "max_bytes": self.max_bytes,
            "access": self.access,
        }

    def _reading(self, deadline: float | None) -> dict[str, Any]:
        return {
            "deadline": deadline,
            "is_pcm": self.is_pcm,
            "max_seconds": self.max_seconds,
            "strict": self.strict,
        }

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise type(error)(f"input {self.index} (key {quoted(self.key)}): {error}") from error
