"""`safeasr serve` as one types it: what command line, file and environment make of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from safeasr.cli import serve as command
from safeasr.cli.app import run
from safeasr.serve.running import Address
from safeasr.serve.settings import DEMO, Limits, Settings

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Address]]:
    """What would be served, in place of serving it."""
    found: list[tuple[Settings, Address]] = []
    monkeypatch.setattr(command, "run", lambda *arguments: found.append(arguments))
    monkeypatch.setattr(command, "log_to_stderr", lambda: None)
    monkeypatch.delenv("SAFEASR_API_KEYS", raising=False)
    return found


def asked(served: list[tuple[Settings, Address]], *arguments: str) -> tuple[Settings, Address]:
    assert run(["serve", *arguments]) == 0
    return served.pop()


def test_without_options_the_demo_for_this_machine(served: Any) -> None:
    settings, address = asked(served)
    assert settings == Settings() and settings.models == {"demo": DEMO}
    assert address == Address(host="127.0.0.1", port=8000)


def test_models_of_the_command_line(served: Any) -> None:
    own = ["--vad", "v", "--punc", "p", "--spk", "s", "--online", "o", "--workers", "3", "--bf16"]
    settings, _ = asked(served, "-m", "some/where/zh", *own)
    beside = {"vad_model": "v", "punc_model": "p", "spk_model": "s", "online_model": "o"}
    made = {"model": "some/where/zh", **beside, "num_workers": 3, "bf16": True}
    assert settings.models == {"zh": made} and settings.speakers
    settings, _ = asked(served, "--punc", "other", "--name", "mine")
    assert settings.models == {"mine": {**DEMO, "punc_model": "other"}}
    assert not settings.speakers


def test_limits_keys_and_origins(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFEASR_API_KEYS", "b, c,")
    settings, address = asked(
        served,
        *("--api-key", "a", "--cors-origin", "https://x", "--max-requests", "5", "--no-page"),
        *("--max-connections", "6", "--drain-s", "0.5", "--host", "0.0.0.0", "--port", "1"),
    )
    assert settings.api_keys == ("a", "b", "c") and settings.cors_origins == ("https://x",)
    assert settings.limits == Limits(max_requests=5, max_connections=6, drain_s=0.5)
    assert not settings.page and (address.host, address.port) == ("0.0.0.0", 1)


def test_an_open_door_is_told(served: Any, capfd: pytest.CaptureFixture[str]) -> None:
    asked(served, "--host", "0.0.0.0")
    assert "no API key is set" in capfd.readouterr().err
    asked(served, "--host", "0.0.0.0", "--api-key", "a")
    assert "no API key is set" not in capfd.readouterr().err


def test_the_file_of_the_docs(served: Any, tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "server.yaml").write_text(example, encoding="utf-8")
    settings, _ = asked(served, "--config", str(tmp_path / "server.yaml"), "--drain-s", "7")
    assert settings.default_model == "zh" and settings.on_demand == {"sense"}
    # All limits stand there, with their defaults; the command line goes before the file.
    shown = {"max_requests_of_client": 16, "max_waiting": 500, "drain_s": 7.0}
    assert settings.limits == Limits(**shown)
    assert set(re.findall(r"^  (\w+): [\d]", example, re.MULTILINE)) == set(vars(Limits()))


@pytest.mark.parametrize(
    "content, said",
    [
        ("limit: {}", "unknown name: limit"),
        ("limits: {max_request: 3}", "unknown name: max_request"),
        ("models: [a]", "mapping"),
        ("models: {}", "at least one model"),
        ("models: {a: {}}\non_demand: [b]", "on_demand names no model: b"),
        ("- a", "must be a mapping"),
        ("a: [", "server.yaml"),
        ("api_keys: ['']", "cannot be empty"),
    ],
)
def test_files_that_say_nothing_of_sense(
    served: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "server.yaml"
    path.write_text(content, encoding="utf-8")
    assert run(["serve", "--config", str(path)]) == 2
    assert not served
    words = "".join(capfd.readouterr().err.replace("│", " ").split())  # lines break anywhere
    assert said.replace(" ", "") in words and "Traceback" not in words


def test_certificate_and_key_go_together(served: Any, tmp_path: Path) -> None:
    (tmp_path / "c.pem").touch()
    assert run(["serve", "--certificate", str(tmp_path / "c.pem")]) == 2
    assert not served
