"""A process that has one model of FunASR's and answers for it, until nobody asks any more."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import torch

from safeasr.guarded.failures import packed
from safeasr.guarded.messages import Answer, Forget, Request, SetUp
from safeasr.guarded.own_model import OwnModel
from safeasr.guarded.wire import Channel

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_LOOK_S: Final = 1.0


def main(reader: int, writer: int, parent: int) -> None:
    """Serve the other process.

    Args:
        reader: a pipe's end that requests come from.
        writer: one that answers go to.
        parent: the number of the process that asks.
    """
    _end_with(parent)
    # Ctrl-C is for whoever started this one, who will close the pipes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # FunASR prints; what the other process prints may be somebody's data.
    os.dup2(2, 1)
    for one in (reader, writer):
        os.set_inheritable(one, False)
    channel = Channel(reader, writer)
    try:
        _serve(channel)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        # What a model left running, threads or handlers of its own, must not keep this alive.
        sys.stderr.flush()
        os._exit(0)


def _end_with(parent: int) -> None:
    """See to it that this process ends when the other one does, however that ends."""
    failed = True
    with contextlib.suppress(OSError, AttributeError):
        failed = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0
    if os.getppid() != parent:
        os._exit(0)  # it ended before that was said

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(0)

    if failed:
        threading.Thread(target=look, daemon=True).start()


def _serve(channel: Channel) -> None:
    setup: SetUp = channel.receive()
    try:
        model = OwnModel(setup.kwargs)
        channel.send(model.described())
    except BaseException as error:
        channel.send(packed(error))
        return
    while True:
        message = channel.receive()
        if isinstance(message, Forget):
            model.forget(message.stream)
        else:
            _answer(channel, model, message)


def _answer(channel: Channel, model: OwnModel, request: Request) -> None:
    try:
        answer = Answer(_portable(model.call(request)))
    except BaseException as error:
        answer = Answer(None, packed(error))
    try:
        channel.send(answer)
    except OSError:
        raise
    except Exception as error:  # it cannot be pickled
        channel.send(Answer(None, packed(error)))


def _portable(value: Any) -> Any:
    """A result that another process can read, which may have no such device."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {name: _portable(one) for name, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_portable(one) for one in value)
    return value
