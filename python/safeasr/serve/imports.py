"""What the library imports when it is first needed, imported before anybody waits for it."""

from __future__ import annotations

import importlib
from typing import Final

from safeasr.speakers.clustering import import_libraries

__all__ = ["import_now"]

#: To resample, and to read what libsndfile does not know.
_LATE: Final = ("av", "soundfile", "soxr")


def import_now(*, speakers: bool) -> None:
    """Import what requests need: parts of an import hold up all of the process's threads.

    Args:
        speakers: whether somebody may ask who speaks.
    """
    for module in _LATE:
        importlib.import_module(module)
    if speakers:
        import_libraries()
