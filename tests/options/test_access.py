"""The switches of whoever runs a service: which files and URLs requests may name."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import safeasr
from safeasr import AutoModel, NotAllowedError
from safeasr.options.access import access
from support.audio import speech
from support.names import named
from support.web import Server, serve

CLIP = speech(1.0)
AUDIO = Path(safeasr.__file__).parent / "models" / "demo" / "audio" / "07.flac"


@pytest.fixture(scope="module")
def closed() -> Iterator[AutoModel]:
    with AutoModel("demo", allow_urls=False, allow_paths=False, disable_pbar=True) as one:
        yield one


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        yield server


class Named:
    """Any path object."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __fspath__(self) -> str:
        return self._name


@pytest.fixture
def no_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a look at whether a file is there."""
    for look in ("exists", "isfile", "isdir"):
        monkeypatch.setattr(os.path, look, lambda name: pytest.fail(f"looked at {name}"))


@pytest.mark.usefixtures("no_opening")
@pytest.mark.parametrize(
    "named",
    [str(AUDIO), AUDIO, Named(str(AUDIO)), [CLIP, str(AUDIO)], [AUDIO], "none.wav", "list.scp",
     Path("list.scp"), "/dev/zero", ("a.wav",), "file:///etc/hostname", "", Named("http://h/a")],
    ids=named,
)  # fmt: skip
def test_files_are_refused_before_anything_is_opened(closed: AutoModel, named: Any) -> None:
    for call in (closed.generate, closed.submit):
        with pytest.raises(NotAllowedError, match="allow_paths=False"):
            call(named)


@pytest.mark.parametrize("make", [str, lambda u: [CLIP, u], lambda u: (u,), lambda u: f" {u}",
                                  lambda u: u.replace("http", "HTTP")])  # fmt: skip
def test_urls_are_refused_before_anything_is_opened(
    closed: AutoModel, web: Server, make: Callable[[str], Any]
) -> None:
    for path in ("/a.wav", "/list.scp"):
        for call in (closed.generate, closed.submit):
            with pytest.raises(NotAllowedError, match="allow_urls=False"):
                call(make(web.url + path))
    assert web.asked == []


@pytest.mark.parametrize(
    "option",
    [{"output_dir": "/nowhere"}, {"postprocess_hotword_file": "/etc/hostname"},
     {"postprocess_hotword_file": 0}, {"hotword": "/etc/words.txt"}, {"hotword": "http://h/w"},
     {"hotword": Path("words")}, {"output_dir": Path("x")}],
    ids=named,
)  # fmt: skip
def test_options_that_name_files_are_refused(closed: AutoModel, option: dict[str, Any]) -> None:
    for call in (closed.generate, closed.submit):
        with pytest.raises(NotAllowedError, match=f"the option {next(iter(option))}"):
            call(CLIP, **option)


@pytest.mark.parametrize("beside", [{}, {"vad_model": "demo-vad"}], ids=["alone", "detector"])
def test_what_is_refused_stays_refused(beside: dict[str, str], web: Server) -> None:
    """In calls that keep errors, whichever way the input would be read."""
    page = f"{web.url}/a.wav"
    with AutoModel(
        "demo", allow_urls=False, allow_paths=False, disable_pbar=True, **beside
    ) as model:
        for named in (str(AUDIO), AUDIO, page):
            for found in (
                model.generate([named, CLIP], on_error="return"),
                model.submit([named, CLIP], on_error="return").result(60),
                list(model.generate_iter([named, CLIP], on_error="return")),
            ):
                assert isinstance(found[0]["error"], NotAllowedError)
    assert web.asked == []


def test_a_call_cannot_switch_them_on(closed: AutoModel) -> None:
    with (
        pytest.warns(UserWarning, match="allow_paths.*belongs to AutoModel"),
        pytest.raises(NotAllowedError),
    ):
        closed.generate(AUDIO, allow_paths=True, allow_urls=True)


def test_audio_itself_is_taken(closed: AutoModel) -> None:
    expected = closed.generate(io.BytesIO(AUDIO.read_bytes()), key="k")
    with AUDIO.open("rb") as file:
        for audio in (file, AUDIO.read_bytes(), [AUDIO.read_bytes()]):
            assert closed.generate(audio, key="k") == expected
    assert closed.generate(CLIP, hotword=None, output_dir=None)


def test_options_of_the_constructor_are_the_operators(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("four=>FOUR\n")
    with AutoModel("demo", allow_paths=False, postprocess_hotword_file=str(words),
                   output_dir=str(tmp_path), disable_pbar=True) as model:  # fmt: skip
        (result,) = model.generate(AUDIO.read_bytes(), key="k")
        assert "FOUR" in result["text"]
        assert (tmp_path / "1best_recog" / "text").read_text().startswith("k ")


def test_hosts_can_be_listed(web: Server, tmp_path: Path) -> None:
    with AutoModel("demo", allow_urls=["127.0.0.1"], disable_pbar=True) as model:
        assert model.generate(f"{web.url}/a.wav")[0]["key"] == "a"
        local = tmp_path / "list.scp"
        local.write_text(f"a {web.url}/a.wav\nb http://elsewhere.example/b.wav\n")
        asked = list(web.asked)
        for named in (str(local), "http://elsewhere.example/a.wav", "http://127.0.0.1.example/a",
                      [f"{web.url}/a.wav", "http://elsewhere.example/a.wav"]):  # fmt: skip
            with pytest.raises(NotAllowedError, match="not among those of allow_urls"):
                model.generate(named)
        assert web.asked == asked, "one that is refused refuses the call before it begins"


@pytest.mark.parametrize("value", [None, "private", 1, ["http://h/"], [""], [5], b"public", {}])
def test_values_that_make_no_sense(value: Any) -> None:
    with pytest.raises(ValueError, match="allow_urls must be"):
        access(value, True)
    if not isinstance(value, bool):
        with pytest.raises(ValueError, match="allow_paths must be"):
            access(True, value)


def test_hosts_below_a_domain() -> None:
    some = access([".Example.org", "one.example.com"], True)
    for host in ("a.example.org", "A.B.EXAMPLE.ORG", "one.example.com", "one.example.com."):
        some.require_host(host, "x")
    for host in ("example.org", "badexample.org", "two.example.com", "one.example.com.evil"):
        with pytest.raises(NotAllowedError):
            some.require_host(host, "x")
