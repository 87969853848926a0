"""GET /v1/models and /v1/models/{name}."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from safeasr.serve.service import Service

__all__ = ["model", "models"]


def _described(service: Service, name: str) -> dict[str, Any]:
    loaded = {served.name: served for served in service.shelf.served()}
    served = loaded.get(name)
    found: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": served.created if served else 0,
        "owned_by": "safeasr",
        "loaded": served is not None,
        "max_upload_bytes": service.settings.limits.max_upload_bytes,
    }
    if served is not None:
        found["live"] = sorted(served.modes)
        found["recordings"] = served.recordings
        found["speakers"] = served.has_speakers
    return found


async def models(request: Request) -> Response:
    """All models by name."""
    service: Service = request.app.state.service
    service.client_of(request)
    data = [_described(service, name) for name in service.shelf.names()]
    return JSONResponse({"object": "list", "data": data})


async def model(request: Request) -> Response:
    """One of them."""
    service: Service = request.app.state.service
    service.client_of(request)
    name = service.shelf.name_of(request.path_params["name"])
    return JSONResponse(_described(service, name))
