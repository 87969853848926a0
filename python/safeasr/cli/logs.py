"""Logs of a command that runs for long: one line each, for people, or JSON for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Final

__all__ = ["log_to_stderr"]

#: What a record has beside what the caller gave it.
_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        more = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({**fields, **more}, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Log there; as JSON if SAFEASR_LOG is "json"."""
    handler = logging.StreamHandler(sys.stderr)
    if os.environ.get("SAFEASR_LOG", "").lower() == "json":
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s"))
    for name in ("safeasr", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "safeasr" else logging.WARNING)
