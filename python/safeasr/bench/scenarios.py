"""Loads that show a fault by which recognisers are known: the founding cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.audio.scripts import scripts
from safeasr.bench.campaign import Campaign
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.targets.base import Options

__all__ = ["options_that_leak", "streaming_vad"]

_Targets = Sequence[tuple[str, Options]]

#: FunASR's README streams a detector in chunks of this length.
VAD_CHUNK_MS = 200


def streaming_vad(
    targets: _Targets,
    sessions: Sequence[int],
    rounds: int,
    *,
    timeout_s: float = 60.0,
    seed: int = 0,
    command: str = "",
) -> Campaign:
    """One detector for many streams, each with a cache of its own, as fast as it answers.

    Args:
        targets: with a detector as their model.
        sessions: how many at the same time.
        rounds: recordings of each session.
        timeout_s: until a session counts as lost.
        seed: of what is said.
        command: the command line, for the report.
    """
    spoken = scripts(embedded_clips("demo"), 8, 12.0, seed)
    options = {"chunk_size": VAD_CHUNK_MS, "max_end_silence_time": 300}
    clips = [replace(clip, reference=None, options=options) for clip in spoken]
    return Campaign(
        title="One detector, many streams, a cache of its own for each",
        command=command,
        targets=targets,
        clips=clips,
        loads=[
            Load(Sessions(n, 1.0, VAD_CHUNK_MS, paced=False, rounds=rounds), timeout_s, seed)
            for n in sessions
        ],
        source="the package's own, with pauses between them",
    )


def options_that_leak(
    targets: _Targets,
    callers: Sequence[int],
    requests: int,
    *,
    timeout_s: float = 60.0,
    seed: int = 0,
    command: str = "",
) -> Campaign:
    """One detector; some callers say how long a pause ends a segment, others take the model's word.

    FunASR keeps what one call says in the model, where the next call finds it.

    Args:
        targets: with a detector as their model.
        callers: how many at the same time.
        requests: calls in all.
        timeout_s: until a call counts as lost.
        seed: of what is said.
        command: the command line, for the report.
    """
    spoken = scripts(embedded_clips("demo"), 4, 12.0, seed)
    # Those that name no time are asked for first: once another has, FunASR answers them with it,
    # alone as well.
    own: dict[str, object] = {"dynamic_silence": False}
    clips = [replace(clip, reference=None, options=own) for clip in spoken]
    for pause in (200, 1000):
        own = {"max_end_silence_time": pause}
        clips += [
            replace(clip, name=f"{clip.name}, pause {pause} ms", reference=None, options=own)
            for clip in spoken
        ]
    return Campaign(
        title="Every call with options of its own",
        command=command,
        targets=targets,
        clips=clips,
        loads=[Load(Closed(n, None, requests), timeout_s, seed) for n in callers],
        source="the package's own, with and without an option",
    )
