"""safeasr: FunASR's AutoModel, safe and fast from any number of threads.

It is used as FunASR's is::

    from safeasr import AutoModel

    model = AutoModel(model="demo")
    model.generate(input="speech.wav")

torch and the C++ engine are loaded with the first name that needs them, such as ``AutoModel``, and
never FunASR or its dependencies: what measures a server far away (``safeasr bench``) needs neither.
"""

from __future__ import annotations

import importlib
import typing

from safeasr._version import __version__
from safeasr.errors import (
    AudioError,
    AudioFileNotFoundError,
    AudioTooLongError,
    CancelledError,
    ClientUnavailableError,
    CorruptBundleError,
    DeadlineExceededError,
    EngineClosedError,
    ExportError,
    ExtensionMismatchError,
    ForkedProcessError,
    HotwordError,
    InferenceError,
    InputError,
    InterruptedCallError,
    MetricsUnavailableError,
    NotAllowedError,
    OptionError,
    OptionFileNotFoundError,
    OutOfMemoryError,
    OutputError,
    QueueFullError,
    SafeASRError,
    ServerUnavailableError,
    UnsupportedModelError,
    UntrustedBundleError,
    WorkerCrashedError,
)
from safeasr.server_errors import (
    BadRequestError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    UnauthorizedError,
)

if typing.TYPE_CHECKING:
    from safeasr.as_funasr import install_as_funasr
    from safeasr.auto_frontend import AutoFrontend
    from safeasr.auto_model import AutoModel
    from safeasr.calls.future import Future
    from safeasr.text.rich_text import rich_transcription_postprocess

__all__ = [
    "AudioError",
    "AudioFileNotFoundError",
    "AudioTooLongError",
    "AutoFrontend",
    "AutoModel",
    "BadRequestError",
    "CancelledError",
    "ClientUnavailableError",
    "CorruptBundleError",
    "DeadlineExceededError",
    "EngineClosedError",
    "ExportError",
    "ExtensionMismatchError",
    "ForkedProcessError",
    "Future",
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
    "ServerBusyError",
    "ServerError",
    "ServerTimeoutError",
    "ServerUnavailableError",
    "ServerUnreachableError",
    "UnauthorizedError",
    "UnsupportedModelError",
    "UntrustedBundleError",
    "WorkerCrashedError",
    "__version__",
    "install_as_funasr",
    "rich_transcription_postprocess",
]

_LOADED_WHEN_ASKED = {
    "AutoFrontend": "safeasr.auto_frontend",
    "AutoModel": "safeasr.auto_model",
    "Future": "safeasr.calls.future",
    "_ext": "safeasr._extension",
    "install_as_funasr": "safeasr.as_funasr",
    "rich_transcription_postprocess": "safeasr.text.rich_text",
}


def __getattr__(name: str) -> typing.Any:
    module = _LOADED_WHEN_ASKED.get(name)
    if module is None:
        raise AttributeError(f"module 'safeasr' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
