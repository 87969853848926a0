"""Between callers with one utterance each and a library that takes lists, a few calls at a time.

This is what one writes around such a library: a queue, a few threads, and batches of what waits.
It does for all of them what helps them most: utterances of like length share a batch, and a thread
waits a moment for the callers that have just been answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

#: How long a thread waits for a batch to fill, in seconds. A batch takes longer by far.
GATHER_S = 0.02


class _Request:
    def __init__(self, audio: Any) -> None:
        self.audio = audio
        self.done = threading.Event()
        self.text = ""
        self.error: Exception | None = None


class Pool:
    """Threads that answer calls of any number of callers in batches.

    Attributes:
        batches: calls of the library so far.
        requests: utterances in them.
    """

    def __init__(
        self,
        transcribe: Callable[[Sequence[Any]], list[str]],
        slots: int,
        batch: int,
        callers: int,
    ) -> None:
        """Start the threads.

        Args:
            transcribe: the library: a list of utterances to their texts.
            slots: threads.
            batch: utterances in a call at most.
            callers: how many there will be: no batch waits for more than can come.
        """
        self._transcribe = transcribe
        self._batch = batch
        self._wanted = min(batch, max(1, callers // slots))
        self._waiting: list[_Request] = []
        self._changed = threading.Condition()
        self._closed = False
        self.batches = self.requests = 0
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def __call__(self, audio: Any) -> str:
        """The text of one utterance; raises what the library raised."""
        request = _Request(audio)
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()
        request.done.wait()
        if request.error is not None:
            raise request.error
        return request.text

    def close(self) -> None:
        """End the threads; nobody must be calling."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _take(self) -> list[_Request]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            until = time.monotonic() + GATHER_S
            while 0 < len(self._waiting) < self._wanted and not self._closed:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    break
            if not self._waiting:
                return []
            first = self._waiting[0]
            # The oldest first, so that nobody starves, and those nearest to it in length.
            near = sorted(self._waiting[1:], key=lambda r: abs(len(r.audio) - len(first.audio)))
            taken = [first, *near[: self._batch - 1]]
            self._waiting = [one for one in self._waiting if one not in taken]
            self.batches += 1
            self.requests += len(taken)
            return taken

    def _serve(self) -> None:
        while True:
            taken = self._take()
            if not taken:
                if self._closed:
                    return
                continue  # another thread was faster
            try:
                texts = self._transcribe([one.audio for one in taken])
                if len(texts) != len(taken):
                    raise RuntimeError(f"{len(taken)} utterances gave {len(texts)} texts")
                for one, text in zip(taken, texts, strict=True):
                    one.text = text
            except Exception as error:
                for one in taken:
                    one.error = error
            for one in taken:
                one.done.set()
