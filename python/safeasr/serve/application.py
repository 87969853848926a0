"""The ASGI application: who answers what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from safeasr.errors import SafeASRError
from safeasr.serve.funasr_ws.connection import funasr_websocket
from safeasr.serve.openai import models, transcriptions
from safeasr.serve.operation import health
from safeasr.serve.operation.admin import reload
from safeasr.serve.operation.metrics import Metrics, metrics
from safeasr.serve.operation.requests import NumberedRequests
from safeasr.serve.page.routes import page_routes
from safeasr.serve.problems import Problem
from safeasr.serve.realtime.connection import realtime_websocket
from safeasr.serve.service import Service
from safeasr.serve.settings import Settings
from safeasr.serve.shelf import Shelf
from safeasr.serve.unread import UnreadUploads
from safeasr.serve.uploads import LimitedUploads

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, shelf: Shelf | None = None) -> Starlette:
    """A server for FunASR's websocket clients and OpenAI's HTTP and realtime clients.

    Args:
        settings: models, keys and limits; default: the demo models for anybody.
        shelf: the models, made elsewhere; default: made of the settings.

    Returns:
        An ASGI application. Whoever runs it with a server of their own calls
        ``app.state.service.gate.drain()`` and waits for ``until_empty()`` before that server ends;
        ``safeasr serve`` does so.
    """
    settings = Settings() if settings is None else settings
    service = Service(settings, Shelf(settings) if shelf is None else shelf)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        opening = asyncio.ensure_future(_open(service))
        try:
            yield
        finally:
            service.gate.drain()
            opening.cancel()
            await service.shelf.close()

    middleware = [Middleware(UnreadUploads), Middleware(NumberedRequests, service=service)]
    if settings.cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
            )
        )
    middleware.append(Middleware(LimitedUploads, limits=settings.limits, room=service.spools))
    app = Starlette(
        routes=_routes(settings),
        middleware=middleware,
        exception_handlers={
            **dict.fromkeys((SafeASRError, Problem, OSError, Exception), _failed),
            HTTPException: _refused,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.metrics = Metrics(service)
    return app


async def _open(service: Service) -> None:
    """Load the models while `/health` answers and `/ready` says that it is not ready yet."""
    try:
        await service.shelf.open()
        service.opened = True
    except Exception as error:
        service.log.exception("models cannot be loaded")
        service.failure = error
        service.gate.drain()
        service.on_failure()


def _routes(settings: Settings) -> list[BaseRoute]:
    return [
        Route("/v1/audio/transcriptions", transcriptions.transcriptions, methods=["POST"]),
        Route("/asr", transcriptions.asr, methods=["POST"]),
        Route("/v1/models", models.models),
        Route("/v1/models/{name}", models.model),
        Route("/v1/models/{name}/reload", reload, methods=["POST"]),
        Route("/health", health.health),
        Route("/ready", health.ready),
        Route("/stats", health.stats),
        Route("/metrics", metrics),
        *(page_routes() if settings.page else ()),
        WebSocketRoute("/v1/realtime", realtime_websocket),
        # FunASR's clients connect to whatever path their users write.
        WebSocketRoute("/{path:path}", funasr_websocket),
    ]


async def _failed(request: Request, error: Exception) -> Response:
    service: Service = request.app.state.service
    number = str(request.state.number)
    problem = service.problem(error, number)
    return JSONResponse(problem.body(), status_code=problem.status, headers=problem.headers())


async def _refused(request: Request, error: Any) -> Response:
    codes = {404: "not_found", 405: "method_not_allowed", 400: "bad_request"}
    problem = Problem(
        error.status_code, str(error.detail), codes.get(error.status_code, "http_error")
    )
    headers = {**problem.headers(), **(error.headers or {})}
    return JSONResponse(problem.body(), status_code=problem.status, headers=headers)
