"""Operators of ragged batches as devices run them: what surrounds them in tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from safeasr import _ext

#: Operators that only look at memory in another way.
_VIEWS = {
    "alias", "as_strided", "detach", "expand", "narrow", "permute", "select", "slice", "split",
    "t", "transpose", "unflatten", "unsqueeze", "squeeze", "view", "_unsafe_view", "unbind",
}  # fmt: skip


class OperatorCount(TorchDispatchMode):
    """Counts calls of operators that would launch something on a device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        if name not in _VIEWS:
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        return sum(self.calls.values())


@contextmanager
def on_tensor_op_path() -> Iterator[None]:
    """The CPU goes the way of other devices."""
    _ext.force_tensor_op_path(True)
    try:
        yield
    finally:
        _ext.force_tensor_op_path(False)


def in_slabs(
    caches: list[Tensor], spans: Tensor, slabs: int, seed: int
) -> tuple[list[Tensor], Tensor, list[tuple[int, int]]]:
    """Rings of streams, (layers, 2, capacity, size) each, laid into `slabs` tensors.

    Every fifth stays a tensor of its own. Between them lies NaN, which nobody may read.

    Returns:
        caches, spans (streams, 6), and of each ring its cache and first row.
    """
    rng = torch.Generator().manual_seed(seed)
    layers, two, _, size = caches[0].shape
    inside = [i for i in range(len(caches)) if i % 5 != 4]
    lengths = [1] * slabs
    places: dict[int, tuple[int, int]] = {}
    for i in inside:
        slab = int(torch.randint(0, slabs, (), generator=rng))
        places[i] = (slab, lengths[slab])
        lengths[slab] += caches[i].size(2) + int(torch.randint(0, 3, (), generator=rng))
    made = [
        torch.full((layers, two, n + 1, size), float("nan"), dtype=caches[0].dtype) for n in lengths
    ]
    for i, (slab, first) in places.items():
        made[slab][:, :, first : first + caches[i].size(2)] = caches[i]
    for i, cache in enumerate(caches):
        if i not in places:
            places[i] = (len(made), 0)
            made.append(cache.clone())
    where = [places[i] for i in range(len(caches))]
    rows = []
    for i, (cache, first) in enumerate(where):
        capacity = caches[i].size(2)
        rows.append([*spans[i].tolist(), *([cache, first, capacity] if capacity else [-1, 0, 0])])
    return made, torch.tensor(rows), where
