"""GET /health, /ready and /stats."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from safeasr.serve.service import Service

__all__ = ["health", "ready", "stats"]


async def health(request: Request) -> Response:
    """Whether the process answers at all; also while it ends or loads."""
    service: Service = request.app.state.service
    return JSONResponse(
        {
            "status": "ok",
            "models_loaded": [served.name for served in service.shelf.served()],
            "uptime_s": round(time.monotonic() - service.began, 1),
        }
    )


async def ready(request: Request) -> Response:
    """Whether new work may come: 200, or 503 with the reason."""
    service: Service = request.app.state.service
    reason = None
    if service.gate.draining:
        reason = "the server is stopping"
    elif not service.opened:
        reason = "models are being loaded"
    elif any(served.model.closed for served in service.shelf.served()):
        reason = "a model is closed"
    if reason is not None:
        return JSONResponse({"ready": False, "reason": reason}, status_code=503)
    return JSONResponse({"ready": True})


async def stats(request: Request) -> Response:
    """Who is inside, and the models' own counters."""
    service: Service = request.app.state.service
    service.client_of(request)
    gate, limits = service.gate, service.settings.limits
    found: dict[str, Any] = {
        "requests": gate.requests,
        "uploads": gate.uploads,
        "connections": gate.connections,
        "utterances": gate.utterances,
        "kept_bytes": service.spools.kept,
        "max_requests": limits.max_requests,
        "max_connections": limits.max_connections,
        "draining": gate.draining,
        "models": {served.name: served.model.stats() for served in service.shelf.served()},
    }
    return JSONResponse(found)
