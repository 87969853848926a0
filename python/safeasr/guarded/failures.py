"""What FunASR's code raises, as errors of safeasr; also from another process."""

from __future__ import annotations

import pickle
import signal
import traceback
from dataclasses import dataclass

from safeasr.bundles.damage import out_of_memory
from safeasr.errors import (
    ExportError,
    InferenceError,
    OutOfMemoryError,
    SafeASRError,
    WorkerCrashedError,
)

__all__ = ["Failure", "as_error", "as_load_error", "crashed", "packed"]


@dataclass(frozen=True)
class Failure:
    """An exception on its way from another process.

    Attributes:
        said: its text.
        trace: where it came from.
        pickled: itself, if it can be sent.
        no_memory: whether it says that there is no memory.
    """

    said: str
    trace: str
    pickled: bytes | None
    no_memory: bool


def as_error(error: BaseException | Failure, model_class: str) -> SafeASRError:
    """The error of a call on which FunASR's code raised another, which is its cause."""
    return _made(InferenceError, f"FunASR's {model_class} failed", error)


def as_load_error(error: BaseException | Failure, name: str) -> SafeASRError:
    """The error of a model that FunASR's code could not make."""
    return _made(ExportError, f"FunASR cannot load {name}", error)


def _made(usual: type[SafeASRError], what: str, error: BaseException | Failure) -> SafeASRError:
    cause = unpacked(error) if isinstance(error, Failure) else error
    if isinstance(cause, SafeASRError):
        return cause
    no_memory = error.no_memory if isinstance(error, Failure) else _no_memory(error)
    said = error.said if isinstance(error, Failure) else _said(error)
    made = (OutOfMemoryError if no_memory else usual)(f"{what}: {said}")
    made.__cause__ = cause
    return made


def _no_memory(error: BaseException) -> bool:
    try:
        return isinstance(error, Exception) and out_of_memory(error)
    except Exception:  # an exception whose own text fails
        return False


def _said(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:  # an exception whose own text fails
        said = ""
    return f"{type(error).__name__}: {said[:2000]}" if said else type(error).__name__


def crashed(status: int | None, what: str) -> WorkerCrashedError:
    """The error of what a process did when it ended.

    Args:
        status: as of ``os.waitstatus_to_exitcode``; None: nobody knows.
        what: it did, for the message.
    """
    if status is None:
        how = "ended"
    elif status < 0:
        try:
            how = f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            how = f"was ended by the signal {-status}"
    else:
        how = f"ended with the status {status}"
    return WorkerCrashedError(f"the model's process {how} {what}")


def packed(error: BaseException) -> Failure:
    """An exception as it can be sent."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    pickled: bytes | None
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:  # many exceptions cannot be made again from their arguments
        pickled = None
    return Failure(_said(error), trace[-20_000:], pickled, _no_memory(error))


def unpacked(failure: Failure) -> BaseException:
    """The exception, or one that says the same. Its note is where it came from."""
    error: BaseException | None = None
    if failure.pickled is not None:
        try:
            error = pickle.loads(failure.pickled)
        except Exception:  # its class may be the other process's alone
            error = None
    if not isinstance(error, BaseException):
        error = MemoryError(failure.said) if failure.no_memory else RuntimeError(failure.said)
    error.__notes__ = [f"in the model's process:\n{failure.trace}"]  # type: ignore[attr-defined]
    return error
