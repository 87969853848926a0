"""Downloads, against a server of the test's own."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio
from safeasr.inputs.download import download, is_url, url_path, url_stem
from safeasr.inputs.expand import expand_inputs


def _wav() -> bytes:
    file = io.BytesIO()
    wave = 0.1 * np.sin(np.arange(4000) / 10)
    soundfile.write(file, wave, 16000, format="WAV", subtype="PCM_16")
    return file.getvalue()


WAV = _wav()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _send(self, status: int, body: bytes, stated: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
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
            self._answer(self.path.partition("?")[0])

    def _answer(self, path: str) -> None:
        host = f"http://127.0.0.1:{self.server.server_address[1]}"
        if path in ("/a.wav", "/sound%20one.wav"):
            self._send(200, WAV)
        elif path == "/unstated.wav":
            self._send(200, WAV, stated=-1)
        elif path == "/raw.pcm":
            self._send(200, np.array([0, 16384, -32768], "<i2").tobytes())
        elif path == "/moved":
            self._send(302, b"", Location="/a.wav")
        elif path == "/loop":
            self._send(302, b"", Location="/loop")
        elif path == "/to-file":
            self._send(302, b"", Location="file:///etc/hostname")
        elif path == "/short.wav":
            self._send(200, WAV[:1000], stated=len(WAV))
            self.close_connection = True
        elif path == "/list.scp":
            self._send(200, f"one {host}/a.wav\n\ntwo {host}/none.wav\n".encode())
        elif path == "/list.jsonl":
            self._send(200, json.dumps({"source": f"{host}/a.wav"}).encode())
        elif path == "/silent":
            time.sleep(5)
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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a running server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_audio_at_a_url(server: str) -> None:
    expected = load_audio(WAV)
    for path in ("/a.wav", "/a.wav?token=x.y/z", "/unstated.wav", "/moved"):
        np.testing.assert_array_equal(load_audio(server + path), expected)
    np.testing.assert_array_equal(load_audio(server + "/raw.pcm"), [0.0, 0.5, -1.0])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.wav", "the server answered 404"),
        ("/loop", "redirected more than 10 times"),
        ("/to-file", "redirected to what is no http"),
        ("/short.wav", "broke off after 1000 of"),
    ],
)
def test_failures_are_audio_errors(server: str, path: str, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        download(server + path)


def test_unreachable_and_malformed_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for url in ("http://127.0.0.1:1/a.wav", "http://", "http://[::1", "http://a b/c"):
        with pytest.raises(AudioError, match="download of"):
            download(url, timeout_s=5)
    with pytest.raises(AudioError, match="above zero"):
        download("http://127.0.0.1/", timeout_s=0)


@pytest.mark.parametrize("path", ["/silent", "/slow-header", "/slow-body", "/slow-unstated"])
def test_the_time_limit_covers_everything(server: str, path: str) -> None:
    start = time.monotonic()
    with pytest.raises(AudioError, match=r"took longer than 0\.4 s"):
        download(server + path, timeout_s=0.4)
    assert time.monotonic() - start < 2.0


def test_the_size_limit(server: str) -> None:
    with pytest.raises(AudioError, match="larger than 5000 bytes"):
        download(server + "/a.wav", max_bytes=5000)
    with pytest.raises(AudioError, match="larger than 300000 bytes"):
        download(server + "/endless", max_bytes=300000)
    assert len(download(server + "/a.wav", max_bytes=len(WAV))) == len(WAV)


def test_messages_do_not_show_tokens(server: str) -> None:
    url = server.replace("http://", "http://user:secret@") + "/none.wav?token=secret"
    with pytest.raises(AudioError) as caught:
        download(url)
    assert "secret" not in str(caught.value)
    assert "/none.wav" in str(caught.value)


def test_utterances_at_urls(server: str) -> None:
    (one,) = expand_inputs(f"{server}/sound%20one.wav?x=1")
    assert one.key == "sound one"
    np.testing.assert_array_equal(one.load(), load_audio(WAV))
    good, missing = expand_inputs(f"{server}/list.scp")
    assert (good.key, missing.key) == ("one", "two")
    np.testing.assert_array_equal(good.load(), load_audio(WAV))
    with pytest.raises(AudioError, match=r"input 1 \(key 'two'\): .*404"):
        missing.load()
    (entry,) = expand_inputs(f"{server}/list.jsonl")
    assert entry.key.startswith("rand_key_")
    (limited,) = expand_inputs(f"{server}/slow-body", timeout_s=0.2)
    with pytest.raises(AudioError, match=r"took longer than 0\.2 s"):
        limited.load()


def test_names_in_urls() -> None:
    assert is_url("https://a/b")
    assert not is_url("ftp://a/b")
    assert not is_url("/a/http://b")
    assert url_path("http://h/a%20b.wav?q=c.d#e") == "/a b.wav"
    assert url_stem("http://h/x/a.b.wav?q=/c.d") == "a.b"
    assert url_stem("http://h") == ""


def test_threads_download_at_once(server: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: download(server + "/a.wav"), range(40)))
    assert bodies == [WAV] * 40
