"""FunASR's own ``AutoModel``, made so that tests beside it notice nothing of it."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

__all__ = ["funasr_model"]


def funasr_model(**given: Any) -> Any:
    """A fresh one on one thread, which prints nothing and leaves the level of logging as it was."""
    from funasr import AutoModel

    own = {"device": "cpu", "ncpu": 1, "disable_update": True, "disable_pbar": True}
    root = logging.getLogger()
    level = root.level
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return AutoModel(**{**own, "log_level": "ERROR", **given})
    finally:
        root.setLevel(level)
