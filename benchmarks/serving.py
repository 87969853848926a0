"""What `safeasr serve` costs beside the library called in the same way, in alternating rounds.

    python -m benchmarks.serving [--rounds 5] [--utterances 32] [--demo]

Throughput with 16 callers by `safeasr bench`: the library in the tester's own process, the server
by OpenAI's protocol on the same machine. The latency of one recording of 5 s from one caller who
asks one and then the other, so that the machine's moods meet both alike. The cost of the HTTP
client counts as the server's.
"""

from __future__ import annotations

import argparse
import operator
import statistics
import time
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

import safeasr
from benchmarks.common.audio import long_clips
from benchmarks.common.models import full_size_model
from benchmarks.common.server import Served, served
from safeasr import AutoModel
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.load.fleet import Fleet
from safeasr.bench.load.loads import Closed, Load
from safeasr.bench.targets.audio_bytes import pcm16, wav
from safeasr.bench.targets.base import Options

CALLERS = 16
#: Requests of the one caller in a round, to each.
ALONE = 30
_WARM = 4
_TIMEOUT_S = 900.0

#: In ms: all of it, and that of it in which the network did not run. How fast that runs differs by
#: some ms from process to process, of the same program.
Latency = tuple[float, float]


def _as_sent(clip: Clip) -> Clip:
    """In 16 bits, as servers get it: networks may hear the difference."""
    return Clip(clip.name, np.frombuffer(pcm16(clip.samples), "<i2").astype(np.float32) / 32768)


def _rtfx(fleet: Fleet, clips: list[Clip]) -> float:
    load = Load(Closed(CALLERS, None, len(clips)), _TIMEOUT_S)
    run, _ = figures_of(fleet.spec, load, fleet.run(load), clips)
    if run.errors:
        raise SystemExit(f"{fleet.spec}: {run.errors}")
    return run.rtfx


def throughput(model: str, url: str, clips: list[Clip], rounds: int) -> dict[str, list[float]]:
    """RTFx of 16 callers, by turns.

    Args:
        model: name or directory.
        url: of a server of the same model.
        clips: what they say, each once a round.
        rounds: of each.
    """
    library = Options(model=model, model_options={"device": "cpu"}, threads=CALLERS)
    server = Options(threads=CALLERS)
    found: dict[str, list[float]] = {"library": [], "server": []}
    with Fleet("inproc:safeasr", library, clips) as own, Fleet(url, server, clips) as other:
        fleets = dict(zip(found, (own, other), strict=True))
        # In process, blanks between characters are left out.
        texts = [
            [one.text.replace(" ", "") for one in fleet.alone(None, _TIMEOUT_S).answers if one]
            for fleet in fleets.values()
        ]
        if texts[0] != texts[1]:
            raise SystemExit("the server's texts are not the library's")
        for _ in range(rounds):
            for name, fleet in fleets.items():
                found[name].append(_rtfx(fleet, clips))
    return found


def latencies(model: str, server: Served, short: Clip, count: int) -> dict[str, list[Latency]]:
    """Those of one caller, by turns.

    Args:
        model: name or directory.
        server: of the same model.
        short: what is said.
        count: how often, to each.
    """
    body = wav(short.samples)
    path = f"{server.url}/v1/audio/transcriptions"
    fields = {"model": "whisper-1", "response_format": "verbose_json"}
    with AutoModel(model, device="cpu", disable_pbar=True) as own, httpx.Client(timeout=60) as http:

        def ask() -> None:
            http.post(path, files={"file": ("a.wav", body)}, data=fields).raise_for_status()

        def computed() -> float:
            return float(sum(one["run_seconds"] for one in server.stats()["models"].values()))

        asked = {
            "library": (lambda: own.generate(short.samples), lambda: own.stats()["run_seconds"]),
            "server": (ask, computed),
        }
        found: dict[str, list[Latency]] = {name: [] for name in asked}
        for _ in range(_WARM + count):
            for name, (call, network) in asked.items():
                before, began = network(), time.perf_counter()
                call()
                took = time.perf_counter() - began
                found[name].append((1000 * took, 1000 * (took - network() + before)))
    return {name: taken[_WARM:] for name, taken in found.items()}


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
    with served("--model", model) as server:
        rtfx = throughput(model, server.url, clips, arguments.rounds)
        alone = latencies(model, server, short, arguments.rounds * ALONE)
    columns = (
        "",
        f"RTFx, {CALLERS} callers",
        "one caller, 5 s: p50, ms",
        "of which beside the network, ms",
    )
    table = Table(*columns, title=f"{name}, {kind}, {arguments.rounds} alternating rounds")
    for system in rtfx:
        whole, beside = map(statistics.median, zip(*alone[system], strict=True))
        speed = statistics.median(rtfx[system])
        table.add_row(system, f"{speed:.1f}", f"{whole:.1f}", f"{beside:.2f}")
    ratio = statistics.median(map(operator.truediv, rtfx["server"], rtfx["library"]))
    console = Console()
    console.print(table)
    console.print(f"server to library: {ratio:.3f} of the RTFx", highlight=False)


if __name__ == "__main__":
    main()
