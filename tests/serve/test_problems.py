"""What clients are told of errors, and what only the log is."""

from __future__ import annotations

import errno
import logging

import pytest

from safeasr.errors import (
    AudioError,
    AudioTooLongError,
    DeadlineExceededError,
    EngineClosedError,
    InferenceError,
    NotAllowedError,
    OptionError,
    QueueFullError,
)
from safeasr.serve.problems import Problem
from safeasr.serve.service import Service
from safeasr.serve.settings import Settings
from safeasr.serve.shelf import Shelf

_SETTINGS = Settings()


@pytest.mark.parametrize(
    ("error", "status", "code", "logged"),
    [
        (AudioError("a.wav is no audio"), 400, "invalid_audio", False),
        (AudioTooLongError("too long"), 413, "audio_too_long", False),
        (OptionError("no such option"), 400, "invalid_option", False),
        (NotAllowedError("/etc/passwd"), 403, "not_allowed", False),
        # Under load these come by the thousand: a trace of each would bury what matters.
        (QueueFullError("/secret"), 503, "queue_full", False),
        (EngineClosedError("/secret"), 503, "unavailable", False),
        (DeadlineExceededError("/secret"), 504, "deadline_exceeded", False),
        (InferenceError("/secret"), 500, "inference_failed", True),
        (KeyError("/secret"), 500, "internal_error", True),
        (OSError(errno.ENOSPC, "/secret"), 507, "no_space", True),
        (OSError(errno.EIO, "/secret"), 500, "internal_error", True),
        (Problem(500, "told", "own"), 500, "own", False),
    ],
    ids=repr,
)
def test_what_is_told_and_what_is_logged(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str, logged: bool
) -> None:
    service = Service(_SETTINGS, Shelf(_SETTINGS))
    with caplog.at_level(logging.ERROR, "safeasr.serve"):
        problem = service.problem(error, "req_7")
    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in problem.message and "passwd" not in problem.message
    assert [one.exc_info is not None for one in caplog.records] == [True] * logged
    if logged and status == 500:
        assert "req_7" in problem.message, "what the log explains can be found there"
