"""Every family there is, as the suites that take all of them need it.

What a family has to say for itself is ``CASE`` in ``tests/families/<family>/case.py``.
"""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel
from safeasr.families import family_of_class, model_classes
from safeasr.families.base import Family
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech

__all__ = [
    "CASES",
    "FamilyCase",
    "LiveJob",
    "export_all",
    "live_answers",
    "of_all",
    "of_calls",
    "of_streams",
    "plain",
    "said",
    "whole_and_live",
]

#: Pieces of a stream, whether it ends with them, and its options.
LiveJob = tuple[list[tuple[Samples, bool]], dict[str, Any]]
_DETECTED = re.compile(r"^(detected \S+ )(\S+)$")
#: In seconds: from less than a frame of the networks to many.
_LENGTHS = (0.05, 0.2, 0.7, 1.1, 1.9, 2.4, 3.3, 5.2)
#: Names of vectors in results.
VECTORS = ("spk_embedding", "feats")


@dataclass(frozen=True)
class FamilyCase:
    """A family under test.

    Attributes:
        name: the family's.
        model_class: FunASR's.
        shapes: what makes a small model directory with random weights, by names of shapes; the
            first is the usual one.
        calls: options of ``generate``, for whole recordings; empty if it takes none.
        live: a number of streams, all different, if it takes streams.
        clip: a recording of so many seconds, by a seed.
        lengths: of recordings that bring different answers, in s.
        shortest: what it answers at least, in s.
        graphs: its steps can be recorded as graphs.
        text: it takes text; its recordings are texts, the longer the more words.
        pairs: it takes recordings with texts; its recordings are such pairs.
        published: the only weights that FunASR takes, by a name that both know; "" where it takes
            any.
        encoder: its config.yaml has an ``encoder_conf``, and a ``frontend_conf`` if it takes audio.
    """

    name: str
    model_class: str
    shapes: Mapping[str, Callable[[Path], Path]]
    calls: Sequence[dict[str, Any]] = ()
    live: Callable[[int], list[LiveJob]] | None = None
    clip: Callable[[float, int], Any] = speech
    lengths: Sequence[float] = _LENGTHS
    shortest: float = 0.0
    graphs: bool = False
    text: bool = False
    pairs: bool = False
    published: str = ""
    encoder: bool = True

    @property
    def family(self) -> Family:
        """The family itself."""
        return family_of_class(self.model_class)

    @property
    def reduced(self) -> tuple[str, ...]:
        """The precisions that it has beside float32."""
        return tuple(one for one in self.family.precisions if one != "float32")

    def write(self, path: Path) -> Path:
        """A small model directory of the usual shape; made once a process."""
        made, inside, files = _usual_directory(self.name)
        for name, content in files.items():
            if name.suffix == ".yaml":  # some name their files whole
                content = content.replace(str(made).encode(), str(path).encode())
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path / inside

    def given(self, clip: Samples) -> Any:
        """The recording itself, or a text or a pair of a length like that."""
        return self.clip(len(clip) / 16000, len(clip)) if self.text or self.pairs else clip

    def together(self, clips: Sequence[Any]) -> Any:
        """Several recordings as one input: a list, or the columns of pairs."""
        return tuple(map(list, zip(*clips))) if self.pairs else list(clips)

    def clips(self) -> list[Any]:
        """Recordings with different answers."""
        return [self.clip(seconds, seed) for seed, seconds in enumerate(self.lengths)]

    def jobs(self) -> list[tuple[Any, dict[str, Any]]]:
        """Each recording with all options of calls."""
        return [(clip, options) for clip in self.clips() for options in self.calls]


def _case_of(family: str) -> FamilyCase:
    case = importlib.import_module(f"families.{family}.case").CASE
    assert isinstance(case, FamilyCase)
    assert case.name == family
    return case


def said(result: Mapping[str, Any]) -> str:
    """What a result says: its text, the segments of a detector, a label, what a vector points to.

    An embedding's numbers are rounded in other ways by other kernels, its signs hardly ever are;
    of a keyword's score some digits stay. Where there are many vectors, those of their mean.
    """
    for name in VECTORS:
        if isinstance(result.get(name), str):  # made plain before
            return str(result[name])
        if name in result:
            numbers = torch.as_tensor(result[name])
            mean = numbers.reshape(-1, numbers.shape[-1]).mean(0)
            return "".join("-+"[number > 0] for number in mean.tolist())
    if "scores" in result:
        if isinstance(result["scores"], str):
            return str(result["scores"])
        return str(max(zip(result["scores"], result["labels"], strict=True))[1])
    text = _rounded(str(result["text"] if "text" in result else result["value"]))
    return f"{text}, {_rounded(result['text2'])}" if "text2" in result else text


def _rounded(text: str) -> str:
    """A text; the score of a keyword in two digits."""
    return _DETECTED.sub(lambda found: f"{found[1]}{float(found[2]):.2f}", text)


def plain(results: Any) -> Any:
    """Results that can be compared and written as JSON: tensors as lists, or as what they say."""
    if isinstance(results, torch.Tensor):
        return results.tolist()
    if isinstance(results, (list, tuple)):
        return [plain(one) for one in results]
    if isinstance(results, dict):
        found = {
            name: _rounded(value) if name in ("text", "text2") else plain(value)
            for name, value in results.items()
        }
        for name in {*VECTORS, "scores"} & results.keys():
            found[name] = said(results)
        return found
    return results


def live_answers(model: AutoModel, job: LiveJob) -> list[str]:
    """What each piece of a stream brings, through ``generate(cache=...)``."""
    pieces, options = job
    cache: dict[str, Any] = {}
    return [
        said(model.generate(piece, cache=cache, is_final=is_final, **options)[0])
        for piece, is_final in pieces
    ]


def whole_and_live(model: AutoModel, recording: Any, live: bool) -> list[Any]:
    """What a model says of a recording, at once and in pieces, as JSON can have it."""
    found = [model.generate(recording, key="one")]
    if live:
        with model.stream(key="one") as stream:
            found += [stream.feed(piece) for piece in np.array_split(recording, 7)]
            found.append(stream.finish())
    return [plain(one) for one in found]


@cache
def _usual_directory(family: str) -> tuple[Path, Path, dict[Path, bytes]]:
    """A directory that is gone again: where it was, where in it the model lay, and its files."""
    write = next(iter(_case_of(family).shapes.values()))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        inside = write(root).relative_to(root)
        files = [path for path in root.rglob("*") if path.is_file()]
        return root, inside, {path.relative_to(root): path.read_bytes() for path in files}


CASES = [_case_of(name) for name in dict.fromkeys(family_of_class(c).name for c in model_classes())]


def export_all(make_folder: Callable[[str], Path]) -> dict[str, Path]:
    """A bundle of the usual shape of every family, by its name."""
    return {case.name: Path(open_bundle(case.write(make_folder(case.name))).path) for case in CASES}


def _parametrized(cases: list[FamilyCase]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def of_all(wanted: Callable[[FamilyCase], Any] = lambda case: True) -> pytest.MarkDecorator:
    """A test of every family, or of those that are wanted."""
    return _parametrized([case for case in CASES if wanted(case)])


def of_calls(wanted: Callable[[FamilyCase], Any] = lambda case: True) -> pytest.MarkDecorator:
    """A test of every family that takes whole recordings."""
    return of_all(lambda case: case.calls and wanted(case))


def of_streams(wanted: Callable[[FamilyCase], Any] = lambda case: True) -> pytest.MarkDecorator:
    """A test of every family that takes live streams."""
    return of_all(lambda case: case.live and wanted(case))
