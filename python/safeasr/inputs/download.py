"""Fetching audio and list files over HTTP, within limits of time and size."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from safeasr.deadlines import LONGEST_S, require_time
from safeasr.errors import AudioError
from safeasr.inputs.clock import Clock, OutOfTimeError
from safeasr.inputs.unlogged import unlogged
from safeasr.inputs.urls import is_url, parse_url, shown_url, url_path, url_stem
from safeasr.options.access import ANYTHING, Access
from safeasr.options.names import COMMON
from safeasr.printable import printable

if TYPE_CHECKING:
    import httpx


__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFAULT_TIMEOUT_S",
    "download",
    "is_url",
    "url_path",
    "url_stem",
]

#: The longest that a download may take in all, in seconds, unless the caller says otherwise.
DEFAULT_TIMEOUT_S: Final[float] = COMMON["download_timeout"].default
#: The largest download, in bytes, unless the caller says otherwise.
DEFAULT_MAX_BYTES: Final[int] = COMMON["max_download_bytes"].default

_CHUNK_BYTES: Final = 1 << 18
_MOST_REDIRECTS: Final = 10
#: How often a download is tried in all, and the first pause between two, in seconds.
_TRIES: Final = 3
_PAUSE_S: Final = 0.2
#: What a server or a proxy before it answers when it may be better soon.
_MOMENTARY: Final = (502, 503, 504)


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed, in words of ours, and whether another may not."""

    reason: str
    momentary: bool = False


def download(
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
    access: Access = ANYTHING,
) -> bytes:
    """The contents of a URL, in memory.

    Where the connection fails, or the server is unable just now (502, 503, 504), it is tried again
    after a pause, three times in all.

    Args:
        url: an http or https URL as people write it; redirects are followed to such only, proxies
            taken from the environment.
        timeout_s: the longest that everything may take, from looking up the host's name to the last
            byte of the last attempt, in seconds.
        max_bytes: the largest size, in bytes; of what is compressed, after it was unpacked.
        deadline: time of the monotonic clock that ends the caller's patience; None: no such limit.
        access: which hosts may be asked.

    Returns:
        The body.

    Raises:
        AudioError: if it is no URL, the server refuses, the transfer breaks, or a limit is passed.
            No error shows what may be secret in a URL: user, password and query.
        NotAllowedError: if ``access`` does not allow a host that it leads to.
        DeadlineExceededError: if the deadline passed.
        CancelledError: if the call was cancelled (:func:`safeasr.deadlines.unless`).
    """
    shown = shown_url(url)
    if not timeout_s > 0:
        raise AudioError(f"the time limit of a download must be above zero, not {timeout_s!r}")
    access.require_urls(f"download of {shown}")
    parsed = parse_url(url)
    require_time(deadline)

    limit = float(min(timeout_s, LONGEST_S))
    clock = Clock(limit, deadline)
    reason = f"took longer than {limit:g} s"
    try:
        for attempt in range(1, _TRIES + 1):
            outcome = _attempt(parsed, shown, clock, max_bytes, access)
            if isinstance(outcome, bytes):
                return outcome
            pause = _PAUSE_S * 3 ** (attempt - 1) * random.uniform(0.8, 1.2)
            if not outcome.momentary or attempt == _TRIES or pause >= clock.left():
                reason = f"failed: {outcome.reason}"
                break
            clock.sleep(pause)
    except OutOfTimeError:
        pass
    # Raised here, so that no error of a library hangs on it: those quote URLs and servers.
    require_time(deadline)
    raise AudioError(f"download of {shown} {reason}")


