"""One copy of the weights, however many threads use them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.models import Shape, write_model_dir

#: 45 M parameters, 180 MB: enough to see a second copy beside torch's own memory.
MIDDLE = Shape(
    "middle",
    encoder={"output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": 10},
    decoder={"linear_units": 2048, "num_blocks": 3, "att_layer_num": 3, "attention_heads": 4},
)

MEASURE = """
import gc, sys, threading, warnings
warnings.simplefilter("ignore")
import psutil
import safeasr
from support.audio import speech
threads, path = int(sys.argv[1]), sys.argv[2]
clip = speech(2.0)
model = safeasr.AutoModel(model=path, num_workers=2, disable_pbar=True)

def work():
    for _ in range(64 // threads):
        assert model.generate(clip)[0]["text"]

for _ in range(2):  # the first round warms up
    running = [threading.Thread(target=work) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
gc.collect()
print(psutil.Process().memory_info().rss)
"""


def test_32_threads_need_no_more_memory_than_one(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    pytest.importorskip("psutil")
    pytest.importorskip("funasr", reason="funasr makes the model")
    from safeasr.export.exporter import open_bundle

    directory = write_model_dir(tmp_path / "middle", MIDDLE)
    size = (directory / "model.pt").stat().st_size
    assert size > 150e6
    open_bundle(directory)

    def resident(threads: int) -> int:
        done = run_python(MEASURE, threads, directory)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    one, many = resident(1), resident(32)
    if many > 1.15 * one:  # other processes may have disturbed it; a copy of weights comes again
        one, many = max(one, resident(1)), min(many, resident(32))
    print(f"resident: {one / 1e6:.0f} MB with one thread, {many / 1e6:.0f} MB with 32")
    assert many < 1.15 * one
    assert many < one + 0.5 * size
