"""Recognition inside a Flask application, under gunicorn's threads or its greenlets.

    gunicorn --threads 16 examples.flask_service:app
    gunicorn --worker-class gevent examples.flask_service:app
    curl -F file=@speech.wav http://127.0.0.1:8000/transcribe

One worker process is enough: requests of all its threads, or greenlets, share batches, and the
model's own threads use all cores. Without ``--preload``: models do not survive a fork.
"""

from __future__ import annotations

import os

from flask import Flask, request

from safeasr import AudioError, AutoModel, QueueFullError

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 50_000_000
model = AutoModel(
    model=os.environ.get("SAFEASR_MODEL", "demo"),
    queue_size=64,
    allow_paths=False,
    allow_urls=False,
    disable_pbar=True,
)


@app.post("/transcribe")
def transcribe() -> dict[str, str]:
    """What was said in an uploaded recording."""
    (result,) = model.generate(request.files["file"].stream, timeout=60)
    return {"text": result["text"]}


@app.errorhandler(AudioError)
def bad_audio(error: AudioError) -> tuple[dict[str, str], int]:
    """The client's to correct."""
    return {"error": str(error)}, 422


@app.errorhandler(QueueFullError)
def full(error: QueueFullError) -> tuple[dict[str, str], int, dict[str, str]]:
    """The client may come again."""
    return {"error": str(error)}, 503, {"Retry-After": "1"}
