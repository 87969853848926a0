"""Recordings as Celery tasks, recognised by a server.

    safeasr serve --port 8000
    celery --app examples.celery_tasks worker --concurrency 16
    python -c "from examples.celery_tasks import transcribe; print(transcribe.delay('a.wav').get())"

Workers only wait, so they need neither torch nor a model, and the server batches the recordings of
all of them. A server that is full or restarts makes a task late, not fail: the client tries again
for half a minute, then Celery does. Set CELERY_BROKER_URL and CELERY_RESULT_BACKEND, SAFEASR_URL
and SAFEASR_API_KEY.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from celery import Celery

from safeasr.client import Client
from safeasr.server_errors import ServerBusyError, ServerUnreachableError

app = Celery(
    "safeasr",
    broker=os.environ.get("CELERY_BROKER_URL", "memory://"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "cache+memory://"),
)
# Made before the workers are forked and used by all of them.
client = Client(
    os.environ.get("SAFEASR_URL", "http://127.0.0.1:8000"), os.environ.get("SAFEASR_API_KEY")
)


@app.task(
    autoretry_for=(ServerBusyError, ServerUnreachableError),
    retry_backoff=True,
    max_retries=10,
    acks_late=True,
)
def transcribe(path: str, hotwords: str | None = None) -> dict[str, Any]:
    """Who says what in a recording that the worker can read.

    Args:
        path: of the file.
        hotwords: words to look out for, with spaces between.

    Returns:
        text, segments (text, start, end, speaker), language, duration.
    """
    return asdict(client.transcribe(path, hotwords=hotwords, speakers=True))
