"""What may come of an input that nobody foresaw: an answer, or an error that says why not."""

from __future__ import annotations

import contextlib
import faulthandler
import resource
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import safeasr
from safeasr import SafeASRError

__all__ = ["Refused", "refusal", "sane"]

#: An example that takes longer hangs, in s. Far above what any takes, on a busy machine too.
_HANGS: Final = 120
#: What one example may add to the most memory that the process ever had, in bytes.
_MOST_MEMORY: Final = 600 << 20
_LONGEST_MESSAGE: Final = 3000
_PACKAGE: Final = str(Path(safeasr.__file__).parent)


class Refused(Exception):  # noqa: N818
    """The input was refused in the way it should be; its argument is the error's type."""


@contextlib.contextmanager
def sane(*also: type[BaseException]) -> Iterator[None]:
    """What is done inside must end, in time and memory, with an answer or a typed error.

    Args:
        *also: errors that are right here besides safeasr's own.

    Raises:
        Refused: it ended with a typed error.
        AssertionError: with another, or the error's message is of no use.
    """
    before = _peak()
    faulthandler.dump_traceback_later(_HANGS, exit=True)
    try:
        yield
    except (SafeASRError, *also) as error:
        _check_message(error)
        raise Refused(type(error)) from error
    except (TypeError, ValueError) as error:
        # A mistake in the call, if it is safeasr that says so, in its own words.
        _check_origin(error)
        _check_message(error)
        raise Refused(type(error)) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
        grown = _peak() - before
        if sys.exc_info()[0] in (None, Refused):
            assert grown < _MOST_MEMORY, f"took {grown >> 20} MiB"


def refusal(call: object, *arguments: object, **named: object) -> type[BaseException] | object:
    """What a call gives under :func:`sane`: its answer, or the type of the error it ends with."""
    try:
        with sane():
            return call(*arguments, **named)  # type: ignore[operator]
    except Refused as refused:
        kind: type[BaseException] = refused.args[0]
        return kind


def _check_origin(error: BaseException) -> None:
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    assert where.startswith(_PACKAGE), f"raised in {where}: {error!r}"
    assert "incompatible function arguments" not in str(error), error


def _check_message(error: BaseException) -> None:
    text = str(error)
    assert text, f"{type(error).__name__} says nothing"
    assert len(text) < _LONGEST_MESSAGE, f"a message of {len(text)} characters"
    hidden = [c for c in text if not c.isprintable() and c != "\n"]
    assert not hidden, f"unprintable {hidden[:5]!r} in {text[:300]!r}"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
