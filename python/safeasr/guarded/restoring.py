"""Puts back what a call changed: FunASR's models keep options and state on themselves.

What is remembered is a graph: each object, dict, list and set that can be reached from the model,
and which things stood in it. A call may put other things there, and they are taken out again; what
it changed *within* a tensor is undone for small ones; parameters that it converted to another type
are what they were. What is left alone: what is written into parameters and arrays, objects of torch
and other large packages, what classes and modules hold.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
import torch

__all__ = ["Keeper"]

#: Vocabularies and the like are never written to, and to look through them takes long.
_LONGEST: Final = 10_000
_MOST_PLACES: Final = 200_000
#: Of a tensor whose content is kept, in elements.
_LARGEST_TENSOR: Final = 1 << 20
#: Packages whose objects have a state of their own that is none of FunASR's business.
_LEFT_ALONE: Final = frozenset(
    "torch numpy transformers tokenizers sentencepiece logging threading _thread builtins "
    "collections re weakref functools omegaconf safeasr".split()
)
#: What torch keeps in a module. Of these, only buffers change with calls.
_TORCHS: Final = frozenset(vars(torch.nn.Module())) - {"_buffers", "training"}
_PLAIN: Final = (
    str, bytes, int, float, complex, bool, type(None), type, ModuleType, FunctionType,
    BuiltinFunctionType, MethodType, np.ndarray, np.generic, torch.dtype, torch.device,
)  # fmt: skip


def _same(left: Iterable[Any], right: Iterable[Any]) -> bool:
    """Whether two sequences of one length hold the same objects."""
    return all(map(operator.is_, left, right))


def _of_list(place: list[Any]) -> Callable[[], None]:
    before = list(place)

    def restore() -> None:
        if len(place) != len(before) or not _same(place, before):
            place[:] = before

    return restore


def _of_dict(place: dict[Any, Any]) -> Callable[[], None]:
    before = dict(place)

    def restore() -> None:
        if (
            len(place) != len(before)
            or not _same(place, before)
            or not _same(place.values(), before.values())
        ):
            place.clear()
            place.update(before)

    return restore


def _of_attributes(place: dict[str, Any]) -> Callable[[], None]:
    """As of a dict, without its being empty for a moment: it is an object's own."""
    before = dict(place)

    def restore() -> None:
        if len(place) == len(before) and _same(place.values(), before.values()):
            return
        for name in [name for name in place if name not in before]:
            del place[name]
        place.update(before)

    return restore


def _of_set(place: set[Any]) -> Callable[[], None]:
    before = set(place)

    def restore() -> None:
        if place != before:
            place.clear()
            place.update(before)

    return restore


def _of_parameter(place: torch.nn.Parameter) -> Callable[[], None]:
    """Its values are not copied, but kept where they are: a model may convert them in a call."""
    before = place.data

    def restore() -> None:
        if place.dtype != before.dtype or place.data_ptr() != before.data_ptr():
            place.data = before

    return restore


def _of_tensor(place: torch.Tensor) -> Callable[[], None] | None:
    if isinstance(place, torch.nn.Parameter):
        return _of_parameter(place)
    if place.is_inference() or place.is_sparse or place.numel() > _LARGEST_TENSOR:
        return None
    before = place.detach().clone()
    version = [place._version]

    def restore() -> None:
        if place._version != version[0]:
            with torch.no_grad():
                place.copy_(before)
            version[0] = place._version

    return restore


def _foreign(thing: object) -> bool:
    return type(thing).__module__.partition(".")[0] in _LEFT_ALONE


class Keeper:
    """Remembers what can be reached from an object, and puts it back."""

    def __init__(self, root: object) -> None:
        """Look at everything once; takes some ms for a large model.

        Args:
            root: where to begin.
        """
        self._restore: list[Callable[[], None]] = []
        seen: set[int] = set()
        left: deque[Any] = deque([root])
        while left and len(seen) < _MOST_PLACES:
            thing = left.popleft()
            if isinstance(thing, _PLAIN) or id(thing) in seen:
                continue
            seen.add(id(thing))
            left.extend(self._note(thing))

    def _note(self, thing: Any) -> Iterator[Any]:
        """Remember one thing; what it leads to."""
        if isinstance(thing, torch.Tensor):
            of_tensor = _of_tensor(thing)
            if of_tensor is not None:
                self._restore.append(of_tensor)
        elif isinstance(thing, torch.nn.Module):
            own = vars(thing)
            if not _foreign(thing):  # theirs have nothing beside what torch keeps
                self._restore.append(_of_attributes(own))
                yield from (value for name, value in own.items() if name not in _TORCHS)
            else:
                yield own["_buffers"]
            yield from thing._parameters.values()
            yield from thing._modules.values()
        elif isinstance(thing, (list, dict, set)):
            if len(thing) <= _LONGEST:
                yield from self._note_container(thing)
        elif isinstance(thing, (tuple, deque)):
            if len(thing) <= _LONGEST:
                yield from thing
        elif hasattr(thing, "__dict__") and not _foreign(thing):
            self._restore.append(_of_attributes(vars(thing)))
            yield from vars(thing).values()

    def _note_container(self, thing: list[Any] | dict[Any, Any] | set[Any]) -> Iterator[Any]:
        if isinstance(thing, list):
            self._restore.append(_of_list(thing))
            yield from thing
        elif isinstance(thing, dict):
            self._restore.append(_of_dict(thing))
            yield from thing.values()
        else:
            self._restore.append(_of_set(thing))

    def restore(self) -> None:
        """Put back what has changed."""
        for one in self._restore:
            one()
