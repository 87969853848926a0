"""Contents at an address of this machine."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Shelf:
    """What is served: put contents there, get an address."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.contents: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> str:
        """Serve the contents by that name."""
        self.contents["/" + name] = data
        return f"http://127.0.0.1:{self._port}/{name}"


@contextlib.contextmanager
def serving() -> Iterator[Shelf]:
    """A server on a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            data = shelf.contents.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data or b"")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shelf = Shelf(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
