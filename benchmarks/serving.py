"""What `safeasr serve` costs beside the library called in the same way, in alternating rounds.

    python -m benchmarks.serving [--rounds 5] [--utterances 32] [--demo]

`safeasr bench` asks both for the same utterances: the library in the tester's own process, the
server by OpenAI's protocol on the same machine. So the cost of the tester's HTTP client counts as
the server's. Throughput with 16 callers, and the latency of one recording of 5 s from one caller.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import safeasr
from benchmarks.common.audio import long_clips
from benchmarks.common.models import full_size_model
from benchmarks.common.server import served
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.findings.results import Run
from safeasr.bench.load.fleet import Fleet
from safeasr.bench.load.loads import Closed, Load
from safeasr.bench.targets.audio_bytes import pcm16
from safeasr.bench.targets.base import Options

CALLERS = 16
#: Requests of the one caller in a round.
ALONE = 30
_WARM_CLIPS = 4
_TIMEOUT_S = 900.0


def _as_sent(clip: Clip) -> Clip:
    """In 16 bits, as servers get it: networks may hear the difference."""
    return Clip(clip.name, np.frombuffer(pcm16(clip.samples), "<i2").astype(np.float32) / 32768)


def _load(fleet: Fleet, callers: int, requests: int, clips: list[Clip]) -> Run:
    load = Load(Closed(callers, None, requests), _TIMEOUT_S)
    run, _ = figures_of(fleet.spec, load, fleet.run(load), clips)
    if run.errors:
        raise SystemExit(f"{fleet.spec}: {run.errors}")
    return run


def measure(model: str, clips: list[Clip], short: Clip, rounds: int) -> list[dict[str, Any]]:
    """Medians of rounds: the library's, then the server's.

    Args:
        model: name or directory.
        clips: what 16 callers say, each once a round.
        short: what one caller says.
        rounds: of each.
    """
    with served("--model", model) as server:
        library = Options(model=model, model_options={"device": "cpu"}, threads=CALLERS)
        targets = {
            "library": ("inproc:safeasr", library),
            "server": (server.url, Options(threads=CALLERS)),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in targets}
        texts: dict[str, list[str]] = {}
        # A fleet says its own clips only: two for each, one of which is idle.
        fleets = {
            name: [Fleet(spec, options, one).__enter__() for one in (clips, [short])]
            for name, (spec, options) in targets.items()
        }
        try:
            for name, (many, alone) in fleets.items():
                answers = many.alone(None, _TIMEOUT_S).answers
                # In process, blanks between characters are left out.
                texts[name] = [one.text.replace(" ", "") for one in answers if one is not None]
                alone.alone(None, _TIMEOUT_S, clips=_WARM_CLIPS)
            if texts["library"] != texts["server"]:
                raise SystemExit("the server's texts are not the library's")
            for _ in range(rounds):
                for name, (many, alone) in fleets.items():
                    rtfx = _load(many, CALLERS, len(clips), clips).rtfx
                    latency = _load(alone, 1, ALONE, [short]).latency
                    found[name].append((rtfx, latency.p50 or 0.0))
        finally:
            for pair in fleets.values():
                for fleet in pair:
                    fleet.close()
    return [
        {
            "system": name,
            "rtfx": round(statistics.median(rtfx for rtfx, _ in taken), 2),
            "p50_ms": round(statistics.median(p50 for _, p50 in taken), 2),
            "rounds": [{"rtfx": rtfx, "p50_ms": p50} for rtfx, p50 in taken],
        }
        for name, taken in found.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=32)
    parser.add_argument("--demo", action="store_true", help="the embedded model")
    arguments = parser.parse_args()
    if arguments.demo:
        # By its directory: by its name a server adds what else is embedded.
        name, model = "demo", str(Path(safeasr.__file__).parent / "models" / "demo")
        kind, clips = "the demo's recordings", embedded_clips("demo")
    else:
        name, model = "Paraformer-large", str(full_size_model())
        kind, clips = long_clips(arguments.utterances)
    clips = [_as_sent(clip) for clip in clips]
    short = _as_sent(long_clips(1, 5.0, 5.0)[1][0])
    systems = measure(model, clips, short, arguments.rounds)
    rtfx = systems[1]["rtfx"] / systems[0]["rtfx"]
    more = systems[1]["p50_ms"] - systems[0]["p50_ms"]
    table = Table(title=f"{name}, {kind}, {arguments.rounds} alternating rounds")
    for column in ("", f"RTFx, {CALLERS} callers", "p50 of 5 s, one caller, ms"):
        table.add_column(column)
    for row in systems:
        table.add_row(row["system"], f"{row['rtfx']:.1f}", f"{row['p50_ms']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"server to library: {rtfx:.3f} of the RTFx, {more:+.1f} ms", highlight=False)


if __name__ == "__main__":
    main()
