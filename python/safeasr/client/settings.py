"""What both clients are told when they are made."""

from __future__ import annotations

import math
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import httpx

from safeasr.client.address import Address
from safeasr.client.failures import error_of_transport
from safeasr.client.retries import Retries
from safeasr.errors import OptionError
from safeasr.server_errors import ServerError

__all__ = ["Settings", "settings_of"]

#: An idle connection is used again for so long, in s: less than servers keep theirs, since a
#: request on one that is just being closed fails.
_KEEP_S: Final = 2.0
_CONNECT_S: Final = 10.0


@dataclass(frozen=True)
class Settings:
    """Of a client.

    Attributes:
        address: of the server.
        headers: of all requests and sessions.
        model: that is asked for; None: the server's own choice.
        timeout: how long to wait for an answer, in seconds.
        retry_s: how long to try again, in seconds.
        verify: whether certificates are checked, or by which rules.
        reached: set once the server has answered, so that its address is right.
    """

    address: Address
    headers: Mapping[str, str] = field(repr=False)
    model: str | None
    timeout: float
    retry_s: float
    verify: bool | ssl.SSLContext
    reached: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def of_httpx(self) -> dict[str, Any]:
        """Arguments of httpx's clients."""
        return {
            "base_url": self.address.http,
            "headers": self.headers,
            "timeout": httpx.Timeout(
                self.timeout, connect=min(_CONNECT_S, self.timeout), pool=None
            ),
            "limits": httpx.Limits(keepalive_expiry=_KEEP_S),
            "verify": self.verify if self.address.secure else False,
        }

    def retries(self) -> Retries:
        """Of one request, or of the first connection of a session."""
        return Retries(self.retry_s, reached=self.reached.is_set())

    def broken(self, error: httpx.TransportError) -> ServerError:
        """A request that got no answer."""
        return error_of_transport(error, self.address.shown, self.timeout)

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """The rules for encrypted websockets; None: there is no encryption."""
        if not self.address.secure:
            return None
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def settings_of(
    url: str,
    api_key: str | None,
    *,
    model: str | None,
    timeout: float,
    retry_s: float,
    verify: bool | ssl.SSLContext,
    headers: Mapping[str, str] | None,
) -> Settings:
    """Check what a client is made with; see :class:`safeasr.client.Client`.

    Raises:
        OptionError: something of it makes no sense.
    """
    for name, value, least in (("timeout", timeout, 1e-3), ("retry_s", retry_s, 0.0)):
        if not (isinstance(value, (int, float)) and least <= value < math.inf):
            raise OptionError(f"{name} must be a number of seconds, got {value!r}")
    found = dict(headers or {})
    if api_key is not None:
        if not api_key.isascii() or not api_key.isprintable() or not api_key.strip():
            raise OptionError("an API key consists of letters, digits and signs")  # not shown
        found["Authorization"] = f"Bearer {api_key.strip()}"
    return Settings(Address.of(url), found, model, float(timeout), float(retry_s), verify)
