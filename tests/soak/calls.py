"""One call of the soak, chosen at random, with its answer checked."""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from safeasr import (
    CancelledError,
    DeadlineExceededError,
    InputError,
    QueueFullError,
)
from soak.served import LOST, Question, Served
from support.cases import live_answers, plain, said

__all__ = ["WrongAnswerError", "one_call"]

_BAD: Final[list[Any]] = [
    np.zeros(0, np.float32),
    np.full(900, np.nan, np.float32),
    np.zeros((3, 4, 5), np.float32),
    np.zeros((100, 90), np.float32),
    np.zeros(100, np.complex64),
    np.array(["speech"]),
    "nowhere.wav",
    "/",
    "",
    b"",
    b"RIFF\0\0\0\0WAVEfmt ",
    b"fLaC" + bytes(200),
    b"<html><body>502 Bad Gateway</body></html>",
    b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n\n",  # of an even length it would be samples
    io.StringIO("speech"),
    [1, 2, 3],
    {"a": 1},
    7,
]


class WrongAnswerError(AssertionError):
    """An answer other than the one that the model gives when it is alone."""


def one_call(served: Sequence[Served], order: random.Random) -> str:
    """Ask something of one of the models.

    Args:
        served: the models.
        order: what is asked comes from it.

    Returns:
        How the call ended.

    Raises:
        WrongAnswerError: it was not what the model says alone.
    """
    at = order.choice(served)
    act = order.choice(_STREAM_ACTS if at.streams and order.random() < 0.3 else _CALL_ACTS)
    if not at.questions and act in _CALL_ACTS:
        act = order.choice(_STREAM_ACTS)
    return act(at, order)


def _same(found: Any, wanted: Any, what: str) -> None:
    if plain(found) != plain(wanted):
        raise WrongAnswerError(f"{what}: expected {wanted!r}, got {found!r}")


def _source(question: Question, order: random.Random) -> Any:
    form = order.randrange(5)
    if form < 2 or not question.flac:
        return question.wave
    return [question.path, question.flac, io.BytesIO(question.flac)][form - 2]


def _generate(at: Served, order: random.Random) -> str:
    question = order.choice(at.questions)
    found = at.model.generate(_source(question, order), key="k", **question.options)
    _same(found, question.answer, f"{at.name}, generate")
    return "generate"


def _list(at: Served, order: random.Random) -> str:
    options = order.choice(at.questions).options
    chosen = [order.choice([q for q in at.questions if q.options == options]) for _ in range(4)]
    found = at.model.generate(at.case.together([one.wave for one in chosen]), key="k", **options)
    _same(found, [one.answer[0] for one in chosen], f"{at.name}, list")
    return "list"


def _submit(at: Served, order: random.Random) -> str:
    question = order.choice(at.questions)
    future = at.model.submit(_source(question, order), key="k", **question.options)
    _same(future.result(LOST), question.answer, f"{at.name}, submit")
    return "submit"


def _await(at: Served, order: random.Random) -> str:
    question = order.choice(at.questions)

    async def ask() -> Any:
        return await at.model.agenerate(question.wave, key="k", **question.options)

    _same(asyncio.run(ask()), question.answer, f"{at.name}, agenerate")
    return "agenerate"


def _cancel(at: Served, order: random.Random) -> str:
    question = order.choice(at.questions)
    future = at.model.submit(question.wave, key="k", **question.options)
    time.sleep(order.random() * 0.01)
    cancelled = future.cancel()
    try:
        found = future.result(LOST)
    except CancelledError:
        return "cancelled"
    _same((cancelled, found), (False, question.answer), f"{at.name}, cancel")
    return "too late to cancel"


def _deadline(at: Served, order: random.Random) -> str:
    question, timeout = order.choice(at.questions), order.random() * 0.05
    try:
        found = at.model.generate(question.wave, key="k", timeout=timeout, **question.options)
    except (DeadlineExceededError, QueueFullError) as error:
        return type(error).__name__
    _same(found, question.answer, f"{at.name}, deadline")
    return "in time"


def _refused(at: Served, order: random.Random) -> str:
    # To a model that takes text, every str is text.
    value = order.choice([one for one in _BAD if not (at.case.text and isinstance(one, str))])
    try:
        found = at.model.generate(value, key="k")
    except InputError:
        return "InputError"
    raise WrongAnswerError(f"{at.name}: {value!r} was answered with {found!r}")


def _stream(at: Served, order: random.Random) -> str:
    (pieces, options), answers = order.choice(at.streams)
    with at.model.stream(**_of_stream(options)) as stream:
        if order.random() < 0.5:
            found = [said(stream.feed(piece, is_final)) for piece, is_final in pieces]
        else:
            waiting = [stream.submit(piece, is_final) for piece, is_final in pieces]
            found = [said(one.result(LOST)) for one in waiting]
    _same(found, answers, f"{at.name}, stream")
    return "stream"


def _of_stream(options: dict[str, Any]) -> dict[str, Any]:
    """Options of ``generate(cache=...)`` as those of ``stream``, which need not be told so."""
    return {name: value for name, value in options.items() if name != "is_streaming_input"}


def _cache(at: Served, order: random.Random) -> str:
    job, answers = order.choice(at.streams)
    _same(live_answers(at.model, job), answers, f"{at.name}, cache")
    return "cache"


def _given_up(at: Served, order: random.Random) -> str:
    (pieces, options), _ = order.choice(at.streams)
    stream = at.model.stream(**_of_stream(options))
    for piece, _ in pieces[: order.randrange(1, 3)]:
        stream.push(piece)
    if order.random() < 0.5:
        stream.close()
    return "given up"


_Act = Callable[[Served, random.Random], str]
_CALL_ACTS: Final[Sequence[_Act]] = (
    *(_generate,) * 3, _list, *(_submit,) * 2, _await, _cancel, _deadline, *(_refused,) * 2,
)  # fmt: skip
_STREAM_ACTS: Final[Sequence[_Act]] = (*(_stream,) * 2, _cache, _given_up)
