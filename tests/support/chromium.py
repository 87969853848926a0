"""A browser without a window, if there is one on this machine."""

from __future__ import annotations

import base64
import contextlib
import html
import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from support.processes import run_to_end

__all__ = ["Browser", "Opened", "browsing", "find_chromium", "open_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
#: Names of keys, and what Chromium wants to know of them beside.
_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    " ": (32, " "),
    "ArrowRight": (39, ""),
    "ArrowLeft": (37, ""),
    "Home": (36, ""),
    "End": (35, ""),
}
#: Only ends what hangs.
_SECONDS = 120


@dataclass
class Opened:
    """A page after its scripts ran: its DOM as HTML, and what the root element's data-* say."""

    dom: str
    data: dict[str, str]

    @property
    def problems(self) -> list[str]:
        return list(json.loads(self.data["problems"]))


def find_chromium() -> str | None:
    """Where it is."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def _chromium() -> str:
    browser = find_chromium()
    if browser is None:
        pytest.skip("there is no chromium on this machine")
    return browser


def open_page(path: Path, profile: Path, seconds: float = _SECONDS) -> Opened:
    """Open a file; skips the test where there is no Chromium. `seconds` only ends what hangs."""
    size, user = "--window-size=1280,1000", f"--user-data-dir={profile}"
    command = [_chromium(), *_FLAGS, size, user, "--dump-dom", path.as_uri()]
    done = run_to_end(command, timeout=seconds)
    assert done.returncode == 0, done.stderr[-2000:]
    dom = done.stdout
    root = re.search(r"<html[^>]*>", dom)
    assert root, done.stderr[-2000:]
    found = re.findall(r'data-(\w+)="([^"]*)"', root[0])
    return Opened(dom, {name: html.unescape(value) for name, value in found})


class Browser:
    """One tab, driven by the DevTools protocol.

    Attributes:
        addresses: of all that the page asked for, websockets too.
        problems: exceptions of scripts, and what the browser complains of.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.addresses: list[str] = []
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Run a command of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": arguments}))
        while True:
            message = json.loads(self._socket.recv(timeout=_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            self._take(message.get("method"), message.get("params"))

    def _take(self, method: str, event: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.addresses.append(event["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.addresses.append(event["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(event["exceptionDetails"])[:2000])
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.problems.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    def open(self, address: str, language: str = "en-US") -> None:
        """Go to an address, as somebody who reads a language."""
        self.command("Network.setUserAgentOverride", userAgent="chromium", acceptLanguage=language)
        self.command("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def resize(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Size of the window, and whether its colours are dark."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1},
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        done = self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def until(self, condition: str, seconds: float = _SECONDS) -> Any:
        """Wait until an expression is true, and return its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(condition)):
            if time.monotonic() > end:
                shown = self.run("document.body.innerText")
                raise AssertionError(f"never: {condition}\n{shown}\n{self.problems}")
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        """What an element says, as one sees it."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def shows(self, selector: str) -> bool:
        """Whether one can see an element."""
        return bool(self.run(f"document.querySelector({json.dumps(selector)}).checkVisibility()"))

    def appears(self, selector: str) -> None:
        """Wait until one can see an element."""
        self.until(f"document.querySelector({json.dumps(selector)})?.checkVisibility()")

    def says(self, selector: str, part: str) -> str:
        """Wait until the text that one sees of an element has a part; returns it."""
        found = f"document.querySelector({json.dumps(selector)})?.innerText"
        self.until(f"({found} ?? '').includes({json.dumps(part)})")
        return self.text(selector)

    def count(self, selector: str, number: int) -> None:
        """Wait until there are so many of an element."""
        self.until(f"document.querySelectorAll({json.dumps(selector)}).length === {number}")

    def click(self, selector: str) -> None:
        """Press the mouse's button in the middle of an element."""
        middle = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        place = {"x": middle[0], "y": middle[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, **place)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key of the keyboard."""
        code, text = _KEYS[key]
        name = "Space" if key == " " else key
        event = {"key": key, "code": name, "windowsVirtualKeyCode": code}
        for _ in range(times):
            self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
            self.command("Input.dispatchKeyEvent", type="keyUp", **event)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.command("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field of files."""
        root = self.command("DOM.getDocument")["root"]["nodeId"]
        node = self.command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.command("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what one sees as PNG; `whole`: also what one would have to scroll to."""
        found = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.contextmanager
def browsing(profile: Path, flags: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with an empty tab; skips the test where there is no Chromium.

    Args:
        profile: an empty folder.
        flags: of Chromium, beside those that make it run without a window.
    """
    command = [_chromium(), *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [*command, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with connect(_tab(process, profile), max_size=None, close_timeout=1) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(_SECONDS)


def _tab(process: subprocess.Popen[bytes], profile: Path) -> str:
    """The address at which its tab takes commands."""
    told = profile / "DevToolsActivePort"
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, httpx.HTTPError, ValueError, LookupError, StopIteration):
            port = int(told.read_text().splitlines()[0])
            tabs = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
            return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
        time.sleep(0.05)
    raise AssertionError("chromium did not start")
