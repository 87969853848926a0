"""A model says which modes its streams may have, and these are the ones that it opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import safeasr
from safeasr import AutoModel, UnsupportedModelError

_DEMO = str(Path(safeasr.__file__).parent / "models" / "demo")  # by its name it has companions
_VAD, _ONLINE = {"vad_model": "demo-vad"}, {"online_model": "demo-streaming"}
_ALL = ("online", "offline", "2pass")


@pytest.mark.parametrize(
    "name, beside, modes",
    [
        ("demo", {}, _ALL),
        (_DEMO, {}, ()),
        (_DEMO, _VAD, ("offline",)),
        (_DEMO, _ONLINE, ()),
        (_DEMO, {**_VAD, **_ONLINE}, _ALL),
        ("demo-streaming", {}, ("online",)),
        ("demo-vad", {}, ("online",)),
        ("demo-punc", {}, ()),
    ],
    ids=["demo", "alone", "vad", "online", "both", "streaming", "detector", "punctuation"],
)
def test_what_it_says_it_opens(
    own_cache: Path, name: str, beside: dict[str, Any], modes: tuple[str, ...]
) -> None:
    with AutoModel(name, disable_pbar=True, **beside) as model:
        assert model.stream_modes == modes
        stats = model.stats()  # to ask is neither an error nor a stream
        assert stats["errors"] == {}
        assert stats["streams"]["opened"] == 0
        for mode in _ALL:
            if mode in modes:
                model.stream(mode=mode).close()
            else:
                with pytest.raises(UnsupportedModelError):
                    model.stream(mode=mode)
