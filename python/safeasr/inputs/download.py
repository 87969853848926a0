"""Fetching audio and list files over HTTP, within limits of time and size.

The standard library's timeouts count from one received byte to the next, so a slow server could
hold a call for ever. Here one timer covers the whole transfer: when it goes off it shuts the
socket, which ends any wait.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from types import TracebackType
from typing import Any, Final

from safeasr.deadlines import require_time, seconds_left
from safeasr.errors import AudioError

__all__ = ["DEFAULT_MAX_BYTES", "DEFAULT_TIMEOUT_S", "download", "is_url", "url_path", "url_stem"]

#: The longest that a download may take in all, in seconds, unless the caller says otherwise.
DEFAULT_TIMEOUT_S: Final = 30.0
#: The largest download, in bytes, unless the caller says otherwise.
DEFAULT_MAX_BYTES: Final = 512 * 1024 * 1024

_CHUNK_BYTES = 1 << 18
_SHOWN_URL = 200


def is_url(text: str) -> bool:
    """Whether the text is a URL that :func:`download` takes."""
    return text.startswith(("http://", "https://"))


def url_path(url: str) -> str:
    """The path of a URL, without query and with escapes resolved: its name and ending."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path)


def url_stem(url: str) -> str:
    """The file name in a URL without its ending: what results are keyed by."""
    return os.path.splitext(os.path.basename(url_path(url)))[0]


def _without_secrets(url: str) -> str:
    """The URL in quotes for messages: no user, password or query, which may hold a token."""
    try:
        parts = urllib.parse.urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        shown = "an invalid URL"
    return repr(shown if len(shown) <= _SHOWN_URL else shown[:_SHOWN_URL] + "...")


class _Watch:
    """A time limit on sockets: whichever are open when it runs out are shut."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self.expired = False

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def remaining(self) -> float:
        """Seconds left; never zero, which a socket would take for "do not block"."""
        return max(self._end - time.monotonic(), 0.001)

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.append(connection)
            late = self.expired
        if late:
            _shut_down(connection)

    def _shut(self) -> None:
        with self._lock:
            self.expired = True
            sockets = list(self._sockets)
        for one in sockets:
            _shut_down(one)


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # already closed
        # Not SSLSocket's own method: that drops the TLS state under the reader's feet.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _watched(base: type[http.client.HTTPConnection], watch: _Watch) -> Any:
    """The connection class with its socket put under the watch as soon as it is open."""

    class Connection(base):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            self.timeout = watch.remaining()
            super().connect()
            watch.add(self.sock)

    return Connection


def _opener(watch: _Watch) -> urllib.request.OpenerDirector:
    """An opener for http and https alone: a redirect must not lead to a local file or to ftp."""

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(_watched(http.client.HTTPConnection, watch), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(_watched(http.client.HTTPSConnection, watch), req)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        Http(),
        Https(),
    ):
        opener.add_handler(handler)
    return opener


def download(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
) -> bytes:
    """The contents of a URL, in memory.

    Args:
        url: an http or https URL; redirects are followed, proxies taken from the environment.
        timeout_s: the longest that everything may take, from connecting to the last byte, in
            seconds. Only looking up the host's name is not interrupted.
        max_bytes: the largest size, in bytes.
        deadline: time of the monotonic clock that ends the caller's patience; None: no such limit.

    Returns:
        The body.

    Raises:
        AudioError: if the server refuses, the transfer breaks, or a limit is passed.
        DeadlineExceededError: if the deadline passed.
    """
    shown = _without_secrets(url)
    if not timeout_s > 0:
        raise AudioError(f"the time limit of a download must be above zero, not {timeout_s!r}")
    require_time(deadline)
    left = seconds_left(deadline)
    with _Watch(timeout_s if left is None else min(timeout_s, left)) as watch:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "safeasr"})
            with _opener(watch).open(request, timeout=timeout_s) as response:
                body = _read_body(response, max_bytes, shown)
        except AudioError:
            if not watch.expired:
                raise
        except urllib.error.HTTPError as error:
            error.close()
            if not watch.expired:
                raise AudioError(
                    f"download of {shown} failed: the server answered {error.code} {error.reason}"
                ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            timed_out = isinstance(error, TimeoutError) or isinstance(
                getattr(error, "reason", None), TimeoutError
            )
            if not watch.expired and not timed_out:
                raise AudioError(f"download of {shown} failed: {error}") from error
        else:
            # A body without a stated length ends wherever the socket was shut.
            if not watch.expired:
                return body
    require_time(deadline)
    raise AudioError(f"download of {shown} took longer than {timeout_s:g} s")


def _read_body(response: http.client.HTTPResponse, max_bytes: int, shown: str) -> bytes:
    too_big = f"download of {shown} is larger than {max_bytes} bytes"
    stated = response.headers.get("Content-Length")
    expected = int(stated) if stated is not None and stated.isdecimal() else None
    if expected is not None and expected > max_bytes:
        raise AudioError(f"{too_big}: {expected}")
    body = bytearray()
    # read1 returns what has arrived, so that the size is checked as it grows.
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise AudioError(too_big)
    if expected is not None and len(body) < expected:
        raise AudioError(f"download of {shown} broke off after {len(body)} of {expected} bytes")
    return bytes(body)
