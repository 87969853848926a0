"""`safeasr bench` beside another load generator on the same server: do they measure the same?

    pip install mlcommons-loadgen
    python -m benchmarks.crosscheck [--rate 60] [--seconds 60] [--rounds 3]

MLPerf's load generator (scenario "Server": Poisson arrivals, latency from the scheduled moment) and
``safeasr bench --rate`` ask one HTTP server in turn. The server is made up: it takes 50 ms for each
recording, eight at a time, so that nothing but the testers differs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import soundfile

ROOT = Path(__file__).parents[1]
SERVER = """
import sys
from support.bench_servers import Behaviour, HttpServer
with HttpServer(Behaviour(service_s=0.05, workers=8)) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
SPOKEN = ROOT / "python" / "safeasr" / "models" / "demo" / "audio" / "05.flac"


def by_safeasr(clip: Path, url: str, rate: float, seconds: float, seed: int) -> dict[str, float]:
    """Throughput in requests/s, p50 and p95 in ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "safeasr", "bench", str(clip), "--target", url]
        command += ["--rate", str(rate), "--seconds", f"{seconds}s", "--seed", str(seed)]
        subprocess.run([*command, "--json", str(path)], check=True, capture_output=True)
        (run,) = json.loads(path.read_text())["runs"]
    assert run["counts"]["right"] == run["counts"]["asked"], run["counts"]
    return {"per_s": run["per_s"], "p50": run["latency"]["p50"], "p95": run["latency"]["p95"]}


def by_mlperf(clip: Path, url: str, rate: float, seconds: float, seed: int) -> dict[str, float]:
    """The same by MLPerf's load generator, with 64 threads that post."""
    loadgen = importlib.import_module("mlperf_loadgen")

    body = clip.read_bytes()
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def post(client: httpx.Client) -> None:
        while (sample := work.get()) is not None:
            files = {"file": (clip.name, body, "audio/wav")}
            client.post(
                f"{url.rstrip('/')}/v1/audio/transcriptions",
                files=files,
                data={"model": "m", "response_format": "verbose_json"},
            ).raise_for_status()
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0)])

    # Made beforehand: a client takes ten milliseconds, which are not the server's.
    clients = [httpx.Client(timeout=60, verify=False) for _ in range(64)]
    for client in clients:
        client.get(url)
    threads = [threading.Thread(target=post, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    settings.min_duration_ms = int(seconds * 1000)
    settings.min_query_count = int(rate * seconds)
    settings.server_target_latency_ns = 10**10
    settings.schedule_rng_seed = seed

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            work.put(sample)

    sut = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(1, 1, lambda samples: None, lambda samples: None)
    with tempfile.TemporaryDirectory() as folder:
        log = loadgen.LogSettings()
        log.log_output.outdir = folder
        log.enable_trace = False
        loadgen.StartTestWithLogSettings(sut, library, settings, log)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    for _ in threads:
        work.put(None)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(sut)

    def figure(name: str) -> float:
        found = re.search(rf"{re.escape(name)}\s*:\s*([0-9.]+)", summary)
        assert found is not None, summary
        return float(found[1])

    return {
        "per_s": figure("Completed samples per second"),
        "p50": figure("50.00 percentile latency (ns)") / 1e6,
        "p95": figure("95.00 percentile latency (ns)") / 1e6,
    }


def main() -> None:
    """Both in turn, and how far they are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT / "tests",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    testers = {"safeasr bench": by_safeasr, "MLPerf": by_mlperf}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in testers}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        soundfile.write(clip, *soundfile.read(SPOKEN), subtype="PCM_16")
        for number in range(asked.rounds):
            for name, measure in testers.items():
                found[name].append(measure(clip, url, asked.rate, asked.seconds, number))
    server.kill()
    for figure in ("per_s", "p50", "p95"):
        medians = [statistics.median(one[figure] for one in found[name]) for name in testers]
        print(
            f"{figure}: {medians[0]:.2f} by safeasr bench, {medians[1]:.2f} by MLPerf's load "
            f"generator, {medians[0] / medians[1] - 1:+.1%}"
        )


if __name__ == "__main__":
    main()
