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
threads, batch, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
clip = speech(2.0)
model = safeasr.AutoModel(model=path, num_workers=2, disable_pbar=True, max_batch_size=batch)
# As many clips at a time as there are callers otherwise: the batches are alike.
clips = [clip] * (32 // threads if batch > 1 else 1)

def work():
    for _ in range(64 // threads // len(clips)):
        assert all(result["text"] for result in model.generate(clips))

for _ in range(2):  # the first round warms up
    running = [threading.Thread(target=work) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
gc.collect()
print(psutil.Process().memory_info().rss)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("psutil")
    pytest.importorskip("funasr", reason="funasr makes the model")
    from safeasr.loading.export import open_bundle

    out = write_model_dir(tmp_path_factory.mktemp("middle"), MIDDLE)
    open_bundle(out)
    return out


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.slow
def test_32_threads_need_no_more_memory_than_one(
    directory: Path, run_python: Callable[..., subprocess.CompletedProcess[str]], batch: int
) -> None:
    """Batches need memory of their own, so they are the same on both sides."""
    weights = (directory / "model.pt").stat().st_size
    assert weights > 150e6

    def resident(threads: int) -> int:
        done = run_python(MEASURE, threads, batch, directory)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    one, many = resident(1), resident(32)
    if many > 1.15 * one:  # malloc may have been unlucky once; a copy of weights comes again
        one, many = max(one, resident(1)), min(many, resident(32))
    print(f"resident: {one / 1e6:.0f} MB with one thread, {many / 1e6:.0f} MB with 32")
    assert many < 1.15 * one
    assert many < one + 0.5 * weights, "there is a second copy of the weights"