def _attempt(
    url: httpx.URL, shown: str, clock: Clock, max_bytes: int, access: Access
) -> bytes | _Failure:
    import httpcore
    import httpx

    # These take a while to import, so only when something is downloaded.
    from safeasr.inputs.transport import Transport

    body = _Body(max_bytes)
    transport = Transport(clock, access, f"download of {shown}")
    try:
        with unlogged(), httpx.Client(transport=transport, trust_env=False, timeout=None) as client:
            # What is compressed already is not packed again; it is unpacked if a server does so.
            headers = {"User-Agent": "safeasr", "Accept": "*/*", "Accept-Encoding": "identity"}
            request: httpx.Request | None = client.build_request("GET", url, headers=headers)
            for _ in range(_MOST_REDIRECTS + 1):
                assert request is not None
                if request.url.scheme not in ("http", "https"):
                    return _Failure("it is redirected to what is no http or https URL")
                access.require_host(request.url.raw_host.decode("ascii"), f"download of {shown}")
                with closing(client.send(request, stream=True)) as response:
                    request = response.next_request
                    if request is None:
                        return _answer(response, body)
            return _Failure(f"it is redirected more than {_MOST_REDIRECTS} times")
    # Those of the body first: a server that ends the connection early is no server to refuse.
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        if body.came:
            of_all = f" of {body.stated}" if body.stated is not None else ""
            return _Failure(f"it broke off after {body.came}{of_all} bytes", True)
        if isinstance(error, httpcore.NetworkError):
            return _Failure(printable(error) or "the connection was closed", True)
        ended = "disconnected" in str(error)
        return _Failure("the server does not answer as HTTP servers do", momentary=ended)
    except httpcore.UnsupportedProtocol as error:
        return _Failure(printable(error))
    except httpcore.TimeoutException:
        return _Failure("it does not answer", True)
    except httpcore.ProxyError as error:
        return _Failure(f"the proxy refuses: {printable(error)}")
    except AudioError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return _Failure("it is redirected to what is no http or https URL")
    except RuntimeError as error:  # no thread could be started
        return _Failure(printable(error), True)


def _answer(response: httpx.Response, body: _Body) -> bytes | _Failure:
    status = response.status_code
    if not 200 <= status < 300:
        try:
            # Not the server's words, which are anybody's.
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        return _Failure(f"the server answered {status}{phrase}", status in _MOMENTARY)
    return body.read(response)


class _Body:
    """The body of an answer, as far as it has come."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.came = 0
        self.stated: int | None = None

    def read(self, response: httpx.Response) -> bytes | _Failure:
        """All of it, unpacked."""
        too_big = f"it is larger than {self._max_bytes} bytes"
        stated = response.headers.get("Content-Length", "")
        # int() of digits of other scripts, or of very many, is not for servers to ask for.
        if stated.isascii() and stated.isdecimal() and len(stated) < 20:
            self.stated = int(stated)
            if self.stated > self._max_bytes:
                return _Failure(f"{too_big}: {self.stated}")
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            unpack = None
        elif coding in ("gzip", "x-gzip", "deflate"):
            unpack = _Unpacker(gzip="gzip" in coding)
        else:
            return _Failure(f"its Content-Encoding {printable(coding, 40)!r} was not asked for")
        content = bytearray()
        try:
            for chunk in response.iter_raw():
                self.came += len(chunk)
                for piece in (chunk,) if unpack is None else unpack.pieces(chunk):
                    content += piece
                    if len(content) > self._max_bytes:
                        return _Failure(too_big)
        except zlib.error:
            return _Failure(f"it is no data in {coding}, as its Content-Encoding says")
        if unpack is not None and not unpack.complete:
            return _Failure(f"it broke off after {self.came} bytes of {coding}", True)
        return bytes(content)


class _Unpacker:
    """Unpacks in small pieces: a few bytes may stand for gigabytes."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16 if gzip else zlib.MAX_WBITS)
        self._begun = False

    @property
    def complete(self) -> bool:
        """Whether the data ended where it should."""
        return self._inflate.eof or not self._begun

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What some more data unpacks to."""
        if data and not self._begun and not self._gzip and (data[0] & 0x0F) != 8:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave out the header
        self._begun |= bool(data)
        while data:
            if self._inflate.eof:
                if not self._gzip:
                    return
                # A file of gzip may hold several, one behind the other; zeros may fill it up.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield self._inflate.decompress(data, _CHUNK_BYTES)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
