"""What downloads run on: httpx's requests over httpcore, all of whose waits one clock ends.

The time limits of such libraries count from one received byte to the next, so a slow server could
hold a call for ever, and nothing ends the look-up of a name. Here each wait of a download is cut
short by its clock; names are looked up and connections made on a thread that can be left behind.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from safeasr.inputs.clock import Clock, OutOfTimeError
from safeasr.inputs.unlogged import unlogged
from safeasr.options.access import Access, is_address
from safeasr.printable import printable, quoted
from safeasr.threads import starting_threads

__all__ = ["Transport", "why_unreachable"]


class _Errand:
    """A connection that another thread makes; whoever waits for it may leave."""

    def __init__(self, connect: Callable[[], httpcore.NetworkStream]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._left = False
        self._stream: httpcore.NetworkStream | None = None
        self._error: BaseException | None = None
        with starting_threads():
            threading.Thread(target=self._run, name="safeasr-connect", daemon=True).start()

    def _run(self) -> None:
        try:
            stream = self._connect()
        except BaseException as error:
            self._error = error
        else:
            with self._lock:
                self._stream = stream
                if self._left:
                    stream.close()
        self._over.set()

    def wait(self, clock: Clock) -> httpcore.NetworkStream:
        try:
            while not self._over.wait(clock.slice()):
                pass
        except BaseException:
            with self._lock:
                self._left = True
                if self._stream is not None:
                    self._stream.close()
            raise
        error, self._error = self._error, None
        if error is not None:
            raise error
        assert self._stream is not None
        return self._stream


class _Stream(httpcore.NetworkStream):
    """A connection whose waits the clock ends."""

    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            try:
                return self._stream.read(max_bytes, timeout=self._clock.slice())
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=self._clock.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left()
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout=left)
        return _Stream(stream, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Makes the connections of one download."""

    def __init__(self, clock: Clock, check_address: Callable[[str], None]) -> None:
        self._clock = clock
        self._check_address = check_address
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        end = time.monotonic() + self._clock.left()
        errand = _Errand(lambda: self._connect(host, port, end))
        return _Stream(errand.wait(self._clock), self._clock)

    def _connect(self, host: str, port: int, end: float) -> httpcore.NetworkStream:
        """To the first address of a host that answers. What is connected to is what was checked."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: a label of more than 63 letters
            again = isinstance(error, OSError) and error.errno == socket.EAI_AGAIN
            reason = getattr(error, "strerror", None) or "no possible host name"
            if again:
                raise httpcore.ConnectError(reason) from None
            raise httpcore.UnsupportedProtocol(reason) from None
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in addresses:
            self._check_address(address)
        for waiting in range(len(addresses), 0, -1):
            # One that does not answer leaves time for the others.
            share = max(end - time.monotonic(), 0.01) / waiting
            try:
                return self._sockets.connect_tcp(addresses[-waiting], port, timeout=share)
            except httpcore.ConnectTimeout:
                failure = "it does not answer"
            except httpcore.ConnectError as error:
                failure = str(error)
        raise httpcore.ConnectError(failure)


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()


_tls: ssl.SSLContext | None = None


def _tls_context() -> ssl.SSLContext:
    """Trusts what requests and the system trust; made once, since that takes a while."""
    global _tls
    # gevent and eventlet replace the class, perhaps only after one was made.
    if _tls is None or type(_tls) is not ssl.SSLContext:
        context = httpx.create_ssl_context()
        context.load_default_certs()
        _tls = context
    return _tls


def _any_address(_: str) -> None:
    """No address is refused."""


def _proxy_for(url: httpx.URL) -> httpx.URL | None:
    """The proxy that the environment names for a URL."""
    host = url.raw_host.decode("ascii")
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{url.port}" if url.port else host):
        return None
    return httpx.URL(proxy if "://" in proxy else f"http://{proxy}")


def why_unreachable(url: str, within_s: float) -> str | None:
    """What keeps this machine from a server, or from the proxy before it; None if nothing does.

    Args:
        url: of the server.
        within_s: seconds that it may take to find out.
    """
    with unlogged():
        try:
            server = httpx.URL(url)
            first = _proxy_for(server) or server
        except httpx.InvalidURL:
            return "its address is no URL"
        try:
            port = first.port or {"http": 80}.get(first.scheme, 443)
            backend = _Backend(Clock(within_s, None), _any_address)
            backend.connect_tcp(first.raw_host.decode("ascii"), port).close()
        except (httpcore.NetworkError, httpcore.UnsupportedProtocol) as error:
            return f"{quoted(first.host)}: {printable(error)}"
        except OutOfTimeError:
            return f"{quoted(first.host)}: it does not answer within {within_s:g} s"
    return None


class Transport(httpx.BaseTransport):
    """The connections of one download, perhaps through a proxy that the environment names.

    None outlives its download: so nothing is shared between threads, greenlets and forks, and no
    clock ends another's wait. Recordings are large, and connections cheap beside them.
    """

    def __init__(self, clock: Clock, access: Access, what: str) -> None:
        """Connect to nothing yet.

        Args:
            clock: of the download.
            access: which addresses may be connected to.
            what: for messages: what is refused if they are others.
        """
        self._clock = clock
        self._access, self._what = access, what
        self._pools: list[httpcore.ConnectionPool] = []

    def _check(self, address: str) -> None:
        self._access.require_address(address, self._what)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises httpcore's errors and those of the clock."""
        pool = self._pool(request.url)
        self._pools.append(pool)
        url = request.url
        answer = pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        host = url.raw_host.decode("ascii")
        tls = _tls_context() if url.scheme == "https" else None
        proxy = _proxy_for(url)
        if proxy is None:
            backend = _Backend(self._clock, self._check)
            return httpcore.ConnectionPool(ssl_context=tls, network_backend=backend)
        # The proxy looks up names, and its own address may well be private.
        if is_address(host):
            self._check(host)
        if proxy.scheme not in ("http", "https"):
            raise httpcore.UnsupportedProtocol("proxies must be of http or https")
        return httpcore.HTTPProxy(
            httpcore.URL(
                scheme=proxy.raw_scheme, host=proxy.raw_host, port=proxy.port, target=b"/"
            ),
            proxy_auth=(proxy.username, proxy.password) if proxy.userinfo else None,
            ssl_context=tls,
            proxy_ssl_context=_tls_context() if proxy.scheme == "https" else None,
            network_backend=_Backend(self._clock, _any_address),
        )

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            pool.close()
