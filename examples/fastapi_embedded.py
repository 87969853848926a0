"""Recognition inside a FastAPI application.

    uvicorn examples.fastapi_embedded:app
    curl -F file=@speech.wav http://127.0.0.1:8000/transcribe

One model serves all requests, batched; the event loop never waits for it. `fastapi_service.py` adds
limits for strangers; `safeasr serve` is a whole server.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, UploadFile

from safeasr import AutoModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request, and finish what is under way after the last."""
    with AutoModel(model="demo", allow_paths=False, allow_urls=False, disable_pbar=True) as model:
        app.state.model = model
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/transcribe")
async def transcribe(file: UploadFile) -> dict[str, str]:
    """What was said in an uploaded recording."""
    (result,) = await app.state.model.agenerate(file.file)
    return {"text": result["text"]}
