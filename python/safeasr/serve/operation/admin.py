"""POST /v1/models/{name}/reload: a model anew, without a session being dropped."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from safeasr.serve.problems import Problem
from safeasr.serve.service import Service

__all__ = ["reload"]


async def reload(request: Request) -> Response:
    """Load it; requests and sessions under way end on the old one.

    Only with a key: it costs a model's memory for a while.
    """
    service: Service = request.app.state.service
    service.client_of(request)
    if not service.settings.api_keys:
        raise Problem(403, "only a server with API keys reloads models", "not_allowed")
    service.gate.require_open()
    served = await service.shelf.reload(request.path_params["name"])
    return JSONResponse({"id": served.name, "object": "model", "created": served.created})
