"""List files of every kind of nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.judge import Refused, sane
from fuzz.mutations import mutated
from safeasr import AutoModel

_LINES = st.one_of(
    st.text(max_size=60),
    st.tuples(st.text(max_size=10), st.text(max_size=30)).map(" ".join),
    st.dictionaries(
        st.sampled_from(["key", "source", "target", ""]),
        st.one_of(st.text(max_size=20), st.integers(), st.none(), st.lists(st.text(max_size=3))),
    ).map(lambda entry: json.dumps(entry, ensure_ascii=False)),
    st.sampled_from(
        ["a /dev/zero", "a /", "b http://[::1", "c file:///etc/passwd", "d .", "[" * 9999]
    ),
)
_TEXTS = st.one_of(
    st.lists(_LINES, max_size=5).map(lambda lines: "\n".join(lines).encode(errors="surrogatepass")),
    mutated(
        [b'{"key": "a", "source": "a.wav"}\n', b'[{"source": "a.wav"}, "b.wav"]', b"a a.wav\n"]
    ),
    st.binary(max_size=200),
)
FOUND = sorted((Path(__file__).parent / "found" / "lists").glob("*.*"))


def ask(model: AutoModel, path: Path) -> None:
    try:
        with sane():
            found = model.generate(str(path), timeout=30)
        assert all(set(one) >= {"key", "text"} for one in found)
    except Refused:
        pass


@given(text=_TEXTS, ending=st.sampled_from(["scp", "txt", "text", "json", "jsonl", "SCP"]))
def test_list_files(
    model: AutoModel, text: bytes, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"list.{ending}"
    path.write_bytes(text)
    ask(model, path)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found(model: AutoModel, path: Path) -> None:
    """Lists that once brought something else than an answer or a typed error."""
    ask(model, path)
