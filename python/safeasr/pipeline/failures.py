"""Parts of a recording on which a network failed: what its result says of them."""

from __future__ import annotations

from typing import Any

from safeasr.errors import SafeASRError

__all__ = ["failure"]


def failure(start_ms: int, end_ms: int, error: SafeASRError) -> dict[str, Any]:
    """An entry of a result's ``errors``.

    Args:
        start_ms: where the part begins in the recording.
        end_ms: where it ends.
        error: what the network failed with. Its traceback is dropped: it leads to the samples of
            the whole recording, which would live as long as the result.
    """
    return {"start": start_ms, "end": end_ms, "error": error.with_traceback(None)}
