"""What tests of the server's page share: a browser before it, what its microphone hears."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from safeasr.bench.audio.clips import SAMPLE_RATE
from safeasr.bench.audio.manifest import embedded_clips
from support.chromium import Browser, browsing

__all__ = ["Wire", "at_page", "lines", "microphone", "spoken_words"]

#: Says "yes" for people who would be asked for the microphone.
_YES = "--use-fake-ui-for-media-stream"
_FAKE = "--use-fake-device-for-media-stream"


def microphone(folder: Path, clips: Sequence[str | Path], pause_s: float = 1.5) -> list[str]:
    """Flags for a browser whose microphone hears clips once, then silence.

    Args:
        folder: where the sound is written.
        clips: names of the demo's, or files of 16 kHz.
        pause_s: before each of them, and behind the last one.
    """
    pause = np.zeros(int(pause_s * SAMPLE_RATE), np.float32)
    known = {clip.name: clip.samples for clip in embedded_clips()}
    heard = [
        soundfile.read(one, dtype="float32")[0] if isinstance(one, Path) else known[one]
        for one in clips
    ]
    parts = [part for one in heard for part in (pause, one)]
    path = folder / "spoken.wav"
    soundfile.write(path, np.concatenate([*parts, pause]), SAMPLE_RATE)
    return [_YES, _FAKE, f"--use-file-for-fake-audio-capture={path}%noloop"]


def spoken_words(clips: Sequence[str]) -> list[list[str]]:
    """What is said in clips of the demo."""
    known = {clip.name: clip.reference for clip in embedded_clips()}
    return [str(known[name]).split() for name in clips]


@contextlib.contextmanager
def at_page(
    address: str,
    folder: Path,
    flags: Sequence[str] = (),
    language: str = "en-US",
    *,
    need_key: bool = False,
) -> Iterator[Browser]:
    """A browser with the page open, and the models known to it or a key asked for."""
    with browsing(folder / "profile", flags) as browser:
        browser.resize(1280, 900)
        browser.open(address + "/", language)
        known = "#key-form" if need_key else "#model"
        browser.appears(known)
        yield browser


def lines(browser: Browser, which: str) -> list[str]:
    """What the sentences of a transcript say: of "live" or "file"."""
    found = browser.run(
        f"[...document.querySelectorAll('#{which}-lines .said')].map((one) => one.textContent)"
    )
    return [str(line) for line in found]


class Wire:
    """Stands between page and server, and can be cut.

    Attributes:
        url: of the server, as the page sees it.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._door: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._port = 0
        self.mend()
        self.url = f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """Let connections through."""
        self._door = socket.create_server(("127.0.0.1", self._port), reuse_port=True)
        self._port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._door,), daemon=True).start()

    def cut(self) -> None:
        """End all connections and take no new ones."""
        with self._lock:
            cut, self._open = [self._door, *self._open], []
        for one in filter(None, cut):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                near, _ = door.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
