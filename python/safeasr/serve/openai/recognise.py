"""From an uploaded file to a transcript, for as long as the client waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import IO, Any, TypeVar

import soundfile
from starlette.requests import Request

from safeasr.serve.openai.form import Asked
from safeasr.serve.openai.transcript import Transcript, transcript_of
from safeasr.serve.problems import Problem
from safeasr.serve.settings import Limits
from safeasr.serve.shelf import Served

__all__ = ["as_long_as_wanted", "sentences", "transcribed"]

_T = TypeVar("_T")


def options_of(served: Served, asked: Asked, limits: Limits) -> dict[str, Any]:
    """Options of ``generate`` for what a client asks for.

    Raises:
        Problem: the model cannot do it.
    """
    options: dict[str, Any] = {
        "key": "audio",
        "timeout": limits.request_s,
        "max_audio_seconds": limits.max_audio_s,
        **served.asked(hotword=list(asked.hotwords) or None, language=asked.language),
    }
    if asked.speakers and not served.has_speakers:
        raise Problem(
            400,
            f"model {served.name!r} does not tell speakers apart",
            "unsupported",
            param="response_format",
        )
    if asked.form in ("json", "text") and not asked.speakers:
        if served.has_speakers:
            options["return_spk_res"] = False
        return {**options, **_pauses(served, asked)}
    if served.takes("output_timestamp"):
        options["output_timestamp"] = True
    if served.has_sentences:
        options["sentence_timestamp"] = True
    if served.has_speakers:
        options["return_spk_res"] = asked.speakers
    return {**options, **_pauses(served, asked)}


def _pauses(served: Served, asked: Asked) -> dict[str, Any]:
    return dict(asked.pauses) if served.has_sentences else {}


async def transcribed(served: Served, asked: Asked, limits: Limits) -> Transcript:
    """All of it.

    Raises:
        Problem: the model cannot do it.
        SafeASRError: it failed.
    """
    options = options_of(served, asked, limits)
    duration = await asyncio.to_thread(seconds_of, asked.file.file)
    (result,) = await served.model.agenerate(asked.file.file, **options)
    return transcript_of(result, duration, asked.language)


def sentences(served: Served, asked: Asked, limits: Limits) -> AsyncIterator[dict[str, Any]]:
    """Its sentences as they become final; see ``AutoModel.generate_iter``.

    Raises:
        Problem: the model cannot do it; at once.
    """
    options = options_of(served, asked, limits)

    async def found() -> AsyncIterator[dict[str, Any]]:
        async with aclosing(served.model.generate_iter(asked.file.file, **options)) as all_of_them:
            async for sentence in all_of_them:
                yield sentence

    return found()


def seconds_of(file: IO[bytes]) -> float | None:
    """How long a recording is, by its header; None if that does not say so."""
    try:
        file.seek(0)
        with suppress(soundfile.LibsndfileError):
            return float(soundfile.info(file).duration)
        return _seconds_of_container(file)
    finally:
        file.seek(0)


def _seconds_of_container(file: IO[bytes]) -> float | None:
    import av  # takes a while, and most uploads do without

    try:
        file.seek(0)
        with av.open(file) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, ValueError):
        return None


async def as_long_as_wanted(request: Request, work: Callable[[], Awaitable[_T]]) -> _T:
    """What the work gives; if the client leaves, the work is taken back.

    Raises:
        Problem: the client left (499; nobody hears of it).
    """

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def worked() -> _T:
        return await work()

    working, leaving = asyncio.ensure_future(worked()), asyncio.ensure_future(left())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(499, "the client left", "client_left")
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await working
