"""Eigenvectors while the program's other threads go on."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["eigenvectors"]

Floats = NDArray[np.float32]

_ARGUMENTS: Final = 21


@cache
def _ssyevr() -> Any:
    """LAPACK's routine, in the library that scipy brings.

    What ctypes calls runs without the GIL. scipy's own call holds it: for some tenths of a second
    with 1,000 windows, and eight times that with 2,000, nothing else in the program would move.
    """
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__["ssyevr"]
    # Not attributes of ctypes.pythonapi, which the whole program shares.
    to_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)
    to_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    name = to_name(("PyCapsule_GetName", ctypes.pythonapi))
    pointer = to_pointer(("PyCapsule_GetPointer", ctypes.pythonapi))
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * _ARGUMENTS)
    return prototype(pointer(capsule, name(capsule)))


def eigenvectors(matrix: Floats) -> tuple[Floats, Floats]:
    """What ``scipy.linalg.eigh`` gives, to the bit.

    Args:
        matrix: (n, n), symmetric.

    Returns:
        (n,), rising; (n, n), of which a column is an eigenvector.

    Raises:
        ValueError: it holds what is no number.
        numpy.linalg.LinAlgError: they cannot be found.
    """
    n = len(matrix)
    # LAPACK writes over it.
    matrix = np.array(np.asarray_chkfinite(matrix), np.float32, order="F")
    values = np.empty(n, np.float32)
    vectors = np.empty((n, n), np.float32, order="F")
    support = np.empty(2 * n, np.int32)
    failed = ctypes.c_int()

    def call(work: Floats, whole_work: NDArray[np.int32], *, ask: bool) -> None:
        sizes = (-1, -1) if ask else (len(work), len(whole_work))
        zero, count, number = ctypes.c_float(), ctypes.c_int(n), ctypes.c_int()
        lengths = [ctypes.c_int(size) for size in sizes]
        order, nothing = ctypes.byref(count), ctypes.byref(zero)
        _ssyevr()(
            b"V",
            b"A",
            b"L",
            order,
            matrix.ctypes.data,
            order,
            *(nothing, nothing, order, order, nothing),  # bounds, which "A" does not look at
            ctypes.byref(number),
            values.ctypes.data,
            vectors.ctypes.data,
            order,
            support.ctypes.data,
            work.ctypes.data,
            ctypes.byref(lengths[0]),
            whole_work.ctypes.data,
            ctypes.byref(lengths[1]),
            ctypes.byref(failed),
        )

    size, whole_size = np.empty(1, np.float32), np.empty(1, np.int32)
    call(size, whole_size, ask=True)
    work = np.empty(int(np.nextafter(size[0], np.float32(np.inf))), np.float32)
    call(work, np.empty(int(whole_size[0]), np.int32), ask=False)
    if failed.value:
        raise np.linalg.LinAlgError(f"LAPACK's ssyevr failed ({failed.value})")
    return values, vectors
