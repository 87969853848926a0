"""What the threads of a guarded model know of the place that requests come from."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from safeasr.guarded.counts import Counts
from safeasr.guarded.jobs import Job
from safeasr.guarded.workers import LiveStreams, Worker

__all__ = ["House"]


class House(Protocol):
    """A :class:`safeasr.guarded.pool.Pool`, for its threads."""

    lock: Any
    workers: list[Worker]
    waiting: deque[Job]
    streams: LiveStreams
    counts: Counts
    ending: bool
    max_memory: int | None
    max_calls: int | None

    def next_job(self, worker: Worker) -> Job | None:
        """What the worker does next; waits for it. None: it shall end."""

    def ran(self, worker: Worker, job: Job) -> None:
        """A job has run, whatever became of it."""

    def finish(self, job: Job, value: Any, error: BaseException | None) -> None:
        """End a job, once; what comes later changes nothing."""
