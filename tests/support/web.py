"""A web server of the tests' own, on this machine, with whatever a server may do."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import io
import json
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterator

import numpy as np
import soundfile

__all__ = ["SECRET", "WAV", "Server", "serve"]

#: Stands in URLs, and must stand nowhere else.
SECRET = "s3cr3t"


def _wav() -> bytes:
    file = io.BytesIO()
    wave = 0.1 * np.sin(np.arange(4000) / 10)
    soundfile.write(file, wave, 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()


WAV = _wav()
#: A megabyte of zeros, packed, packed again.
BOMB = gzip.compress(bytes(1 << 20))


class Server(http.server.ThreadingHTTPServer):
    """Counts what it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.authorized: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are what is tested."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def _send(self, status: int, body: bytes, stated: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if stated != -1:
            self.send_header("Content-Length", str(len(body) if stated is None else stated))
        else:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self, data: bytes, pause: float) -> None:
        for index in range(len(data)):
            self.wfile.write(data[index : index + 1])
            self.wfile.flush()
            time.sleep(pause)

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):  # the client may be gone
            self.server.asked.append(self.path)
            if given := self.headers.get("Authorization"):
                self.server.authorized.append(base64.b64decode(given.split()[1]).decode())
            self._answer(urllib.parse.unquote(self.path.partition("?")[0]))

    def _answer(self, path: str) -> None:
        host = self.server.url
        before = sum(one == self.path for one in self.server.asked)
        if path.startswith("/any/") or path in ("/a.wav", "/sound one.wav"):
            self._send(200, WAV)
        elif path == "/unstated.wav":
            self._send(200, WAV, stated=-1)
        elif path == "/raw.pcm":
            self._send(200, np.array([0, 16384, -32768], "<i2").tobytes())
        elif path == "/moved":
            self._send(302, b"", Location="/a.wav")
        elif path == "/moved-with-secret":
            self._send(302, b"", Location=f"/none.wav?token={SECRET}")
        elif path == "/loop":
            self._send(302, b"", Location="/loop")
        elif path.startswith("/to/"):
            self._send(302, b"", Location=path[len("/to/") :])
        elif path == "/short.wav":
            self._send(200, WAV[:1000], stated=len(WAV))
            self.close_connection = True
        elif path == "/half-chunked":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5"
            )
            self.close_connection = True
        elif path == "/moved-far":  # as servers write it that know nothing of escapes
            self.wfile.write("HTTP/1.1 302 x\r\nLocation: /any/语音 x.wav\r\n".encode())
            self.wfile.write(b"Content-Length: 0\r\n\r\n")
        elif path.startswith("/better-soon/"):
            self._send(int(path.rpartition("/")[2]), b"") if before < 3 else self._send(200, WAV)
        elif path == "/hangs-up-first":
            if before < 3:
                self.close_connection = True
            else:
                self._send(200, WAV)
        elif path.startswith("/status/"):
            self._send(int(path.rpartition("/")[2]), b"no")
        elif path == "/rude":
            self.wfile.write(b"HTTP/1.1 404 \x1b[31mgo away\x07\r\nContent-Length: 0\r\n\r\n")
        elif path == "/no-http":
            self.wfile.write(b"\x1b[31m SSH-2.0 " + SECRET.encode() + b"\r\n\r\n")
            self.close_connection = True
        elif path == "/gzip":
            packed = gzip.compress(WAV[:3000]) + gzip.compress(WAV[3000:])
            self._send(200, packed, Content_Encoding="gzip")
        elif path == "/deflate":
            self._send(200, zlib.compress(WAV), Content_Encoding="deflate")
        elif path == "/raw-deflate":
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            self._send(200, packer.compress(WAV) + packer.flush(), Content_Encoding="deflate")
        elif path == "/bomb":
            self._send(200, BOMB, Content_Encoding="gzip")
        elif path == "/bomb-in-bomb":
            self._send(200, gzip.compress(BOMB), Content_Encoding="gzip, gzip")
        elif path == "/half-gzip":
            self._send(200, gzip.compress(WAV)[:-20], Content_Encoding="gzip")
        elif path == "/no-gzip":
            self._send(200, WAV, Content_Encoding="gzip")
        elif path == "/brotli":
            self._send(200, WAV, Content_Encoding="br")
        elif path == "/list.scp":
            self._send(200, f"one {host}/a.wav\n\ntwo {host}/none.wav\n".encode())
        elif path == "/list.jsonl":
            self._send(200, json.dumps({"source": f"{host}/a.wav"}).encode())
        elif path == "/local.scp":
            self._send(200, f"one {host}/a.wav\ntwo /etc/hostname\n".encode())
        elif path == "/itself.scp":
            self._send(200, f"one {host}/itself.scp\n".encode())
        elif path == "/slow.scp":
            self._send(200, b"", stated=1000)
            self._trickle(b"a" * 1000, 0.05)
        elif path == "/silent":
            time.sleep(60)
        elif path == "/slow-header":
            self._trickle(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 200, 0.05)
        elif path == "/slow-body":
            self._send(200, b"", stated=len(WAV))
            self._trickle(WAV, 0.05)
        elif path == "/slow-unstated":
            self._send(200, b"", stated=-1)
            self._trickle(WAV, 0.05)
        elif path == "/endless":
            self._send(200, b"", stated=-1)
            while True:
                self.wfile.write(bytes(1 << 16))
        else:
            self._send(404, b"no")


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """A running server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
