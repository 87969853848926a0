"""What loading a model of any family has in common."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.damage import out_of_memory
from safeasr.bundles.settings import Settings
from safeasr.errors import (
    CorruptBundleError,
    OutOfMemoryError,
    SafeASRError,
)
from safeasr.threads import starting_threads

__all__ = ["live_limits", "load_programs", "reading", "skipped_tokens"]


@contextmanager
def reading(bundle: Bundle) -> Generator[None, None, None]:
    """What a bundle lacks or contradicts, as CorruptBundleError; no memory, as OutOfMemoryError."""
    try:
        yield
    except SafeASRError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise OutOfMemoryError(
                f"no memory left to load the bundle {bundle.path}: {error}"
            ) from error
        if not isinstance(
            error, (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError,
                    RuntimeError)
        ):  # fmt: skip
            raise
        raise CorruptBundleError(f"the bundle {bundle.path} cannot be loaded: {error}") from error


def skipped_tokens(settings: Settings) -> frozenset[int]:
    """The tokens that are no text: blank, beginning and end."""
    return frozenset(settings.whole(name) for name in ("blank_id", "sos", "eos"))


def load_programs(bundle: Bundle, device: str, names: Sequence[str]) -> list[_ext.Program]:
    """Programs of a bundle, side by side: loading lets go of the GIL."""
    if len(names) == 1:
        return [_ext.Program.load(bundle.program(names[0]), device)]
    with starting_threads(), ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _ext.Program.load(bundle.program(name), device), names))


def live_limits(
    limits: Mapping[str, Any],
    device: str,
    *,
    live_priority: int,
    ragged: bool,
    followed_within_ms: float = 0.0,
) -> _ext.BatchLimits:
    """Limits of batches of live streams: steps are short, so there may be many in a batch.

    Args:
        limits: of recordings.
        device: where the batches run.
        live_priority: of live streams, over recordings: others wait for what a step finds.
        ragged: nothing is padded.
        followed_within_ms: how soon a live request of another model may follow: so long no
            recording is begun in its place.
    """
    # A step on an accelerator costs nearly the same for few as for many.
    most = 64 if device == "cpu" else 512
    chosen = {
        **limits,
        "max_requests": most,
        "live_priority": live_priority,
        "ragged": ragged,
        "followed_within_ms": followed_within_ms,
    }
    return _ext.BatchLimits(**chosen)
