"""One recording, or text, in all the forms in which it may be given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

__all__ = ["FOR_FUNASR", "Stream", "forms_of"]


@dataclass(frozen=True)
class Stream:
    """A live recording: its pieces, and with each whether it is the last."""

    pieces: Sequence[tuple[Any, bool]]

    def noisy(self, seed: int, share: float) -> Stream:
        """With noise of a share of each piece's loudness."""
        random = np.random.default_rng(seed)
        return Stream(
            [
                ((one + random.standard_normal(len(one)) * share * _loudness(one)), last)
                for one, last in self.pieces
            ]
        )


def _loudness(piece: Any) -> float:
    return float(piece.std()) if len(piece) else 0.0


#: A recording or text, and a folder for files, to what ``generate`` is given.
Form = Callable[[Any, Path], Any]


def _wav(clip: Any, folder: Path) -> str:
    path = folder / "clip.wav"
    soundfile.write(path, clip, 16000, subtype="FLOAT")
    return str(path)


def _flac(clip: Any, folder: Path) -> str:
    path = folder / "clip.flac"
    soundfile.write(path, clip, 16000, subtype="PCM_24")
    return str(path)


def _scp(clip: Any, folder: Path) -> str:
    path = folder / "list.scp"
    path.write_text(f"first {_wav(clip, folder)}\nsecond {_wav(clip, folder)}\n")
    return str(path)


def _int16(clip: Any, _folder: Path) -> Any:
    return (np.clip(clip, -1, 1) * 32767).astype(np.int16)


def _divided(clip: Any, folder: Path) -> Any:
    return _int16(clip, folder).astype(np.float32) / 32768


def _bytes(clip: Any, folder: Path) -> bytes:
    return Path(_wav(clip, folder)).read_bytes()


AUDIO: dict[str, Form] = {
    "array": lambda clip, _: clip.copy(),
    "tensor": lambda clip, _: torch.from_numpy(clip.copy()),
    "int16": _int16,
    "list": lambda clip, _: [clip.copy(), clip[: len(clip) // 2].copy()],
    ".wav": _wav,
    ".flac": _flac,
    ".scp": _scp,
    "bytes": _bytes,
}


#: What FunASR is given in a form's place.
FOR_FUNASR: dict[str, Form] = {"int16": _divided}


def _text_file(text: Any, folder: Path) -> str:
    path = folder / "texts.txt"
    path.write_text("".join(f"{i} {' '.join(text.split())}\n" for i in (1, 2)), "utf-8")
    return str(path)


TEXT: dict[str, Form] = {
    "str": lambda text, _: text,
    "list": lambda text, _: [text, text[: len(text) // 2] or text],
    ".txt": _text_file,
}


def _columns(pair: Any, folder: Path) -> Any:
    wave, text = pair
    return [wave.copy(), wave[: len(wave) // 2].copy()], [text, text[: len(text) // 2] or text]


def _lists(pair: Any, folder: Path) -> Any:
    return _scp(pair[0], folder), _text_file(pair[1], folder)


def _text_path(pair: Any, folder: Path) -> Any:
    path = folder / "clip.lab"
    path.write_text(f"{pair[1]}\n", "utf-8")
    return _wav(pair[0], folder), str(path)


PAIRS: dict[str, Form] = {
    "array, str": lambda pair, _: (pair[0].copy(), pair[1]),
    "tensor, str": lambda pair, _: (torch.from_numpy(pair[0].copy()), pair[1]),
    "bytes, str": lambda pair, folder: (_bytes(pair[0], folder), pair[1]),
    ".wav, .lab": _text_path,
    "lists": _columns,
    ".scp, .txt": _lists,
}


STREAM: dict[str, Form] = {"pieces in a cache": lambda stream, _: stream}


def forms_of(*, text: bool, stream: bool = False, pairs: bool = False) -> dict[str, Form]:
    """The forms of a family's input, by their names in the table."""
    if pairs:
        return PAIRS
    if stream:
        return STREAM
    return TEXT if text else AUDIO
