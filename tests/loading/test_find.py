"""From names to directories: what is asked of a hub, and what is said when it fails."""

from __future__ import annotations

import os
import socket
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.loading.find import find_model

needs_funasr = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("funasr") is None, reason="funasr knows the names"
)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no models that were downloaded before, no network unless a test makes one."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    (tmp_path / "here" / "models" / "paraformer").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")

    def no_network(host: str, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)


@pytest.fixture
def never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))


@pytest.mark.usefixtures("never_asked")
@pytest.mark.parametrize("hub", ["ms", "hf"])
@pytest.mark.parametrize(
    "name",
    ["/nowhere/model", "./model", "../model", ".hidden", "~/no/such", "~nobody-here/x", "a/b/c",
     "C:\\models\\x", "models\\x", "models/parafomer", "models/x/", "iic/", "", " ", "a b",
     "a\0b", "a\nb", "x/" + "y" * 5000, "https://h/m?token=s3cr3t", "iic//x", "models/none"],
    ids=lambda name: repr(name)[:20],
)  # fmt: skip
def test_paths_are_never_asked_of_a_hub(name: str, hub: str) -> None:
    with pytest.raises(ExportError, match=r"there is no directory|not by URL") as caught:
        find_model(name, hub=hub)
    assert str(caught.value).isprintable()
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.usefixtures("never_asked")
def test_the_nearest_directory_is_named(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for wrong in (here / "modelz" / "paraformer", here / "models" / "parafomer"):
        with pytest.raises(ExportError) as caught:
            find_model(str(wrong))
        assert f"did you mean '{here / 'models' / 'paraformer'}'?" in str(caught.value)
    with pytest.raises(ExportError, match="did you mean 'models/paraformer'"):
        find_model("models/parafomer")
    with pytest.raises(ExportError, match=f"there is no 'zzz' in '{here}'"):
        find_model(f"{here}/zzz/yyy/xxx")
    (here / "file").touch()
    with pytest.raises(ExportError, match="is a file"):
        find_model("file")


@needs_funasr
@pytest.mark.usefixtures("never_asked")
@pytest.mark.parametrize("hub", ["ms", "hf", "modelscope", "huggingface"])
def test_names_that_funasr_does_not_know(hub: str) -> None:
    for name, near in (("paraformer-zhh", "paraformer-zh"), ("fsmnvad", "fsmn-vad"),
                       ("demo-vaad", "demo-vad")):  # fmt: skip
        with pytest.raises(ExportError, match=f"knows no model .*did you mean '{near}'"):
            find_model(name, hub=hub)
    with pytest.raises(ExportError, match="'owner/name'"):
        find_model("qqqqqqqq", hub=hub)
    with pytest.raises(UnsupportedModelError, match="hub='elsewhere'"):
        find_model("qqqqqqqq", hub="elsewhere")


@needs_funasr
@pytest.mark.parametrize(("hub", "server"), [("ms", "www.modelscope.cn"), ("hf", "huggingface.co")])
@pytest.mark.parametrize("name", ["fsmn-vad", "iic/SenseVoiceSmall", "owner/no-such.model_1"])
def test_without_a_network_the_networks_reason_is_named(name: str, hub: str, server: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ExportError, match=f"{server}': Temporary failure in name resolution"):
        find_model(name, hub=hub)
    assert not {"modelscope", "funasr"} & (set(sys.modules) - before), (
        "to import them takes seconds"
    )


@needs_funasr
def test_a_network_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(30))
    monkeypatch.setattr("safeasr.loading.hub._REACH_S", 0.2)
    with pytest.raises(ExportError, match=r"does not answer within 0\.2 s"):
        find_model("fsmn-vad")


@pytest.fixture
def hub_that_answers(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """FunASR's module of downloads, with another in its place; the network seems to be there."""
    monkeypatch.setattr("safeasr.inputs.transport.why_unreachable", lambda *_: None)
    funasr, folder = types.ModuleType("funasr"), types.ModuleType("funasr.download")
    module = types.ModuleType("funasr.download.download_model_from_hub")
    folder.download_model_from_hub = module  # type: ignore[attr-defined]
    for one in (funasr, folder, module):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    names = {"fsmn-vad": "iic/vad"}
    monkeypatch.setattr("safeasr.loading.find.aliases", lambda _: names)
    return module


def test_what_the_hub_gives_is_remembered(
    hub_that_answers: types.ModuleType, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def give(name: str, revision: str) -> str:
        asked.append((name, revision))
        return str(tmp_path / "here" / "models")

    hub_that_answers.get_or_download_model_dir = give  # type: ignore[attr-defined]
    for _ in range(2):
        assert find_model("fsmn-vad") == tmp_path / "here" / "models"
    assert asked == [("iic/vad", "master")]
    find_model("fsmn-vad", check_latest=True)
    find_model("fsmn-vad", revision="v2")
    assert asked[1:] == [("iic/vad", "master"), ("iic/vad", "v2")]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (OSError("\x1b[31mno\nsuch model"), r"\\x1b\[31mno\\nsuch model"),
        (ImportError("No module named 'modelscope'"), "needs funasr and what it downloads with"),
    ],
)
def test_the_hubs_own_reason_is_named(
    hub_that_answers: types.ModuleType, failure: Exception, message: str
) -> None:
    def fail(*_: Any) -> str:
        raise failure

    hub_that_answers.get_or_download_model_dir = fail  # type: ignore[attr-defined]
    with pytest.raises(ExportError, match=message) as caught:
        find_model("iic/none")
    assert str(caught.value).isprintable()


def test_a_hub_that_gives_no_directory(hub_that_answers: types.ModuleType) -> None:
    hub_that_answers.get_or_download_model_dir = lambda *_: "none"  # type: ignore[attr-defined]
    with pytest.raises(ExportError, match="gave no directory"):
        find_model("iic/none")


def test_without_funasr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(ExportError, match=r"there is no directory 'fsmn-vad', and .* needs funasr"):
        find_model("fsmn-vad")
