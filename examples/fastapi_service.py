"""A speech recognition service.

    pip install fastapi uvicorn python-multipart
    uvicorn examples.fastapi_service:app            or: python examples/fastapi_service.py
    curl -F file=@speech.wav http://127.0.0.1:8000/transcribe

The model comes from the environment variable SAFEASR_MODEL (default: the demo). One process with
one model serves all callers: the engine batches what arrives together, and uvicorn needs no
workers of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from safeasr import AudioError, AutoModel, EngineClosedError, QueueFullError

MAX_UPLOAD_BYTES = 50_000_000
TIME_LIMIT_S = 60.0


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
        settings = {"model": os.environ.get("SAFEASR_MODEL", "demo"), "queue_size": 64, **options}
        app.state.model = await run_in_threadpool(AutoModel, **settings)
        yield
        # What was accepted is finished; it takes a while, so not on the event loop.
        await run_in_threadpool(app.state.model.close)

    app = FastAPI(title="safeasr", lifespan=lifespan)

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
        request: Request, file: UploadFile, timestamps: bool = False, fs: int = 16000
    ) -> dict[str, Any]:
        """Recognise an uploaded recording; ``fs`` is the rate of raw PCM."""
        audio = await file.read(MAX_UPLOAD_BYTES + 1)
        if len(audio) > MAX_UPLOAD_BYTES:
            raise HTTPException(413, f"more than {MAX_UPLOAD_BYTES} bytes")
        options = {"key": file.filename or "upload", "fs": fs, "output_timestamp": timestamps}
        # timeout=0: never wait for room in the queue. A full queue is the caller's to know, and
        # decoding happens on a thread, not on the event loop.
        future = await run_in_threadpool(
            lambda: request.app.state.model.submit(audio, timeout=0, **options)
        )
        try:
            (result,) = await asyncio.wait_for(future, TIME_LIMIT_S)  # cancels what is too late
        except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
            raise TimeoutError(f"not done within {TIME_LIMIT_S:g} s") from None
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
