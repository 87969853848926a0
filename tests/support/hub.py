"""A hub that gives directories of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def made_up_hub(cache: Path, give: Callable[[str], Path]) -> Iterator[None]:
    """What safeasr asks instead of the hubs.

    Args:
        cache: a cache of its own. What a hub answered is remembered there, and another test's hub
            may answer something else to the same name.
        give: owner and name to the directory.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAFEASR_CACHE", str(cache))
        patch.setattr("safeasr.loading.find.ask_hub", lambda name, *_: give(name))
        yield
