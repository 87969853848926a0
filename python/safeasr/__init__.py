"""safeasr: FunASR's AutoModel, safe and fast from any number of threads.

It is used as FunASR's is::

    from safeasr import AutoModel

    model = AutoModel(model="demo")
    model.generate(input="speech.wav")

Importing this package loads torch and the C++ engine, and neither FunASR nor its dependencies.
"""

from __future__ import annotations

from safeasr._version import __version__
from safeasr.as_funasr import install_as_funasr
from safeasr.auto_frontend import AutoFrontend
from safeasr.auto_model import AutoModel
from safeasr.calls.future import Future
from safeasr.errors import (
    AudioError,
    AudioFileNotFoundError,
    AudioTooLongError,
    CancelledError,
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
    NotAllowedError,
    OptionError,
    OptionFileNotFoundError,
    OutOfMemoryError,
    OutputError,
    QueueFullError,
    SafeASRError,
    UnsupportedModelError,
    UntrustedBundleError,
)
from safeasr.text.rich_text import rich_transcription_postprocess

__all__ = [
    "AudioError",
    "AudioFileNotFoundError",
    "AudioTooLongError",
    "AutoFrontend",
    "AutoModel",
    "CancelledError",
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
    "NotAllowedError",
    "OptionError",
    "OptionFileNotFoundError",
    "OutOfMemoryError",
    "OutputError",
    "QueueFullError",
    "SafeASRError",
    "UnsupportedModelError",
    "UntrustedBundleError",
    "__version__",
    "install_as_funasr",
    "rich_transcription_postprocess",
]
