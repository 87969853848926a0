"""A speech recognition service.

    pip install fastapi uvicorn python-multipart
    uvicorn examples.fastapi_service:app            or: python examples/fastapi_service.py
    curl -F file=@speech.wav http://127.0.0.1:8000/transcribe

The model comes from the environment variable SAFEASR_MODEL (default: the demo). One process with
one model serves all callers: the engine batches what arrives together, and uvicorn needs no
workers of its own.

What strangers send is limited: in size and in time while it arrives, in number by the queue; the
work for a client that has left is taken back; and no request can name files or URLs.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safeasr import AudioError, AutoModel, EngineClosedError, Future, QueueFullError

MAX_UPLOAD_BYTES = 50_000_000
#: What a form needs beside its file.
FORM_BYTES = 16_384
#: The longest that recognition may take.
TIME_LIMIT_S = 60.0
#: The longest pause while an upload arrives, and the longest that all of it may take.
IDLE_S = 10.0
UPLOAD_S = 120.0


class LimitedUploads:
    """Refuses bodies while they arrive: too large ones (413) and those that do not come (408).

    The form would otherwise be written to disk to its end before anybody looked at its size.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = MAX_UPLOAD_BYTES + FORM_BYTES
        stated = dict(scope["headers"]).get(b"content-length", b"")
        if stated.isdigit() and (len(stated) > 18 or int(stated) > most):
            refusal = answer(413, ValueError(f"more than {MAX_UPLOAD_BYTES} bytes"))
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        end = clock() + UPLOAD_S
        came, complete = 0, False

        async def limited() -> Message:
            nonlocal came, complete
            if complete:  # nothing comes now but that the client leaves
                return await receive()
            try:
                patience = min(IDLE_S, end - clock())
                message = await asyncio.wait_for(receive(), max(patience, 0.001))
            except (TimeoutError, asyncio.TimeoutError):
                close = {"Connection": "close"}
                raise HTTPException(408, "the upload does not arrive", close) from None
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if came > most:
                    close = {"Connection": "close"}
                    raise HTTPException(413, f"more than {MAX_UPLOAD_BYTES} bytes", close)
            return message

        await self.app(scope, limited, send)


async def wanted(request: Request, future: Future[Any]) -> Any:
    """The result, as long as the client waits for it; otherwise the work is taken back."""

    async def result() -> Any:
        return await future

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    work, gone = asyncio.ensure_future(result()), asyncio.ensure_future(left())
    try:
        first = asyncio.FIRST_COMPLETED
        done, _ = await asyncio.wait({work, gone}, timeout=TIME_LIMIT_S, return_when=first)
        if work in done:
            return work.result()
        if gone in done:
            raise HTTPException(499, "the client left")
        raise TimeoutError(f"not done within {TIME_LIMIT_S:g} s")
    finally:
        gone.cancel()
        work.cancel()  # which cancels the future


def answer(status: int, error: Exception, **headers: str) -> JSONResponse:
    """An error as JSON: its type is for programs, its message for people."""
    body = {"error": type(error).__name__, "message": str(error)}
    return JSONResponse(body, status_code=status, headers=headers)


def create_app(**options: Any) -> FastAPI:
    """The service.

    Args:
        **options: arguments of ``AutoModel``, such as ``queue_size``: utterances that may wait
            before callers get 503.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = {
            "model": os.environ.get("SAFEASR_MODEL", "demo"),
            "queue_size": 64,
            "allow_urls": False,
            "allow_paths": False,
            **options,
        }
        app.state.model = await run_in_threadpool(AutoModel, **settings)
        yield
        # What was accepted is finished; it takes a while, so not on the event loop.
        await run_in_threadpool(app.state.model.close)

    app = FastAPI(title="safeasr", lifespan=lifespan)
    app.add_middleware(LimitedUploads)

    @app.exception_handler(QueueFullError)
    async def queue_full(_: Request, error: QueueFullError) -> JSONResponse:
        return answer(503, error, **{"Retry-After": "1"})

    @app.exception_handler(EngineClosedError)
    async def closed(_: Request, error: EngineClosedError) -> JSONResponse:
        return answer(503, error)

    @app.exception_handler(AudioError)
    async def bad_audio(_: Request, error: AudioError) -> JSONResponse:
        return answer(422, error)

    @app.exception_handler(TimeoutError)  # DeadlineExceededError is one
    async def too_late(_: Request, error: TimeoutError) -> JSONResponse:
        return answer(504, error)

    @app.post("/transcribe")
    async def transcribe(
        request: Request,
        file: UploadFile,
        timestamps: bool = False,
        fs: int | None = Query(None, ge=1000, le=768_000),
    ) -> dict[str, Any]:
        """Recognise an uploaded recording; ``fs`` says that it is raw 16-bit PCM of that rate."""
        content = await file.read(MAX_UPLOAD_BYTES + 1)
        if len(content) > MAX_UPLOAD_BYTES:
            raise HTTPException(413, f"more than {MAX_UPLOAD_BYTES} bytes")
        # Bytes without a header would be taken for raw samples, and a page of text for speech; a
        # file object is decoded, or refused.
        audio = io.BytesIO(content) if fs is None else content
        options = {"key": file.filename or "upload", "output_timestamp": timestamps}
        # timeout=0: never wait for room in the queue. A full queue is the caller's to know, and
        # decoding happens on a thread, not on the event loop.
        future = await run_in_threadpool(
            lambda: request.app.state.model.submit(audio, timeout=0, fs=fs or 16000, **options)
        )
        (result,) = await wanted(request, future)
        return result

    @app.get("/health")
    async def health(request: Request) -> dict[str, str]:
        """Whether the service takes work."""
        if request.app.state.model.closed:
            raise HTTPException(503, "closed")
        return {"status": "ok"}

    @app.get("/stats")
    async def stats(request: Request) -> dict[str, Any]:
        """The engine's counters."""
        return request.app.state.model.stats()

    return app


app = create_app()

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8000)
