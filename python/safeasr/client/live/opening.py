"""From a client's settings to a live session."""

from __future__ import annotations

from safeasr.client.live.options import LiveOptions
from safeasr.client.settings import Settings
from safeasr.errors import ClientUnavailableError

try:
    from safeasr.client.live.channel import Channel
except ModuleNotFoundError as missing:
    if (missing.name or "").startswith("safeasr"):
        raise
    raise ClientUnavailableError(
        f"live sessions need {missing.name}: pip install 'safeasr[client]'"
    ) from missing
from safeasr.client.live.session import AsyncSession

__all__ = ["open_session"]


def open_session(settings: Settings, model: str | None, options: LiveOptions) -> AsyncSession:
    """A session with a server, not connected yet.

    Args:
        settings: of the client.
        model: that is asked for; None: the client's.
        options: of the session.
    """
    url = settings.address.live(model or settings.model)

    async def connect() -> Channel:
        channel = await Channel.open(url, settings)
        settings.reached.set()
        return channel

    return AsyncSession(connect, options, timeout=settings.timeout, retries=settings.retries)
