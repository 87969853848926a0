"""Made-up reports of `safeasr bench`, as like real ones as tests and screenshots need."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import soundfile

from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.results import (
    Comparison,
    Counts,
    Difference,
    ErrorKind,
    Report,
    Run,
    Second,
    Tester,
)

__all__ = ["HOSTILE", "SYSTEMS", "long_report", "make_run", "sample_report", "sessions_run"]

FUNASR, SAFEASR = "inproc:funasr", "inproc:safeasr"
SYSTEMS = (FUNASR, SAFEASR)
#: What a transcript or an error may hold, and no page or terminal may act on.
HOSTILE = "</script><script>fail()</script><!-- & \u2028 \x1b[31m\x07 \"'{{data}}"


def _tone() -> str:
    file = io.BytesIO()
    wave = 0.2 * np.sin(np.arange(8000) / 12) * np.hanning(8000)
    soundfile.write(file, wave, 16000, format="FLAC")
    return base64.b64encode(file.getvalue()).decode()


def _seconds(run: Run, level: float, count: int, seed: int, cores: int) -> list[Second]:
    random = np.random.default_rng(seed)
    broken = run.counts.wrong + run.counts.errors > 0
    drift = 1 + 0.25 * np.sin(np.arange(count) / max(8.0, count / 12))
    per_s = run.counts.asked / count
    middle, high = run.latency.p50 or 1.0, run.latency.p95 or 1.0
    line = []
    lively = random.uniform(0.8, 1, (count, cores)).round(3).tolist()
    for t in range(count):
        stall = 3.0 if broken and random.random() < 0.03 else 1.0
        busy = min(1.0, level / 16) * random.uniform(0.9, 1.0)
        line.append(
            Second(
                t=float(t),
                asked=int(random.poisson(per_s)),
                answered=int(random.poisson(per_s / stall)),
                failed=int(random.poisson(run.counts.failed / count)),
                wrong=int(random.poisson(run.counts.wrong / count)),
                refused=int(random.poisson(run.counts.refused / count)),
                in_flight=int(level * random.uniform(0.7, 1)),
                p50=middle * drift[t] * stall * random.uniform(0.9, 1.1),
                p95=high * drift[t] * stall * random.uniform(0.9, 1.2),
                cores=[busy * core for core in lively[t]],
                target_cores=busy * cores * 0.93,
                tester_cores=0.05 * cores * random.uniform(0.5, 1.5),
                memory_mb=1200 + 40 * (1 - math.exp(-t / 30)) + (0.8 * t if broken else 0),
                threads=24 + int(level),
                context_switches=float(random.poisson(2000)),
                throttled=0.0,
                target={
                    "queue_depth": float(random.poisson(level / 4)),
                    "batches_per_s": random.uniform(2, 4),
                },
            )
        )
    return line


def make_run(
    target: str = SAFEASR,
    level: int = 16,
    asked: int = 2000,
    *,
    count: int = 60,
    slower: float = 1.0,
    broken: bool = False,
    seed: int = 1,
    cores: int = 2,
) -> Run:
    """One run in a closed loop.

    Args:
        target: its label.
        level: callers.
        asked: requests.
        count: seconds of the time line.
        slower: factor of all latencies.
        broken: whether answers are wrong and requests fail.
        seed: of the random numbers.
        cores: of the machine.
    """
    random = np.random.default_rng(seed)
    share = 0.03 * math.log2(level) if broken else 0.0
    failed, wrong = int(asked * share), int(asked * share / 3)
    counts = Counts(asked=asked, failed=failed, different=wrong - wrong // 3, swapped=wrong // 3)
    counts.right = asked - failed - wrong
    answered = asked - failed
    middle = 180 * slower * (1 + level / 6)
    latency = summarise(middle * random.lognormal(0, 0.45 if broken else 0.25, max(answered, 1)))
    per_s = answered / count
    run = Run(
        target=target,
        load={"kind": "closed", "label": f"{level} callers", "level": level},
        about={"model": "paraformer-zh", "version": "1.4.14" if broken else "0.1.0"},
        began=1_790_000_000.0,
        duration_s=float(count),
        audio_s=answered * 6.0,
        rtfx=per_s * 6.0,
        per_s=per_s,
        counts=counts,
        latency=latency,
        latency_sent=latency,
        memory_slope_mb_h=[2880.0, 2700.0, 3010.0] if broken else [12.0, -9.0, 33.0],
        bottleneck="The processors: all 2 cores were 97 % busy, and the queue grew.",
        notes=["A closed loop cannot see stalls: callers wait for the target."],
    )
    if broken:
        run.errors = [
            ErrorKind("IndexError", failed - failed // 4, "index 12 is out of bounds", 3.2),
            ErrorKind("RuntimeError", failed // 4, "The size of tensor a (93) must match b", 7.9),
        ]
        run.differences = [
            Difference(
                "zh-003.wav",
                "different",
                "今天天气很好,我们去公园",
                "今天天气我们去公园吧",
                wrong,
                4.1,
            ),
            Difference(
                "en-001.flac",
                "swapped",
                "the quick brown fox jumps over the lazy dog",
                "a stitch in time saves nine",
                wrong // 3,
                9.5,
                whose="en-007.flac",
                audio=_tone(),
            ),
        ]
        run.accuracy = Comparison("character", 0.041, 0.093, 16)
    else:
        run.accuracy = Comparison("character", 0.041, 0.041, 16)
    run.seconds = _seconds(run, level, count, seed, cores)
    return run


def sessions_run(target: str = SAFEASR, level: int = 32, seed: int = 5) -> Run:
    """One run of live sessions, begun by a schedule that the tester could not quite keep."""
    random = np.random.default_rng(seed)
    run = make_run(target, level, 400, seed=seed)
    run.load = {"kind": "sessions", "label": f"{level} sessions", "level": level, "mode": "2pass"}
    run.first_partial = summarise(700 * random.lognormal(0, 0.2, 400))
    run.first_final = summarise(2900 * random.lognormal(0, 0.2, 400))
    run.second_pass = summarise(350 * random.lognormal(0, 0.4, 400))
    run.chunk = summarise(90 * random.lognormal(0, 0.5, 12_000))
    run.latency_sent = summarise(300 * random.lognormal(0, 0.4, 400))
    run.real_time = 0.985
    run.tester = Tester(0.4, 11.0, 180.0, held_back=3, processes=2)
    return run


def sample_report() -> Report:
    """FunASR beside safeasr at four levels, and live sessions; everything a report can hold."""
    runs = [
        make_run(
            target,
            level,
            600 + 100 * level,
            slower=1.0 if target == SAFEASR else 1.9,
            broken=target == FUNASR and level > 1,
            seed=level,
        )
        for level in (1, 4, 16, 64)
        for target in SYSTEMS
    ]
    runs.append(sessions_run())
    runs[-2].tester = Tester(5.0, 240.0, 900.0, 0, 1, False, "the tester sent 240 ms late (p95)")
    runs[2].differences[0].expected += HOSTILE
    runs[2].errors[0].first += HOSTILE
    return Report(
        title="FunASR beside safeasr, 1 to 64 callers",
        command="safeasr bench --target inproc:funasr --target inproc:safeasr --callers 1,4,16,64",
        environment={
            "cpu": "Intel Xeon Platinum 8481C",
            "cores": 2,
            "memory_gb": 15.6,
            "python": "3.11.2",
            "torch": "2.13.0",
            "safeasr": "0.1.0",
            "system": "Linux 6.1",
            "gpus": [],
        },
        clips={"count": 16, "seconds": 98.4, "from": "synthetic"},
        runs=runs,
        found=[
            {
                "target": SAFEASR,
                "goal": "p95<600ms,errors=0,identical",
                "level": 12,
                "unit": "callers",
                "tried": [[1, True], [16, False], [8, True], [12, True], [14, False]],
            },
            {
                "target": FUNASR,
                "goal": "p95<600ms,identical",
                "level": None,
                "unit": "callers",
                "tried": [[1, False]],
            },
        ],
    )


def long_report(requests: int = 1_000_000, hours: float = 1.0, cores: int = 2) -> Report:
    """Two systems for hours, a million requests in all."""
    count = int(3600 * hours)
    runs = [
        make_run(target, 16, requests // 2, count=count, broken=target == FUNASR, cores=cores)
        for target in SYSTEMS
    ]
    return Report(title="A long one", command="safeasr bench --duration 1h", runs=runs)
