"""Where a server is: one address for requests and for live sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from safeasr.errors import OptionError
from safeasr.printable import quoted

__all__ = ["Address"]

_SECURE: Final = {"http": False, "ws": False, "https": True, "wss": True}
#: What users copy from other clients' settings along with the address.
_ENDS: Final = ("/audio/transcriptions", "/v1")


@dataclass(frozen=True)
class Address:
    """Of a server.

    Attributes:
        http: without a slash at its end, such as "http://127.0.0.1:8000".
        ws: the same place for websockets.
        shown: the address without a user's name and password, for messages.
        secure: whether connections are encrypted.
    """

    http: str
    ws: str
    shown: str
    secure: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an address.

        Args:
            url: http, https, ws or wss; with or without OpenAI's "/v1".

        Raises:
            OptionError: it is none.
        """
        try:
            parts = urlsplit(url.strip())
            known = parts.scheme in _SECURE and bool(parts.hostname)
            _ = parts.port  # a port that is none raises ValueError
        except (ValueError, AttributeError):
            known = False
        if not known:
            raise OptionError(
                "url must be an address such as http://127.0.0.1:8000, got "
                f"{quoted(str(url).rpartition('@')[2])}"
            )
        secure = _SECURE[parts.scheme]
        path = parts.path.rstrip("/")
        for end in _ENDS:
            path = path.removesuffix(end)
        http, ws = ("https", "wss") if secure else ("http", "ws")
        host = parts.netloc.rpartition("@")[2]
        return cls(
            http=urlunsplit((http, parts.netloc, path, "", "")),
            ws=urlunsplit((ws, parts.netloc, path or "/", "", "")),
            shown=urlunsplit((parts.scheme, host, path, "", "")),
            secure=secure,
        )

    def live(self, model: str | None) -> str:
        """Where live sessions are, with a model or the server's own choice."""
        return self.ws if model is None else f"{self.ws}?model={quote(model, safe='')}"
