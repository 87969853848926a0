"""What live sessions say: clips with pauses between them, as people speak who also listen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.errors import InputError

__all__ = ["scripts"]

#: Each script is said alone first, so nobody wants thousands.
MOST: Final = 64


def scripts(clips: Sequence[Clip], count: int, seconds: float, seed: int = 0) -> list[Clip]:
    """Scripts, each of clips that have the same options: a session has one set of them.

    Args:
        clips: to choose from.
        count: how many different scripts; more if the clips have more different options.
        seconds: their length, roughly: one that would be longer begins no other clip.
        seed: of the choice.

    Returns:
        clips of their own; the reference is there if all that is said has one.

    Raises:
        InputError: the clips have too many different options.
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        key = json.dumps(clip.options, sort_keys=True, default=repr)
        groups.setdefault(key, []).append(clip)
    if len(groups) > MOST:
        raise InputError(
            f"the clips have {len(groups)} different sets of options, and a session has one for "
            f"all that is said in it: at most {MOST} are possible; --limit takes fewer clips"
        )
    random = np.random.default_rng(seed)
    chosen = list(groups.values())
    return [
        _script(number, chosen[number % len(chosen)], seconds, random)
        for number in range(max(count, len(chosen)))
    ]


def _script(
    number: int, clips: Sequence[Clip], seconds: float, random: np.random.Generator
) -> Clip:
    parts: list[NDArray[np.float32]] = []
    said: list[str | None] = []
    length = 0
    for place, which in enumerate(random.permutation(np.arange(8 * len(clips)) % len(clips))):
        clip = clips[int(which)]
        if length and length + len(clip.samples) > seconds * SAMPLE_RATE:
            break
        if place:
            # Not zeros, which no microphone gives.
            pause = int(random.uniform(0.4, 2.0) * SAMPLE_RATE)
            parts.append((1e-4 * random.standard_normal(pause)).astype(np.float32))
            length += pause
        parts.append(clip.samples)
        said.append(clip.reference)
        length += len(clip.samples)
    known = [text for text in said if text is not None]
    return Clip(
        f"script {number}",
        np.concatenate(parts),
        reference=" ".join(known) if len(known) == len(said) else None,
        options=clips[0].options,
    )
