"""Audio as servers take it: files as they are, samples as 16-bit PCM."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from safeasr.errors import AudioError, AudioFileNotFoundError
from safeasr.printable import printable, quoted

__all__ = ["Upload", "as_pcm", "wav"]

_RATE: Final = 16000


def as_pcm(samples: Any) -> bytes:
    """Samples (n,) of one channel as little-endian 16-bit integers.

    Args:
        samples: bytes of 16-bit PCM, or an array, tensor or list: int16, or floats in [-1, 1];
            what lies outside is clipped. n may be 0.

    Raises:
        AudioError: they are no samples.
    """
    if isinstance(samples, (bytes, bytearray, memoryview)):
        if memoryview(samples).nbytes % 2:
            raise AudioError("bytes of raw samples are 16-bit PCM, and these are an odd number")
        return bytes(samples)
    try:
        array = np.asarray(samples)
    except Exception as error:  # a tensor on a device, an object of any kind
        raise AudioError(f"expected samples: {printable(error)}") from error
    if array.ndim != 1 or (array.size and array.dtype != np.int16 and array.dtype.kind != "f"):
        raise AudioError(
            "expected samples of one channel, float or int16, got an array of shape "
            f"{list(array.shape)} and type {array.dtype}"
        )
    if array.dtype == np.int16:
        return array.astype("<i2").tobytes()
    if not np.isfinite(array).all():
        raise AudioError("samples must be finite")
    # What was read from a 16-bit file comes out as it was.
    return np.clip(np.rint(array * 32768.0), -32768, 32767).astype("<i2").tobytes()


def wav(pcm: bytes, fs: int) -> bytes:
    """A WAV file of 16-bit samples of one channel.

    Args:
        pcm: as of :func:`as_pcm`.
        fs: their rate in Hz.
    """
    size = len(pcm)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", 1, 1, fs, 2 * fs, 2, 16)
        + struct.pack("<4sI", b"data", size)
        + pcm
    )


class Upload:
    """A recording as a field of a form, which can be sent more than once.

    Attributes:
        name: of the file, for the server's logs.
    """

    def __init__(self, audio: Any, fs: int | None) -> None:
        """Look at what is given; a file is opened when it is sent.

        Args:
            audio: a path; the contents of a file as bytes or a binary file object; or samples as
                of :func:`as_pcm`.
            fs: rate of samples in Hz, by default 16,000. With bytes it says that they are raw
                16-bit samples, not the contents of a file.

        Raises:
            AudioFileNotFoundError: there is no such file.
            AudioError: it is no audio.
        """
        self.name = "audio"
        self._path: Path | None = None
        self._content: bytes | IO[bytes] = b""
        if isinstance(audio, str) and audio.startswith(("http://", "https://")):
            raise AudioError("a server opens no URLs: download the file and give its path")
        if isinstance(audio, (str, os.PathLike)):
            self._path = Path(audio)
            self.name = self._path.name
            self.open_file().close()  # whoever named no file should know at once
        elif hasattr(audio, "read"):
            self._content = _from_the_beginning(audio)
        elif isinstance(audio, (bytes, bytearray, memoryview)) and fs is None:
            self._content = bytes(audio)
        else:
            self._content = wav(as_pcm(audio), fs or _RATE)

    def open_file(self) -> IO[bytes]:
        """The file of a path, opened; the caller closes it.

        Raises:
            AudioError: it cannot be.
        """
        assert self._path is not None
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            raise AudioFileNotFoundError(f"there is no file {quoted(str(self._path))}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AudioError(f"{quoted(str(self._path))} cannot be read: {reason}") from error

    def open(self) -> bytes | IO[bytes]:
        """What is to be sent, from its beginning; :meth:`close` it afterwards."""
        return self._content if self._path is None else self.open_file()

    def close(self, opened: bytes | IO[bytes]) -> None:
        """End what :meth:`open` gave. A file object of the caller's stays open."""
        if self._path is not None and not isinstance(opened, bytes):
            opened.close()


def _from_the_beginning(file: Any) -> bytes | IO[bytes]:
    """A file object if it can be read several times, as retries need; otherwise its contents."""
    if not isinstance(file.read(0), bytes):
        raise AudioError("a file object must be opened in binary mode")
    try:
        if file.seekable() and file.tell() == 0:
            found: IO[bytes] = file
            return found
    except (AttributeError, OSError):
        pass
    content: bytes = file.read()
    return content
