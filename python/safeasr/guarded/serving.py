"""What the thread of a guarded model's copy does, from its beginning to its end."""

from __future__ import annotations

from safeasr.errors import SafeASRError, WorkerCrashedError
from safeasr.guarded.house import House
from safeasr.guarded.jobs import Job
from safeasr.guarded.workers import Worker

__all__ = ["serve"]


def serve(pool: House, worker: Worker) -> None:
    """Make the model and answer requests until the pool ends."""
    try:
        _serve(pool, worker)
    finally:
        worker.gone.resolve(None)


def _serve(pool: House, worker: Worker) -> None:
    try:
        described = worker.backend.start()
    except BaseException as error:
        worker.ready.fail(error)
        return
    worker.ready.resolve(described)
    while (job := pool.next_job(worker)) is not None:
        _run(pool, worker, job)
        del job  # it may hold a recording, and the next one may be long in coming
        _make_good(pool, worker)
    worker.backend.stop()


def _run(pool: House, worker: Worker, job: Job) -> None:
    """Answer one request."""
    backend = worker.backend
    value: object = None
    failed: BaseException | None = None
    try:
        if not backend.up:
            _start_again(worker)
        while worker.forgotten:
            backend.forget(worker.forgotten.popleft())
        value = backend.call(job.request)
    except BaseException as error:  # this thread must go on, whatever it is
        failed = error
    pool.ran(worker, job)
    pool.finish(job, value, failed)


def _start_again(worker: Worker) -> None:
    worker.calls = 0
    try:
        worker.backend.start()
    except SafeASRError as error:
        raise WorkerCrashedError(f"the model's process cannot be started again: {error}") from error


def _make_good(pool: House, worker: Worker) -> None:
    """Between two requests: another process in the place of one that is gone, or has to go."""
    backend = worker.backend
    if worker.must_be_replaced(pool.max_memory, pool.max_calls):
        backend.stop()
        with pool.lock:
            pool.counts.replaced += 1
    elif not backend.up:
        with pool.lock:
            pool.counts.crashes += 1
    if not backend.up and not pool.ending:
        pool.streams.lose(worker)
        try:
            _start_again(worker)
        except WorkerCrashedError:
            return  # the next request tries again, and is told
