"""``safeasr serve``: one port for FunASR's websocket clients and for OpenAI's clients.

Needs ``pip install 'safeasr[serve]'``. See docs/serving.md.
"""

from __future__ import annotations

from safeasr.errors import ServerUnavailableError

try:
    from safeasr.serve.application import create_app
except ModuleNotFoundError as missing:
    if (missing.name or "").startswith("safeasr"):
        raise
    raise ServerUnavailableError(
        f"safeasr.serve needs {missing.name}: pip install 'safeasr[serve]'"
    ) from missing
from safeasr.serve.settings import Limits, Settings

__all__ = ["Limits", "Settings", "create_app"]
