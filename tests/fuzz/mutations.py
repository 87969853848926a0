"""Bytes with something changed, as hypothesis draws and shrinks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

__all__ = ["mutated"]

#: Where a byte decides most: the ends of ranges, of 8 to 64 bits in both orders.
_TELLING: Final = [
    b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", b"\xff\x7f", b"\x7f\xff",
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x80\0\0\0",
    b"\xff" * 8, b"\0" * 8, b"\0" * 64, b"nan", b"1e999", b"-1", b"9" * 30, b"\xe2\x80\xae",
    b"\x1b[2J",
]  # fmt: skip


@st.composite
def _change(draw: st.DrawFn, data: bytes, others: Sequence[bytes]) -> bytes:
    """One change; positions near the beginning are likelier, for headers are there."""
    size = len(data)
    at = draw(st.one_of(st.integers(0, min(size, 128)), st.integers(0, size)))
    span = draw(st.one_of(st.integers(1, 16), st.integers(1, max(size, 1))))
    kind = draw(st.sampled_from("flip put insert cut end repeat zero graft head".split()))
    if kind == "flip" and size:
        at = min(at, size - 1)
        return data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
    if kind == "put":
        piece = draw(st.one_of(st.sampled_from(_TELLING), st.binary(min_size=1, max_size=8)))
        return data[:at] + piece + data[at + len(piece) :]
    if kind == "insert":
        return data[:at] + draw(st.sampled_from(_TELLING)) + data[at:]
    if kind == "cut":
        return data[:at] + data[at + span :]
    if kind == "end":
        return data[:at]
    if kind == "repeat":
        return data[: at + span] + data[at:]
    if kind == "zero":
        return data[:at] + b"\0" * len(data[at : at + span]) + data[at + span :]
    other = draw(st.sampled_from(others))
    if kind == "graft":
        begin = draw(st.integers(0, len(other)))
        return data[:at] + other[begin : begin + span] + data[at + span :]
    return other[: min(span, 64)] + data[at:]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], most: int = 6) -> bytes:
    """One of the seeds with up to ``most`` changes; sometimes none."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, most))):
        data = draw(_change(data, seeds))
    return data
