"""Arrays of every type, shape and memory layout."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fuzz.judge import Refused, sane
from safeasr import AutoModel

_TYPES = st.one_of(
    hnp.floating_dtypes(endianness="?"),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    hnp.boolean_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.datetime64_dtypes(),
)
_SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    st.tuples(st.integers(0, 6000)),
    st.tuples(st.integers(1, 40), st.integers(1, 3000)),
    st.tuples(st.integers(1, 3000), st.integers(1, 40)),
)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array; perhaps a view with steps, backwards, transposed, read-only, or Fortran's."""
    dtype, shape = draw(_TYPES), draw(_SHAPES)
    if dtype.kind in "fiu" and draw(st.booleans()):  # loud noise, which recognisers answer
        count = int(np.prod(shape))
        noise = np.random.default_rng(draw(st.integers(0, 9))).uniform(-1, 1, count)
        top = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
        with np.errstate(all="ignore"):
            array = (noise * top * draw(st.sampled_from([1.0, 0.01, 100.0]))).astype(dtype)
        array = array.reshape(shape)
    else:
        array = draw(hnp.arrays(dtype, shape))
    changes = st.sampled_from("every backwards transposed readonly fortran list matrix".split())
    for change in draw(st.lists(changes, max_size=2)):
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            break
        if change == "every":
            array = array[:: draw(st.integers(1, 3))]
        elif change == "backwards":
            array = array[::-1]
        elif change == "transposed":
            array = array.T
        elif change == "readonly":
            array.flags.writeable = False
        elif change == "fortran":
            array = np.asfortranarray(array)
        elif change == "list" and array.size < 2000:
            array = array.tolist()
    return array


@given(
    array=arrays(),
    fs=st.sampled_from([None, 16000, 8000, 44100, 1000, 768000]),
    kind=st.sampled_from([None, None, None, "sound", "fbank"]),
)
def test_arrays(model: AutoModel, array: Any, fs: int | None, kind: str | None) -> None:
    """What is answered is what the same samples say as a plain float32 vector."""
    options: dict[str, Any] = {} if fs is None else {"fs": fs}
    try:
        with sane():
            found = model.generate(array, key="k", data_type=kind, **options)
    except Refused:
        return
    if kind == "fbank" or not isinstance(array, np.ndarray):
        return
    plain = _plain(array)
    assert found == model.generate(plain, key="k", **options)


def _plain(array: Any) -> Any:
    """The samples by the documented rules: full scale of integers, mean of channels."""
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            values = array.astype(np.float32)
    else:
        zero, scale = (
            (128, 128) if array.dtype.name == "uint8" else (0, -float(np.iinfo(array.dtype).min))
        )
        values = ((array.astype(np.float64) - zero) / scale).astype(np.float32)
    if values.ndim == 2:
        axis = 0 if values.shape[0] <= values.shape[1] else 1
        values = values.mean(axis=axis, dtype=np.float32)
    return np.ascontiguousarray(values)
