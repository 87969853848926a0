"""Where processor time goes: `perf` for programs on torch, ONNX Runtime's own profiler for it.

    python -m benchmarks.peers.profile FAMILY MODEL_DIRECTORY EXPORTED PRECISION SAMPLES.npz

prints the shares of ONNX Runtime's operators as JSON. Its library has no symbols for `perf`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import TracebackType

#: Kinds of work, by shared object and symbol; the first that fits counts.
KINDS: tuple[tuple[str, str, str], ...] = (
    ("system", r"\[kernel|\[guest|vmlinux", r""),
    # oneDNN writes its kernels at run time: they have no file and no name.
    ("matrix products", r"\[JIT\]|//anon|\[unknown\]|perf-\d+\.map|memfd|jit-", r""),
    ("matrix products", r"", r"gemm|dnnl|brgemm|mkl_.*blas|mkl_dnn|\bmkl_|jit_"),
    ("attention", r"", r"(?i)attention|softmax"),
    ("FSMN", r"", r"(?i)fsmn|conv"),
    ("features", r"", r"(?i)fbank|filterbank|mel|fft|povey|knf"),
    ("norms", r"", r"(?i)layer_?norm|norm_kernel"),
    (
        "copies and sums",
        r"",
        r"(?i)copy|memcpy|memset|memmove|at::native|vectorized|TensorIterator",
    ),
    ("allocation", r"", r"(?i)malloc|free|calloc|alloc"),
    ("waiting", r"libgomp|libomp|libiomp", r""),
    ("waiting", r"", r"(?i)futex|sched_yield|cond_(timed)?wait|spin"),
    # Attention, 8 bit integers: what no name above says.
    ("own kernels", r"_ext\.", r""),
    ("Python", r"python", r""),
)
OPERATORS: tuple[tuple[str, str], ...] = (
    ("matrix products", r"MatMul|Gemm|Quantize"),
    ("attention", r"Softmax|Attention"),
    ("FSMN", r"Conv"),
    ("norms", r"LayerNorm|Normalization"),
    ("copies and sums", r"."),
)


def kind_of(shared_object: str, symbol: str) -> str:
    """The kind of work of one line of a profile."""
    for kind, place, name in KINDS:
        if re.search(place, shared_object) and re.search(name, symbol):
            return kind
    return "rest"


def shares(totals: Counter[str]) -> dict[str, float]:
    """Shares of the sum, the largest first."""
    whole = sum(totals.values())
    return {kind: round(value / whole, 4) for kind, value in totals.most_common()} if whole else {}


def read_report(text: str) -> dict[str, float]:
    """Shares by kind of ``perf report -t '|' -F overhead,dso,sym``."""
    totals: Counter[str] = Counter()
    for line in text.splitlines():
        parts = [part.strip() for part in line.split("|", 2)]
        if line.startswith("#") or len(parts) != 3 or not parts[0].endswith("%"):
            continue
        # Hundredths of a percent, as perf prints them: counters count whole things.
        totals[kind_of(parts[1], parts[2])] += round(float(parts[0].rstrip("%")) * 100)
    return shares(totals)


class Perf:
    """Records processes while the block runs; ``shares`` says afterwards what they did."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self.shares: dict[str, float] = {}

    @staticmethod
    def available() -> bool:
        """Whether there is a perf that may be used."""
        if shutil.which("perf") is None:
            return False
        test = ["perf", "record", "-q", "-o", "/dev/null", "true"]
        return subprocess.run(test, capture_output=True, check=False).returncode == 0

    def __enter__(self) -> Perf:
        self._file = tempfile.NamedTemporaryFile(suffix=".perf")
        pids = ",".join(map(str, self._pids))
        self._perf = subprocess.Popen(
            ["perf", "record", "-q", "-F", "199", "-o", self._file.name, "-p", pids],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._perf.send_signal(signal.SIGINT)
        self._perf.wait(60)
        report = subprocess.run(
            ["perf", "report", "-i", self._file.name, "--stdio", "--no-children", "-t", "|",
             "-F", "overhead,dso,sym"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self._file.close()
        self.shares = read_report(report.stdout)


def onnx_shares(
    family: str, directory: str, exported: str, precision: str, samples: str
) -> dict[str, float]:
    """Shares of ONNX Runtime's operators on the utterances, in batches of eight."""
    import numpy as np

    from benchmarks.peers.adapters import Files
    from benchmarks.peers.adapters_onnx import OnnxRuntime
    from benchmarks.peers.setups import Setup

    with tempfile.TemporaryDirectory() as folder, np.load(samples) as arrays:
        prefix = str(Path(folder) / "ort")
        files = Files(family, Path(directory), Path(exported))
        runner = OnnxRuntime(files, Setup("onnxruntime", precision), profile=prefix)
        audio = sorted((arrays[name] for name in arrays), key=len)
        for start in range(0, len(audio), 8):
            runner.transcribe(audio[start : start + 8])
        events = json.loads(Path(runner.end_profile()).read_text(encoding="utf-8"))
    totals: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            operator = event["args"]["op_name"]
            kind = next(kind for kind, name in OPERATORS if re.search(name, operator))
            totals[kind] += event["dur"]
    return shares(totals)


if __name__ == "__main__":
    print(json.dumps(onnx_shares(*sys.argv[1:6])))
