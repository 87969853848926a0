"""API keys, in each of the ways that clients give them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from support.serve_clients import open_ws
from support.serving import InThread, app_in_thread

_KEY = "sk-secret-of-this-test"
_PCM = bytes(range(256)) * 100
_REQUESTS = [
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/asr"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/demo"),
    ("POST", "/v1/models/demo/reload"),
    ("GET", "/stats"),
]


@pytest.fixture(scope="module")
def locked() -> Iterator[InThread]:
    with app_in_thread(api_keys=("other", _KEY)) as one:
        yield one


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    with app_in_thread() as one:
        yield one


def knock(running: InThread, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body = {"files": {"file": ("a.wav", b"abc")}} if path in ("/asr", _REQUESTS[0][1]) else {}
    return running.http.request(method, path, headers=headers, **body)


_RIGHT = [
    {"Authorization": f"Bearer {_KEY}"},
    {"authorization": f"bearer  {_KEY}"},
    {"X-API-Key": _KEY},
]
_WRONG: list[tuple[dict[str, str], str]] = [
    ({}, "missing_api_key"),
    ({"Authorization": "Bearer; none"}, "missing_api_key"),
    ({"Authorization": "Bearer"}, "missing_api_key"),
    ({"Authorization": _KEY}, "missing_api_key"),
    ({"Authorization": f"Basic {_KEY}"}, "missing_api_key"),
    ({"Authorization": "Bearer wrong"}, "invalid_api_key"),
    ({"Authorization": f"Bearer {_KEY[:-1]}"}, "invalid_api_key"),
    ({"Authorization": f"Bearer {_KEY}x"}, "invalid_api_key"),
    ({"Authorization": f"Bearer {_KEY.upper()}"}, "invalid_api_key"),
    ({"X-API-Key": ""}, "missing_api_key"),
    ({"X-API-Key": f"other, {_KEY}"}, "invalid_api_key"),
    ({"X-API-Key": "sch\u00fcssel"}, "invalid_api_key"),
]


@pytest.mark.parametrize("method, path", _REQUESTS)
def test_keys_of_requests(locked: InThread, method: str, path: str) -> None:
    for headers in _RIGHT:
        assert knock(locked, method, path, headers).status_code == 200
    for headers, code in _WRONG:
        coded = {name: value.encode() for name, value in headers.items()}
        found = knock(locked, method, path, coded)  # type: ignore[arg-type]
        assert found.status_code == 401, headers
        assert found.json()["error"]["code"] == code
        assert _KEY[:-1] not in found.text
    # An address may be written down anywhere, so a key in it is none.
    assert knock(locked, method, f"{path}?api_key={_KEY}", {}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/any/path", "/v1/realtime"])
def test_keys_of_websockets(locked: InThread, path: str) -> None:
    ways: list[tuple[str, dict[str, Any]]] = [
        (f"?api_key={_KEY}", {}),
        ("", {"subprotocols": ["realtime", f"openai-insecure-api-key.{_KEY}"]}),
        ("", {"subprotocols": [f"openai-insecure-api-key.{_KEY}", "binary", "realtime"]}),
        *[("", {"additional_headers": headers}) for headers in _RIGHT],
    ]
    for query, options in ways:
        with open_ws(locked.ws + path + query, **options) as connection:
            offered = options.get("subprotocols", [])
            known = "realtime" if path == "/v1/realtime" else "binary"
            assert connection.subprotocol == (known if known in offered else None)
    wrong = [("?api_key=wrong", {}), ("?api_key=", {}), ("?api_key=%ff%00", {})]
    wrong += [("", {"additional_headers": headers}) for headers, _ in _WRONG[:-1]]
    wrong += [("", {"subprotocols": ["openai-insecure-api-key."]})]
    for query, options in wrong:
        with pytest.raises(InvalidStatus) as refused, open_ws(locked.ws + path + query, **options):
            pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"]["code"].endswith("_api_key")


def test_open_to_all(locked: InThread) -> None:
    """What balancers and a person with a browser need before they have a key."""
    for path in ("/health", "/ready", "/"):
        assert locked.http.get(path).status_code in (200, 404)
    assert "demo" not in locked.http.get("/ready").text


def test_models_are_reloaded_with_a_key_only(running: InThread) -> None:
    assert running.http.post("/v1/models/demo/reload").status_code == 403


def test_no_key_in_the_log(locked: InThread, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "safeasr"):
        with open_ws(f"{locked.ws}/x?api_key={_KEY}"):
            pass
        knock(locked, "GET", f"/v1/models?api_key={_KEY}", _RIGHT[0])
        knock(locked, "GET", "/v1/models", {"X-API-Key": _KEY[:-1]})
    assert caplog.records
    assert not [one for one in caplog.records if _KEY[:-1] in one.getMessage()]
