"""POST /v1/audio/transcriptions, and /asr of FunASR's server."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from anyio import fail_after
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from safeasr.serve.openai.form import Asked, asked_of
from safeasr.serve.openai.formats import response_of, segments_of_funasr
from safeasr.serve.openai.recognise import as_long_as_wanted, sentences, transcribed
from safeasr.serve.openai.transcript import shown
from safeasr.serve.problems import Problem
from safeasr.serve.service import Service
from safeasr.serve.shelf import Served
from safeasr.text.sentences import joint

__all__ = ["asr", "transcriptions"]

_MOST_FIELDS: Final = 20_000  # keywords come one by one


async def transcriptions(request: Request) -> Response:
    """The endpoint of OpenAI's clients."""
    service: Service = request.app.state.service
    client = service.client_of(request)
    async with AsyncExitStack() as held:
        held.enter_context(service.gate.upload())
        asked = await held.enter_async_context(_form(request))
        held.enter_context(service.gate.request(client))
        served = await held.enter_async_context(service.shelf.lease(asked.model))
        _require_recordings(served)
        limits = service.settings.limits
        if asked.stream:
            found = sentences(served, asked, limits)
            return _Held(_events(request, service, found), held.pop_all(), limits.send_s)
        transcript = await as_long_as_wanted(request, lambda: transcribed(served, asked, limits))
        return response_of(transcript, asked)


async def asr(request: Request) -> Response:
    """The endpoint of FunASR's own server: sentences with words and times, always."""
    service: Service = request.app.state.service
    client = service.client_of(request)
    began = time.perf_counter()
    async with AsyncExitStack() as held:
        held.enter_context(service.gate.upload())
        asked = await held.enter_async_context(_form(request))
        asked = replace(asked, form="verbose_json", words=True, segments=True, stream=False)
        held.enter_context(service.gate.request(client))
        served = await held.enter_async_context(service.shelf.lease(asked.model))
        _require_recordings(served)
        limits = service.settings.limits
        transcript = await as_long_as_wanted(request, lambda: transcribed(served, asked, limits))
    took = time.perf_counter() - began
    return JSONResponse(
        {
            "text": transcript.text,
            "segments": segments_of_funasr(transcript),
            "duration": round(transcript.duration, 3),
            "language": transcript.language,
            "processing_time": round(took, 3),
            "rtf": round(took / transcript.duration, 4) if transcript.duration else 0.0,
        }
    )


def _require_recordings(served: Served) -> None:
    if not served.recordings:
        raise Problem(
            400, f"model {served.name!r} takes no recordings", "unsupported", param="model"
        )


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[Asked]:
    """The form, as long as its file is needed."""
    said = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if said not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise Problem(415, "a multipart form is needed", "unsupported_media_type")
    try:
        fields = await request.form(max_files=4, max_fields=_MOST_FIELDS)
    except ClientDisconnect:
        raise Problem(499, "the client left", "client_left") from None
    try:
        yield asked_of(fields)
    finally:
        await fields.close()


class _Held(StreamingResponse):
    """A streaming answer, and what must be let go when it is over, however it ends."""

    def __init__(self, events: AsyncIterator[str], held: AsyncExitStack, patience_s: float) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._held = held
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def in_time(message: Message) -> None:
            try:
                with fail_after(self._patience_s):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None  # it is there, but does not read

        async with self._held:
            with suppress(ClientDisconnect):
                await super().__call__(scope, receive, in_time)


async def _events(
    request: Request, service: Service, found: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[str]:
    """The text as server-sent events, in those of OpenAI's SDK."""
    number = str(request.state.number)
    text, failed = "", 0
    try:
        async for sentence in found:
            if "error" in sentence:  # of a segment; the others are told
                failed += 1
                continue
            said = shown(str(sentence.get("text", "")))
            if said:
                delta = joint(text, said) + said
                text += delta
                yield _event({"type": "transcript.text.delta", "delta": delta})
        done: dict[str, Any] = {"type": "transcript.text.done", "text": text}
        yield _event({**done, "failed_parts": failed} if failed else done)
    except Exception as error:
        problem = service.problem(error, number)
        yield f"event: error\n{_event(problem.body())}"
    yield "data: [DONE]\n\n"


def _event(fields: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n"
