"""Many inputs at a time through one recogniser, and how far they are."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, Protocol

from safeasr.cli.say import is_terminal
from safeasr.errors import AudioError, DeadlineExceededError, InferenceError, SafeASRError

__all__ = ["Feed", "Recogniser", "Result", "callers_for", "progress", "results_of"]

#: Threads that read and decode audio, and wait; the model's own workers compute.
_MAX_CALLERS = 64
#: Name and key of an input, and its result or error.
Result = tuple[str, str, "dict[str, Any] | SafeASRError"]


class Feed(Protocol):
    """A live stream of one input."""

    def feed(self, samples: Any, is_final: bool) -> Any:
        """What came by now, with the last samples all of it: a result or events.

        They are those of ``AutoModel.stream``; events may be an iterator that waits.
        """


class Recogniser(Protocol):
    """What turns inputs into results: a model in this process, or a server."""

    def recognise(self, key: str, source: object) -> dict[str, Any]:
        """The result of one input; from any thread.

        Raises:
            AudioError: the input is wrong; others are not, as with the next two.
            InferenceError: it failed.
            DeadlineExceededError: it took too long.
            SafeASRError: nothing more can be recognised.
        """

    def live(self, key: str, rate: int) -> AbstractContextManager[Feed]:
        """A live stream for samples of that rate in Hz."""

    def callers(self, inputs: int) -> int:
        """How many of so many inputs should be under way at a time."""

    def stop(self) -> None:
        """Take back what is under way."""


def results_of(
    recogniser: Recogniser, sources: Sequence[tuple[str, object]], *, in_order: bool
) -> Iterator[Result]:
    """What became of every utterance; a few are always under way.

    Args:
        recogniser: answers.
        sources: keys and sources.
        in_order: of the sources; otherwise each as soon as it is done.
    """
    callers = recogniser.callers(len(sources))
    pool = ThreadPoolExecutor(callers, thread_name_prefix="safeasr-cli")
    pending: deque[tuple[str, str, Future[dict[str, Any]]]] = deque()
    left = iter(sources)
    try:
        while True:
            while len(pending) < 2 * callers and (item := next(left, None)) is not None:
                name = item[1] if isinstance(item[1], str) else item[0]
                pending.append((name, item[0], pool.submit(recogniser.recognise, *item)))
            if not pending:
                return
            if not in_order:
                wait([one for _, _, one in pending], return_when=FIRST_COMPLETED)
                done = next(i for i, (_, _, one) in enumerate(pending) if one.done())
                pending.rotate(-done)
            name, key, future = pending[0]
            try:
                outcome: dict[str, Any] | SafeASRError = future.result()
            except (AudioError, InferenceError, DeadlineExceededError) as error:
                outcome = error  # this utterance's own; the others go on
            pending.popleft()
            if not in_order:
                pending.rotate(done)
            yield name, key, outcome
    except BaseException:
        # Ctrl-C, or a failure of all: what waits is taken back, so the pool's threads come home.
        for _, _, future in pending:
            future.cancel()
        recogniser.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def callers_for(batch_size: int | None, workers: int, inputs: int, *, segments: bool) -> int:
    """Threads that keep every worker in full batches, as far as there are inputs for them.

    Args:
        batch_size: utterances in a batch at most, if the user said so.
        workers: of the model.
        inputs: how many there are.
        segments: each is taken in segments, which fill batches by themselves. They may be hours
            long, and each caller holds one.
    """
    if segments:
        return max(1, min(inputs, max(2, workers)))
    enough = _MAX_CALLERS if batch_size is None else 2 * batch_size * workers
    return max(1, min(_MAX_CALLERS, enough, inputs))


def progress(total: int, *, quiet: bool) -> Any:
    """A progress bar on a terminal when there is more than one utterance; otherwise nothing.

    Args:
        total: utterances.
        quiet: nothing else is written to the terminal.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    shown = total > 1 and is_terminal(sys.stderr) and (quiet or not is_terminal(sys.stdout))
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True) if shown else Console(file=io.StringIO()),
        disable=not shown,
        transient=True,
    )
