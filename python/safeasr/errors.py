"""Every error that safeasr raises on purpose.

All of them derive from :class:`SafeASRError`, so one ``except SafeASRError`` catches them; those
that have a counterpart in the standard library derive from it too, so existing handlers keep
working. ``CancelledError`` is the standard library's and is only re-exported: code that already
catches ``concurrent.futures.CancelledError`` catches safeasr's.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

__all__ = [
    "AudioError",
    "AudioFileNotFoundError",
    "AudioTooLongError",
    "CancelledError",
    "ClientUnavailableError",
    "CorruptBundleError",
    "DeadlineExceededError",
    "EngineClosedError",
    "ExportError",
    "ExtensionMismatchError",
    "ForkedProcessError",
    "HotwordError",
    "InferenceError",
    "InputError",
    "InterruptedCallError",
    "MetricsUnavailableError",
    "NotAllowedError",
    "OptionError",
    "OptionFileNotFoundError",
    "OutOfMemoryError",
    "OutputError",
    "QueueFullError",
    "SafeASRError",
    "ServerUnavailableError",
    "UnsupportedModelError",
    "UntrustedBundleError",
    "WorkerCrashedError",
]


class SafeASRError(Exception):
    """Base class of every error that safeasr raises on purpose.

    Catch it to handle any refusal or failure of the package in one place. An exception that is
    not a ``SafeASRError`` is a mistake in the call (``TypeError``, ``ValueError``) or a defect of
    safeasr worth reporting.

    Attributes:
        results: what the call had done when it failed: one entry for each input in order, its
            result or None. None where no call for a result failed, such as while a model is made.
    """

    results: list[dict[str, Any] | None] | None = None


class OptionError(SafeASRError, ValueError, TypeError):
    """An argument or an option has a value that it cannot have.

    Raised before anything of the call is read or queued. The message names the option, what was
    expected, what came, and where it was given. It is a ``ValueError`` and a ``TypeError`` too, for
    handlers of either.
    """


class OptionFileNotFoundError(OptionError, FileNotFoundError):
    """An option names a file that is not there.

    Raised before anything of the call is read or queued; the message names the option and the path.
    It is a ``FileNotFoundError`` too, as in FunASR.
    """


class HotwordError(OptionError):
    """Hotwords of a call or stream cannot be read, or are more than a model takes.

    Raised before anything of the call is queued: the file is missing or is not UTF-8, the URL
    fails, there are more words than the limit, or one word is too long. The message says which.
    Correct the list. It is an ``OptionError``, and so a ``ValueError`` and a ``TypeError``, too.
    """


class QueueFullError(SafeASRError):
    """The engine's request queue stayed full until the caller's timeout.

    Raised by ``submit`` and ``generate`` when more work arrives than the workers finish. The
    request was not accepted and nothing of it runs. Wait and try again, shed load, give a longer
    timeout, or build the model with a larger queue or more workers.
    """


class DeadlineExceededError(SafeASRError, TimeoutError):
    """A request did not finish before its deadline.

    Raised when waiting for a result whose deadline has passed; a request still in the queue is
    dropped without running, one already running is abandoned. Give a longer deadline, send shorter
    audio, or reduce the load. It is a ``TimeoutError`` too.
    """


class EngineClosedError(SafeASRError):
    """The model was closed, so it takes no more work.

    Raised by every call after ``close()`` and by requests that ``close`` was asked to cancel.
    Build a new model, or close only when the last caller is done.
    """


class InputError(SafeASRError, ValueError):
    """An input is not what the model takes.

    Raised before anything is queued: for audio where a model takes text, for text that is no
    string or that no encoding knows. The message names the item (its index and key), what the model
    takes and what came. Its subclass ``AudioError`` is for audio. It is a ``ValueError`` too.
    """


class AudioError(InputError):
    """An input could not be turned into samples.

    Raised for unreadable or corrupt files, failed downloads, empty audio, samples that are not
    finite, and arrays of a wrong type or shape. The message names the item (its index and key),
    what was expected and what came. Correct or drop that item; the others of the same call are
    not affected. It is a ``ValueError`` too.
    """


class AudioFileNotFoundError(AudioError, FileNotFoundError):
    """A string was given where audio belongs, and it names no file and is no URL.

    Raised when the item is loaded. Check the path, and the working directory that relative paths
    of a list file are resolved against. It is a ``FileNotFoundError`` too, as in FunASR.
    """


class NotAllowedError(AudioError, PermissionError):
    """An input or option names a file or URL, and the model was told to open none such.

    Raised before anything is opened, by models made with ``allow_paths=False`` or ``allow_urls=``,
    and for a list file from a URL that names files of this machine. Pass the audio itself: bytes,
    an array, or an open file. It is an ``AudioError`` and a ``PermissionError`` too.
    """


class AudioTooLongError(AudioError):
    """A recording is longer than ``max_audio_seconds``.

    Raised when its header says so and may be right, and else while it is decoded, so that a small
    file that unpacks to days of silence takes no more memory than the limit allows. The message
    says both lengths. Cut the recording, or give a larger ``max_audio_seconds``.
    """


class UnsupportedModelError(SafeASRError):
    """The model family, or the kind of input, is not one that safeasr runs.

    Raised while a model is built or a call is checked, before any work starts. The message names
    the family or option. Use one of the families listed in the documentation, or FunASR itself
    for this model.
    """


class ExportError(SafeASRError):
    """A FunASR model could not be found, downloaded, or exported to a bundle.

    Raised while a model is built, most often for the first time: there is no such directory and
    funasr, which downloads by name, is missing or failed; a file of the model is missing, damaged,
    or does not fit the configuration; the network could not be scripted; the cache cannot be
    written; or, of a model that runs guarded, FunASR's own code could not load it. The message
    names the file; a cause is chained. Check the model directory.
    """


class CorruptBundleError(SafeASRError, ValueError):
    """An exported bundle is incomplete, damaged, or contradicts itself.

    Raised while a bundle is loaded (missing or truncated file, wrong hash, unknown format
    version) or when a program returns something its bundle says it cannot, such as a token id
    outside the vocabulary. Delete the bundle from the cache and export the model again.
    """


class UntrustedBundleError(SafeASRError):
    """A bundle was not exported here, and nobody said that it may be loaded.

    Raised while a model is built, before anything of the bundle is run: its programs can do what
    the process can do. If you trust whoever made it, pass ``trust_remote_code=True``, or record it
    with ``safeasr trust``; otherwise load the FunASR model that it was made from.
    """


class ForkedProcessError(SafeASRError):
    """A model built before ``os.fork`` was used in the child process.

    Raised by every call in the child: worker threads do not survive a fork, so a call would hang
    forever. Build the model after the fork, or start processes with the "spawn" or "forkserver"
    method of ``multiprocessing``.
    """


class ExtensionMismatchError(SafeASRError, ImportError):
    """The compiled extension does not fit the installed torch or this package.

    Raised on import when the extension was built against another torch release, or comes from
    another version of safeasr. Reinstall safeasr against the torch in use; the message names both
    versions. It is an ``ImportError`` too.
    """


class InferenceError(SafeASRError, RuntimeError):
    """A network failed while it ran on one request; the message is the network's own.

    Only the request that caused it fails: others of its batch are run again without it. If it comes
    for ordinary input, the exported bundle does not fit the model: export it again.
    """


class OutOfMemoryError(InferenceError, MemoryError):
    """One request alone, or a model, needs more memory than the device or the machine has left.

    A batch that does not fit is run again in halves; only what does not fit by itself fails, after
    waiting for the batches of other workers. Cut the recording (``vad_model`` does), use fewer
    workers, or free memory that others hold. A model that cannot be loaded or exported for want of
    memory raises it too: nothing is wrong with the model. It is a ``MemoryError`` too.
    """


class WorkerCrashedError(InferenceError):
    """The process of a guarded model ended while it ran a call, or was ended for what it did.

    Only the call that it ran fails, and a live stream whose state it had; another process takes its
    place. The message says how it ended: by a signal, by ``os._exit``, for running on when nobody
    waited any more. If it comes for ordinary input, look at what the process wrote to the standard
    error, and report it to FunASR or whoever wrote the model.
    """


class OutputError(SafeASRError, OSError):
    """Results could not be written to ``output_dir``.

    Raised before anything is queued where nothing can be written there, and afterwards where it
    fails only then, as on a full disk: the attribute ``results`` then holds all results. It is an
    ``OSError`` too.
    """


class InterruptedCallError(SafeASRError, RuntimeError):
    """A signal handler used what the call that it interrupted was in the middle of.

    The interrupted call cannot go on before the handler has returned, so what the handler asked for
    could never come. Let the handler set a flag, or start a thread. Nothing was queued. It is a
    ``RuntimeError`` too.
    """


class MetricsUnavailableError(SafeASRError, ImportError):
    """prometheus_client is not installed, and metrics need it.

    Raised on import of ``safeasr.metrics``: ``pip install prometheus-client``. It is an
    ``ImportError`` too.
    """


class ServerUnavailableError(SafeASRError, ImportError):
    """What a server needs is not installed.

    Raised on import of ``safeasr.serve``: ``pip install 'safeasr[serve]'``. Of servers elsewhere it
    says nothing; their errors are ``ServerError``. It is an ``ImportError`` too.
    """


class ClientUnavailableError(SafeASRError, ImportError):
    """What a live session with a server needs is not installed.

    Raised by ``safeasr.client`` when a session is opened: ``pip install 'safeasr[client]'``.
    Recordings need nothing beside safeasr itself. It is an ``ImportError`` too.
    """
