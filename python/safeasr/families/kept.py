"""What was made of the keys that were used last: lists that come again are not made again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

__all__ = ["KeptLists"]


class _Sized(Protocol):
    def __len__(self) -> int: ...


_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound=_Sized)

#: Words of all lists that are kept, some KB each, and lists: a service has few that come again.
_MOST_WORDS = 20_000
_MOST_LISTS = 256


class KeptLists(Generic[_K, _V]):
    """The lists that were used last, with what was made of them. For any thread.

    What falls out of here lives on as long as somebody has it.

    Args:
        make: a list from what names it; whoever brings it first waits for that, and two that bring
            it at once may both make it, but all get the same one.
    """

    def __init__(self, make: Callable[[_K], _V]) -> None:
        self._make = make
        # A signal handler may ask for a list while its thread holds it.
        self._lock = threading.RLock()
        self._known: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V:
        """The list of that name; what making it raises is kept by nobody."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        made = self._make(key)
        with self._lock:
            found = self._known.setdefault(key, made)
            if found is made:
                while len(self._known) > 1 and self._too_many():
                    self._known.popitem(last=False)
            return found

    def _too_many(self) -> bool:
        words = sum(map(len, tuple(self._known.values())))
        return words > _MOST_WORDS or len(self._known) > _MOST_LISTS

    def __len__(self) -> int:
        with self._lock:
            return len(self._known)
