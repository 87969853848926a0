"""safeasr: FunASR's AutoModel, safe and fast from any number of threads.

It is used as FunASR's is::

    from safeasr import AutoModel

    model = AutoModel(model="demo")
    model.generate(input="speech.wav")

Importing this package loads torch and the C++ engine, and neither FunASR nor its dependencies.
"""

from __future__ import annotations

from safeasr._extension import load_extension

load_extension()

from safeasr._version import __version__  # noqa: E402
from safeasr.auto_model import AutoModel  # noqa: E402
from safeasr.calls.future import Future  # noqa: E402
from safeasr.errors import (  # noqa: E402
    AudioError,
    AudioFileNotFoundError,
    CancelledError,
    CorruptBundleError,
    DeadlineExceededError,
    EngineClosedError,
    ExportError,
    ExtensionMismatchError,
    ForkedProcessError,
    InferenceError,
    OutOfMemoryError,
    QueueFullError,
    SafeASRError,
    UnsupportedModelError,
)
from safeasr.text.rich_text import rich_transcription_postprocess  # noqa: E402

__all__ = [
    "AudioError",
    "AudioFileNotFoundError",
    "AutoModel",
    "CancelledError",
    "CorruptBundleError",
    "DeadlineExceededError",
    "EngineClosedError",
    "ExportError",
    "ExtensionMismatchError",
    "ForkedProcessError",
    "Future",
    "InferenceError",
    "OutOfMemoryError",
    "QueueFullError",
    "SafeASRError",
    "UnsupportedModelError",
    "__version__",
    "rich_transcription_postprocess",
]
