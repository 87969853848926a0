"""GET / and what the page needs: files that come with the package, and nothing from elsewhere."""

from __future__ import annotations

from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

__all__ = ["page_routes"]

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: The conversation that the page offers to those who try the demo models.
_SAMPLE: Final = "models/demo-spk/audio/dialogue.flac"
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class _File:
    """Answers with a file, read once: the event loop waits for no disk."""

    def __init__(self, content: bytes, kind: str) -> None:
        self._content = content
        self._kind = kind

    async def answer(self, request: Request) -> Response:
        return Response(self._content, media_type=self._kind, headers=_HEADERS)


def page_routes() -> list[BaseRoute]:
    """Its addresses."""
    routes: list[BaseRoute] = []
    for file in resources.files(__package__).iterdir():
        kind = _KINDS.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/page/{file.name}"
            routes.append(Route(path, _File(file.read_bytes(), kind).answer))
    sample = resources.files("safeasr").joinpath(_SAMPLE).read_bytes()
    routes.append(Route("/page/sample.flac", _File(sample, "audio/flac").answer))
    return routes
