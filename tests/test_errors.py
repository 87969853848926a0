"""The error types: what they derive from, and that each says when it is raised."""

from __future__ import annotations

import concurrent.futures
import pickle

import pytest

from safeasr import errors, server_errors

OWN = [
    getattr(module, name)
    for module in (errors, server_errors)
    for name in module.__all__
    if name not in ("CancelledError", "SafeASRError")
]


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_own_errors_share_a_base_and_survive_pickling(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.SafeASRError)
    assert len((kind.__doc__ or "").split()) > 20
    copy = pickle.loads(pickle.dumps(kind("what came")))
    assert type(copy) is kind
    assert str(copy) == "what came"


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.DeadlineExceededError, TimeoutError),
        (errors.AudioError, ValueError),
        (errors.AudioError, errors.InputError),
        (errors.InputError, ValueError),
        (errors.AudioFileNotFoundError, FileNotFoundError),
        (errors.AudioFileNotFoundError, errors.AudioError),
        (errors.ExtensionMismatchError, ImportError),
        (errors.InterruptedCallError, RuntimeError),
        (errors.OptionError, TypeError),
        (errors.OptionError, ValueError),
        (errors.OptionFileNotFoundError, FileNotFoundError),
        (errors.OptionFileNotFoundError, errors.OptionError),
        (errors.OutputError, OSError),
        (errors.CorruptBundleError, ValueError),
        (errors.HotwordError, ValueError),
        (errors.ClientUnavailableError, ImportError),
        (server_errors.BadRequestError, ValueError),
        (server_errors.ServerBusyError, server_errors.ServerError),
        (server_errors.ServerTimeoutError, errors.DeadlineExceededError),
        (server_errors.ServerTimeoutError, TimeoutError),
        (server_errors.ServerUnreachableError, ConnectionError),
        (server_errors.UnauthorizedError, PermissionError),
    ],
)
def test_handlers_for_standard_errors_catch_ours(
    kind: type[Exception], standard: type[Exception]
) -> None:
    with pytest.raises(standard, match="reason"):
        raise kind("reason")


def test_cancelled_error_is_the_standard_librarys() -> None:
    assert errors.CancelledError is concurrent.futures.CancelledError
