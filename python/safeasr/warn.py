"""Warnings that blame the line of the package's user; neither they nor logging make a call fail."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from pathlib import Path

__all__ = ["log_exception", "warn"]

#: Code whose file lies here is the package's own.
_PACKAGE = str(Path(__file__).resolve().parent) + "/"


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line outside of this package that everything began with.

    Python 3.12 can skip files by their prefix; to look for the line here gives the same on every
    version, and no function has to know how far it is from the user. Where the standard error is
    closed or its reader has left, nobody is warned.

    Args:
        message: what the user should know.
        category: of the warning.

    Raises:
        Warning: if the user's filters make an error of it.
    """
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    names = frame.f_globals
    try:
        warnings.warn_explicit(
            message,
            category,
            frame.f_code.co_filename,
            frame.f_lineno,
            module=names.get("__name__"),
            registry=names.setdefault("__warningregistry__", {}),
        )
    except Warning:
        raise
    except Exception:
        # A standard error that cannot be written to: Python passes over some of its errors only.
        pass


def log_exception(logger: logging.Logger, message: str) -> None:
    """Log the present exception; where handlers fail, as with a closed standard error, do not."""
    with contextlib.suppress(Exception):
        logger.exception(message)
