"""What a run found, as it stands in the JSON file: plain numbers, strings, lists and dicts.

All times within a run are seconds after its load began, all latencies ms. What is not known is
None, and what was not measured is an empty list or dict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "FORMAT",
    "Comparison",
    "Counts",
    "Difference",
    "ErrorKind",
    "Latency",
    "Report",
    "Run",
    "Second",
    "Tester",
]

#: Changes when a reader of older files would be wrong.
FORMAT = 1


@dataclass
class Latency:
    """The distribution of one kind of latency, in ms.

    Attributes:
        samples: how many were measured.
        p50, p90, p95, mean, max: None without samples.
        p99: None below 1,000 samples, p999 below 10,000: too few lie above it to say anything.
        bins: number of samples in each bin; bin k holds latencies from 0.01 * 1.02**k ms up to the
            next bin's; from the first bin that is not empty.
        first_bin: number of the first of `bins`.
    """

    samples: int = 0
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    mean: float | None = None
    max: float | None = None
    bins: list[int] = field(default_factory=list)
    first_bin: int = 0


@dataclass
class Counts:
    """What became of the requests: of calls, or of utterances of sessions.

    `right` and all that follow add up to `asked`.

    Attributes:
        asked: requests that were begun.
        right: answered as the target answers alone (or, without that, answered).
        different: answered with another text or other times than alone.
        swapped: answered with what another clip gives.
        empty: answered with nothing, where alone there is something.
        doubled: answered more than once, or with several results.
        lost: never answered, within the time limit.
        failed: ended with an error.
        refused: the target said that it is full.
    """

    asked: int = 0
    right: int = 0
    different: int = 0
    swapped: int = 0
    empty: int = 0
    doubled: int = 0
    lost: int = 0
    failed: int = 0
    refused: int = 0

    @property
    def wrong(self) -> int:
        """Answers that are not the right ones, without an error that says so."""
        return self.different + self.swapped + self.empty + self.doubled

    @property
    def errors(self) -> int:
        """Requests that ended with an error or never."""
        return self.failed + self.lost


@dataclass
class ErrorKind:
    """Errors of one kind.

    Attributes:
        kind: the type's name or the HTTP status.
        count: how many there were.
        first: message of the first one.
        at: when that was.
        refusal: whether the target only said that it is full.
    """

    kind: str
    count: int
    first: str
    at: float
    refusal: bool = False


@dataclass
class Difference:
    """One clip that was answered otherwise than alone.

    Attributes:
        clip: its name.
        kind: "different", "swapped", "empty" or "doubled".
        expected, got: what the target says alone, and the first other answer.
        whose: of "swapped": the clip that gives this answer.
        count: how many answers of this clip differed, in all.
        at: when the first one was asked for.
        audio: the clip as a base64 of FLAC or MP3, for the report to play; None if left out.
    """

    clip: str
    kind: str
    expected: str
    got: str
    count: int
    at: float
    whose: str | None = None
    audio: str | None = None


@dataclass
class Comparison:
    """Answers beside references: error rates over all answers, by jiwer.

    Attributes:
        unit: "word" or "character" (Chinese, Japanese, Thai).
        alone, loaded: error rate of the answers alone and under load, 0.05 = 5 %; None without any.
        references: clips that have one.
    """

    unit: str
    alone: float | None
    loaded: float | None
    references: int


@dataclass
class Second:
    """One second of the load and of the machine.

    Attributes:
        t: its beginning.
        width: how many seconds it stands for; more than 1 only in the HTML file's time line, where
            counts are those of all of them (see :func:`safeasr.bench.report.thin.thin_seconds`).
        asked, answered, failed, refused, wrong: requests that began, or ended so, in this second.
        in_flight: requests under way at its end.
        p50, p95: latency in ms of those that were answered in it; None without any.
        cores: of all processors, how busy each was, 0 to 1.
        target_cores, tester_cores: processor seconds per second of the target's processes and of
            the tester's; None where not known. In process, both are the same.
        memory_mb: resident memory of the target's processes.
        threads, context_switches: of the target's processes; the latter per second.
        throttled: share of the second in which a cgroup's limit held the processes up.
        gpu, gpu_memory_mb: utilisation 0 to 1 and memory of the busiest GPU.
        target: gauges and rates per second of the target itself, by name.
    """

    t: float
    asked: int = 0
    answered: int = 0
    failed: int = 0
    refused: int = 0
    wrong: int = 0
    in_flight: int = 0
    p50: float | None = None
    p95: float | None = None
    cores: list[float] = field(default_factory=list)
    target_cores: float | None = None
    tester_cores: float | None = None
    memory_mb: float | None = None
    threads: int | None = None
    context_switches: float | None = None
    throttled: float | None = None
    gpu: float | None = None
    gpu_memory_mb: float | None = None
    target: dict[str, float] = field(default_factory=dict)
    width: float = 1.0


@dataclass
class Tester:
    """Whether the figures are the target's: how late the tester itself was.

    Attributes:
        late_p50_ms, late_p95_ms, late_max_ms: between the moment that was planned and the one when
            the request left; None in a closed loop, which plans none.
        held_back: requests that waited because as many were under way as the tester can have.
        processes: how many generated the load.
        valid: False if the tester was the bottleneck, and `reason` says why.
    """

    late_p50_ms: float | None = None
    late_p95_ms: float | None = None
    late_max_ms: float | None = None
    held_back: int = 0
    processes: int = 1
    valid: bool = True
    reason: str = ""


@dataclass
class Run:
    """One load on one target.

    Attributes:
        target: as the user wrote it.
        load: kind ("closed", "rate", "ramp", "sessions") and its settings; always with `label`,
            such as "16 callers" or "5 requests/s", and `level`, the number that grows.
        about: what the target said of itself.
        began: Unix time; `duration_s`: until the last answer.
        audio_s: audio of the requests that were answered; `rtfx`: that by duration;
            `per_s`: answered requests by duration.
        latency: from the planned moment; `latency_sent`: from the moment of sending. In a closed
            loop both are the same. Of sessions: from the end of what was said to the last answer.
        first_partial, first_final, second_pass: of sessions, from the moment when the session
            began to speak to the first partial text, to the first final sentence, and from the end
            of what was said to the last sentence of the second pass.
        chunk: of sessions whose every chunk is answered, from the chunk's planned end.
        real_time: share of sessions that kept real time; None without sessions.
        seconds: the time line.
        memory_slope_mb_h: growth of the target's memory in MB per hour with its 95 % confidence
            interval [slope, low, high]; None for runs under a minute.
        bottleneck: one sentence that says what held the load up, and why one thinks so.
        notes: what a reader must know, such as that a closed loop cannot see stalls.
    """

    target: str
    load: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)
    began: float = 0.0
    duration_s: float = 0.0
    audio_s: float = 0.0
    rtfx: float = 0.0
    per_s: float = 0.0
    counts: Counts = field(default_factory=Counts)
    latency: Latency = field(default_factory=Latency)
    latency_sent: Latency = field(default_factory=Latency)
    first_partial: Latency = field(default_factory=Latency)
    first_final: Latency = field(default_factory=Latency)
    second_pass: Latency = field(default_factory=Latency)
    chunk: Latency = field(default_factory=Latency)
    real_time: float | None = None
    errors: list[ErrorKind] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    accuracy: Comparison | None = None
    tester: Tester = field(default_factory=Tester)
    seconds: list[Second] = field(default_factory=list)
    memory_slope_mb_h: list[float] | None = None
    bottleneck: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All runs of one command.

    Attributes:
        title: what was done, in a few words.
        command: the command line.
        environment: machine and versions.
        clips: how many, their length in all in seconds, and where they came from.
        runs: in the order they ran.
        found: of `--find-max`, for each target: {"target", "goal", "level", "unit", "tried":
            [[level, held?], ...]}.
        interrupted: whether Ctrl-C ended it early.
        failed: targets that could not be used, or died: {"target", "message"}.
    """

    title: str
    command: str
    environment: dict[str, Any] = field(default_factory=dict)
    clips: dict[str, Any] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    failed: list[dict[str, str]] = field(default_factory=list)
    format: int = FORMAT
